"""Windows, copies and mixtures of series of unequal length, against slow loops."""

import numpy as np
import pytest
import torch

from tsdistill.inputs.lengths import lengths_of, padded, to_length
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.perturbation.mixtures import Mixtures, mix
from tsdistill.perturbation.plan import draw_plan
from tsdistill.perturbation.uneven import (
    FLAT,
    STRAIGHT,
    stretched,
    uneven_copies,
    widths_of,
    without_gaps,
)

LENGTHS = np.array([12, 30, 7, 30, 21, 2, 18, 25] * 4)


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    return padded([rng.normal(size=(2, n)).astype(np.float32) for n in LENGTHS])


def slowly_stretched(series, n):
    """Linear interpolation at the middles of n equal parts of a series."""
    old = (np.arange(series.shape[1]) + 0.5) / series.shape[1]
    new = (np.arange(n) + 0.5) / n
    return np.stack([np.interp(new, old, channel) for channel in series])


@pytest.mark.parametrize("width", [0.2, 4, 1.0])
@pytest.mark.parametrize("donors", ["varied", "opposing", "mean", "noise"])
def test_copies_equal_a_slow_loop(panel, width, donors):
    rng = np.random.default_rng(0)
    plan = draw_plan(panel, np.arange(32) % 3, width=width, n_windows=6, donors=donors, rng=rng)
    row = np.repeat(np.arange(32), 6)
    copies = PerturbedCopies(
        panel, plan.donors, row, plan.donor.ravel(), plan.start.ravel(), plan.width[row]
    )
    found = np.concatenate([copies[a : a + 50] for a in range(0, len(copies), 50)])
    parts = [copies.part(slice(a, a + 50)) for a in range(0, len(copies), 50)]
    np.testing.assert_array_equal(found, np.concatenate([part[0:50] for part in parts]))
    for copy, i, donor, start in zip(
        found, row, plan.donor.ravel(), plan.start.ravel(), strict=True
    ):
        n = LENGTHS[i]
        w = max(1, round(width * n)) if isinstance(width, float) else min(width, n)
        assert plan.width[i] == w and 0 <= start <= n - w
        expected = panel[i].copy()
        for channel, values in enumerate(expected):
            window = slice(start, start + w)
            if donor == FLAT or (donor == STRAIGHT and w == n):
                values[window] = panel[i, channel, window].mean()
            elif donor == STRAIGHT:
                low = panel[i, channel, start - 1] if start else panel[i, channel, start + w]
                high = panel[i, channel, start + w] if start + w < n else low
                values[window] = np.linspace(low, high, w + 2)[1:-1]
            else:
                of_donor = plan.donors[donor][:, : lengths_of(plan.donors)[donor]]
                values[window] = slowly_stretched(of_donor, n)[channel, window]
        np.testing.assert_allclose(copy, expected, atol=1e-5)


def test_starts_are_even_and_distinct_where_series_are_long_enough(panel):
    rng = np.random.default_rng(1)
    plan = draw_plan(panel, np.arange(32) % 2, width=0.2, n_windows=5, donors="any", rng=rng)
    for start, n_starts in zip(plan.start, LENGTHS - plan.width + 1, strict=True):
        if n_starts >= 5:
            assert len(set(start.tolist())) == 5
            thirds = np.histogram(start, bins=3, range=(0, n_starts))[0]
            assert thirds.min() >= 1


def test_a_share_is_one_of_series_of_one_length_too():
    panel, rng = np.zeros((4, 1, 20), dtype=np.float32), np.random.default_rng(0)
    plan = draw_plan(panel, np.arange(4) % 2, width=0.2, n_windows=3, donors="any", rng=rng)
    assert plan.width.tolist() == [4] * 4 and plan.start.max() <= 16


def test_a_donor_of_the_same_length_is_taken_as_it_is(panel):
    same = stretched(panel[1:2], 30)
    np.testing.assert_array_equal(same, panel[1:2])


@pytest.mark.parametrize("n", [3, 12, 40])
def test_series_are_stretched_by_linear_interpolation(panel, n):
    for one, length, found in zip(panel, LENGTHS, stretched(panel, n), strict=True):
        np.testing.assert_allclose(found, slowly_stretched(one[:, :length], n), atol=1e-5)


