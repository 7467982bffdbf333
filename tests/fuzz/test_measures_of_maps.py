"""Measures of saliency maps over arbitrary maps: against exact sums and obvious loops."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.fuzz.cases import fewer
from tests.fuzz.of_arrays import (
    anything,
    float_types,
    laid_out,
    layouts,
    left_unchanged,
    maps,
    orders,
    refused,
    shapes,
    usual,
)
from tsdistill import fidelity

OF_PAIRS = {
    "saliency_correlation": (-1, 1),
    "per_series_correlation": (-1, 1),
    "top_overlap": (0, 1),
    "per_series_overlap": (0, 1),
}
OF_MASKS = ("auprc", "auroc", "per_series_auprc", "per_series_auroc")


def exact_correlation(a, b):
    """Pearson's correlation by exact fractions; 0 if a map is constant."""
    a, b = ([Fraction(float(v)) for v in values] for values in (a, b))
    a, b = ([v - sum(values) / len(values) for v in values] for values in (a, b))
    product = sum(x * y for x, y in zip(a, b, strict=True))
    size = sum(x * x for x in a) * sum(y * y for y in b)
    if size == 0:
        return 0.0
    squared = product * product / size
    return math.sqrt(squared) * (1 if product > 0 else -1)


def top_of(values, share):
    """Positions of the highest values, the earlier of equal ones first."""
    order = sorted(range(len(values)), key=lambda i: -values[i])
    return set(order[: max(1, int(np.round(share * len(values))))])


@st.composite
def pairs_of_maps(draw):
    """Maps of the same series by two models."""
    shape = draw(shapes())
    return [draw(maps(shape, draw(float_types))) for _ in range(2)]


@st.composite
def uneven_pairs(draw):
    """The same with NaN after the end of some series."""
    teacher, student = draw(pairs_of_maps())
    for row in range(len(teacher)):
        n = draw(st.integers(1, teacher.shape[-1]))
        teacher[row, ..., n:] = student[row, ..., n:] = np.nan
    return teacher, student


def values_of(series):
    """The values of one map that are there."""
    return [float(v) for v in series.ravel() if v == v]


@given(uneven_pairs(), st.floats(0.01, 0.99))
def test_correlation_and_overlap_are_those_of_exact_sums_and_loops(pair, share):
    teacher, student = pair
    correlation = fidelity.per_series_correlation(teacher, student)
    overlap = fidelity.per_series_overlap(teacher, student, share)
    for row in range(len(teacher)):
        a, b = values_of(teacher[row]), values_of(student[row])
        assert correlation[row] == pytest.approx(exact_correlation(a, b), abs=1e-6)
        tops = top_of(a, share), top_of(b, share)
        constant = len(set(a)) == 1 or len(set(b)) == 1
        expected = 0 if constant else len(tops[0] & tops[1]) / len(tops[0] | tops[1])
        assert overlap[row] == pytest.approx(expected)
    assert fidelity.saliency_correlation(teacher, student) == correlation.mean()
    assert fidelity.top_overlap(teacher, student, share) == overlap.mean()
    assert (np.abs(correlation) <= 1).all() and ((overlap >= 0) & (overlap <= 1)).all()


@given(uneven_pairs(), st.data(), layouts)
def test_measures_of_maps_depend_neither_on_layout_nor_on_who_is_called_the_teacher(
    pair, data, layout
):
    order = data.draw(orders(len(pair[0])))
    teacher, student = (laid_out(one[order], layout) for one in pair)
    with left_unchanged(teacher, student):
        for name in OF_PAIRS:
            measure = getattr(fidelity, name)
            found, expected = measure(teacher, student), measure(*pair)
            expected = expected[order] if name.startswith("per_series") else expected
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(measure(student, teacher), found, rtol=1e-9, atol=1e-9)


