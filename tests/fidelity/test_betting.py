"""Bounds by betting hold for few and skewed values, and are no wider than they have to be."""

import math

import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import betting_interval, expected_calibration_error
from tsdistill.fidelity.betting import calibration_bounds, mean_bounds
from tsdistill.fidelity.calibration import calibration_error, confidence_and_success

N_REPEATS = 1000


def rarely_low(rng, n):
    """Correlations of maps: nearly all high, a few low, as a student's that fails rarely."""
    return np.where(rng.random(n) < 0.03, rng.uniform(-1, 0, n), rng.uniform(0.9, 1, n))


def rarely_large(rng, n):
    """Divergences: nearly all small, one in forty large."""
    return np.where(rng.random(n) < 0.025, 3.0, rng.exponential(0.01, n).clip(max=9))


def even(rng, n):
    return rng.uniform(-1, 1, n)


@pytest.mark.parametrize(
    ("draw", "limits", "mean"),
    [
        (rarely_low, (-1, 1), 0.97 * 0.95 - 0.03 * 0.5),
        (rarely_large, (0, 9.21), 0.975 * 0.01 + 0.025 * 3),
        (even, (-1, 1), 0.0),
    ],
    ids=["rarely low", "rarely large", "even"],
)
def test_each_bound_of_a_mean_holds_at_its_level(draw, limits, mean):
    rng = np.random.default_rng(0)
    bounds = [mean_bounds(draw(rng, 40), *limits, 0.8) for _ in range(N_REPEATS)]
    low, high = np.array(bounds).T
    error = 3 * math.sqrt(0.8 * 0.2 / N_REPEATS)
    assert np.mean(low <= mean) >= 0.8 - error
    assert np.mean(high >= mean) >= 0.8 - error


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_values_that_are_rounded_to_more_than_a_limit_are_at_the_limit(value):
    beyond = np.full(9, np.nextafter(value, 2 * value))
    assert mean_bounds(beyond, -1, 1, 0.8) == mean_bounds(np.full(9, value), -1, 1, 0.8)


def test_a_bootstrap_would_not_hold_for_rare_failures():
    """Why these bounds are needed: the control, at the same level and on the same values."""
    rng = np.random.default_rng(0)
    mean = 0.97 * 0.95 - 0.03 * 0.5
    n_held = 0
    for _ in range(N_REPEATS):
        values = rarely_low(rng, 40)
        resampled = values[rng.integers(40, size=(100, 40))].mean(axis=1)
        n_held += np.quantile(resampled, 0.05) <= mean
    assert n_held / N_REPEATS < 0.85  # told: 0.95
    rng = np.random.default_rng(0)
    held = [mean_bounds(rarely_low(rng, 40), -1, 1, 0.95)[0] <= mean for _ in range(N_REPEATS)]
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize("shift", [0.0, 0.2], ids=["calibrated", "too sure"])
def test_each_bound_of_a_calibration_error_holds_at_its_level(shift):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(N_REPEATS):
        sure = rng.choice([0.65, 0.85, 0.95], size=40)
        right = rng.random(40) < sure - shift
        low, high = calibration_bounds(sure, right, 2, 0.8)
        held.append((low <= shift, high >= shift))
    error = 3 * math.sqrt(0.8 * 0.2 / N_REPEATS)
    assert (np.mean(held, axis=0) >= 0.8 - error).all()


def test_bounds_of_a_calibration_error_close_in_on_it():
    rng = np.random.default_rng(0)
    sure = rng.choice([0.65, 0.85, 0.95], size=20_000)
    right = rng.random(20_000) < sure + np.where(sure > 0.9, -0.2, 0.1)
    low, high = calibration_bounds(sure, right, 2, 0.95)
    assert low < calibration_error(sure, right) < high
    assert high - low < 0.06
    low, high = calibration_bounds(np.full(20, 0.999), np.ones(20, dtype=bool), 2, 0.95)
    assert low == 0 and high > 0.1  # twenty right answers show little


def test_a_calibration_error_is_bounded_over_all_signs_of_its_bins():
    rng = np.random.default_rng(0)
    sure = rng.choice([0.65, 0.85], size=60)
    right = rng.random(60) < 0.3
    gap = right - sure
    every = [np.where(sure > 0.8, a, b) * gap for a in (-1, 1) for b in (-1, 1)]
    one_of_64 = 1 - 0.05 / 2**6  # two classes: bins from that of 0.5 on, six
    low, high = calibration_bounds(sure, right, 2, 0.95)
    assert 0 < low < high < 1
    assert low == pytest.approx(max(mean_bounds(v, -1, 1, one_of_64)[0] for v in every))
    assert high == pytest.approx(max(mean_bounds(v, -1, 1, 0.95)[1] for v in every))


