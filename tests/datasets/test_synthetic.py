"""Made sets: their classes, their seeds, and what their masks mark."""

import numpy as np
import pytest

from tsdistill import datasets
from tsdistill.datasets import (
    make_freq_shapes,
    make_low_var,
    make_middle_box,
    make_rare_feature,
    make_rare_time,
    make_seq_comb,
)
from tsdistill.exceptions import ParameterError

MAKERS = {  # the number of classes, and the shape of a series
    make_freq_shapes: (4, (1, 50)),
    make_seq_comb: (4, (1, 200)),
    make_low_var: (4, (2, 200)),
    make_middle_box: (2, (50, 50)),
    make_rare_time: (2, (50, 50)),
    make_rare_feature: (2, (50, 50)),
}


every_maker = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def runs(row):
    """First and last timestep + 1 of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return [tuple(pair) for pair in edges.reshape(-1, 2).tolist()]


def test_every_maker_is_public():
    public = [name for name in datasets.__all__ if name.startswith("make_")]
    assert public == sorted(make.__name__ for make in MAKERS)


@every_maker
@pytest.mark.parametrize("n_instances", [22, 100])
def test_sets_have_the_promised_shapes_and_balanced_shuffled_classes(make, n_instances):
    n_classes, shape = MAKERS[make]
    X, y, mask = make(n_instances, random_state=0)
    assert (X.shape, X.dtype) == ((n_instances, *shape), np.float32)
    assert (y.shape, y.dtype) == ((n_instances,), np.int64)
    assert (mask.shape, mask.dtype) == (X.shape, bool)
    assert np.isfinite(X).all()
    counts = np.bincount(y, minlength=n_classes)
    assert len(counts) == n_classes
    assert counts.max() - counts.min() <= 1
    assert not (np.diff(y) >= 0).all()
    assert not (y == np.arange(n_instances) % n_classes).all()


@every_maker
def test_equal_seeds_give_equal_bits_and_other_seeds_do_not(make):
    n_classes = MAKERS[make][0]
    np.random.seed(1)
    one = make(n_classes, random_state=7)
    np.random.seed(2)
    two = make(n_classes, random_state=7)
    other = make(n_classes, random_state=8)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))
    assert (one[0] != other[0]).any()
    assert (make(n_classes)[0] != make(n_classes)[0]).any()


@every_maker
def test_generators_are_drawn_from_and_numpys_own_is_left_alone(make):
    n_classes = MAKERS[make][0]
    before = np.random.get_state()[1:3]
    for kind in (np.random.default_rng, np.random.RandomState):
        first, second = kind(0), kind(0)
        a, b = make(n_classes, random_state=first), make(n_classes, random_state=first)
        again = make(n_classes, random_state=second)
        np.testing.assert_array_equal(a[0], again[0])
        assert (a[0] != b[0]).any()
    make(n_classes)
    after = np.random.get_state()[1:3]
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]


@every_maker
def test_int_seeds_the_generator_that_numpy_makes_of_it(make):
    n_classes = MAKERS[make][0]
    for a, b in zip(
        make(n_classes, random_state=np.int64(3)),
        make(n_classes, random_state=np.random.default_rng(3)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@every_maker
@pytest.mark.parametrize("n_instances", [0, 1, -5, 8.0, "8", None, True])
def test_too_few_instances_are_refused(make, n_instances):
    with pytest.raises(ParameterError, match=rf"n_instances={n_instances!r}; .* of [24] or more"):
        make(n_instances)


@every_maker
@pytest.mark.parametrize("random_state", [-1, 0.5, "seed", True, [1], np.arange(3)], ids=str)
def test_unusable_seeds_are_refused(make, random_state):
    with pytest.raises(ParameterError, match="random_state="):
        make(random_state=random_state)


@pytest.mark.parametrize(
    ("make", "name", "values"),
    [
        (make_freq_shapes, "noise", (-0.1, np.nan, np.inf, "much", None)),
        (make_seq_comb, "noise", (-0.1, np.nan, "much")),
        (make_seq_comb, "amplitude", (0, -1, np.inf, None)),
        (make_low_var, "noise", (-0.1, np.nan, "much")),
        (make_middle_box, "height", (0, -1, np.nan)),
        (make_rare_time, "height", (0, "high")),
        (make_rare_feature, "height", (0, None)),
    ],
)
def test_unusable_options_are_refused(make, name, values):
    for value in values:
        with pytest.raises(ParameterError, match=f"{name}={value!r}; expected"):
            make(**{name: value})


def test_freq_shapes_marks_exactly_the_spikes():
    X, y, mask = make_freq_shapes(400, noise=0, random_state=0)
    for series, label, marked in zip(X[:, 0], y, mask[:, 0], strict=True):
        sign = 1 if label in (1, 3) else -1
        period = 10 if label in (0, 1) else 17
        spikes = runs(marked)
        assert len(spikes) in ((4, 5) if period == 10 else (2, 3))
        assert all(stop - start == 3 for start, stop in spikes)
        starts = [start for start, _ in spikes]
        assert set(np.diff(starts)) == {period}
        assert starts[0] < period  # no spike is missing at the front ...
        assert starts[-1] + period + 3 > 50  # ... or at the end
        for start in starts:
            assert series[start : start + 3].tolist() == [sign * 1.75, sign * 2, sign * 1.75]
        assert (series[~marked] == 0).all()


def test_freq_shapes_start_at_every_phase():
    _, y, mask = make_freq_shapes(2000, random_state=0)
    first = mask[:, 0].argmax(axis=1)
    assert set(first[y < 2]) == set(range(10))
    assert set(first[y >= 2]) == set(range(17))


def test_freq_shapes_noise_is_normal_with_its_standard_deviation():
    quiet, y, mask = make_freq_shapes(2000, noise=0, random_state=0)
    X, y_again, mask_again = make_freq_shapes(2000, random_state=0)
    np.testing.assert_array_equal(y, y_again)
    np.testing.assert_array_equal(mask, mask_again)
    assert abs(X[~mask].mean()) < 0.01
    for marked in (mask, ~mask):
        assert (X - quiet)[marked].std() == pytest.approx(0.25, rel=0.02)


def test_seq_comb_marks_two_ramps_in_the_order_of_the_class():
    X, y, mask = make_seq_comb(800, noise=0, amplitude=2, random_state=0)
    directions = {1: (-1, -1), 2: (1, 1), 3: (1, -1)}
    lengths, starts, touching = set(), [], 0
    assert not mask[y == 0].any()
    for series, label, marked in zip(X[:, 0], y, mask[:, 0], strict=True):
        if label == 0:
            continue
        ends = [t for t in range(200) if marked[t] and abs(series[t]) == 2]
        assert len(ends) == 4, "a ramp is marked that does not begin and end at the amplitude"
        first, second = (ends[0], ends[1] + 1), (ends[2], ends[3] + 1)
        assert first[0] < 100
        assert first[1] <= second[0]
        assert marked.sum() == first[1] - first[0] + second[1] - second[0]
        for (start, stop), direction in zip((first, second), directions[label], strict=True):
            assert marked[start:stop].all()
            steps = np.diff(series[start:stop].astype(float))
            np.testing.assert_allclose(steps, direction * 4 / (stop - start - 1), rtol=1e-5)
            lengths.add(stop - start)
        starts.append((first[0], second[0]))
        touching += first[1] == second[0]
    assert lengths == set(range(10, 20))
    starts = np.array(starts)
    assert starts[:, 0].min() == 0
    assert starts[:, 0].max() == 99
    assert starts[:, 1].max() > 180
    assert touching < 50


def test_seq_comb_ramps_stand_out_of_the_noise_by_default():
    X, y, mask = make_seq_comb(200, random_state=0)
    for series, label, marked in zip(X[:, 0], y, mask[:, 0], strict=True):
        found = runs(marked)
        if label in (1, 2) and len(found) == 2:
            for start, stop in found:
                assert (np.sign(np.diff(series[start:stop])) == (-1, 1)[label - 1]).all()
    assert X[~mask].min() > 0.1
    assert X[~mask].max() < 0.45


def test_seq_comb_base_is_a_bounded_narma_series():
    X, _, mask = make_seq_comb(400, noise=0, random_state=0)
    assert X[~mask].min() > 0.19  # 0.1 / 0.6 and a little, where every input is 0
    assert X[~mask].max() < 0.397  # the fixed point where every input is 0.5
    series = X[~mask.any(axis=(1, 2)), 0].astype(float)
    cubes = series[:, 2:] - 0.4 * series[:, 1:-1] - 0.4 * series[:, 1:-1] * series[:, :-2] - 0.1
    inputs = np.cbrt(np.clip(cubes / 0.6, 0, None))
    assert inputs.max() < 0.501
    np.testing.assert_allclose(
        np.quantile(inputs, [0.25, 0.5, 0.75]), [0.125, 0.25, 0.375], atol=0.01
    )
    start, end = series[:, :20].mean(), series[:, -20:].mean()
    assert start == pytest.approx(end, abs=0.005)  # no sign of where it was started


def test_low_var_marks_a_quiet_segment_on_the_channel_of_the_class():
    X, y, mask = make_low_var(800, random_state=0)
    lengths, starts = set(), set()
    for series, label, marked in zip(X, y, mask, strict=True):
        channel, sign = divmod(int(label), 2)
        assert not marked[1 - channel].any()
        [(start, stop)] = runs(marked[channel])
        segment = series[channel, start:stop]
        assert segment.mean() == pytest.approx(1.5 if sign else -1.5, abs=0.15)
        assert 0.03 < segment.std() < 0.2
        lengths.add(stop - start)
        starts.add(start)
    assert lengths == set(range(10, 20))
    assert (min(starts), max(starts)) == (20, 159)
    assert (X[mask] - np.sign(X[mask]) * 1.5).std() == pytest.approx(0.1, rel=0.05)
    for channel in (0, 1):
        beside = X[:, channel][~mask[:, channel]]
        assert beside.mean() == pytest.approx(0.235, abs=0.02)
        assert beside.std() == pytest.approx(1, rel=0.02)


def test_low_var_without_noise_leaves_the_bounded_base():
    X, _, mask = make_low_var(100, noise=0, random_state=0)
    assert 0.16 < X[~mask].min() < X[~mask].max() < 0.397
    assert (X[:, 0] != X[:, 1]).any()


@pytest.mark.parametrize(
    ("make", "timesteps", "channels"),
    [
        (make_middle_box, (10, 40), (10, 40)),
        (make_rare_time, (22, 28), (5, 45)),
        (make_rare_feature, (5, 45), (22, 28)),
    ],
)
def test_boxes_lie_where_the_benchmark_has_them(make, timesteps, channels):
    X, y, mask = make(60, height=3, random_state=0)
    for series, label, marked in zip(X, y, mask, strict=True):
        for c in range(50):
            for t in range(50):
                inside = channels[0] <= c < channels[1] and timesteps[0] <= t < timesteps[1]
                assert marked[c, t] == inside
        assert series[marked].mean() == pytest.approx(3 if label else -3, abs=0.3)
        assert series[~marked].mean() == pytest.approx(0, abs=0.15)
    np.testing.assert_allclose(X[y == 1].mean(axis=0)[mask[0]], 3, atol=1)
    assert np.where(mask, 0, X).std() == pytest.approx(np.sqrt((~mask).mean()), rel=0.02)
    by_default = make(60, random_state=0)[0]
    assert by_default[y == 0][mask[y == 0]].mean() == pytest.approx(-1, abs=0.05)


def test_maker_of_one_box_marks_series_apart():
    _, _, mask = make_rare_time(4, random_state=0)
    mask[0] = False
    assert mask[1].any()
