"""Intervals: what measured values tell of all series that might come."""

from operator import index

import numpy as np
from scipy.stats import binomtest, bootstrap

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_count, check_share
from tsdistill.inputs.random_state import generator

VALUES_A_BLOCK = 2**22


def clopper_pearson(n_successes, n_instances, confidence=0.95):
    """Exact interval of a share.

    Parameters
    ----------
    n_successes, n_instances : int
    confidence : float in (0, 1), default=0.95

    Returns
    -------
    low, high : float in [0, 1]
        Cover the true share with at least that probability, whatever it is.

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
            f"n_successes={n_successes!r} of n_instances={n_instances!r}; expected a count from 0 "
            "to n_instances, and that 1 or more (a share is not a count)."
        )
    found = binomtest(*counts).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)


def bootstrap_interval(statistic, *columns, confidence=0.95, n_resamples=1000, random_state=0):
    """Percentile interval of a statistic over resampled series.

    Parameters
    ----------
    statistic : callable
        From arrays, one for each of columns, and the keyword ``axis`` to the statistic along that
        axis, such as ``numpy.mean`` of what the ``per_series_`` functions of this package give.
    *columns : ndarray of shape (n_instances,)
        Values of the same series, resampled together.
    confidence : float in (0, 1), default=0.95
    n_resamples : int, default=1000
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=0

    Returns
    -------
    low, high : float
        Of few series, or of a rare event among them, such an interval is too narrow; of one
        series there is none, and both are NaN.

    References
    ----------
    Efron: Better bootstrap confidence intervals. JASA 82, 1987.
    """
    check_share("confidence", confidence)
    check_count("n_resamples", n_resamples)
    columns = [np.asarray(column) for column in columns]
    shapes = [column.shape for column in columns]
    if not columns or len(set(shapes)) > 1 or columns[0].ndim != 1 or not columns[0].size:
        raise ParameterError(
            f"columns have shapes {shapes}; expected one or more of the same shape (n_instances,)."
        )
    if any(column.dtype.kind == "f" and not np.isfinite(column).all() for column in columns):
        raise ParameterError("columns hold NaN or infinity; leave those series out of all.")
    if len(columns[0]) < 2:
        return float("nan"), float("nan")
    found = bootstrap(
        columns,
        statistic,
        n_resamples=n_resamples,
        batch=max(1, VALUES_A_BLOCK // len(columns[0])),
        vectorized=True,
        paired=len(columns) > 1,
        confidence_level=confidence,
        method="percentile",
        rng=generator(random_state),
    ).confidence_interval
    return float(found.low), float(found.high)
