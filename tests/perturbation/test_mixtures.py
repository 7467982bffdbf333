"""Mixtures of two series."""

import numpy as np
import pytest

from tsdistill.perturbation.mixtures import Mixtures, mix


def pairs_of_series(n_mixtures=40, n_channels=3, n_timepoints=17):
    rng = np.random.default_rng(0)
    size = (2, n_mixtures, n_channels, n_timepoints)
    offset, scale = rng.normal(size=(2, *size[:3], 1))
    series, others = (offset + np.exp(scale) * rng.normal(size=size)).astype(np.float32)
    return series, others, rng.random(n_mixtures)


def slow_mix(series, others, share):
    """One channel of one mixture at a time."""
    mixed = np.zeros(series.shape)
    for i, w in enumerate(share):
        for c in range(series.shape[1]):
            a, b = series[i, c].astype(np.float64), others[i, c].astype(np.float64)
            line = np.array([w * u + (1 - w) * v for u, v in zip(a, b, strict=True)])
            mean = w * a.mean() + (1 - w) * b.mean()
            spread = w * a.std() + (1 - w) * b.std()
            stretch = min(spread / line.std(), 3) if line.std() > 0 else 1
            mixed[i, c] = mean + stretch * (line - line.mean())
    return mixed


def test_a_mixture_has_the_mean_and_the_spread_between_those_of_its_series():
    series, others, share = pairs_of_series()
    mixed = mix(series, others, share)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, slow_mix(series, others, share), rtol=1e-5, atol=1e-6)


def test_the_series_themselves_are_left_as_they_are():
    series, others, share = pairs_of_series()
    before = series.copy(), others.copy(), share.copy()
    for array in (series, others, share):
        array.flags.writeable = False
    mix(series, others, share)
    for array, copy in zip((series, others, share), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_share_of_one_is_the_series_and_a_share_of_zero_the_other():
    series, others, _ = pairs_of_series()
    share = np.arange(len(series)) % 2
    expected = np.where(share[:, np.newaxis, np.newaxis] == 1, series, others)
    np.testing.assert_allclose(mix(series, others, share), expected, rtol=1e-5, atol=1e-6)


def test_mixtures_of_normalised_series_are_normalised():
    series, others, share = (x.astype(np.float64) for x in pairs_of_series())
    series, others = (
        (x - x.mean(axis=2, keepdims=True)) / x.std(axis=2, keepdims=True) for x in (series, others)
    )
    mixed = mix(series, others, share)
    np.testing.assert_allclose(mixed.mean(axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(mixed.std(axis=2), 1, atol=1e-5)


def test_noise_is_never_stretched_by_more_than_three():
    wave = np.sin(np.arange(60.0))[np.newaxis, np.newaxis]
    noise = np.random.default_rng(0).normal(scale=0.01, size=wave.shape)
    half = np.array([0.5])
    nearly_opposite = mix(wave, noise - wave, half)
    np.testing.assert_allclose(nearly_opposite.std(), 3 * (noise / 2).std(), rtol=1e-4)
    np.testing.assert_allclose(
        nearly_opposite, slow_mix(wave, noise - wave, half), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(mix(wave, -wave, half), 0, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0, 0.1, 1e6])
def test_constant_channels_stay_finite(level):
    series, others, share = pairs_of_series()
    series[:, 0], others[:, 0], series[:, 1] = level, -3.3, level
    mixed = mix(series, others, share)
    assert np.isfinite(mixed).all()
    expected = share * level + (1 - share) * -3.3
    np.testing.assert_allclose(mixed[:, 0], np.tile(expected[:, np.newaxis], 17), rtol=1e-5)
    np.testing.assert_allclose(mixed, slow_mix(series, others, share), rtol=1e-4, atol=1e-4)


def draw(n_rows, n_mixtures, seed=0):
    rows = 3 + 2 * np.arange(n_rows)
    return rows, Mixtures.draw(rows, n_mixtures, np.random.default_rng(seed))


@pytest.mark.parametrize("n_rows", [2, 3, 7, 50])
@pytest.mark.parametrize("n_mixtures", [1, 5, 50, 120])
def test_rows_take_turns_and_no_series_is_mixed_with_itself(n_rows, n_mixtures):
    rows, mixtures = draw(n_rows, n_mixtures)
    assert len(mixtures) == n_mixtures
    assert np.isin(mixtures.first, rows).all() and np.isin(mixtures.second, rows).all()
    assert (mixtures.first != mixtures.second).all()
    uses = [(mixtures.first == row).sum() for row in rows]
    assert max(uses) - min(uses) <= 1


def test_every_other_series_is_as_likely_a_partner():
    rows, mixtures = draw(5, 20_000)
    for row in rows:
        partners = mixtures.second[mixtures.first == row]
        shares = [(partners == other).mean() for other in rows if other != row]
        np.testing.assert_allclose(shares, 1 / 4, atol=0.03)


def test_shares_are_even_from_zero_to_one():
    share = draw(50, 20_000)[1].share
    assert share.min() >= 0 and share.max() <= 1
    np.testing.assert_allclose(np.histogram(share, 10, (0, 1))[0] / 20_000, 0.1, atol=0.01)


def test_the_same_seed_draws_the_same_mixtures():
    (_, one), (_, same), (_, other) = draw(9, 30), draw(9, 30), draw(9, 30, seed=1)
    for name in ("first", "second", "share"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
        assert (getattr(one, name) != getattr(other, name)).any()


def test_mixtures_of_a_panel_are_those_of_its_rows():
    panel = np.concatenate(pairs_of_series()[:2])
    mixtures = Mixtures.draw(np.arange(0, 80, 2), 30, np.random.default_rng(0))
    expected = slow_mix(panel[mixtures.first], panel[mixtures.second], mixtures.share)
    np.testing.assert_allclose(mixtures.of(panel), expected, rtol=1e-5, atol=1e-6)


def test_a_mixture_weighs_what_its_series_weigh_by_their_shares():
    weight = np.array([0.5, 2.0, 1.0], dtype=np.float32)
    mixtures = Mixtures(np.array([0, 1]), np.array([1, 2]), np.array([0.25, 0.9]))
    weights = mixtures.weights(weight)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, [0.25 * 0.5 + 0.75 * 2, 0.9 * 2 + 0.1 * 1], rtol=1e-6)
