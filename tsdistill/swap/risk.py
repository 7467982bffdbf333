"""The risk of letting a student answer alone: fixed-sequence testing, exact binomial bounds.

The notes of :class:`tsdistill.DeferringClassifier` say what is tested.
"""

import math

import numpy as np
from scipy.stats import beta, binom

ANSWER_ALL = 1.0  # no uncertainty of a prediction is larger
BEYOND_ALL = 2.0  # above the uncertainty of any series with an answer


def series_needed(max_disagreement, confidence):
    """How many series a guarantee needs if the two models never differ among them.

    Parameters
    ----------
    max_disagreement, confidence : float in (0, 1)

    Returns
    -------
    n_instances : int
        The smallest n with ``(1 - max_disagreement)^n <= 1 - confidence``.

    Examples
    --------
    >>> series_needed(0.01, 0.95)
    299
    """
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-max_disagreement)))
    return n if binom.cdf(0, n, max_disagreement) <= 1 - confidence else n + 1


def smallest_disagreement(n_instances, confidence):
    """The smallest ``max_disagreement`` that series can promise if the two models never differ.

    Rounded up to three digits, so that :func:`series_needed` is at most the number given.

    Examples
    --------
    >>> smallest_disagreement(100, 0.95)
    0.0296
    """
    exact = -math.expm1(math.log1p(-confidence) / n_instances)
    unit = 10.0 ** (math.floor(math.log10(exact)) - 2)
    return float(f"{math.ceil(exact / unit) * unit:.3g}")


def risk_curve(uncertainty, differs, confidence):
    """Cost and risk for every threshold of the student's uncertainty.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_instances,)
        Sum of the probabilities of all classes but the predicted one; infinite without a
        prediction.
    differs : ndarray of shape (n_instances,), bool
        Whether the teacher predicts another class.
    confidence : float in (0, 1)

    Returns
    -------
    thresholds : ndarray of shape (n_thresholds,)
        The different values of uncertainty, in ascending order.
    n_differ : ndarray of shape (n_thresholds,), int64
        Disagreements among the series up to each threshold.
    curve : dict of str to ndarray of shape (n_thresholds,)
        See :attr:`tsdistill.DeferringClassifier.curve_`.
    """
    n = len(uncertainty)
    order = np.argsort(uncertainty, kind="stable")
    ascending = np.minimum(uncertainty[order], BEYOND_ALL)  # so that infinite values are equal
    last = np.append(ascending[1:] != ascending[:-1], True)  # equal values share a threshold
    n_differ = np.cumsum(differs[order])[last]
    thresholds, n_alone = ascending[last], np.flatnonzero(last) + 1
    curve = {
        "threshold": 1 - thresholds,
        "deferral_rate": 1 - n_alone / n,
        "disagreement": n_differ / n,
        "bound": upper_bound(n_differ, n, confidence),
    }
    return thresholds, n_differ, curve


def largest_uncertainty(uncertainty, differs, max_disagreement, confidence):
    """The largest uncertainty with which a student may still answer alone.

    Parameters
    ----------
    uncertainty, differs, confidence
        See :func:`risk_curve`.
    max_disagreement : float in (0, 1)

    Returns
    -------
    largest : float
        One of the values of uncertainty; 1 if the student may answer all series, minus infinity
        if it may answer none.
    curve : dict of str to ndarray of shape (n_thresholds,)
        See :attr:`tsdistill.DeferringClassifier.curve_`.
    """
    thresholds, n_differ, curve = risk_curve(uncertainty, differs, confidence)
    passes = binom.cdf(n_differ, len(uncertainty), max_disagreement) <= 1 - confidence
    if passes.all():
        return ANSWER_ALL, curve
    n_passed = int(passes.argmin())
    return (float(thresholds[n_passed - 1]) if n_passed else -np.inf), curve


def upper_bound(n_differ, n_instances, confidence):
    """Exact one-sided upper bound of a share, the largest that a binomial test does not reject."""
    n_differ = np.asarray(n_differ)
    return beta.ppf(confidence, n_differ + 1, np.maximum(n_instances - n_differ, 1e-300))
