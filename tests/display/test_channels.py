"""Which channels are drawn, how they are called, and how important they are."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tsdistill.display import ChannelImportanceDisplay, SaliencyDisplay
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import summarise_maps

NAMES = ["arm", "leg", "head"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def panel():
    """Twelve series of three channels, of which the second tells the two classes apart."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    X = rng.normal(scale=0.3, size=(12, 3, 20))
    X[:, 1, 5:12] += 2.0 * y[:, np.newaxis]
    return X, y


def by_the_leg(X):
    """Probabilities of a teacher that looks at the second channel alone."""
    p = 1 / (1 + np.exp(-3 * (np.asarray(X, dtype=float)[:, 1, 5:12].mean(axis=1) - 1)))
    return np.column_stack([1 - p, p])


@pytest.fixture
def student(quick, panel):
    return quick(by_the_leg, max_epochs=20, n_mixtures=0).fit(*panel)


def labels_of(axis_labels):
    return [label.get_text() for label in axis_labels]


def bars_of(display):
    """Widths of the bars by model, in the order of the channels drawn."""
    containers = [c for c in display.ax_.containers if hasattr(c, "patches")]
    return {c.get_label(): [bar.get_width() for bar in c.patches] for c in containers}


def test_bars_are_the_shares_of_both_models_with_their_intervals(student, panel):
    X, _ = panel
    display = ChannelImportanceDisplay.from_estimator(student, X, channel_names=NAMES)
    target = student.teacher_.predict(X)
    maps = {
        of: student.explain(X, of=of, target=target, per_channel=True)
        for of in ("teacher", "student")
    }
    summary = summarise_maps(maps, target)
    share = summary.channel_share_overall
    drawn = [NAMES.index(name) for name in labels_of(display.ax_.get_yticklabels())]
    assert drawn[0] == 1  # the leg: the teacher looks at nothing else
    for i, model in enumerate(("teacher", "student")):
        np.testing.assert_allclose(bars_of(display)[model], 100 * share.mean[i, drawn])
    assert bars_of(display)["teacher"][0] == pytest.approx(100)
    intervals = [c for c in display.ax_.containers if not hasattr(c, "patches")]
    whiskers = intervals[-1].lines[2][0].get_segments()  # of the student
    for c, segment in zip(drawn, whiskers, strict=True):
        ends = 100 * share.low[1, c], 100 * share.high[1, c]
        np.testing.assert_allclose(segment[:, 0], ends)
    legend = labels_of(display.figure_.legends[0].get_texts())
    assert sorted(legend) == ["an equal share", "student", "teacher"]


def test_one_class_and_few_channels_can_be_picked():
    rng = np.random.default_rng(0)
    size = 1.5 ** np.arange(15)[:, np.newaxis]
    maps = rng.normal(size=(20, 15, 30)) * size
    maps[::2] = maps[::2, ::-1]
    summary = summarise_maps({"a model": maps}, ["odd", "even"] * 10)
    display = ChannelImportanceDisplay(summary).plot(label="even", most=4)
    assert labels_of(display.ax_.get_yticklabels()) == [f"channel {c}" for c in (14, 13, 12, 11)]
    assert display.ax_.get_title("left") == "class even, 10 series; 11 of 15 channels left out"
    display = ChannelImportanceDisplay(summary).plot(channels=[3, "channel 1"])
    assert labels_of(display.ax_.get_yticklabels()) == ["channel 3", "channel 1"]
    share = summary.channel_share_overall.mean[0, [3, 1]]
    np.testing.assert_allclose(bars_of(display)["a model"], 100 * share)


def test_bars_are_drawn_where_the_user_says():
    maps = np.random.default_rng(0).normal(size=(5, 2, 9))
    ax = plt.figure().subplots()
    display = ChannelImportanceDisplay(summarise_maps(maps, np.zeros(5))).plot(ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert labels_of(ax.get_legend().get_texts()) == ["an equal share", "model"]


def nested(X, names):
    """A panel in sktime's format, whose columns are the channels."""
    columns = {name: [pd.Series(one[c]) for one in X] for c, name in enumerate(names)}
    return pd.DataFrame(columns)


def test_names_come_from_the_columns_of_the_series(quick, panel):
    X, y = panel
    student = quick(max_epochs=1, teacher=by_the_leg).fit(nested(X, NAMES), y)
    options = {"per_channel": True, "of": "student"}
    display = SaliencyDisplay.from_estimator(student, nested(X, NAMES).iloc[:2], **options)
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == [f"student\n{n}" for n in NAMES]
    display = SaliencyDisplay.from_estimator(student, X[:2], **options)  # named in fit
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == [f"student\n{n}" for n in NAMES]
    display = SaliencyDisplay.from_estimator(
        student, X[:2], channels="leg", channel_names=["a", "leg", "c"], **options
    )
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == ["student\nleg"]
    bars = ChannelImportanceDisplay.from_estimator(student, nested(X, NAMES))
    assert set(labels_of(bars.ax_.get_yticklabels())) == set(NAMES)


def test_channels_of_a_shared_map_are_picked_by_name(student, panel):
    display = SaliencyDisplay.from_estimator(
        student, panel[0][:2], channel_names=NAMES, channels=["head", "arm"]
    )
    assert display.axes_.shape == (2, 2)
    assert labels_of(display.axes_[0, 0].get_yticklabels()) == ["head", "arm"]


def test_an_unknown_channel_is_named_before_anything_is_explained(student, panel):
    student.explain = None
    with pytest.raises(ParameterError, match="holds 'tail'; expected indices from 0 to 2, or"):
        SaliencyDisplay.from_estimator(student, panel[0][:1], channels=["tail"])


SUMMARY = summarise_maps(np.ones((2, 3, 5)), [0, 1])
BAD = {
    "one channel": (
        lambda: ChannelImportanceDisplay(summarise_maps(np.ones((2, 5)), [0, 1])).plot(),
        "one map a series; expected maps of several channels",
    ),
    "a label that no series has": (
        lambda: ChannelImportanceDisplay(SUMMARY).plot(label=2),
        r"label=2; expected one of \[0, 1\], or None",
    ),
    "a channel by a wrong index": (
        lambda: ChannelImportanceDisplay(SUMMARY).plot(channels=-1),
        "channels=-1 holds -1; expected indices from 0 to 2",
    ),
    "no channel": (lambda: ChannelImportanceDisplay(SUMMARY).plot(most=0), "most=0"),
    "no classifier": (
        lambda: ChannelImportanceDisplay.from_estimator(object(), np.ones((2, 3, 5))),
        "ChannelImportanceDisplay cannot draw a object",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_has_no_bars(case):
    call, message = BAD[case]
    with pytest.raises(ParameterError, match=message):
        call()


def test_series_of_one_channel_have_no_bars(quick, toy):
    with pytest.raises(ParameterError, match="got series of one channel, .* one map a series"):
        ChannelImportanceDisplay.from_estimator(quick().fit(*toy), toy[0])
