"""The share of disagreements among the series that a student answers alone, exactly bounded.

Why the ranks are fixed in advance
----------------------------------
The risk ``P(student != teacher | U < t)`` may rise and fall with t, so the argument of
:mod:`tsdistill.swap.risk` fails: a data threshold beyond the first bad one may be good again, and
which of them is tested first is left to chance. Here a few *ranks* m are fixed before the data are
seen, and t is the (m + 1)-th smallest uncertainty, infinite for m = n. Given t and which series lie
below it, these series are independent draws of the series with ``U < t``, since the condition does
not look below t any further. Hence the number of disagreements among them is
``Bin(number below t, risk)``, and the exact binomial test is valid however t came about.

Equal uncertainties share their fate: only the series strictly below t count and are answered, which
may be fewer than m. (To take all those equal to the m-th would not be exact: that the m-th is
among them limits how many lie below it, so the mixture of both is not the one to be expected.)

With J ranks each test has the level ``error / J``. The promise is broken only if the test of a
rank whose risk is above the limit rejects; by the union bound that has at most the probability
``error``, whichever of the ranks is chosen, so the largest that passes is taken. The exact upper
bounds at the level ``1 - error / J`` hold for all ranks at once, so that of the chosen one is
guaranteed too.

Ranks at which no test could pass would cost the others their level. So the lowest rank is the
smallest number of series with which a test at the level ``error / J`` can pass, or a tenth of all
if that is more; neighbours are at least a tenth of the series apart, and J, at most 10, is as
large as that allows. For very few series J = 1: all are answered, or none.
"""

import numpy as np

from tsdistill.swap.risk import ANSWER_ALL, rejects, series_needed

MOST_RANKS = 10


def calibration_ranks(n_instances, limit, confidence):
    """How many of the least uncertain series are tested; depends on their number alone.

    Parameters
    ----------
    n_instances : int
    limit, confidence : float in (0, 1)

    Returns
    -------
    ranks : ndarray of shape (n_ranks,), int64
        In ascending order; the last is ``n_instances``.

    Examples
    --------
    >>> calibration_ranks(300, 0.05, 0.95).tolist()
    [97, 131, 165, 199, 233, 267, 300]
    >>> calibration_ranks(70, 0.05, 0.95).tolist()
    [70]
    """
    for n_ranks in range(MOST_RANKS, 1, -1):
        needed = series_needed(limit, each_of(n_ranks, confidence))
        lowest = max(MOST_RANKS * needed, n_instances)  # in tenths of a series, which are whole
        if lowest + (n_ranks - 1) * n_instances <= MOST_RANKS * n_instances:
            ranks = np.linspace(lowest / MOST_RANKS, n_instances, n_ranks)
            return np.ceil(ranks - 1e-6).astype(np.int64)  # 3 may be 3.0000000000000004
    return np.array([n_instances], dtype=np.int64)


def each_of(n_parts, confidence):
    """The confidence of each of several statements that all hold with ``confidence``."""
    return 1 - (1 - confidence) / n_parts


def largest_answered(uncertainty, differs, limit, confidence, most=ANSWER_ALL):
    """The largest uncertainty up to which the answered series differ rarely enough.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_instances,)
        Infinite for a series without a prediction, which is never answered.
    differs : ndarray of shape (n_instances,), bool
        Whether the teacher predicts another class.
    limit : float in (0, 1)
        Largest share of disagreements among the series that the student answers alone.
    confidence : float in (0, 1)
    most : float, default=1
        The largest value of uncertainty that other promises allow.

    Returns
    -------
    largest : float
        Just below one of the values of uncertainty; 1 if the student may answer all series, minus
        infinity if it may answer none.

    Examples
    --------
    >>> uncertainty = np.linspace(0, 0.5, 301)
    >>> largest = largest_answered(uncertainty, uncertainty > 0.3, 0.05, 0.95)
    >>> int((uncertainty <= largest).sum())
    165
    """
    ranks = calibration_ranks(len(uncertainty), limit, confidence)
    order = np.argsort(uncertainty, kind="stable")
    ascending, n_differ = uncertainty[order], np.cumsum(differs[order])
    above = np.append(ascending, np.inf)[ranks]  # the (m + 1)-th value
    n_below = np.searchsorted(ascending, above)  # those equal to it do not count
    n_wrong = np.append(0, n_differ)[n_below]
    passes = rejects(n_wrong, n_below, limit, each_of(len(ranks), confidence))
    passes &= n_below <= np.searchsorted(ascending, most, side="right")
    if not passes.any():
        return -np.inf
    chosen = above[np.flatnonzero(passes)[-1]]
    return ANSWER_ALL if np.isinf(chosen) else float(np.nextafter(chosen, -np.inf))
