"""The promise of a swap: it holds, also where the student is bad."""

import numpy as np
import pytest
from scipy.stats import binom

from tsdistill.swap.risk import (
    Risk,
    largest_uncertainty,
    risk_curve,
    series_needed,
    smallest_limit,
    upper_bound,
)

SHARE, LEVEL = 0.05, 0.95


def largest_with(uncertainty, differs, limit, level):
    """The largest uncertainty with a promise about all series."""
    return largest_uncertainty(uncertainty, [Risk(differs, len(differs), limit)], level)


def good(uncertainty):
    return uncertainty**2  # rarely wrong where it is sure


def bad(uncertainty):
    return np.full_like(uncertainty, 0.3)  # its confidence says nothing


def hopeless(uncertainty):
    return 1 - uncertainty  # the surer the worse


def silent(uncertainty):
    return np.zeros_like(uncertainty)


@pytest.mark.parametrize("chance_to_differ", [good, bad, hopeless, silent])
@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.slow
def test_the_promise_holds_in_a_thousand_repetitions(chance_to_differ, rounded):
    rng = np.random.default_rng(0)
    grid = (np.arange(20_000) + 0.5) / 20_000
    grid = grid.round(1) if rounded else grid  # many equal doubts
    risk_below = chance_to_differ(grid).cumsum() / len(
        grid
    )  # the true risk, by largest uncertainty
    kept = 0
    for _ in range(1000):
        uncertainty = rng.choice(grid, size=200)
        differs = rng.random(200) < chance_to_differ(uncertainty)
        largest = largest_with(uncertainty, differs, SHARE, LEVEL)
        n_alone = np.searchsorted(grid, largest, side="right")
        kept += (risk_below[n_alone - 1] if n_alone else 0.0) <= SHARE
    assert kept >= 1000 * LEVEL
    if chance_to_differ is good:  # and the promise is not kept by asking always
        assert n_alone > 0.25 * len(grid)


def test_thresholds_equal_a_slow_search():
    rng = np.random.default_rng(1)
    uncertainty = rng.random(150).round(2)
    differs = rng.random(150) < uncertainty / 2
    largest = largest_with(uncertainty, differs, 0.1, 0.95)
    curve = risk_curve(uncertainty, differs, 0.95)
    found = -np.inf
    for d in sorted(set(uncertainty)):
        k = int(differs[uncertainty <= d].sum())
        if upper_bound(k, 150, 0.95) > 0.1:
            break
        found = d
    assert largest == found
    assert (np.diff(curve["threshold"]) < 0).all() and (np.diff(curve["bound"]) >= 0).all()
    at = np.flatnonzero(1 - curve["threshold"] <= largest + 1e-12)[-1]
    assert curve["bound"][at] <= 0.1 < curve["bound"][at + 1]
    assert curve["deferral_rate"][at] == pytest.approx((uncertainty > largest).mean())


@pytest.mark.parametrize(("share", "level"), [(0.01, 0.95), (0.05, 0.9), (0.5, 0.6), (0.3, 0.999)])
def test_series_needed_is_the_least_number_that_can_promise(share, level):
    n = series_needed(share, level)
    nothing = np.zeros(n, dtype=bool)
    assert largest_with(np.linspace(0, 0.5, n), nothing, share, level) == 1
    assert largest_with(np.linspace(0, 0.5, n)[1:], nothing[1:], share, level) == -np.inf


def test_series_without_an_answer_come_last_in_the_curve():
    uncertainty = np.array([0.25, np.inf, 0.5, np.inf])
    curve = risk_curve(uncertainty, np.array([False, True, True, False]), 0.9)
    assert curve["threshold"].tolist() == [0.75, 0.5, -1.0]
    assert curve["deferral_rate"].tolist() == [0.75, 0.5, 0.0]
    assert curve["disagreement"].tolist() == [0.0, 0.25, 0.5]


def test_series_needed_pass_where_the_last_digit_of_a_logarithm_decides():
    rounded_down = 0
    for n in range(1, 60):
        limit = 1 - 0.05 ** (1 / n)
        needed = series_needed(limit, 0.95)
        assert needed in (n, n + 1) and binom.cdf(0, needed, limit) <= 1 - 0.95
        rounded_down += needed == n + 1
    assert 0 < rounded_down < 59


def test_bounds_are_those_that_the_binomial_test_just_rejects():
    for k, n in [(0, 10), (3, 40), (39, 40)]:
        bound = upper_bound(k, n, 0.9)
        assert binom.cdf(k, n, bound) == pytest.approx(0.1)
    np.testing.assert_array_equal(upper_bound([5, 1], [5, 1], 0.9), 1)


def test_several_risks_are_kept_where_each_alone_would_be():
    rng = np.random.default_rng(2)
    uncertainty = rng.random(400).round(2)
    members = rng.random(400) < 0.4
    differs = rng.random(400) < uncertainty / 3
    risks = [
        Risk(differs, 400, 0.1),
        Risk(differs & members, int(members.sum()), 0.15),
        Risk(differs & ~members, int((~members).sum()), 0.08),
    ]
    alone = [largest_uncertainty(uncertainty, [risk], 0.9) for risk in risks]
    together = largest_uncertainty(uncertainty, risks, 0.9)
    assert len(set(alone)) == 3 and together == min(alone) > 0
    found = -np.inf
    for u in sorted(set(uncertainty)):
        counts = [sum(one.events[i] and uncertainty[i] <= u for i in range(400)) for one in risks]
        if all(
            sum(binom.pmf(j, one.n_members, one.limit) for j in range(k + 1)) <= 0.1
            for k, one in zip(counts, risks, strict=True)
        ):
            found = u
    assert together == found


def test_a_class_without_series_forbids_every_answer():
    nothing = np.zeros(500, dtype=bool)
    risks = [Risk(nothing, 500, 0.1), Risk(nothing, 0, 0.1)]
    assert largest_uncertainty(np.linspace(0, 0.5, 500), risks, 0.9) == -np.inf


@pytest.mark.parametrize("level", [0.6, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 5, 100, 2995, 10**6])
def test_the_smallest_limit_needs_the_series_given_and_no_smaller_one_does(n, level):
    possible = smallest_limit(n, level)
    assert series_needed(possible, level) <= n < series_needed(0.98 * possible, level)
    assert possible == pytest.approx(1 - (1 - level) ** (1 / n), rel=0.01)
