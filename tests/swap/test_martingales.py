"""Bounds and alarms that may be looked at after every series keep their promise at all times."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from tsdistill.swap import martingales
from tsdistill.swap.martingales import (
    N_RANK_BETS,
    ODDS_RATIOS,
    Evidence,
    audit_bets,
    disagreement_bound,
    rank_bets,
    rank_of,
    unused_share,
)

ERROR = 0.05


def largest_false_rate(n_runs):
    """Three standard deviations above the error."""
    return ERROR + 3 * math.sqrt(ERROR * (1 - ERROR) / n_runs)


def mixture_by_hand(outcomes, mean, rate):
    """The mixture of products in the notes, multiplied out series by series."""
    factors = [0.0] + [math.exp(-3 * 2 ** (-j / 4)) for j in range(48)]
    falling = [1 / (3 + j) for j in range(48)]
    prior = [0.1] + [0.9 * one / sum(falling) for one in falling]
    total = 0.0
    for weight, r in zip(prior, factors, strict=True):
        product = 1.0
        for hit in outcomes:
            product *= (r if hit else 1.0) / (1 - (1 - r) * rate * mean)
        total += weight * product
    return total


@pytest.mark.parametrize("rate", [1.0, 0.3])
@pytest.mark.parametrize("hits", [[], [4], [0, 7, 30]])
def test_a_bound_is_where_the_mixture_reaches_one_over_the_error(rate, hits):
    outcomes = [i in hits for i in range(60)]
    bound = float(disagreement_bound(len(hits), 60, rate, ERROR))
    assert mixture_by_hand(outcomes, bound, rate) == pytest.approx(1 / ERROR, rel=1e-6)
    assert mixture_by_hand(outcomes, 0.99 * bound, rate) < 1 / ERROR


def test_the_mixture_is_expected_to_be_1():
    n, rate, mean = 25, 0.4, 0.3
    chances = binom.pmf(np.arange(n + 1), n, rate * mean)
    values = [mixture_by_hand([i < k for i in range(n)], mean, rate) for k in range(n + 1)]
    assert chances @ values == pytest.approx(1)


def test_bounds_without_series_and_of_many_at_once():
    assert disagreement_bound(0, 0, 0.02, ERROR) == 1
    assert disagreement_bound(0, 0, 1.0, ERROR) == 1
    assert disagreement_bound(5, 5, 1.0, ERROR) == 1
    both = disagreement_bound([3, 40], [100, 2000], 0.5, [0.05, 0.01])
    assert both.tolist() == [
        float(disagreement_bound(3, 100, 0.5, 0.05)),
        float(disagreement_bound(40, 2000, 0.5, 0.01)),
    ]
    with np.errstate(divide="raise", invalid="raise"):  # nor is a user warned
        assert disagreement_bound([0, 5], [0, 5], 1.0, ERROR).tolist() == [1, 1]
    apart = disagreement_bound([0, 10**5], [10**6, 10**6], 0.5, ERROR)
    alone = [float(disagreement_bound(k, 10**6, 0.5, ERROR)) for k in (0, 10**5)]
    assert apart == pytest.approx(alone)
    large = disagreement_bound(10**6, 10**10, 0.02, ERROR)
    assert 0.005 < large < 0.0051


def changing(n_steps):
    """A disagreement that comes and goes."""
    return 0.1 * (1 + np.sin(np.arange(n_steps) / 150))


@pytest.mark.parametrize("rate", [1.0, 0.2])
def test_bounds_hold_at_all_times_for_a_changing_disagreement(rate):
    n_runs, n_steps, rng = 300, 1500, np.random.default_rng(0)
    theta = changing(n_steps)
    differs = rng.random((n_runs, n_steps)) < theta
    hits = (differs & (rng.random((n_runs, n_steps)) < rate)).cumsum(axis=1)
    at = np.unique(np.geomspace(1, n_steps, 40).astype(int)) - 1
    bounds = disagreement_bound(
        hits[:, at], np.broadcast_to(at + 1, hits[:, at].shape), rate, ERROR
    )
    n_seen = at + 1
    mean, did = theta.cumsum()[at] / n_seen, differs.cumsum(axis=1)[:, at] / n_seen
    assert (bounds < mean).any(axis=1).mean() <= largest_false_rate(n_runs)
    assert (bounds < did).any(axis=1).mean() <= largest_false_rate(n_runs)
    assert np.median(bounds[:, -1]) < 2 * mean[-1]  # and they are of use


def wealth_by_hand(payments, n_bets, scale):
    """The evidence as a sum over bets and over the steps at which they start."""
    total = unused_share(len(payments), scale)
    for bet in range(n_bets):
        for start in range(len(payments)):
            share = unused_share(start, scale) - unused_share(start + 1, scale)
            product = math.prod(one[bet] for one in payments[start:])
            total += share * product / n_bets
    return total


def test_evidence_equals_the_sum_over_all_starts():
    agree, differ = audit_bets(0.05)
    payments = [differ if i % 9 == 4 else agree for i in range(60)]
    evidence = Evidence([0.0] * len(agree), scale=20.0)
    for i, bets in enumerate(payments):
        total = evidence.update(bets)
        if i in (0, 7, 59):
            assert total == pytest.approx(wealth_by_hand(payments[: i + 1], len(agree), 20.0))
    assert total == pytest.approx(evidence.total)


@pytest.mark.parametrize("most", [0.01, 0.3, 0.95])
def test_no_bet_gains_while_the_promise_is_kept(most):
    agree, differ = map(np.array, audit_bets(most))
    assert len(agree) == len(ODDS_RATIOS)
    np.testing.assert_allclose(most * differ + (1 - most) * agree, 1)
    np.testing.assert_allclose(differ / agree, [1.5, 2, 3, 5, 10])  # of the odds
    assert (most / 2 * differ + (1 - most / 2) * agree < 1).all()
    assert (differ > 1).all() and (agree < 1).all()


def test_bets_on_ranks_are_densities():
    for bet in range(N_RANK_BETS):
        lower, _ = quad(lambda root, bet=bet: 4 * root**3 * rank_bets(root**4)[bet], 0, 0.5**0.25)
        upper, _ = quad(
            lambda root, bet=bet: 4 * root**3 * rank_bets(1 - root**4)[bet], 0, 0.5**0.25
        )
        assert 1 - 1e-3 < lower + upper < 1 + 1e-9
    assert len(rank_bets(0.5)) == N_RANK_BETS and min(rank_bets(0.99)) > 0
    assert np.isfinite(rank_bets(1.0)).all() and np.isfinite(rank_bets(2.0**-53)).all()


def test_bets_on_ranks_are_the_lines_and_powers_that_they_are_said_to_be():
    for rank in (0.04, 0.25, 0.5, 0.81):
        slopes = [1 + slope * (rank - 0.5) for slope in (1.8, 0.6, -0.6, -1.8)]
        powers = [
            density for p in (rank, 1 - rank) for density in (p**-0.5 / 2, 0.8 + 0.2 * p**-0.75 / 4)
        ]
        assert rank_bets(rank) == pytest.approx(slopes + powers)


def test_what_one_rank_pays_is_limited_at_either_end():
    assert rank_bets(1e-30)[4:6] == rank_bets(1.0)[6:8]
    assert rank_bets(1.0)[6:8] == pytest.approx((0.5e6, 0.8 + 0.05e9))


def test_ranks_equal_a_slow_count():
    rng = np.random.default_rng(0)
    scores, counts = [], [0] * 5
    for _ in range(80):
        place, tie = int(rng.integers(5)), 1 - rng.random()
        scores.append(place)
        larger, equal = sum(s > place for s in scores), sum(s == place for s in scores)
        expected = (larger + tie * equal) / len(scores)
        assert rank_of(counts, place, tie) == pytest.approx(expected)
        counts[place] += 1


@pytest.mark.parametrize("theta", [0.02, 0.01])
def test_false_alarms_of_disagreement_are_rare(theta):
    n_runs, rng = 300, np.random.default_rng(1)
    agree, differ = map(np.array, audit_bets(0.02))
    evidence, rang = Evidence([np.zeros(n_runs)] * len(agree), scale=200.0), np.zeros(n_runs, bool)
    for _ in range(5000):
        hits = rng.random(n_runs) < theta
        total = evidence.update(np.where(hits, differ[:, None], agree[:, None]))
        rang |= total >= 1 / ERROR
    assert rang.mean() <= largest_false_rate(n_runs)
    assert theta < 0.02 or rang.any()  # most of the error is used where it is allowed


@pytest.mark.parametrize("change", [0, 1500])
def test_a_broken_promise_is_found_soon_whenever_it_breaks(change):
    n_runs, rng = 100, np.random.default_rng(2)
    agree, differ = map(np.array, audit_bets(0.02))
    evidence, delays = Evidence([np.zeros(n_runs)] * len(agree), scale=200.0), np.zeros(n_runs)
    found = np.zeros(n_runs, bool)
    for step in range(change + 800):
        hits = rng.random(n_runs) < (0.01 if step < change else 0.08)
        total = evidence.update(np.where(hits, differ[:, None], agree[:, None]))
        found |= total >= 1 / ERROR
        delays += ~found & (step >= change)
    best = math.log(1 / ERROR) / (0.08 * math.log(4) + 0.92 * math.log(0.92 / 0.98))
    assert found.all()
    assert np.median(delays) < 3.5 * best


def test_the_module_says_what_it_rests_on():
    for source in ("Ville", "1810.08240", "2010.09686", "2203.03532"):
        assert source in martingales.__doc__
