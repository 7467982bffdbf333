"""Confidence intervals of measures over series."""

from operator import index

import numpy as np
from scipy.stats import binomtest, bootstrap

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_count, check_share
from tsdistill.inputs.plain import as_plain
from tsdistill.inputs.random_state import generator

VALUES_A_BLOCK = 2**22


def clopper_pearson(n_successes, n_instances, confidence=0.95):
    """Exact confidence interval of a share.

    Parameters
    ----------
    n_successes, n_instances : int
    confidence : float in (0, 1), default=0.95

    Returns
    -------
    low, high : float in [0, 1]
        They enclose the true share, whatever it is, with at least the probability ``confidence``.

    References
    ----------
    Clopper, Pearson: The use of confidence or fiducial limits illustrated in the case of the
    binomial. Biometrika 26, 1934.

    Examples
    --------
    >>> low, high = clopper_pearson(98, 100)
    >>> round(low, 3), round(high, 3)
    (0.93, 0.998)
    """
    check_share("confidence", confidence)
    try:
        counts = index(n_successes), index(n_instances)
    except TypeError:
        counts = (0, 0)
    if not 0 <= counts[0] <= counts[1] or counts[1] < 1:
        raise ParameterError(
            f"n_successes={n_successes!r} of n_instances={n_instances!r}; expected whole numbers, "
            "n_successes from 0 to n_instances, and n_instances of 1 or more. Pass a count, not a "
            "share."
        )
    interval = binomtest(*counts).proportion_ci(float(confidence), method="exact")
    return float(interval.low), float(interval.high)


def bootstrap_interval(statistic, *columns, confidence=0.95, n_resamples=1000, random_state=0):
    """Percentile interval of a statistic over resampled series.

    Parameters
    ----------
    statistic : callable
        Takes one array for each of the columns, and the keyword ``axis``; such as
        ``numpy.mean``, for the values of a ``per_series_`` function of this package.
    *columns : ndarray of shape (n_instances,)
        Values of the same series, resampled together.
    confidence : float in (0, 1), default=0.95
    n_resamples : int, default=1000
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=0

    Returns
    -------
    low, high : float
        NaN for a single series. The interval is too narrow for few series, and for events that
        are rare among them.

    References
    ----------
    Efron: Better bootstrap confidence intervals. JASA 82, 1987.
    """
    check_share("confidence", confidence)
    check_count("n_resamples", n_resamples, least=2)
    columns = [np.asarray(as_plain(column, "columns")) for column in columns]
    shapes = [column.shape for column in columns]
    if not columns or len(set(shapes)) > 1 or columns[0].ndim != 1 or not columns[0].size:
        raise ParameterError(
            f"columns have shapes {shapes}; expected at least one array, all of the same shape "
            "(n_instances,) and not empty."
        )
    if any(column.dtype.kind not in "biuf" for column in columns):
        raise ParameterError(
            f"columns hold values of type {[str(column.dtype) for column in columns]}; expected "
            "real numbers."
        )
    if any(column.dtype.kind == "f" and not np.isfinite(column).all() for column in columns):
        raise ParameterError(
            "columns hold NaN or infinity; leave those series out of every column."
        )
    if len(columns[0]) < 2:
        return float("nan"), float("nan")
    interval = bootstrap(
        columns,
        statistic,
        n_resamples=int(n_resamples),
        batch=max(1, VALUES_A_BLOCK // len(columns[0])),
        vectorized=True,
        paired=len(columns) > 1,
        confidence_level=float(confidence),
        method="percentile",
        rng=generator(random_state),
    ).confidence_interval
    return float(interval.low), float(interval.high)