def test_each_series_may_be_stretched_to_a_length_of_its_own(panel):
    wanted = LENGTHS[::-1].copy()
    found = stretched(panel, wanted)
    assert lengths_of(found).tolist() == wanted.tolist()


def test_widths_are_shares_of_each_length_or_timesteps():
    lengths = np.array([100, 7, 3])
    assert widths_of(0.1, lengths).tolist() == [10, 1, 1]
    assert widths_of(5, lengths).tolist() == [5, 5, 3]


def test_mixtures_have_lengths_between_those_of_their_series(panel):
    rng = np.random.default_rng(0)
    mixtures = Mixtures.draw(np.arange(32), 50, rng)
    mixed = mixtures.of(panel)
    assert mixed.shape == (50, 2, 30) and mixed.dtype == np.float32
    first, second = LENGTHS[mixtures.first], LENGTHS[mixtures.second]
    expected = np.round(mixtures.share * first + (1 - mixtures.share) * second)
    assert lengths_of(mixed).tolist() == expected.tolist()
    for one, n in zip(mixed, expected.astype(int), strict=True):
        assert np.isfinite(one[:, :n]).all()


def test_mixtures_of_padded_series_are_those_of_the_series(panel):
    rows = np.flatnonzero(LENGTHS == 30)
    series, others, share = panel[rows[:4]], panel[rows[4:]], np.array([0.2, 0.5, 0.7, 1.0])
    wide = [to_length(part, 39) for part in (series, others)]
    found = mix(*wide, share)
    np.testing.assert_allclose(found[..., :30], mix(series, others, share), atol=1e-5)
    assert found.shape[-1] == 39 and np.isnan(found[..., 30:]).all()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_one_of_two_mixed_series_may_be_shorter(panel, share):
    long, short = panel[1:2], panel[:1]
    n_long, n_short = round(share * 30 + (1 - share) * 12), round(share * 12 + (1 - share) * 30)
    share = np.array([share])
    for pair, n in (((long, short), n_long), ((short, long), n_short)):
        found = mix(*pair, share)
        cut = [slowly_stretched(one[0, :, : lengths_of(one)[0]], n)[np.newaxis] for one in pair]
        assert found.shape == (1, 2, 30) and np.isnan(found[..., n:]).all()
        np.testing.assert_allclose(found[..., :n], mix(*cut, share), atol=1e-5)


def test_of_two_series_that_weigh_the_same_the_first_gives_the_gaps():
    series, others = np.random.default_rng(0).normal(size=(2, 1, 1, 9)).astype(np.float32)
    series[..., 2], others[..., 5] = np.nan, np.nan
    for share, gap in ((0.49, 5), (0.5, 2), (0.51, 2)):
        assert np.argwhere(np.isnan(mix(series, others, np.array([share])))).tolist() == [
            [0, 0, gap]
        ]


def test_windows_of_uneven_series_may_be_made_from_the_series_unless_told_otherwise():
    series = torch.tensor([[[1.0, 3.0, 8.0, np.nan]]])
    place = torch.tensor([0])
    found = uneven_copies(series, series, place + FLAT, place, place + 2)
    torch.testing.assert_close(found, torch.tensor([[[2.0, 2.0, 8.0, np.nan]]]), equal_nan=True)


def test_series_of_32_bits_are_stretched_whatever_the_default_of_torch(panel):
    expected = stretched(panel, 13)
    torch.set_default_dtype(torch.float64)
    try:
        found = stretched(panel, 13)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_copies_are_built_on_any_device(panel):
    place = torch.zeros(4, dtype=torch.int64, device="meta")
    series = torch.from_numpy(panel[:4]).to("meta")
    assert uneven_copies(series, series, place, place, place).shape == (4, 2, 30)


@pytest.fixture(scope="module")
def gapped(panel):
    gapped, rng = panel.copy(), np.random.default_rng(5)
    gone = rng.random(panel.shape) < 0.25
    gone[..., 0] = False
    gapped[gone] = np.nan
    return gapped


