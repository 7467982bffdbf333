"""Bounds of means that hold for any distribution and any number of series, by betting.

A sceptic who believes that the mean of values in [0, 1] is m at most bets a share c of a capital
of 1 against it, once for each value x. The capital becomes ``prod_i (1 - c + c x_i / m)``, whose
expectation is 1 at most if the sceptic is right. By Markov's inequality it then exceeds
``1 / (1 - confidence)`` with a probability of ``1 - confidence`` at most, so every m for which it
does is rejected. The capital is spread over several shares, from large ones, good where values
hardly vary, to small ones, of the order of ``1 / sqrt(n)``. It does not depend on the order of the
values.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.calibration import bins_of
from tsdistill.inputs.checks import check_share, is_number, shown
from tsdistill.inputs.plain import as_real
from tsdistill.inputs.types import BoolArray, FloatArray

LARGEST_BET = 0.99
SMALLEST_LOG_MEAN = -690.0


def betting_interval(
    values: ArrayLike, lowest: float = 0.0, highest: float = 1.0, confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of a mean of values that have known limits.

    Parameters
    ----------
    values : array-like of shape (n_instances,)
        Such as a ``per_series_`` function of this package gives.
    lowest : float, default=0.0
        No value can be smaller, such as -1 for correlations. The wider the limits are, the wider
        is the interval.
    highest : float, default=1.0
        No value can be larger.
    confidence : float, default=0.95
        Probability, between 0 and 1, with which the interval encloses the true mean at least,
        whatever the distribution.

    Returns
    -------
    low : float
        Lower end of the interval.
    high : float
        Upper end of the interval.

    Raises
    ------
    ParameterError
        If values are not finite numbers between the limits.

    See Also
    --------
    bootstrap_interval : A narrower interval, which holds for many series only.
    clopper_pearson : The exact interval of a share, whose values are 0 and 1 alone.

    References
    ----------
    Waudby-Smith, Ramdas: Estimating means of bounded random variables by betting. JRSS B 86, 2024,
    arXiv 2010.09686. The shares are mixed as in Orabona, Jun: Tight concentrations and confidence
    sequences from the regret of universal portfolio, arXiv 2110.14099.

    Examples
    --------
    >>> from tsdistill.fidelity import betting_interval
    >>> low, high = betting_interval([0.9, 0.8, 1.0, 0.9] * 50, lowest=-1)
    >>> round(low, 2), round(high, 2)
    (0.86, 0.92)
    """
    check_share("confidence", confidence)
    values = as_real(values, "values")
    limits = lowest, highest
    if not all(map(is_number, limits)) or not 0 < float(highest) - float(lowest) < np.inf:
        raise ParameterError(
            f"lowest={shown(lowest)} and highest={shown(highest)}; expected two numbers, the "
            "smaller one first. Their difference must be finite."
        )
    if values.ndim != 1 or not len(values) or not (values >= lowest).all():
        raise ParameterError(
            f"values have shape {values.shape} and are not all {lowest:g} or more; expected at "
            "least one value, of shape (n_instances,), and no NaN."
        )
    if not (values <= highest).all():
        raise ParameterError(f"values are not all {highest:g} at most: {values.max():g} is not.")
    return mean_bounds(values, lowest, highest, (1 + confidence) / 2)


def mean_bounds(
    values: FloatArray, lowest: float, highest: float, confidence: float, times: float = 1.0
) -> tuple[float, float]:
    """A lower and an upper bound of a mean, each of which holds with probability ``confidence``.

    Parameters
    ----------
    values : ndarray of shape (n_instances,)
        From ``lowest`` to ``highest``; those that rounding put beyond count as the nearer one.
    lowest, highest : float
    confidence : float in (0, 1)
    times : float, default=1
        How often to count each value: the bounds that so many times as many series would give.

    Returns
    -------
    low, high : float
    """
    width = highest - lowest
    share = np.clip((values - lowest) / width, 0.0, 1.0)
    low = lowest + width * _lower_bound(share, confidence, times)
    high = highest - width * _lower_bound(1 - share, confidence, times)
    return float(low), float(high)


