"""The risk of letting a student answer alone: exact tests of shares that can only grow.

Why the thresholds may come from the series that are tested
------------------------------------------------------------
A student answers alone if its uncertainty U is at most u. A *risk* is the share of its members (all
series, or those of one class of the teacher) that are answered alone and show an event::

    R(u) = P(U <= u and event | member)

Let k(u) of the n members among the calibration series be answered alone and show the event. For
any u fixed in advance, k(u) ~ Bin(n, R(u)), given which series are members. The exact binomial test
(Clopper and Pearson) rejects ``R(u) > limit`` at the level ``error = 1 - confidence`` if::

    sum_{j <= k(u)} binom(n, j) limit^j (1 - limit)^(n - j) <= error

R grows with u, so the thresholds with ``R(u) > limit`` are an upper ray; let v be its lower end. k
grows with u too: if the test rejects at some u, it rejects at every smaller one. Whatever u the
data choose among those at which the test rejects (fixed-sequence testing; Angelopoulos et al.:
Learn then Test, arXiv 2110.01052), u can only lie in the ray if the test rejects at v, or where v
is not in the ray itself, at some point of the ray however close to v. That is one test of a true
hypothesis, at a point that the data did not choose: its probability is at most ``error``.

**Several risks at once** need no correction. Let every test reject at u, each at the full level
(intersection-union test; Berger: Multiparameter hypothesis testing and acceptance sampling.
Technometrics 24, 1982). "Some risk is above its limit" holds on the union of the rays, which is the
longest one of them; for u to lie in it, the test of that one risk must have rejected at its lower
end. So all limits hold together with the probability ``confidence``. For the classes of the teacher
the argument is made given its answers, which fix the number of series of each class.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from tsdistill.inputs.types import BoolArray, FloatArray
from tsdistill.numerics.beta import beta_quantile

ANSWER_ALL = 1.0  # no uncertainty of a prediction is larger
BEYOND_ALL = 2.0  # above the uncertainty of any series with an answer


@dataclass(frozen=True)
class Risk:
    """A share of series that is to stay below a limit, and what calibration series say of it.

    Attributes
    ----------
    events : ndarray of shape (n_instances,), bool
        For which series it would be wrong that the student answers alone. A series that is no
        member has no event.
    n_members : int
        Number of series of which the share is taken.
    limit : float in (0, 1)
    """

    events: np.ndarray
    n_members: int
    limit: float


def rejects(n_events, n_members, limit, confidence):
    """Whether an exact binomial test rejects that a share is above a limit.

    Parameters
    ----------
    n_events, n_members : int or ndarray of int
    limit, confidence : float in (0, 1)

    Returns
    -------
    rejected : bool or ndarray of bool
        False without members.

    Examples
    --------
    >>> [bool(rejects(0, n, 0.05, 0.95)) for n in (58, 59)]
    [False, True]
    """
    return binom.cdf(n_events, n_members, limit) <= 1 - confidence


def upper_bound(n_events: ArrayLike, n_members: ArrayLike, confidence: float) -> Any:
    """Exact one-sided upper bound of a share, the largest that a binomial test does not reject."""
    n_events = np.asarray(n_events)
    return beta_quantile(confidence, n_events + 1, np.maximum(n_members - n_events, 1e-300))


def series_needed(limit, confidence):
    """How many series a guarantee needs if none of them shows the event.

    Parameters
    ----------
    limit, confidence : float in (0, 1)

    Returns
    -------
    n_instances : int
        The smallest n with ``(1 - limit)^n <= 1 - confidence``.

    Examples
    --------
    >>> series_needed(0.01, 0.95)
    299
    """
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-limit)))
    return n if rejects(0, n, limit, confidence) else n + 1


def smallest_limit(n_instances, confidence):
    """The smallest share that series can promise if none of them shows the event.

    Rounded up to three digits, so that :func:`series_needed` is at most the number given.

    Examples
    --------
    >>> smallest_limit(100, 0.95)
    0.0296
    """
    exact = -math.expm1(math.log1p(-confidence) / n_instances)
    unit = 10.0 ** (math.floor(math.log10(exact)) - 2)
    return float(f"{math.ceil(exact / unit) * unit:.3g}")


def counts_by_threshold(uncertainty, events):
    """Count series and events up to every value of the uncertainty.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_instances,)
        Sum of the probabilities of all classes but the predicted one; infinite without a
        prediction.
    events : ndarray of shape (n_instances,), bool

    Returns
    -------
    thresholds : ndarray of shape (n_thresholds,)
        The different values of uncertainty, in ascending order; infinite ones become 2.
    n_alone, n_events : ndarray of shape (n_thresholds,), int64
        Series, and events among them, up to each threshold.
    """
    order = np.argsort(uncertainty, kind="stable")
    ascending = np.minimum(uncertainty[order], BEYOND_ALL)  # so that infinite values are equal
    last = np.append(ascending[1:] != ascending[:-1], True)  # equal values share a threshold
    return ascending[last], np.flatnonzero(last) + 1, np.cumsum(events[order])[last]


def risk_curve(
    uncertainty: FloatArray, differs: BoolArray, confidence: float
) -> dict[str, FloatArray]:
    """Cost and risk for every threshold of the student's uncertainty.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_instances,)
        See :func:`counts_by_threshold`.
    differs : ndarray of shape (n_instances,), bool
        Whether the teacher predicts another class.
    confidence : float in (0, 1)

    Returns
    -------
    curve : dict of str to ndarray of shape (n_thresholds,)
        See :attr:`tsdistill.DeferringClassifier.curve_`.
    """
    n = len(uncertainty)
    thresholds, n_alone, n_differ = counts_by_threshold(uncertainty, differs)
    return {
        "threshold": 1 - thresholds,
        "deferral_rate": 1 - n_alone / n,
        "disagreement": n_differ / n,
        "bound": upper_bound(n_differ, n, confidence),
    }


def largest_uncertainty(uncertainty, risks, confidence):
    """The largest uncertainty with which a student may still answer alone.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_instances,)
        See :func:`counts_by_threshold`.
    risks : sequence of Risk
        All of them stay within their limits, at once, with the probability ``confidence``.
    confidence : float in (0, 1)

    Returns
    -------
    largest : float
        One of the values of uncertainty; 1 if the student may answer all series, minus infinity
        if it may answer none.

    Examples
    --------
    >>> uncertainty = np.linspace(0, 0.5, 101)
    >>> risk = Risk(events=uncertainty > 0.4, n_members=101, limit=0.05)
    >>> largest_uncertainty(uncertainty, [risk], 0.95)
    0.405
    """
    passes = True
    for risk in risks:
        thresholds, _, n_events = counts_by_threshold(uncertainty, risk.events)
        passes &= rejects(n_events, risk.n_members, risk.limit, confidence)
    if np.all(passes):
        return ANSWER_ALL
    n_passed = int(passes.argmin())
    return float(thresholds[n_passed - 1]) if n_passed else -np.inf