def slowly_stretched_with_gaps(series, n):
    """As ``slowly_stretched``; beside a gap the nearest timestep. inf where two are as near."""
    place = np.clip((np.arange(n) + 0.5) * series.shape[1] / n - 0.5, 0, series.shape[1] - 1)
    found = np.empty((len(series), n))
    for channel, values in enumerate(series):
        for t, at in enumerate(place):
            near, share = round(at), abs(at - round(at))
            other = near if share < 1e-9 else int(near + np.sign(at - near))
            exact = (1 - share) * values[near] + share * values[other]
            found[channel, t] = values[near] if np.isnan(exact) else exact
            if abs(share - 0.5) < 1e-5 and np.isnan(exact):
                found[channel, t] = np.inf
    return found


@pytest.mark.parametrize("donors", ["varied", "opposing"])
def test_windows_replace_gaps_and_bring_those_of_donors(gapped, donors):
    rng = np.random.default_rng(0)
    plan = draw_plan(gapped, np.arange(32) % 3, width=0.3, n_windows=6, donors=donors, rng=rng)
    row = np.repeat(np.arange(32), 6)
    found = PerturbedCopies(
        gapped, plan.donors, row, plan.donor.ravel(), plan.start.ravel(), plan.width[row]
    )[:]
    lengths, n_line = lengths_of(gapped), 0
    for copy, i, donor, start in zip(
        found, row, plan.donor.ravel(), plan.start.ravel(), strict=True
    ):
        n, w = lengths[i], plan.width[i]
        expected, window = gapped[i].copy(), slice(start, start + w)
        for channel, values in enumerate(expected):
            own = gapped[i, channel]
            if donor >= 0:
                of_donor = plan.donors[donor, channel, : lengths[donor]]
                values[window] = slowly_stretched_with_gaps(of_donor[None], n)[0, window]
                if np.isnan(values[:n]).all():
                    values[:] = own
                continue
            there = own[window][~np.isnan(own[window])]
            replaced = np.full(w, there.mean() if len(there) else np.nan)
            if donor == STRAIGHT and w < n:
                low = own[start - 1] if start else own[start + w]
                high = own[start + w] if start + w < n else low
                line = np.linspace(low, high, w + 2)[1:-1]
                n_line += not np.isnan(line).any()
                replaced = np.where(np.isnan(line), replaced, line)
            values[window] = replaced
            if np.isnan(values[:n]).all():
                values[:] = own
        known = ~np.isinf(expected)
        np.testing.assert_allclose(copy[known], expected[known], atol=1e-5)
    assert (n_line > 5) == (donors == "varied")


def test_no_channel_is_left_without_a_value():
    series = torch.tensor([[[1.0, 2.0, np.nan, np.nan], [3.0, 4.0, 5.0, 6.0]]])
    donors = torch.tensor([[[np.nan, np.nan, 7.0, 8.0], [9.0, 9.0, 9.0, 9.0]]])
    found = uneven_copies(series, donors, torch.tensor([0]), torch.tensor([0]), torch.tensor([2]))[
        0
    ]
    torch.testing.assert_close(found[0], series[0, 0], equal_nan=True)
    assert found[1].tolist() == [9, 9, 5, 6]


def test_a_channel_of_a_mixture_keeps_a_value():
    rng = np.random.default_rng(0)
    series, others = rng.normal(size=(2, 1, 2, 40)).astype(np.float32)
    series[0, 1, np.arange(40) != 1] = np.nan
    others[0, :, 20:] = np.nan
    mixed = mix(series, others, np.array([0.5]))
    assert lengths_of(mixed).tolist() == [30] and not np.isnan(mixed[0, :, :30]).all(axis=1).any()


def test_mixtures_of_series_with_gaps_are_those_of_filled_ones(gapped):
    rng = np.random.default_rng(1)
    first, second = np.arange(32), rng.permutation(32)
    share = rng.random(32)
    found = mix(gapped[first], gapped[second], share)
    expected = mix(without_gaps(gapped)[first], without_gaps(gapped)[second], share)
    missing = np.isnan(found) & ~np.isnan(expected)
    np.testing.assert_allclose(found[~missing], expected[~missing], atol=1e-5)
    for i in range(32):
        mostly = gapped[first[i] if share[i] >= 0.5 else second[i]]
        n = (~np.isnan(expected[i, 0])).sum()
        own = slowly_stretched_with_gaps(mostly[:, : lengths_of(mostly[None])[0]], n)
        known = ~np.isinf(own)
        np.testing.assert_array_equal(missing[i, :, :n][known], np.isnan(own)[known])
