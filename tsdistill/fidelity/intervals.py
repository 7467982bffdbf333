"""Confidence intervals of measures over series."""

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import bootstrap

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_count, check_share
from tsdistill.inputs.plain import as_array
from tsdistill.inputs.random_state import generator
from tsdistill.inputs.types import RandomSource
from tsdistill.numerics.beta import beta_quantile

VALUES_A_BLOCK = 2**22


def clopper_pearson(
    n_successes: int, n_instances: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Exact confidence interval of a share.

    Parameters
    ----------
    n_successes : int
        How often it happened.
    n_instances : int
        How often it could have happened, 1 or more.
    confidence : float, default=0.95
        Probability, between 0 and 1, with which the interval encloses the true share at least,
        whatever it is.

    Returns
    -------
    low : float
        Lower end of the interval.
    high : float
        Upper end of the interval.

    See Also
    --------
    betting_interval : Interval of a mean of values that are not only 0 and 1.
    bootstrap_interval : Interval of any other statistic.

    References
    ----------
    Clopper, Pearson: The use of confidence or fiducial limits illustrated in the case of the
    binomial. Biometrika 26, 1934.

    Examples
    --------
    >>> from tsdistill.fidelity import clopper_pearson
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
    k, n = map(float, counts)
    tail = (1 - float(confidence)) / 2
    low = beta_quantile(tail, k, n - k + 1) if k > 0 else 0.0
    high = beta_quantile(tail, k + 1, n - k, upper=True) if k < n else 1.0
    return float(low), float(high)


def bootstrap_interval(
    statistic: Callable[..., Any],
    *columns: ArrayLike,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: RandomSource = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic over resampled series.

    It is too narrow for few series, and for events that are rare among them.

    Parameters
    ----------
    statistic : callable
        Takes one array for each of the columns, and the keyword ``axis``; such as
        ``numpy.mean``, for the values of a ``per_series_`` function of this package.
    *columns : array-like of shape (n_instances,)
        Values of the same series, resampled together.
    confidence : float, default=0.95
        Share of the resampled statistics, between 0 and 1, that the interval encloses.
    n_resamples : int, default=1000
        Number of resamples, 2 or more.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=0
        Source of the resamples.

    Returns
    -------
    low : float
        Lower end of the interval; NaN for a single series.
    high : float
        Upper end of the interval; NaN for a single series.

    See Also
    --------
    betting_interval : Interval of a mean that holds for any number of series.
    clopper_pearson : The exact interval of a share.

    References
    ----------
    Efron: Better bootstrap confidence intervals. JASA 82, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import bootstrap_interval
    >>> low, high = bootstrap_interval(np.mean, np.arange(100) / 100)
    >>> low < 0.495 < high
    True
    """
    check_share("confidence", confidence)
    check_count("n_resamples", n_resamples, least=2)
    values = [as_array(column, "columns") for column in columns]
    shapes = [column.shape for column in values]
    if not values or len(set(shapes)) > 1 or values[0].ndim != 1 or not values[0].size:
        raise ParameterError(
            f"columns have shapes {shapes}; expected at least one array, all of the same shape "
            "(n_instances,) and not empty."
        )
    if any(column.dtype.kind not in "biuf" for column in values):
        raise ParameterError(
            f"columns hold values of type {[str(column.dtype) for column in values]}; expected "
            "real numbers."
        )
    if any(column.dtype.kind == "f" and not np.isfinite(column).all() for column in values):
        raise ParameterError(
            "columns hold NaN or infinity; leave those series out of every column."
        )
    if len(values[0]) < 2:
        return float("nan"), float("nan")

    def as_float(*resampled: Any, axis: int) -> Any:  # SciPy takes no quantiles of integers
        return np.asarray(statistic(*resampled, axis=axis), dtype=np.float64)

    interval = bootstrap(
        values,
        as_float,
        n_resamples=int(n_resamples),
        batch=max(1, VALUES_A_BLOCK // len(values[0])),
        paired=True,
        confidence_level=float(confidence),
        method="percentile",
        rng=generator(random_state),
    ).confidence_interval
    low, high = sorted((float(interval.low), float(interval.high)))  # equal ones may be rounded
    return low, high
