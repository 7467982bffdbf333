"""How far a student may answer alone: fixed-sequence testing with exact binomial bounds.

The notes of :class:`tsdistill.DeferringClassifier` say what is tested.
"""

import math

import numpy as np
from scipy.stats import beta, binom

NEVER = 2.0  # a doubt beyond all others


def series_needed(max_disagreement, confidence):
    """How many series a promise takes if the two models never differ among them.

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
    n = max(1, math.ceil(math.log(1 - confidence) / math.log1p(-max_disagreement)))
    return n if binom.cdf(0, n, max_disagreement) <= 1 - confidence else n + 1


def largest_doubt(doubt, differs, max_disagreement, confidence):
    """The largest doubt at which a student may still answer alone.

    Parameters
    ----------
    doubt : ndarray of shape (n_instances,)
        One minus the probability of each prediction.
    differs : ndarray of shape (n_instances,), bool
        Whether the teacher predicts something else.
    max_disagreement, confidence : float in (0, 1)

    Returns
    -------
    largest : float
        A doubt that was seen; 1 where all series may be answered, -1 where none.
    curve : dict of str to ndarray of shape (n_thresholds,)
        As :attr:`DeferringClassifier.curve_`.
    """
    n = len(doubt)
    order = np.argsort(doubt, kind="stable")
    doubts = np.minimum(doubt[order], NEVER)  # infinite ones are equal
    last = np.append(doubts[1:] != doubts[:-1], True)  # equal doubts are answered together
    n_differ = np.cumsum(differs[order])[last]
    doubts, n_alone = doubts[last], np.flatnonzero(last) + 1
    passes = binom.cdf(n_differ, n, max_disagreement) <= 1 - confidence
    n_passed = len(passes) if passes.all() else int(passes.argmin())
    curve = {
        "threshold": 1 - doubts,
        "deferral_rate": 1 - n_alone / n,
        "disagreement": n_differ / n,
        "bound": upper_bound(n_differ, n, confidence),
    }
    if n_passed == len(passes):
        return 1.0, curve
    return (float(doubts[n_passed - 1]) if n_passed else -1.0), curve


def upper_bound(n_differ, n_instances, confidence):
    """Exact one-sided upper bound of a share; the lowest that a binomial test does not reject."""
    n_differ = np.asarray(n_differ)
    return beta.ppf(confidence, n_differ + 1, np.maximum(n_instances - n_differ, 1e-300))
