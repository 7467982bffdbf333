"""The share of disagreements among the answered series: ranks, ties, series without an answer."""

import numpy as np
import pytest
from scipy.stats import binom

from tsdistill.swap.answered import calibration_ranks, each_of, largest_answered
from tsdistill.swap.risk import series_needed


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("n", [1, 59, 73, 300, 368, 500, 1000, 10_000])
def test_ranks_can_pass_and_lie_a_tenth_apart(n, limit):
    ranks = calibration_ranks(n, limit, 0.95)
    assert ranks[-1] == n and 1 <= len(ranks) <= 10
    assert (np.diff(ranks) >= n / 10 - 1).all() and ranks[0] >= n / 10
    if len(ranks) > 1:
        assert ranks[0] >= series_needed(limit, each_of(len(ranks), 0.95))
    more = len(ranks) + 1
    needed = series_needed(limit, each_of(more, 0.95))
    assert more > 10 or max(10 * needed, n) + (more - 1) * n > 10 * n  # one more would not fit


def test_many_series_are_tested_at_every_tenth():
    assert calibration_ranks(2000, 0.05, 0.95).tolist() == list(range(200, 2001, 200))


def slow_answered(uncertainty, differs, limit, error):
    """The series answered by the largest rank that passes, by loops."""
    n, answered = len(uncertainty), []
    ranks = calibration_ranks(n, limit, 1 - error)
    for m in ranks:
        above = sorted(uncertainty)[m] if m < n else np.inf
        below = [i for i in range(n) if uncertainty[i] < above]
        k = sum(differs[i] for i in below)
        p_value = sum(binom.pmf(j, len(below), limit) for j in range(k + 1))
        if below and p_value <= error / len(ranks):
            answered = below
    return sorted(answered)


@pytest.mark.parametrize("decimals", [1, 2, 17])
@pytest.mark.parametrize("silent", [0.0, 0.25])
def test_the_answered_series_are_those_of_a_slow_search(decimals, silent):
    rng = np.random.default_rng(0)
    sizes = set()
    for repetition in range(30):
        n = 60 + 10 * repetition
        uncertainty = (rng.random(n) / 2).round(decimals)
        differs = rng.random(n) < 0.6 * uncertainty**2
        uncertainty[rng.random(n) < silent] = np.inf
        differs &= np.isfinite(uncertainty)
        largest = largest_answered(uncertainty, differs, 0.06, 0.9)
        answered = np.flatnonzero(uncertainty <= largest).tolist()
        assert answered == slow_answered(uncertainty, differs, 0.06, 0.1)
        assert largest in (1.0, -np.inf) or largest not in uncertainty
        sizes.add(len(answered) / n)
    assert len(sizes) > 3


def test_all_series_below_the_next_value_are_answered_and_none_equal_to_it():
    uncertainty = np.repeat([0.0, 0.2, 0.4], [150, 100, 50])
    largest = largest_answered(uncertainty, uncertainty == 0.4, 0.05, 0.95)
    assert 0.39 < largest < 0.4  # not 0.2: what lies between was not looked at
    assert largest_answered(np.zeros(300), np.zeros(300, dtype=bool), 0.05, 0.95) == 1
    assert largest_answered(np.zeros(300), np.ones(300, dtype=bool), 0.05, 0.95) == -np.inf


def test_no_rank_beyond_what_other_promises_allow_is_taken():
    uncertainty, nothing = np.linspace(0, 0.5, 300), np.zeros(300, dtype=bool)
    ranks = calibration_ranks(300, 0.05, 0.95)
    for most in (-np.inf, 0.1, 0.3, uncertainty[ranks[2] - 1], uncertainty[ranks[2] - 2]):
        largest = largest_answered(uncertainty, nothing, 0.05, 0.95, most)
        n_alone, n_allowed = (uncertainty <= largest).sum(), (uncertainty <= most).sum()
        assert n_alone == max([0, *ranks[ranks <= n_allowed]])


def test_a_student_that_errs_where_it_is_surest_may_still_answer_more():
    uncertainty = np.linspace(0, 0.5, 1000)
    differs = np.zeros(1000, dtype=bool)
    differs[:20] = True  # no rank below some 40 % passes
    assert largest_answered(uncertainty, differs, 0.05, 0.95) == 1
