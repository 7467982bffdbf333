"""Series and their maps on one time axis."""

import numpy as np
import pytest

from tests.fidelity.test_summaries import GROUPS, LENGTHS
from tsdistill.fidelity import summarise_maps
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.inputs.lengths import padded
from tsdistill.perturbation.uneven import stretched


def bumps(offsets, n_timepoints=80, noise=0.05, seed=0):
    """Series of one channel with a bump, each moved by its offset, and maps that follow it."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_timepoints) - n_timepoints / 2
    shape = np.exp(-(((time - np.array(offsets)[:, np.newaxis]) / 4) ** 2))
    return shape + noise * rng.normal(size=shape.shape), shape


def test_shifts_find_how_far_each_series_was_moved():
    offsets = np.array([0, 5, -4, 2, -7, 3, 0, -1, 6, -6])
    X, maps = bumps(offsets)
    summary = summarise_maps(maps, np.zeros(10), align="shift", X=X, max_shift=16)
    shifts = summary.alignment.shifts
    np.testing.assert_array_equal(shifts + offsets, np.full(10, shifts[0] + offsets[0]))
    plain = summarise_maps(maps, np.zeros(10))
    assert plain.saliency.mean.max() < 0.7 < 0.99 < summary.saliency.mean[..., 20:60].max()
    mean = summary.saliency.mean[0, 0, 0]
    moved = [maps[i, t - s] if 0 <= t - s < 80 else np.nan
             for t in range(80) for i, s in enumerate(shifts)]  # fmt: skip
    np.testing.assert_allclose(mean, np.nanmean(np.reshape(moved, (80, 10)), axis=1))
    inside = [[0 <= t - s < 80 for s in shifts] for t in range(80)]
    np.testing.assert_array_equal(summary.count[0], np.sum(inside, axis=1))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # where no other series is
@pytest.mark.parametrize("shortest", [80, 30], ids=["of one length", "of unequal length"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_each_series_is_where_it_fits_the_others_of_its_class_best(shortest, n_classes):
    """All channels are pooled, each with a mean of 0 and a standard deviation of 1."""
    rng = np.random.default_rng(0)
    X, _ = bumps(rng.integers(-6, 7, size=12), noise=0.4)
    X = np.stack([X + 3, np.exp(3 * X)], axis=1)
    X[(np.arange(80) >= rng.integers(shortest, 81, size=(12, 1, 1))).repeat(2, axis=1)] = np.nan
    groups = np.arange(12) % n_classes
    alignment = summarise_maps(X, groups, align="shift", X=X, max_shift=8).alignment
    scaled = X - np.nanmean(X, axis=(0, 2), keepdims=True)
    scaled /= np.nanstd(X, axis=(0, 2), keepdims=True)
    aligned = alignment.of(scaled)
    for i in range(12):
        others = [j for j in range(12) if j != i and groups[j] == groups[i]]
        target = np.nanmean(aligned[others], axis=0)
        best, highest = None, -2
        for shift in sorted(range(-8, 9), key=abs):
            places = [(c, t) for c in range(2) for t in range(80) if 0 <= t - shift < 80]
            pairs = np.array([(scaled[i, c, t - shift], target[c, t]) for c, t in places])
            pairs = pairs[np.isfinite(pairs).all(axis=1)]
            if 2 * len(pairs) < np.isfinite(X[i]).sum():
                continue
            correlation = np.corrcoef(pairs.T)[0, 1]
            if correlation > highest:
                best, highest = shift, correlation
        assert alignment.shifts[i] == best


def test_a_shift_may_be_a_tenth_of_the_longest_series_unless_the_user_says_more():
    for n_timepoints, tenth in ((8, 1), (40, 4), (109, 10)):
        hump = np.sin(np.pi * np.arange(-n_timepoints, 2 * n_timepoints) / n_timepoints) ** 3
        moves = (0, 0, n_timepoints // 4, -(n_timepoints // 4))
        X = np.stack([np.roll(hump, move)[n_timepoints:-n_timepoints] for move in moves])
        found = summarise_maps(X, np.zeros(4), align="shift", X=X).alignment.shifts
        assert found[2:].tolist() == [-tenth, tenth]
        most = n_timepoints // 4
        found = summarise_maps(X, np.zeros(4), align="shift", X=X, max_shift=most).alignment.shifts
        assert found[2:].tolist() == [-most, most]


@pytest.mark.parametrize("n_left", [3, 4, 5])
def test_a_shift_may_leave_half_of_a_series_but_not_less(n_left):
    """The end of a series of eight timesteps is the start of the longer one."""
    longer = np.random.default_rng(0).normal(size=20)
    shorter = np.concatenate([np.zeros(8 - n_left), longer[:n_left]])
    X = padded([longer, shorter])
    shifts = summarise_maps(X, [0, 0], align="shift", X=X, max_shift=10).alignment.shifts
    assert shifts[0] == 0  # the other covers less than half of it, wherever it is moved
    assert (shifts[1] == n_left - 8) == (n_left >= 4)


def test_neither_offset_nor_size_of_a_channel_matters():
    X, maps = bumps([0, 6, -6, 0, 3, -3], noise=0.3)
    both = np.stack([X, np.roll(X, 1, axis=1)], axis=1)
    shifts = summarise_maps(maps, np.zeros(6), align="shift", X=both, max_shift=12).alignment.shifts
    for other in (both + np.array([[0.0], [50.0]]), both * np.array([[3.0], [1e-6]])):
        found = summarise_maps(maps, np.zeros(6), align="shift", X=other, max_shift=12)
        np.testing.assert_array_equal(found.alignment.shifts, shifts)


def test_it_does_not_matter_at_which_value_a_channel_is_constant():
    X = np.random.default_rng(0).normal(size=(7, 1, 77)).cumsum(axis=2)
    found = []
    for constant in (0.0, 0.7, 1e8 + 0.1):  # the mean of the others is rounded
        both = np.concatenate([X, np.full_like(X, constant)], axis=1)
        summary = summarise_maps(X, np.zeros(7), align="shift", X=both, max_shift=20)
        found.append(summary.alignment.shifts.tolist())
    assert found[0] == found[1] == found[2] and any(found[0])


def test_series_that_never_settle_are_moved_20_times(monkeypatch):
    calls = []

    def restless(copies, others, n_own):
        calls.append(n_own)
        return len(calls) % 2

    monkeypatch.setattr("tsdistill.fidelity.alignment._best", restless)
    X, maps = bumps([0, 1, 2])
    summarise_maps(maps, np.zeros(3), align="shift", X=X)
    assert calls == [80] * 3 * 20


@pytest.mark.parametrize("align", ["relative", "shift"])
def test_an_alignment_is_for_as_many_series_as_it_was_made_of(align):
    X = padded([np.arange(1.0, n) for n in (9, 7, 13)])[:, np.newaxis]
    alignment = summarise_maps(X, [0, 0, 1], classes=[0], align=align, X=X).alignment
    found = alignment.of(X[:2])
    assert found.shape == (2, 1, 12)
    assert np.isnan(found[:, :, 9:]).all()  # where no series of these classes has a timestep
    if align == "relative":
        np.testing.assert_allclose(found[0, 0, :8], np.arange(1.0, 9))
    for n in (1, 3):
        with pytest.raises(ValueError, match="argument 2 is"):
            alignment.of(X[:n])


def test_shifts_are_bounded_repeatable_and_blind_to_the_maps():
    offsets = [0, 0, 0, 0, 30, -30]
    X, maps = bumps(offsets)
    noise = np.random.default_rng(1).normal(size=maps.shape)
    found = [
        summarise_maps(m, np.zeros(6), align="shift", X=X, max_shift=10).alignment.shifts
        for m in (maps, maps, noise)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert np.abs(found[0]).max() <= 10 and (found[0][:4] == found[0][0]).all()


def test_channels_of_large_values_do_not_decide_alone():
    X, maps = bumps([0, 6, -6, 0, 3, -3], noise=0.01)
    loud = 1e6 * np.random.default_rng(0).normal(size=X.shape)
    both = np.stack([X, X, X, loud], axis=1)
    summary = summarise_maps(maps, np.zeros(6), align="shift", X=both, max_shift=12)
    np.testing.assert_array_equal(
        summary.alignment.shifts - summary.alignment.shifts[0], [0, -6, 6, 0, -3, 3]
    )


@pytest.mark.parametrize(
    "X",
    [np.ones((4, 20)), np.tile(np.sin(np.arange(40) * np.pi / 5), (4, 1)), np.eye(1, 20)],
    ids=["constant", "periodic", "alone"],
)
def test_where_no_shift_is_better_none_is_made(X):
    summary = summarise_maps(X, np.zeros(len(X)), align="shift", X=X)
    assert (summary.alignment.shifts == 0).all()


def test_series_of_unequal_length_are_shifted_with_half_of_them_inside():
    rng = np.random.default_rng(0)
    X = padded([rng.normal(size=n) for n in LENGTHS])
    summary = summarise_maps(X, GROUPS, align="shift", X=X, max_shift=15)
    shifts = summary.alignment.shifts
    for length, shift in zip(LENGTHS, shifts, strict=True):
        inside = [0 <= t + shift < 30 for t in range(length)]
        assert sum(inside) >= length / 2
    assert (summary.count <= summary.n_series[:, np.newaxis]).all()


def test_stretched_maps_count_everywhere_and_are_those_that_training_stretches():
    rng = np.random.default_rng(0)
    maps = padded([rng.normal(size=(2, n)) for n in LENGTHS])
    summary = summarise_maps(maps, GROUPS, align="relative")
    np.testing.assert_array_equal(summary.count, np.repeat([[3], [3], [1]], 30, axis=1))
    longer = stretched(maps, 30)
    for k, label in enumerate("abc"):
        np.testing.assert_allclose(
            summary.saliency.mean[0, k], longer[label == GROUPS].mean(axis=0), atol=1e-12
        )


def test_the_same_event_at_the_same_share_of_each_series_is_found_by_stretching():
    lengths = [60, 40, 24, 80]
    maps = padded([np.exp(-(((np.arange(n) / n - 0.7) / 0.05) ** 2)) for n in lengths])
    by_position = summarise_maps(maps, np.zeros(4)).saliency.mean.max()
    assert np.nanmax(by_position) < 0.8
    stretched_mean = summarise_maps(maps, np.zeros(4), align="relative").saliency.mean[0, 0, 0]
    assert stretched_mean.max() > 0.9 and abs(stretched_mean.argmax() / 80 - 0.7) < 0.02


def test_where_series_have_ended_the_mean_is_that_of_the_others():
    maps = padded([np.ones(10), np.full(4, 3.0)])
    summary = summarise_maps(maps, [0, 0])
    np.testing.assert_array_equal(summary.saliency.mean[0, 0, 0], [2.0] * 4 + [1.0] * 6)
    np.testing.assert_array_equal(summary.count[0], [2] * 4 + [1] * 6)


def test_alignment_changes_neither_channel_shares_nor_correlations():
    rng = np.random.default_rng(0)
    teacher = padded([rng.normal(size=(2, n)) for n in LENGTHS])
    maps = {"teacher": teacher, "student": teacher + 1}
    plain = summarise_maps(maps, GROUPS)
    for align in ("relative", "shift"):
        summary = summarise_maps(maps, GROUPS, align=align, X=teacher)
        np.testing.assert_array_equal(summary.channel_share.mean, plain.channel_share.mean)
        np.testing.assert_array_equal(summary.mean_correlation, plain.mean_correlation)
    rows = [1, 3, 6]  # of class "a"
    correlation = per_series_correlation(teacher[rows, 0], teacher[rows, 0] + 1)
    np.testing.assert_allclose(plain.mean_correlation[0, 0, 0], correlation.mean())