def calibration_bounds(
    confidence_of: FloatArray,
    success: BoolArray,
    n_classes: int,
    confidence: float,
    times: float = 1.0,
    n_bins: int = 10,
) -> tuple[float, float]:
    """Bounds of the calibration error, each of which holds with probability ``confidence``.

    Parameters
    ----------
    confidence_of, success : ndarray of shape (n_instances,)
        See :func:`tsdistill.fidelity.calibration.calibration_error`.
    n_classes : int
        No model is less sure of its prediction than ``1 / n_classes``.
    confidence, times
        See :func:`mean_bounds`.
    n_bins : int, default=10

    Returns
    -------
    low, high : float in [0, 1]

    Notes
    -----
    With a sign for each bin, the calibration error is the largest mean, over all choices of signs,
    of ``sign of the bin * (success - confidence)``. The true error is the mean for one choice that
    the data do not decide, so the largest upper bound over all choices needs no correction. The
    lower bound is the largest of one lower bound for each choice, which share the probability of
    an error.
    """
    gap = np.where(success, 1.0, 0.0) - confidence_of
    bins = bins_of(confidence_of, n_bins)
    shares, weights = _bets(times * len(gap))
    members = [gap[bins == b] for b in np.unique(bins)]
    choices = np.array(list(product((0, 1), repeat=len(members))))

    def log_wealth(log_mean: float) -> FloatArray:
        gains = np.array(
            [[_log_gain((1 + s * g) / 2, log_mean, shares) for s in (-1, 1)] for g in members]
        )
        of_choices = gains[np.arange(len(members)), choices].sum(axis=1)
        wealth: FloatArray = logsumexp(np.log(weights) + times * of_choices, axis=1)
        return wealth

    top = np.log((1 + sum(abs(g.sum()) for g in members) / len(gap)) / 2)
    possible = n_bins - int(bins_of(np.array([1 / n_classes]), n_bins)[0])
    alpha = 1 - confidence
    low = _crossing(lambda m: log_wealth(m).max(), np.log(2**possible / alpha), top)
    high = _crossing(lambda m: log_wealth(m).min(), -np.log(alpha), top)
    return max(0.0, 2 * low - 1), 1 - 2 * high


def _lower_bound(values: FloatArray, confidence: float, times: float) -> float:
    """Lower bound of the mean of values in [0, 1]."""
    mean = values.mean()
    if mean == 0:
        return 0.0
    shares, weights = _bets(times * len(values))

    def log_wealth(log_mean: float) -> float:
        return float(logsumexp(np.log(weights) + times * _log_gain(values, log_mean, shares)))

    return _crossing(log_wealth, -np.log1p(-confidence), np.log(mean))


def _bets(n_instances: float) -> tuple[FloatArray, FloatArray]:
    """Shares of the capital that are bet each time, and how the capital is spread over them."""
    n_shares = 1 + int(np.ceil(np.log2(4 * np.sqrt(n_instances))))
    weights: FloatArray = 1 / np.arange(1, n_shares + 1)
    shares = LARGEST_BET * 0.5 ** np.arange(n_shares, dtype=np.float64)
    return shares, weights / weights.sum()


def _log_gain(values: FloatArray, log_mean: float, shares: FloatArray) -> FloatArray:
    """Log of the capital after all values, for each share; against a mean in [0, 1]."""
    odds = values * np.exp(-log_mean) - 1
    gains: FloatArray = np.log1p(shares[:, np.newaxis] * odds).sum(axis=1)
    return gains


def _crossing(log_wealth: Callable[[float], float], level: float, top: float) -> float:
    """The mean at which the capital, which falls with the mean, is at the level; 0 if it is less.

    At the mean whose log is ``top`` it is below the level.
    """
    if log_wealth(SMALLEST_LOG_MEAN) < level:
        return 0.0
    log_mean = brentq(lambda m: log_wealth(m) - level, SMALLEST_LOG_MEAN, top)
    return float(np.exp(log_mean))
