"""Pictures of the means of classes."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from tsdistill.display import SaliencyDisplay
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import summarise_maps
from tsdistill.inputs.lengths import padded


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def six():
    """Twelve series of six channels in two classes, maps of two models, and their classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 6, 30))
    size = np.array([1.0, 5.0, 1.0, 4.0, 3.0, 1.0])[:, np.newaxis]
    maps = {name: size * rng.normal(size=X.shape) for name in ("teacher", "student")}
    return X, maps, np.array(["up", "down"] * 6)


def lines_of(ax):
    return [c for c in ax.collections if isinstance(c, LineCollection)]


def titles_of(display):
    return [ax.get_title("left") for ax in display.axes_[:, 0]]


def test_each_class_has_a_row_with_its_mean_series_in_the_colours_of_its_mean_map(six):
    X, maps, groups = six
    maps = {name: m[:, 0] for name, m in maps.items()}
    display = SaliencyDisplay(X[:, :1], maps, groups=groups).plot(kind="class")
    assert display.axes_.shape == (2, 2)
    assert titles_of(display) == ["class down, 6 series", "class up, 6 series"]
    assert [ax.get_title("right") for ax in display.axes_[0]] == ["teacher", "student"]
    for row, label in enumerate(["down", "up"]):
        rows = [i for i in range(12) if groups[i] == label]
        series = np.mean([X[i, 0] for i in rows], axis=0)
        for column, model in enumerate(("teacher", "student")):
            ax = display.axes_[row, column]
            (line,) = lines_of(ax)
            mean = np.mean([maps[model][i] for i in rows], axis=0)
            np.testing.assert_allclose(line.get_array(), (mean[:-1] + mean[1:]) / 2)
            drawn = [segment[0, 1] for segment in line.get_segments()]
            np.testing.assert_allclose(np.corrcoef(drawn, series[:-1])[0, 1], 1)
            others = lines_of(display.axes_[row, 1 - column])
            assert line.norm.vmax == others[0].norm.vmax == -line.norm.vmin


def test_bands_hold_the_middle_of_the_series_and_of_their_maps(six):
    X, maps, groups = six
    m = np.abs(maps["teacher"][:, 0])
    ax = SaliencyDisplay(X[:, :1], {"m": m}, groups=groups).plot(kind="class").axes_[0, 0]
    bands = [c for c in ax.collections if isinstance(c, PolyCollection) and c.get_alpha() == 0.3]
    assert len(bands) == 2
    for band, values in zip(bands, (X[groups == "down", 0], m[groups == "down"]), strict=True):
        corners = band.get_paths()[0].vertices
        heights = [np.ptp(corners[corners[:, 0] == t, 1]) for t in range(30)]
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        np.testing.assert_allclose(np.corrcoef(heights, high - low)[0, 1], 1)


def test_the_most_important_channels_have_rows_and_the_title_counts_the_others(six):
    X, maps, groups = six
    names = list("abcdef")
    display = SaliencyDisplay(X, maps, groups=groups, channel_names=names)
    assert display.plot(kind="class").axes_.shape == (6, 2)
    drawn = [ax.get_yticklabels()[0].get_text() for ax in display.axes_[:, 0]]
    assert drawn == ["b", "d", "e"] * 2
    title = display.figure_.get_suptitle()
    share = summarise_maps(maps, groups).channel_share_overall.mean.mean(axis=0)
    percent = round(100 * share[[1, 3, 4]].sum())
    assert title == (
        f"the 3 most important of 6 channels, {percent} % of all absolute saliency; 3 left out"
    )
    assert display.plot(kind="series", channels=["f", 0]).axes_.shape == (4, 12)
    assert [ax.get_ylabel() for ax in display.axes_[:2, 0]] == ["teacher\nf", "student\nf"]
    assert display.figure_.get_suptitle() == "" and display.summary_ is None


def test_of_many_channels_over_one_map_the_first_are_drawn():
    X = np.random.default_rng(0).normal(size=(4, 20, 15))
    display = SaliencyDisplay(X, {"m": X[:, 0]}, groups=[0, 0, 1, 1]).plot(kind="class")
    assert display.axes_.shape == (2, 1) and len(lines_of(display.axes_[0, 0])) == 8
    assert display.figure_.get_suptitle() == "the first 8 of 20 channels; 12 left out"


