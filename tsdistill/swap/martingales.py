"""Evidence that may be looked at after every series: bounds and alarms of a SwapMonitor.

A non-negative process that starts at 1 and is not expected to grow while a hypothesis holds (a
supermartingale) ever reaches ``1 / error`` with probability ``error`` at most: Ville's inequality
(Etude critique de la notion de collectif, 1939). So whoever watches it may look after every
series, and stop or go on as they like. Nothing here needs more memory with more series.

**The disagreement since some moment.** Let D_t be 1 if swap and teacher differ on series t, theta_t
the probability of that given all that came before, and q the audit rate. The coin of a series is
tossed independently of it, so Y_t = coin_t D_t is 1 with probability q theta_t. For any factor r
from 0 to 1 the product over t of ``r^Y_t / (1 - (1 - r) q theta_t)`` is a martingale that starts
at 1, since each factor has the expectation 1; so is a mixture of such products over r. By the
inequality of the arithmetic and the geometric mean, the product of the n denominators is at most
``(1 - (1 - r) q m)^n``, where m is the mean of theta_1, ..., theta_n. Hence, with k = sum Y_t::

    M_n(m) = sum_r prior(r) r^k / (1 - (1 - r) q m)^n   <=   that martingale

and the largest m with ``M_n(m) < 1 / error`` is at least the mean of the theta_t at all n, with
probability ``1 - error``, whether theta_t is constant or not. The same holds for the share of
series on which the two *did* differ: take D_t for theta_t, and only the coins are random, so
nothing at all is assumed about the series. (This is the sub-Bernoulli case of Howard et al.:
Time-uniform, nonparametric, nonasymptotic confidence sequences, arXiv 1810.08240; the mixture is a
bet in the sense of Waudby-Smith and Ramdas: Estimating means of bounded random variables by
betting, arXiv 2010.09686.)

That deferred series never differ is known without a question. Their exact share could shorten an
interval by the factor ``sqrt(1 - theta / share answered alone)`` at most, one hundredth where theta
is 1 % and half of the series are answered alone, so it is not used.

**The alarms.** A bet is a factor that is expected to be 1 at most while the hypothesis holds. A
share w_t of the unit wealth starts to bet at step t, so that changes are found whenever they come::

    S_t = (S_{t-1} + w_t) bet_t,    wealth_t = mean over bets of S_t + (1 - w_1 - ... - w_t)

The expectation of ``S_t`` given the past is ``S_{t-1} + w_t`` at most, and w_t is what the unused
part loses, so wealth_t is a supermartingale that starts at 1 (the construction of Shin, Ramdas and
Rinaldo: E-detectors, arXiv 2203.03532, with weights that add up to 1, which bounds the probability
of a false alarm *ever*). The shares fall like ``1 / (t log(t)^2)``, so a change at step t costs
about log(t) of the evidence against it.
"""

import math
from dataclasses import dataclass
from math import sqrt

import numpy as np

ODDS_RATIOS = 1.5, 2.0, 3.0, 5.0, 10.0
"""By how much more likely a disagreement is, in odds, in the worlds that audits bet on."""
N_RANK_BETS = 8
SMALLEST_RANK = 1e-12

_LOG_FACTORS = 3.0 * 2.0 ** (-0.25 * np.arange(48))  # of -log(r), from 3 down to 0.0009
_LOG_R = np.append(-np.inf, -_LOG_FACTORS)
_ONE_MINUS_R = np.append(1.0, -np.expm1(-_LOG_FACTORS))
_FALLING = 1 / (3 + np.arange(len(_LOG_FACTORS)))
_LOG_PRIOR = np.log(np.append(0.1, 0.9 * _FALLING / _FALLING.sum()))
_BELOW_1 = 1 - 2.0**-52
_BISECTIONS = 60


def disagreement_bound(n_disagreed, n_watched, audit_rate, error):
    """Upper bound of the mean disagreement, which holds at all moments at once.

    Parameters
    ----------
    n_disagreed : int, or array-like of shape (n_moments,)
        Audited series on which swap and teacher differ.
    n_watched : int, or array-like of shape (n_moments,)
        All series, audited or not.
    audit_rate : float in (0, 1]
    error : float in (0, 1), or array-like of shape (n_moments,)
        Probability that it is ever below the mean.

    Returns
    -------
    bound : ndarray of the same shape, float64
        From 0 to 1; 1 without series.

    Examples
    --------
    >>> disagreement_bound(0, [1000, 100_000], audit_rate=0.1, error=0.05).round(4).tolist()
    [0.04, 0.0004]
    >>> float(disagreement_bound(5, 1000, audit_rate=1.0, error=0.05).round(4))
    0.0149
    """
    k, n, error = np.broadcast_arrays(
        np.asarray(n_disagreed, float), np.asarray(n_watched, float), np.asarray(error, float)
    )
    with np.errstate(invalid="ignore"):
        known = np.where(k[..., None] > 0, k[..., None] * _LOG_R, 0.0) + _LOG_PRIOR
    low, high = np.zeros(k.shape), np.ones(k.shape)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        hit = np.minimum(audit_rate * middle[..., None] * _ONE_MINUS_R, _BELOW_1)
        log_m = known - n[..., None] * np.log1p(-hit)
        largest = log_m.max(axis=-1)
        log_m = largest + np.log(np.exp(log_m - largest[..., None]).sum(axis=-1))
        excluded = log_m >= -np.log(error)
        low, high = np.where(excluded, low, middle), np.where(excluded, middle, high)
    return high