def test_calibration_errors_and_their_bounds_have_ten_bins():
    """Of two confidences that are in one bin of ten, and would be in two of eleven."""
    sure = np.tile([0.905, 0.995], 2000)
    right = np.arange(4000) % 2 == 0  # so the gaps of one bin cancel in part
    right[1::2][:1810] = True
    gaps = right - sure
    assert calibration_error(sure, right) == pytest.approx(abs(gaps.mean()))
    assert calibration_error(sure, right, n_bins=11) > abs(gaps.mean()) + 0.05
    assert calibration_bounds(sure, right, 2, 0.95)[1] < 0.03
    assert calibration_bounds(sure, right, 2, 0.95, n_bins=11)[0] > 0.05


def test_each_row_has_a_calibration_error_of_its_own():
    rng = np.random.default_rng(0)
    sure = rng.random((3, 50))
    right = rng.random((3, 50)) < 0.5
    expected = [calibration_error(one, of_one) for one, of_one in zip(sure, right, strict=True)]
    np.testing.assert_allclose(calibration_error(sure, right), expected)
    np.testing.assert_allclose(calibration_error(sure.T, right.T, axis=0), expected)


def test_a_confidence_that_is_rounded_to_more_than_1_is_one_of_1():
    log_proba = np.log([[1.005, 1e-9], [0.95, 0.05]])
    confidence, success = confidence_and_success(log_proba, np.array([1, 0]))
    np.testing.assert_allclose(confidence, [1, 0.95])
    expected = calibration_error(np.array([1.0, 0.95]), success)
    assert expected_calibration_error(log_proba, [1, 0]) == pytest.approx(expected)
    low, high = calibration_bounds(np.tile(confidence, 20), np.tile(success, 20), 2, 0.95)
    assert 0 < low < expected < high <= 1


def capital(values, mean, n_halvings):
    """What a sceptic has after all bets, in a slow loop."""
    total, norm = 0.0, sum(1 / k for k in range(1, n_halvings + 2))
    for k in range(n_halvings + 1):
        share, product = 0.99 / 2**k, 1.0
        for x in values:
            product *= 1 - share + share * x / mean
        total += product / (k + 1) / norm
    return total


@pytest.mark.parametrize(("n_values", "n_halvings"), [(1, 2), (16, 4), (17, 5)])
def test_the_bound_is_where_the_capital_reaches_its_level(n_values, n_halvings):
    values = np.random.default_rng(0).uniform(0.3, 1, size=n_values)
    low, high = mean_bounds(values, 0, 1, 0.9)
    assert capital(values, low, n_halvings) == pytest.approx(10, rel=1e-6)
    assert capital(1 - values, 1 - high, n_halvings) == pytest.approx(10, rel=1e-6)
    assert betting_interval(values, confidence=0.8) == mean_bounds(values, 0, 1, 0.9)


def test_bounds_follow_values_limits_and_numbers_of_values():
    values = np.random.default_rng(0).uniform(-0.5, 0.9, size=50)
    low, high = mean_bounds(values, -1, 1, 0.95)
    assert -1 < low < values.mean() < high < 1
    assert mean_bounds(values[::-1], -1, 1, 0.95) == pytest.approx((low, high))  # in any order
    tiled = mean_bounds(np.tile(values, 3), -1, 1, 0.95)
    assert mean_bounds(values, -1, 1, 0.95, times=3) == pytest.approx(tiled)
    assert tiled[0] > low and tiled[1] < high
    moved = mean_bounds(10 * values + 1, -9, 11, 0.95)
    assert moved == pytest.approx((10 * low + 1, 10 * high + 1))
    assert mean_bounds(np.zeros(10), 0, 1, 0.95)[0] == 0
    assert mean_bounds(np.ones(10), 0, 1, 0.95)[1] == 1


def test_bounds_are_not_much_wider_than_a_normal_approximation_where_that_holds():
    values = np.random.default_rng(0).uniform(0.8, 1.0, size=2000)
    low, high = mean_bounds(values, -1, 1, 0.95)
    normal = 1.645 * values.std() / math.sqrt(2000)
    assert max(values.mean() - low, high - values.mean()) < 3 * normal
    certain, _ = mean_bounds(np.ones(500), 0, 1, 0.95)
    assert 0.05 ** (1 / 500) - 0.003 < certain < 0.05 ** (1 / 500)  # the exact bound of a share


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "values have shape (0,)"),
        (([[0.5]],), "values have shape (1, 1)"),
        (([0.5, np.nan],), "are not all 0 or more"),
        (([-0.1],), "are not all 0 or more"),
        (([0.5, 1.5],), "values are not all 1 at most: 1.5 is not."),
        ((["a"],), "values"),
        (([0.5], 1, 0), "lowest=1 and highest=0; expected two numbers, the smaller one first."),
        (([0.5], 0.5, 0.5), "lowest=0.5 and highest=0.5; expected two numbers, the smaller one"),
        (([0.5], 0, np.inf), "highest=inf"),
        (([0.5], None), "lowest=None"),
        (([0.5], 0, 1, 95), "confidence=95"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ParameterError) as caught:
        betting_interval(*arguments)
    assert message in str(caught.value)