def test_series_of_unequal_length_are_dotted_where_few_are_left():
    lengths = [40, 20, 18, 16]
    X = padded([np.sin(np.arange(n))[np.newaxis] for n in lengths])
    maps = {"m": np.abs(X[:, 0])}
    maps["m"][0, 30:] = 50.0  # of one series alone, which must not fade the others
    display = SaliencyDisplay(X, maps, groups=np.zeros(4)).plot(kind="class")
    ax = display.axes_[0, 0]
    (dotted,) = [patch for patch in ax.patches if patch.get_hatch() == "..."]
    assert (dotted.get_x(), dotted.get_x() + dotted.get_width()) == (19.5, 39.5)
    assert lines_of(ax)[0].norm.vmax <= 1
    assert display.summary_.count[0].tolist() == [4] * 16 + [3] * 2 + [2] * 2 + [1] * 20
    labels = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert "fewer than half of the series" in labels and "mean map: against" in labels
    stretched = SaliencyDisplay(X, maps, groups=np.zeros(4)).plot(kind="class", align="relative")
    assert not stretched.axes_[0, 0].patches
    assert "stretched to 40" in stretched.axes_[0, 0].get_xlabel()


def test_shifted_series_are_drawn_with_their_maps():
    time = np.arange(60)
    X = np.exp(-(((time - np.array([[25], [30], [35]])) / 3) ** 2))[:, np.newaxis]
    display = SaliencyDisplay(X, {"m": X[:, 0]}, groups=[0, 0, 0])
    peaks = [
        lines_of(display.plot(kind="class", **how).axes_[0, 0])[0].get_array().max()
        for how in ({}, {"align": "shift", "max_shift": 12})
    ]
    assert peaks[0] < 0.6 and peaks[1] > 0.9
    shifts = display.summary_.alignment.shifts
    np.testing.assert_array_equal(np.diff(shifts), [-5, -5])
    assert f"moved by {shifts.min():+d} to {shifts.max():+d}" in display.axes_[0, 0].get_xlabel()


def test_a_fitted_classifier_is_drawn_class_by_class(quick, toy):
    X, y = toy
    student = quick(max_epochs=10).fit(X, y)
    display = SaliencyDisplay.from_estimator(student, X, kind="class", look="shade")
    target = student.teacher_.predict(X)
    maps = {of: student.explain(X, of=of, target=target) for of in ("student", "teacher")}
    expected = summarise_maps(maps, target)
    np.testing.assert_array_equal(display.summary_.saliency.mean, expected.saliency.mean)
    image = display.axes_[2, 1].images[0].get_array()[0]
    np.testing.assert_allclose(image, maps["teacher"][target == 2].mean(axis=0), rtol=1e-6)
    one = SaliencyDisplay.from_estimator(student, X, kind="class", target=y, classes=[2, 0])
    assert titles_of(one) == ["class 2, 4 series", "class 0, 4 series"]
    for_one = SaliencyDisplay.from_estimator(student, X, kind="class", target=1)
    assert titles_of(for_one) == ["class 1, 12 series"]


def test_mistakes_are_told_before_the_models_are_queried_for_long(quick, toy):
    X, y = toy
    student = quick().fit(X, y)
    student.explain = None  # nothing is explained
    for options, message in (
        ({"classes": [7]}, "classes holds 7, of which there is no series"),
        ({"channels": "nose"}, "channels='nose' holds 'nose'"),
        ({"titles": ["a"]}, "titles are those of series"),
        ({"target": [1, 2]}, r"target has shape \(2,\)"),
        ({"channel_names": ["a", "b"]}, "expected a list of 1 different names"),
    ):
        with pytest.raises(ParameterError, match=message):
            SaliencyDisplay.from_estimator(student, X, kind="class", **options)


def test_too_many_classes_are_refused():
    X = np.zeros((80, 1, 5))
    with pytest.raises(ParameterError, match="X has 80 classes with 1 maps each"):
        SaliencyDisplay(X, {"m": X[:, 0]}, groups=np.arange(80)).plot(kind="class")


def test_pictures_leave_series_and_maps_as_they_are(six):
    X, maps, groups = six
    before = X.copy(), {name: m.copy() for name, m in maps.items()}
    for array in (X, groups, *maps.values()):
        array.setflags(write=False)
    display = SaliencyDisplay(X, maps, groups=groups)
    for align in ("none", "relative", "shift"):
        display.plot(kind="class", align=align).figure_.canvas.draw()
    np.testing.assert_array_equal(X, before[0])
    for name, m in maps.items():
        np.testing.assert_array_equal(m, before[1][name])


def test_nothing_overlaps(six):
    X, maps, groups = six
    names = [f"a rather long name of channel {c}" for c in range(6)]
    display = SaliencyDisplay(X, maps, groups=groups, channel_names=names).plot(kind="class")
    display.figure_.canvas.draw()
    texts = [display.figure_.legends[0], *(ax.xaxis.label for ax in display.axes_[-1])]
    for ax in display.axes_.flat:
        texts += [ax.title, ax._left_title, ax._right_title, *ax.get_yticklabels()]
    boxes = [text.get_window_extent() for text in texts]
    boxes = [box for box in boxes if box.width > 0]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
    edges = display.figure_.bbox
    assert all(box.x0 >= edges.x0 - 1 and box.x1 <= edges.x1 + 1 for box in boxes)
