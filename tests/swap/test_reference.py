"""The series of fit, as a monitor remembers them, and drift away from them."""

from itertools import pairwise

import numpy as np
import pytest

from tests.swap.conftest import watched_series
from tsdistill.exceptions import SavedFileError
from tsdistill.swap.record import Promise, Record
from tsdistill.swap.reference import Reference, bins_of, statistics_of


def statistics_by_hand(series):
    means, deviations, mean_steps = [], [], []
    for channel in series:
        values = channel[~np.isnan(channel)]
        steps = [abs(b - a) for a, b in pairwise(channel)]
        steps = [step for step in steps if not np.isnan(step)]
        means.append(values.mean())
        deviations.append(np.sqrt(((values - values.mean()) ** 2).mean()))
        mean_steps.append(np.mean(steps) if steps else 0.0)
    return means + deviations + mean_steps


@pytest.mark.parametrize(
    ("nan", "dtype"),
    [("none", np.float32), ("none", np.int64), ("after the end", np.float32), ("in gaps", float)],
)
def test_statistics_equal_a_slow_loop(nan, dtype):
    X = (100 * np.random.default_rng(0).normal(size=(300, 2, 15))).astype(dtype)
    if nan == "after the end":
        X[5, :, 9:] = np.nan
    elif nan == "in gaps":
        X[7, 1, 3:6] = np.nan
    expected = [statistics_by_hand(series) for series in X.astype(float)]
    np.testing.assert_allclose(statistics_of(X), expected, rtol=1e-9)
    if nan == "none":  # the same to the last bit, however the series come
        rows = [statistics_of(X[i : i + 1])[0] for i in range(300)]
        np.testing.assert_array_equal(statistics_of(X), rows)
        np.testing.assert_array_equal(statistics_of(np.asfortranarray(X)), rows)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], [3.0, 0.0, 0.0]),
        ([1.0, 4.0], [2.5, 1.5, 3.0]),
        ([np.nan, 3.0, np.nan], [3.0, 0.0, 0.0]),
        ([1.0, 4.0, np.nan], [2.5, 1.5, 3.0]),
        ([np.nan, np.nan], [0.0, 0.0, 0.0]),
    ],
)
def test_series_of_a_few_values_have_the_steps_that_they_have(values, expected):
    assert statistics_of(np.array([values])).tolist() == [expected]


def test_the_score_is_made_from_other_series_than_are_counted():
    X, uncertainty = watched_series(900), np.random.default_rng(1).random(900)
    whole = Reference.of(uncertainty, X)
    counted = np.arange(900) % 3 != 0
    assert whole.input_counts.sum() == whole.uncertainty_counts.sum() == counted.sum()
    other = X.copy()
    other[counted] *= 3
    again = Reference.of(uncertainty, other)
    np.testing.assert_array_equal(again.scale, whole.scale)
    np.testing.assert_array_equal(again.input_edges, whole.input_edges)
    assert (again.input_counts != whole.input_counts).any()
    expected = np.bincount(bins_of(whole.strangeness(X[counted]), whole.input_edges), minlength=64)
    np.testing.assert_array_equal(whole.input_counts, expected)


def test_bins_end_at_scores_that_were_seen_and_hold_as_many_each():
    X, uncertainty = watched_series(900), np.random.default_rng(1).random(900)
    reference, first = Reference.of(uncertainty, X), np.arange(900) % 3 == 0
    for edges, scores in (
        (reference.uncertainty_edges, uncertainty[first]),
        (reference.input_edges, reference.strangeness(X[first])),
    ):
        assert len(edges) == 63 and np.isin(edges, scores).all()
        in_bins = np.diff([0, *np.searchsorted(np.sort(scores), edges, side="right"), 300])
        assert in_bins.min() >= 4 and in_bins.max() <= 6


def test_strangeness_is_the_mean_square_in_deviations_of_the_series_of_fit():
    X = watched_series(3000)
    reference, statistics = Reference.of(np.zeros(3000), X), statistics_of(X)
    np.testing.assert_allclose(reference.scale, statistics.std(axis=0), rtol=0.1)
    np.testing.assert_allclose(reference.centre, statistics.mean(axis=0), atol=0.05)
    parts = ((statistics - reference.centre) / reference.scale) ** 2
    np.testing.assert_allclose(reference.strangeness(X), parts.mean(axis=1))


@pytest.mark.parametrize(
    ("level", "deviation", "scale"),
    [
        (0.0, 5.0, [0.05, 0.05, 0.05]),
        (0.0, 0.0, [1.0, 1.0, 1.0]),
        (-4e6, 0.0, [4.0, 1.0, 1.0]),
    ],
)
def test_what_does_not_vary_has_a_small_scale_and_never_none(level, deviation, scale):
    X = np.tile(level + deviation * np.array([-1.0, 1.0, 1.0, -1.0]), (90, 1))
    reference = Reference.of(np.zeros(90), X)
    np.testing.assert_allclose(reference.scale, scale)
    strange = reference.strangeness(X[:1] + 0.5)
    assert strange == pytest.approx([(0.5 / scale[0]) ** 2 / 3])


