"""Summaries of the maps of a set, against loops over its series."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import saliency_correlation, summarise_maps
from tsdistill.inputs.lengths import padded

LENGTHS = (30, 12, 21, 30, 17, 25, 9)
GROUPS = np.array(["b", "a", "b", "a", "b", "c", "a"])


@pytest.fixture
def maps():
    """Maps of two models with three channels, of seven series of one length."""
    rng = np.random.default_rng(0)
    teacher = rng.normal(size=(7, 3, 30)) * np.array([[3.0], [1.0], [0.5]])
    return {"teacher": teacher, "student": teacher + rng.normal(size=teacher.shape)}


@pytest.fixture
def uneven():
    """The same of unequal length."""
    rng = np.random.default_rng(1)
    return {
        name: padded([rng.normal(size=(2, n)) for n in LENGTHS]) for name in ("teacher", "student")
    }


def rows_of(label):
    return [i for i, group in enumerate(GROUPS) if group == label]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("which", ["maps", "uneven"])
def test_means_intervals_quantiles_and_counts_are_those_of_a_loop(which, request):
    maps = request.getfixturevalue(which)
    summary = summarise_maps(maps, GROUPS, quantiles=(0.25, 0.75), confidence=0.9)
    assert summary.classes == ("a", "b", "c") and summary.n_series.tolist() == [3, 3, 1]
    for m, model in enumerate(("teacher", "student")):
        for k, label in enumerate("abc"):
            for c in range(maps[model].shape[1]):
                for t in range(30):
                    values = [maps[model][i, c, t] for i in rows_of(label)]
                    values = [value for value in values if value == value]
                    assert summary.count[k, t] == len(values)
                    at = m, k, c, t
                    found = [bound[at] for bound in summary.saliency]
                    quantiles = [bound[at] for bound in summary.quantiles]
                    if not values:
                        assert np.isnan([*found, *quantiles]).all()
                        continue
                    np.testing.assert_allclose(found[0], np.mean(values))
                    np.testing.assert_allclose(quantiles, np.quantile(values, [0.25, 0.75]))
                    if len(values) == 1:
                        assert np.isnan(found[1:]).all()
                    else:
                        interval = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
                        np.testing.assert_allclose(found[1:], interval)


@pytest.mark.parametrize("which", ["maps", "uneven"])
def test_shares_of_channels_and_timesteps_are_those_of_a_loop(which, request):
    maps = request.getfixturevalue(which)
    summary = summarise_maps(maps, GROUPS)
    for m, model in enumerate(("teacher", "student")):
        shares = []
        for series in maps[model]:
            total = sum(abs(v) for channel in series for v in channel if v == v)
            shares.append([[abs(v) / total if v == v else 0 for v in ch] for ch in series])
        shares = np.array(shares)
        for k, label in enumerate("abc"):
            mine = shares[rows_of(label)]
            np.testing.assert_allclose(summary.timestep_share[m, k], mine.mean(axis=0))
            of_channels = [[sum(channel) for channel in series] for series in mine]
            np.testing.assert_allclose(summary.channel_share.mean[m, k], np.mean(of_channels, 0))
        overall = np.mean(shares.sum(axis=2), axis=0)
        np.testing.assert_allclose(summary.channel_share_overall.mean[m], overall)
        interval = scipy.stats.ttest_1samp(shares.sum(axis=2)[:, 0], 0).confidence_interval(0.95)
        found = summary.channel_share_overall
        np.testing.assert_allclose((found.low[m, 0], found.high[m, 0]), np.clip(interval, 0, 1))
    np.testing.assert_allclose(summary.timestep_share.sum(axis=(2, 3)), 1)
    np.testing.assert_allclose(summary.channel_share.mean.sum(axis=2), 1)


def test_models_are_compared_by_their_means_and_series_by_series(maps):
    summary = summarise_maps(maps, GROUPS)
    for k, label in enumerate("abc"):
        teacher, student = (maps[name][rows_of(label)] for name in ("teacher", "student"))
        for c in range(3):
            of_means = np.corrcoef(teacher[:, c].mean(axis=0), student[:, c].mean(axis=0))[0, 1]
            np.testing.assert_allclose(summary.correlation_of_means[0, k, c], of_means)
            mean = saliency_correlation(teacher[:, c], student[:, c])
            np.testing.assert_allclose(summary.mean_correlation[0, k, c], mean)
    alone = summarise_maps(maps["teacher"], GROUPS)
    assert alone.mean_correlation.shape == (0, 3, 3)
    assert alone.channels_to_frame()["mean_correlation"].isna().all()


def test_maps_that_cancel_have_no_mean_but_a_share_and_a_spread():
    maps = np.zeros((2, 9))
    maps[0, 4], maps[1, 4] = 1, -1
    summary = summarise_maps(maps, [0, 0])
    assert (summary.saliency.mean == 0).all()
    assert summary.timestep_share[0, 0, 0, 4] == 1
    assert summary.quantiles[1][0, 0, 0, 4] - summary.quantiles[0][0, 0, 0, 4] > 1


@pytest.mark.filterwarnings("error")
def test_a_map_of_zeros_has_no_share_and_is_left_out():
    maps = np.array([[[1.0, 1.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    share = summarise_maps(maps, [0, 0]).channel_share
    np.testing.assert_allclose(share.mean[0, 0], [0.5, 0.5])
    assert np.isnan(share.low).all()  # of one series
    assert np.isnan(summarise_maps(np.zeros((2, 9)), [0, 0]).channel_share.mean).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exponent", [-1000, 1020])
def test_the_size_of_the_values_does_not_matter(exponent):
    """Neither do squares overflow, nor do values vanish beside those of another timestep."""
    maps = padded([np.array([1.0, 1.25, 0.0, 1.75]), np.array([1.5, 1.0, 1.25]), np.ones(4)])
    sizes = np.array([0, exponent, exponent, exponent])
    found, plain = (summarise_maps(m, [0, 0, 0]).saliency for m in (np.ldexp(maps, sizes), maps))
    for one, expected in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one[0, 0, 0], np.ldexp(expected[0, 0, 0], sizes))


def test_shares_do_not_depend_on_the_size_of_each_map():
    maps = np.array([[1.0, 1.25, 0.0, 1.75], [1.5, 1.0, 1.25, 0.0], [1.0, 1.0, 1.0, 1.0]])
    with np.errstate(over="ignore"):  # of the interval of such maps
        large = summarise_maps(np.ldexp(maps, [[0], [1023], [-1000]]), [0, 0, 0])
    plain = summarise_maps(maps, [0, 0, 0])
    np.testing.assert_allclose(large.timestep_share, plain.timestep_share)


def test_channels_that_are_given_no_names_have_numbers(maps):
    assert summarise_maps(maps, GROUPS).channel_names == ("channel 0", "channel 1", "channel 2")
    both = {name: m[:, :2] for name, m in maps.items()}
    assert summarise_maps(both, GROUPS).channel_names == ("channel 0", "channel 1")
    alone = summarise_maps(maps["teacher"][:, 0], GROUPS)
    assert alone.channel_names == ("all channels",)


def test_frames_have_a_row_for_each_place(maps):
    summary = summarise_maps(maps, GROUPS, channel_names=["x", "y", "z"])
    frame = summary.to_frame()
    assert len(frame) == 2 * 3 * 3 * 30
    assert not frame.duplicated(["model", "class", "channel", "timestep"]).any()
    place = frame.set_index(["model", "class", "channel", "timestep"]).loc["student", "b", "y", 7]
    np.testing.assert_allclose(place["mean"], maps["student"][rows_of("b"), 1, 7].mean())
    assert place["count"] == 3 and place["mean_low"] < place["mean"] < place["mean_high"]
    low, high = (summary.quantiles[i][1, 1, 1, 7] for i in (0, 1))
    assert (place["quantile_low"], place["quantile_high"]) == (low, high) and low < high
    assert place["share"] == summary.timestep_share[1, 1, 1, 7]
    assert (summarise_maps(maps["student"], GROUPS).to_frame()["model"] == "model").all()
    channels = summary.channels_to_frame()
    shares = ["n_series", "share", "share_low", "share_high"]
    correlations = ["correlation_of_means", "mean_correlation"]
    assert list(channels) == ["model", "class", "channel", *shares, *correlations]
    assert len(channels) == 2 * 3 * 3
    row = channels.set_index(["model", "class", "channel"]).loc["student", "b", "z"]
    assert row["share"] == summary.channel_share.mean[1, 1, 2]
    assert row["correlation_of_means"] == summary.correlation_of_means[0, 1, 2]
    overall = summary.channels_to_frame(by_class=False)
    assert list(overall) == ["model", "channel", *shares]
    assert overall["channel"].tolist() == 2 * ["x", "y", "z"] and (overall["n_series"] == 7).all()
    np.testing.assert_allclose(overall["share"], summary.channel_share_overall.mean.ravel())


def test_classes_are_picked_in_the_order_of_the_user(maps):
    summary = summarise_maps(maps, GROUPS, classes=["c", "a"])
    every = summarise_maps(maps, GROUPS)
    assert summary.classes == ("c", "a") and summary.n_series.tolist() == [1, 3]
    np.testing.assert_array_equal(summary.saliency.mean, every.saliency.mean[:, [2, 0]])
    np.testing.assert_array_equal(summary.mean_correlation, every.mean_correlation[:, [2, 0]])


def test_groups_may_be_a_pandas_column_and_maps_of_float32(maps):
    single = {name: m.astype(np.float32) for name, m in maps.items()}
    summary = summarise_maps(single, pd.Series(GROUPS, index=range(5, 12)))
    expected = summarise_maps(maps, GROUPS)
    np.testing.assert_allclose(summary.saliency.mean, expected.saliency.mean, atol=1e-6)
    assert summary.saliency.mean.dtype == np.float64


def test_inputs_stay_as_they_are(uneven):
    X = uneven["teacher"].copy()
    before = {name: m.copy() for name, m in uneven.items()}
    for m in (*uneven.values(), X):
        m.setflags(write=False)
    for align in ("none", "relative", "shift"):
        summarise_maps(uneven, GROUPS, align=align, X=X)
    for name, m in uneven.items():
        np.testing.assert_array_equal(m, before[name])


def nan_at(*place):
    maps = np.ones((3, 2, 5))
    maps[place] = np.nan
    return maps


ONE = np.ones((3, 2, 5))
BAD = {
    "a label that is NaN": (
        lambda: summarise_maps(np.ones((3, 5)), [1, np.nan, 2]),
        "groups holds NaN in 1 places; expected a label for each series",
    ),
    "one series": (lambda: summarise_maps(np.ones(5), [0]), r"maps has shape \(5,\); expected"),
    "no series": (lambda: summarise_maps(np.ones((0, 5)), []), r"maps has shape \(0, 5\)"),
    "no model": (lambda: summarise_maps({}, [0]), "maps is an empty dict"),
    "text": (lambda: summarise_maps([["a"]], [0]), "maps holds values of type"),
    "models of other shapes": (
        lambda: summarise_maps({"a": ONE, "b": ONE[:, 0]}, [0, 0, 1]),
        r"maps\['b'\] has shape \(3, 1, 5\) .* first model have shape \(3, 2, 5\)",
    ),
    "models of other ends": (
        lambda: summarise_maps({"a": ONE, "b": nan_at(1, slice(None), 4)}, [0, 0, 1]),
        r"maps\['b'\] has shape .* and 2 NaN, .* and 0 NaN",
    ),
    "NaN inside": (
        lambda: summarise_maps(nan_at(1, slice(None), 2), [0, 0, 1]),
        "maps has NaN or infinity in 2 places; expected none but NaN after the end",
    ),
    "NaN only": (lambda: summarise_maps(nan_at(1), [0, 0, 1]), r"maps\[1\] has no value, only NaN"),
    "infinity": (lambda: summarise_maps(ONE * np.inf, [0, 0, 1]), "infinity in 30 places"),
    "too few labels": (
        lambda: summarise_maps(ONE, [0, 1]),
        r"groups has shape \(2,\) for 3 maps; expected one label for each, shape \(3,\)",
    ),
    "labels of two types": (
        lambda: summarise_maps(ONE, np.array([0, "a", None], dtype=object)),
        "groups holds labels of several types",
    ),
    "an empty class": (
        lambda: summarise_maps(ONE, [0, 0, 1], classes=[0, 1, 2]),
        r"classes holds 2, of which there is no series in groups; .* series of \[0, 1\]",
    ),
    "a class twice": (lambda: summarise_maps(ONE, [0, 0, 1], classes=[0, 0]), r"classes=\[0, 0\]"),
    "a class by itself": (lambda: summarise_maps(ONE, ["a"] * 3, classes="a"), "classes='a'"),
    "names for other channels": (
        lambda: summarise_maps(ONE, [0, 0, 1], channel_names=["x"]),
        r"channel_names=\['x'\]; expected a list of 2 different names",
    ),
    "a text for names": (
        lambda: summarise_maps(ONE, [0, 0, 1], channel_names="xy"),
        "^channel_names='xy'; expected a list of 2",
    ),
    "a number for names": (
        lambda: summarise_maps(ONE, [0, 0, 1], channel_names=2),
        "^channel_names=2; expected a list of 2",
    ),
    "a name twice": (
        lambda: summarise_maps(ONE, [0, 0, 1], channel_names=["x", "x"]),
        "2 different names",
    ),
    "an unknown alignment": (
        lambda: summarise_maps(ONE, [0, 0, 1], align="warp"),
        "align='warp'; expected one of 'none', 'relative', 'shift'",
    ),
    "a shift without series": (
        lambda: summarise_maps(ONE, [0, 0, 1], align="shift"),
        "align='shift' needs the series themselves, but X is None; pass X",
    ),
    "a bound on nothing": (
        lambda: summarise_maps(ONE, [0, 0, 1], max_shift=2),
        "max_shift=2 with align='none', which shifts no series",
    ),
    "a bound that is too large": (
        lambda: summarise_maps(ONE, [0, 0, 1], align="shift", X=ONE, max_shift=3),
        "max_shift=3, but the longest series has 5 timesteps; expected at most half as many, 2",
    ),
    "no shift": (
        lambda: summarise_maps(ONE, [0, 0, 1], align="shift", X=ONE, max_shift=0),
        "max_shift=0; expected a whole number above 0",
    ),
    "other series": (
        lambda: summarise_maps(ONE, [0, 0, 1], align="shift", X=ONE[:2]),
        r"X has shape \(2, 2, 5\); expected the 3 finite series that the maps explain",
    ),
    "series of other lengths": (
        lambda: summarise_maps(ONE, [0, 0, 1], X=nan_at(1, slice(None), 4)),
        "X has shape .* of the same lengths",
    ),
    "an infinite value of a series": (
        lambda: summarise_maps(ONE, [0, 0, 1], X=np.where(np.arange(5) == 2, np.inf, ONE)),
        "X has shape .* finite series",
    ),
    "equal quantiles": (
        lambda: summarise_maps(ONE, [0, 0, 1], quantiles=(0.5, 0.5)),
        "expected the lower one first",
    ),
    "one quantile": (lambda: summarise_maps(ONE, [0, 0, 1], quantiles=0.1), "quantiles=0.1"),
    "quantiles in percent": (
        lambda: summarise_maps(ONE, [0, 0, 1], quantiles=(10, 90)),
        "quantiles=10; expected a number between 0 and 1",
    ),
    "quantiles the wrong way": (
        lambda: summarise_maps(ONE, [0, 0, 1], quantiles=(0.9, 0.1)),
        "expected the lower one first",
    ),
    "confidence": (lambda: summarise_maps(ONE, [0, 0, 1], confidence=95), "confidence=95"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_summarised(case):
    call, message = BAD[case]
    with pytest.raises(ParameterError, match=message):
        call()


@pytest.mark.parametrize(
    "maps",
    [
        # The sum of the shares of equal values rounds to more than 1 for some of these lengths.
        *(np.full((1, 1, n), 0.1) for n in range(1, 100)),
        # One series, one channel: the t interval of two such series is wider than from 0 to 1.
        np.array([[[1.0], [0.0]], [[0.0], [1.0]]]),
        np.full((7, 3, 9), 0.1),
    ],
    ids=lambda maps: "x".join(map(str, maps.shape)),
)
def test_shares_of_channels_stay_between_0_and_1(maps):
    summary = summarise_maps(maps, [1] * len(maps))
    for found in (summary.channel_share, summary.channel_share_overall):
        for part in found if len(maps) > 1 else (found.mean,):
            assert np.min(part) >= 0 and np.max(part) <= 1
        assert not np.any(found.low > found.mean) and not np.any(found.mean > found.high)