@given(st.sampled_from(sorted(OF_PAIRS)), st.data())
@example("per_series_overlap", None)
@example("per_series_correlation", None)
def test_measures_of_maps_take_arbitrary_arrays_or_say_what_is_wrong(name, data):
    if data is None:
        one = other = np.array([[1.0, 2.0], [np.nan, np.nan]])
    else:
        one = data.draw(anything())
        same, usable = data.draw(st.booleans()), data.draw(st.booleans())
        other = one if same else data.draw(maps(data.draw(shapes())) if usable else anything())
    with left_unchanged(one, other):
        found = refused(lambda: getattr(fidelity, name)(one, other), "teacher", "student")
    if found is not None:
        low, high = OF_PAIRS[name]
        assert (np.asarray(found) >= low).all() and (np.asarray(found) <= high).all()


def average_precision(values, true):
    """Equal values are found together; by a loop over the true timesteps."""
    found = []
    for value, is_true in zip(values, true, strict=True):
        if is_true:
            above = [t for v, t in zip(values, true, strict=True) if v >= value]
            found.append(sum(above) / len(above))
    return sum(found) / len(found)


def chance_of_higher(values, true):
    """Probability that a true timestep has a higher value than another."""
    yes = [v for v, t in zip(values, true, strict=True) if t]
    no = [v for v, t in zip(values, true, strict=True) if not t]
    return sum((a > b) + 0.5 * (a == b) for a in yes for b in no) / (len(yes) * len(no))


@given(uneven_pairs(), st.data(), layouts, layouts)
def test_maps_find_true_timesteps_as_often_as_a_loop_says(pair, data, layout, layout_of_mask):
    values = pair[0]
    mask = data.draw(hnp.arrays(bool, values.shape)) & ~np.isnan(values)
    order = data.draw(orders(len(values)))
    given_maps, given_mask = laid_out(values[order], layout), laid_out(mask[order], layout_of_mask)
    with left_unchanged(given_maps, given_mask):
        precision = fidelity.per_series_auprc(given_maps, given_mask)
        chance = fidelity.per_series_auroc(given_maps, given_mask)
    for place, row in enumerate(order):
        real = ~np.isnan(values[row])
        v, true = values[row][real].tolist(), mask[row][real].tolist()
        if all(true) or not any(true):
            assert math.isnan(precision[place]) and math.isnan(chance[place])
            continue
        assert precision[place] == pytest.approx(average_precision(v, true))
        assert chance[place] == pytest.approx(chance_of_higher(v, true))
    for measure, found in ((fidelity.auprc, precision), (fidelity.auroc, chance)):
        mean = refused(lambda measure=measure: measure(values, mask), "mask")
        assert (mean is None) == np.isnan(found).all()
        assert mean is None or mean == pytest.approx(np.nanmean(found))


@given(st.sampled_from(OF_MASKS), st.data())
def test_masks_and_maps_that_do_not_fit_are_refused_by_name(name, data):
    one = data.draw(st.one_of(anything(), maps((2, 3))))
    mask = data.draw(st.one_of(anything(), hnp.arrays(bool, (2, 3))))
    with left_unchanged(one, mask):
        found = refused(lambda: getattr(fidelity, name)(one, mask), "maps", "mask")
    if found is not None:
        found = np.asarray(found)
        assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()


def log_proba_of(X):
    """A model of three classes that looks at everything."""
    X = np.asarray(X, dtype=float)
    weights = np.linspace(-1, 1, X[0].size).reshape(X[0].shape)
    score = np.tanh(np.nan_to_num(X) * weights).sum(axis=(1, 2))
    logits = np.stack([score, -score, np.zeros(len(X))], axis=1)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def curve_by_a_loop(X, values, target, fill, n_points, inserted):
    """The probability of the target at each share, a series and a share at a time."""
    found = np.empty((len(X), n_points))
    for row, series in enumerate(X):
        ranked = values[row] if values.ndim == 3 else np.repeat(values[row][None], 1, axis=0)
        flat = ranked.ravel()
        n_real = int((~np.isnan(flat)).sum())
        order = sorted(range(n_real), key=lambda i: -flat[~np.isnan(flat)][i])
        places = np.flatnonzero(~np.isnan(flat))[order]
        for point, share in enumerate(np.linspace(0, 1, n_points)):
            reached = np.zeros(flat.size, dtype=bool)
            reached[places[: int(np.round(share * n_real))]] = True
            reached = np.broadcast_to(reached.reshape(ranked.shape), series.shape)
            kept = reached if inserted else ~reached
            copy = np.where(kept | np.isnan(series), series, fill[row]).astype(np.float32)
            found[row, point] = np.exp(log_proba_of(copy[None])[0, target[row]])
    return found