def test_rounding_errors_of_standardised_series_are_not_strange():
    X = watched_series(300)
    X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    reference = Reference.of(np.zeros(300), X)
    assert (reference.scale >= 0.009).all()
    assert reference.strangeness(3 * X[:5]).min() > 100 > reference.strangeness(X).max()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_or_equal_series_are_enough(n):
    reference = Reference.of(np.full(n, np.inf), np.zeros((n, 4)))
    assert np.isfinite(reference.uncertainty_edges).all()
    assert np.isfinite(reference.strangeness(np.ones((2, 4)))).all()
    assert Reference.from_tensors(reference.tensors(), 1).centre.tolist() == [0, 0, 0]


def drift_of(name, fit_scores, scores, seed=0):
    """The alarms after series with these scores."""
    first, later = np.asarray(fit_scores), np.asarray(scores)
    edges = np.quantile(first, np.arange(1, 64) / 64)
    counts = np.bincount(bins_of(np.asarray(fit_scores), edges), minlength=64)
    reference = Reference(None, None, edges, counts, edges, counts)
    record = Record.new(Promise(0.02, 0.01, 0.95), reference)
    ties = np.random.default_rng(seed).random(len(later)).tolist()
    record.rank(name, range(1, len(later) + 1), later.tolist(), ties)
    return record.alarms


def test_false_alarms_of_drift_are_rare():
    """Each alarm has a quarter of the error, 0.0125; the bins come from other series."""
    rang, n_runs = 0, 200
    edges = (np.arange(1, 64) / 64) ** 2  # wrong quantiles, which must not matter
    for seed in range(n_runs):
        rng = np.random.default_rng(seed)
        counts = np.bincount(bins_of(rng.random(200), edges), minlength=64)
        reference = Reference(None, None, edges, counts, edges, counts)
        record = Record.new(Promise(0.02, 0.01, 0.95), reference)
        record.rank("input", range(1, 3001), rng.random(3000).tolist(), rng.random(3000).tolist())
        rang += bool(record.alarms)
    assert rang / n_runs <= 0.0125 + 3 * np.sqrt(0.0125 / n_runs)


@pytest.mark.parametrize("n_before", [0, 2000])
@pytest.mark.parametrize(
    "drifted",
    [
        lambda rng, n: rng.normal(1.0, 1.0, n),  # all a little
        lambda rng, n: rng.normal(-1.0, 1.0, n),
        lambda rng, n: np.where(rng.random(n) < 0.1, 5.0, rng.normal(size=n)),  # some very much
    ],
)
def test_drift_is_found_whenever_it_comes(n_before, drifted):
    rng = np.random.default_rng(3)
    scores = np.append(rng.normal(size=n_before), drifted(rng, 1500))
    alarms = drift_of("confidence", rng.normal(size=600), scores)
    assert n_before < alarms["confidence"] <= n_before + 1000


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("reference.scale"),
        lambda found: found.update({"reference.more": np.zeros(3)}),
        lambda found: found.update({"reference.scale": np.zeros(3)}),
        lambda found: found.update({"reference.scale": np.array([0.5, 0.0, 0.5])}),
        lambda found: found.update({"reference.centre": np.zeros(4)}),
        lambda found: found.update({"reference.input_counts": np.zeros(3, int)}),
        lambda found: found["reference.input_counts"].__setitem__(0, -1),
        lambda found: found.update({"reference.input_edges": found["reference.input_edges"][::-1]}),
        lambda found: found["reference.input_edges"].__setitem__(
            1, found["reference.input_edges"][0]
        ),
        lambda found: found["reference.uncertainty_counts"].__setitem__(3, -1),
        lambda found: found.update({"reference.centre": np.zeros(3, np.float32)}),
        lambda found: found.update({"reference.input_edges": np.float64(1.0)}),
    ],
)
def test_a_damaged_reference_is_refused(change):
    found = Reference.of(np.random.default_rng(0).random(90), watched_series(90)).tensors()
    assert Reference.from_tensors(found, 1) is not None
    change(found)
    with pytest.raises(SavedFileError, match="the reference of the swap is"):
        Reference.from_tensors(found, 1)


def test_a_reference_is_of_as_many_channels_as_the_swap():
    X = np.random.default_rng(0).normal(size=(90, 2, 15))
    found = Reference.of(np.zeros(90), X).tensors()
    again = Reference.from_tensors(found, 2)
    np.testing.assert_array_equal(
        again.strangeness(X), Reference.of(np.zeros(90), X).strangeness(X)
    )
    for n_channels in (1, 3):
        with pytest.raises(SavedFileError, match="the reference of the swap is damaged"):
            Reference.from_tensors(found, n_channels)