def unused_share(n_steps, scale):
    """Share of the unit wealth that has not yet started to bet after some steps.

    Parameters
    ----------
    n_steps : int
    scale : float
        Number of steps after which it falls faster.

    Examples
    --------
    >>> [round(unused_share(n, scale=200), 3) for n in (0, 200, 20_000, 2_000_000)]
    [1.0, 0.591, 0.178, 0.098]
    """
    return 1 / (1 + math.log1p(n_steps / scale))


@dataclass
class Evidence:
    """Wealth of bets against a hypothesis that start at every step, see the notes above.

    Attributes
    ----------
    wealth : list of length n_bets
        What the parts that have started have come to. Of floats; for simulations of arrays, one
        value a run.
    scale : float
        See :func:`unused_share`.
    n_steps : int

    Examples
    --------
    >>> agree, differ = audit_bets(max_disagreement=0.01)
    >>> evidence = Evidence([0.0] * len(agree), scale=200)
    >>> round(max(evidence.update(agree) for _ in range(100)), 2)
    1.0
    >>> [round(evidence.update(differ), 1) for _ in range(6)]
    [1.0, 1.8, 6.4, 41.1, 330.1, 2860.5]
    """

    wealth: list
    scale: float
    n_steps: int = 0

    def __post_init__(self):
        self._unused = unused_share(self.n_steps, self.scale)

    @property
    def total(self):
        """The wealth, used and unused: a supermartingale that starts at 1."""
        return sum(self.wealth) / len(self.wealth) + self._unused

    def update(self, bets):
        """Multiply by what each bet pays at the next step, and return the total.

        Parameters
        ----------
        bets : sequence of length n_bets
        """
        self.n_steps += 1
        unused = unused_share(self.n_steps, self.scale)
        share, self._unused = self._unused - unused, unused
        wealth = [(one + share) * bet for one, bet in zip(self.wealth, bets, strict=True)]
        self.wealth = wealth
        return sum(wealth) / len(wealth) + unused


def audit_bets(max_disagreement):
    """What bets against ``theta_t <= max_disagreement`` pay for one audited series.

    Parameters
    ----------
    max_disagreement : float in (0, 1)

    Returns
    -------
    agree, differ : list of float
        If swap and teacher agree, or differ: the ratio of the likelihood of that with a larger
        disagreement, one for each of :data:`ODDS_RATIOS`, and with ``max_disagreement``. With a
        lower disagreement the expected payment is lower still.
    """
    a = max_disagreement
    more = [ratio * a / (1 - a + ratio * a) for ratio in ODDS_RATIOS]
    return [(1 - p) / (1 - a) for p in more], [p / a for p in more]


def rank_of(counts, place, tie, n_earlier=None):
    """The conformal p-value of a new score among all scores so far, itself included.

    The share of scores that are larger, plus a random part of those that are equal (in the same
    bin). If the order of the scores means nothing, the ranks are independent and uniform from 0 to
    1, exactly (Vovk et al.: Algorithmic Learning in a Random World, 2005, theorem 8.2). Against a
    calibration set that stays as it is they would not be independent, and a long watch would find
    out that the set is finite.

    Parameters
    ----------
    counts : list of int
        Number of earlier scores in each bin, from the smallest to the largest scores.
    place : int
        Bin of the new score.
    tie : float in (0, 1]
        Uniform and independent of all else.
    n_earlier : int, default=None
        Sum of the counts, if it is known.

    Returns
    -------
    rank : float in (0, 1]
        Close to 0 if there was hardly a larger score.

    Examples
    --------
    >>> rank_of([6, 3, 0], place=2, tie=0.5)
    0.05
    """
    larger = sum(counts[place + 1 :])
    n_earlier = sum(counts) if n_earlier is None else n_earlier
    return (larger + tie * (counts[place] + 1)) / (n_earlier + 1)


def rank_bets(rank):
    """What bets against uniform ranks pay for one rank.

    Densities on the interval from 0 to 1: straight lines, which notice that many scores move a
    little; the power -1/2, which notices that all move far; and a fifth of the power -3/4, which
    notices that a few do. The powers rise towards either end.

    Parameters
    ----------
    rank : float in (0, 1]

    Returns
    -------
    bets : tuple of float, of length :data:`N_RANK_BETS`
    """
    rest = 1 - rank
    lean = 1 - 2 * rank
    little, much = 0.3 * lean, 0.9 * lean
    small = sqrt(rank if rank > SMALLEST_RANK else SMALLEST_RANK)
    large = sqrt(rest if rest > SMALLEST_RANK else SMALLEST_RANK)
    return (
        1 - much,
        1 - little,
        1 + little,
        1 + much,
        0.5 / small,
        0.8 + 0.05 / (small * sqrt(small)),
        0.5 / large,
        0.8 + 0.05 / (large * sqrt(large)),
    )