@fewer(0.5)
@given(st.data(), shapes(3, 6, 2), st.integers(2, 7), layouts, st.booleans())
def test_curves_are_those_of_a_loop(data, shape, n_points, layout, uneven):
    values = data.draw(maps(shape))
    panel_shape = shape if len(shape) == 3 else (shape[0], data.draw(st.integers(1, 2)), shape[1])
    X = data.draw(hnp.arrays(np.float32, panel_shape, elements=st.floats(-4, 4, width=32)))
    if uneven:
        for row in range(len(X)):
            n = data.draw(st.integers(1, X.shape[-1]))
            X[row, ..., n:], values[row, ..., n:] = np.nan, np.nan
    target = data.draw(hnp.arrays(np.int64, len(X), elements=st.integers(0, 2)))
    fill = data.draw(
        hnp.arrays(np.float32, (1, X.shape[1], 1), elements=st.floats(-1, 1, width=32))
    )
    given_all = [laid_out(one, layout) for one in (X, values, target, fill)]
    for inserted in (False, True):
        curve = fidelity.insertion_curve if inserted else fidelity.deletion_curve
        with left_unchanged(*given_all):
            shares, proba = curve(log_proba_of, *given_all, n_points=n_points)
        every = np.broadcast_to(fill, X.shape)
        expected = curve_by_a_loop(X, values, target, every, n_points, inserted)
        np.testing.assert_allclose(proba, expected, atol=1e-6)
        areas = fidelity.area(shares, proba)
        np.testing.assert_allclose(areas, np.trapezoid(proba, shares, axis=1), atol=1e-12)
        assert ((areas >= 0) & (areas <= 1)).all()


@given(st.data())
def test_curves_of_arbitrary_arrays_say_what_is_wrong(data):
    usable = [
        np.ones((2, 1, 3), np.float32), np.arange(6.0).reshape(2, 3), np.array([0, 2]),
        np.zeros((1, 1, 1)), 3,
    ]  # fmt: skip
    for place in data.draw(st.sets(st.integers(0, 4), min_size=1)):
        odd = st.one_of(anything(), usual(), st.integers(-2, 5))
        usable[place] = data.draw(odd)
    *arrays, n_points = usable
    names = ("panel", "maps", "target", "fill", "n_points")
    with left_unchanged(*arrays):
        call = data.draw(st.sampled_from((fidelity.deletion_curve, fidelity.insertion_curve)))
        found = refused(lambda: call(log_proba_of, *arrays, n_points=n_points), *names)
    if found is not None:
        assert ((found[1] >= 0) & (found[1] <= 1)).all()


@given(anything(), anything())
def test_areas_of_arbitrary_arrays_say_what_is_wrong(shares, proba):
    with left_unchanged(shares, proba):
        found = refused(lambda: fidelity.area(shares, proba), "shares", "proba")
    assert found is None or np.isfinite(found).all()


GROUPS = st.sampled_from((["a", "b"], [0, 1, 2], [-0.0, 1.5], ["ü\n", ""], [True, False]))


@fewer(0.25)
@given(uneven_pairs(), st.data(), layouts, st.sampled_from(("none", "relative")))
def test_a_summary_holds_what_its_documentation_says(pair, data, layout, align):
    known = data.draw(GROUPS)
    groups = [data.draw(st.sampled_from(known)) for _ in pair[0]]
    models = {"teacher": laid_out(pair[0], layout), "student": pair[1]}
    with left_unchanged(*models.values(), groups):
        found = fidelity.summarise_maps(models, groups, align=align)
    assert found.classes == tuple(sorted(set(groups)))
    assert found.n_series.tolist() == [groups.count(label) for label in found.classes]
    check_intervals(found)
    check_frames(found)
    order = data.draw(orders(len(groups)))
    moved = {name: m[order] for name, m in zip(models, pair, strict=True)}
    again = fidelity.summarise_maps(moved, [groups[i] for i in order], align=align)
    np.testing.assert_array_equal(again.count, found.count)
    size = max(1e-300, np.nanmax(np.abs(np.stack(pair, dtype=float))))
    for one, other in zip(again.saliency, found.saliency, strict=True):
        np.testing.assert_allclose(one / size, other / size, atol=1e-9)
    np.testing.assert_allclose(again.timestep_share, found.timestep_share, atol=1e-9)


