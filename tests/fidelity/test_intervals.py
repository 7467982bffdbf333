"""Intervals of measures."""

import numpy as np
import pytest
from scipy.stats import beta

from tsdistill.fidelity import (
    bootstrap_interval,
    clopper_pearson,
)


@pytest.mark.slow
def test_clopper_pearson_covers_at_its_level():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5):
        bounds = [clopper_pearson(k, 80, 0.9) for k in rng.binomial(80, share, size=400)]
        assert np.mean([low <= share <= high for low, high in bounds]) >= 0.9
    assert clopper_pearson(3, 20, 0.8) == pytest.approx(
        (beta.ppf(0.1, 3, 18), beta.ppf(0.9, 4, 17))
    )
    assert clopper_pearson(np.array(3), 20, 0.8) == clopper_pearson(3, 20, 0.8)
    assert clopper_pearson(0, 10)[0] == 0 and clopper_pearson(10, 10)[1] == 1


def test_bootstrap_interval_is_about_that_of_the_central_limit():
    values = np.random.default_rng(0).exponential(size=400)
    low, high = bootstrap_interval(np.mean, values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert bootstrap_interval(np.mean, values) == (low, high)
    low, high = bootstrap_interval(np.mean, values, confidence=0.5)
    assert high - low == pytest.approx(2 * 0.674 * values.std() / 20, rel=0.1)
    assert np.isnan(bootstrap_interval(np.mean, values[:1])).all()
    assert bootstrap_interval(np.mean, np.ones(5)) == (1, 1)
    low, high = bootstrap_interval(np.mean, [0.0, 1.0])
    assert (low, high) == (0, 1)


def test_a_bootstrap_has_1000_resamples_of_seed_0_unless_the_user_says_otherwise():
    values = np.random.default_rng(0).exponential(size=30)
    found = bootstrap_interval(np.mean, values)
    assert found == bootstrap_interval(np.mean, values, n_resamples=1000, random_state=0)
    assert found != bootstrap_interval(np.mean, values, n_resamples=1001)
    assert found != bootstrap_interval(np.mean, values, random_state=1)
    rows = []

    def mean(resampled, axis):
        rows.append(resampled.size // 30)
        return resampled.mean(axis=axis)

    bootstrap_interval(mean, values, n_resamples=7)
    assert sum(rows) in (7, 8)  # and perhaps the values themselves


def test_values_of_a_series_are_resampled_together():
    first = np.random.default_rng(0).normal(size=50)

    def difference(a, b, axis):
        return (a - b).mean(axis=axis)

    assert bootstrap_interval(difference, first, first - 2) == pytest.approx((2, 2))


@pytest.mark.parametrize("dtype", [bool, int, np.float32])
def test_columns_may_have_any_real_type_and_so_may_the_statistic(dtype):
    values = (np.arange(40) % 4 == 0).astype(dtype)
    low, high = bootstrap_interval(np.mean, values)
    assert (low, high) == pytest.approx(bootstrap_interval(np.mean, values.astype(float)))
    assert bootstrap_interval(np.max, values) == (1, 1)
