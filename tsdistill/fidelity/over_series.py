"""Statistics over the series of a set, where NaN stands for a timestep that a series lacks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as students_t

from tsdistill.exceptions import ParameterError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class MeanInterval(NamedTuple):
    """A mean over series, and the bounds of its t interval, as arrays of one shape."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


def check_no_infinity(name: str, maps: FloatArray) -> None:
    """Refuse maps with infinite values, which have no correlation and no order."""
    if np.isinf(maps).any():
        raise ParameterError(
            f"{name} has infinity in {np.isinf(maps).sum()} places; expected none. An infinite "
            "logit or gradient of the model is the usual cause."
        )


def mean_interval(values: FloatArray, confidence: float) -> MeanInterval:
    """Mean over series, with a t interval, of what is not NaN.

    Parameters
    ----------
    values : ndarray of shape (n_instances, ...)
    confidence : float in (0, 1)

    Returns
    -------
    mean, low, high : ndarray of shape (...)
        The mean is NaN where no series has a value, the bounds where fewer than two have one.

    Notes
    -----
    With n values of standard deviation s (with n - 1 degrees of freedom) and mean m::

        m -+ t_{n-1} * s / sqrt(n)

    where t_{n-1} is the quantile of Student's distribution. Unlike a bootstrap of few series, it is
    not too narrow, and it needs no random numbers.

    Examples
    --------
    >>> [round(float(value), 2) for value in mean_interval(np.array([1.0, 2.0, 3.0]), 0.95)]
    [2.0, -0.48, 4.48]
    """
    present = ~np.isnan(values)
    _, exponent = np.frexp(np.where(present, np.abs(values), 0).max(axis=0))
    values = np.ldexp(values, -exponent)  # exact, so that neither sums nor squares overflow
    count = present.sum(axis=0)
    total = np.where(present, values, 0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    squares = (np.where(present, values - mean, 0) ** 2).sum(axis=0)
    several = count > 1
    variance = np.divide(squares, count - 1, out=np.full(count.shape, np.nan), where=several)
    quantile = students_t.ppf((1 + confidence) / 2, count - 1)
    half = quantile * np.sqrt(variance / count)  # NaN where there are fewer than two values
    return MeanInterval(*(np.ldexp(part, exponent) for part in (mean, mean - half, mean + half)))


def quantiles(values: FloatArray, levels: tuple[float, float]) -> FloatArray:
    """Quantiles over series of what is not NaN; NaN where no series has a value.

    Parameters
    ----------
    values : ndarray of shape (n_instances, ...)
    levels : tuple of two floats in (0, 1)

    Returns
    -------
    quantiles : ndarray of shape (2, ...)
    """
    if not np.isnan(values).any():
        found: FloatArray = np.quantile(values, levels, axis=0)
        return found
    found = np.full((2, *values.shape[1:]), np.nan)
    somewhere = ~np.isnan(values).all(axis=0)
    found[:, somewhere] = np.nanquantile(values[:, somewhere], levels, axis=0)
    return found


def shares(maps: FloatArray) -> FloatArray:
    """Share of a series' absolute saliency that lies at each timestep of each channel.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_channels, n_timepoints)
        NaN where a series has no timestep.

    Returns
    -------
    shares : ndarray of the same shape
        They add up to 1 for each series; 0 where it has no timestep. NaN for a series whose map is
        0 everywhere.

    Examples
    --------
    >>> shares(np.array([[[-1.0, 3.0, np.nan]]])).tolist()
    [[[0.25, 0.75, 0.0]]]
    """
    size = np.nan_to_num(np.abs(maps))
    _, exponent = np.frexp(size.max(axis=(1, 2), keepdims=True))
    size = np.ldexp(size, -exponent)  # exact, so that no sum overflows
    total = size.sum(axis=(1, 2), keepdims=True)
    found: FloatArray = np.divide(size, total, out=np.full(size.shape, np.nan), where=total > 0)
    return found