def check_intervals(found):
    """Means lie in their intervals, shares between 0 and 1, correlations between -1 and 1."""
    for interval in (found.saliency, found.channel_share, found.channel_share_overall):
        told = ~np.isnan(interval.low)
        assert (interval.low <= interval.mean)[told].all()
        assert (interval.mean <= interval.high)[told].all()
        assert np.isfinite(interval.mean[~np.isnan(interval.mean)]).all()
        assert np.isfinite(interval.low[told]).all() and np.isfinite(interval.high[told]).all()
    for share in (*found.channel_share, *found.channel_share_overall, found.timestep_share):
        assert ((share >= 0) & (share <= 1) | np.isnan(share)).all()
    np.testing.assert_array_equal(np.isnan(found.saliency.mean), np.isnan(found.quantiles[0]))
    assert not (found.quantiles[0] > found.quantiles[1]).any()
    total = found.timestep_share.sum(axis=(2, 3))
    np.testing.assert_allclose(total[~np.isnan(total)], 1)
    for correlation in (found.correlation_of_means, found.mean_correlation):
        assert (np.abs(correlation) <= 1).all()


def check_frames(found):
    """Frames hold a row for each place, with the numbers of the summary."""
    frame, channels = found.to_frame(), found.channels_to_frame()
    assert isinstance(frame, pd.DataFrame) and len(frame) == found.timestep_share.size
    np.testing.assert_array_equal(frame["mean"], found.saliency.mean.ravel())
    np.testing.assert_array_equal(channels["share"], found.channel_share.mean.ravel())


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 5), st.floats(1e-3, 1e3))
@example(7, 3, 9, 0.1)
def test_equal_shares_of_constant_maps_stay_between_0_and_1(n, n_channels, n_timepoints, value):
    found = fidelity.summarise_maps(np.full((n, n_channels, n_timepoints), value), [1] * n)
    check_intervals(found)


@given(st.one_of(anything(), maps((3, 2))), st.one_of(anything(), GROUPS))
def test_summaries_of_arbitrary_arrays_say_what_is_wrong(values, groups):
    with left_unchanged(values, groups):
        found = refused(lambda: fidelity.summarise_maps(values, groups), "maps", "groups")
    if found is not None:
        check_intervals(found)


@fewer(0.5)
@given(st.data(), shapes(4, 7, 2))
def test_shifted_maps_are_counted_once_and_lie_within_the_bound(data, shape):
    values, X = data.draw(maps(shape)), data.draw(hnp.arrays(np.float64, shape, elements=usual()))
    groups = data.draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, 1)))
    most = data.draw(st.one_of(st.none(), st.integers(1, 3)))
    with left_unchanged(values, X, groups):
        found = refused(
            lambda: fidelity.summarise_maps(values, groups, align="shift", X=X, max_shift=most),
            "max_shift",
        )
    if found is None:
        return
    check_intervals(found)
    assert np.abs(found.alignment.shifts).max() <= (most or max(1, shape[-1] // 10))
    assert (found.count <= found.n_series[:, np.newaxis]).all()


@given(anything(), st.one_of(st.none(), st.integers(0, 99), anything()))
def test_the_shape_of_random_maps_is_the_one_asked_for(shape, seed):
    refused(lambda: fidelity.random_maps((2,), seed), "random_state")
    refused(lambda: fidelity.random_maps(shape), "shape")
    if seed is None or isinstance(seed, int):
        assert fidelity.random_maps((2, 3), seed).shape == (2, 3)
    if isinstance(seed, int):
        one, other = (fidelity.random_maps((2, 3), seed) for _ in range(2))
        np.testing.assert_array_equal(one, other)
