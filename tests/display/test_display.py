"""What the pictures hold; that they can be read is seen by looking at them."""

import sys

import matplotlib

matplotlib.use("Agg")

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.conftest import bump_teacher
from tsdistill import DeferringClassifier
from tsdistill.display import DeferralDisplay, FidelityDisplay, SaliencyDisplay
from tsdistill.display.style import bare_figure
from tsdistill.exceptions import ParameterError


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def student(quick, toy):
    return quick(max_epochs=10).fit(*toy)


def coloured(ax):
    return next(c for c in ax.collections if isinstance(c, LineCollection))


def test_series_are_coloured_by_both_models_maps_on_one_symmetric_scale(student, toy):
    X = toy[0][:3]
    display = SaliencyDisplay.from_estimator(student, X)
    assert display.axes_.shape == (2, 3)
    target = student.classes_[student._compare(X).target]
    for row, of in enumerate(("student", "teacher")):
        maps = student.explain(X, of=of, target=target)
        np.testing.assert_allclose(display.maps[of], maps)
        for i in range(3):
            line = coloured(display.axes_[row, i])
            np.testing.assert_allclose(line.get_array(), (maps[i, :-1] + maps[i, 1:]) / 2)
            assert line.norm.vmin == -line.norm.vmax
            assert line.norm.vmax == coloured(display.axes_[1 - row, i]).norm.vmax
    assert "class" in display.axes_[0, 0].get_title()


@pytest.mark.parametrize("look", ["line", "shade"])
def test_the_name_of_a_look_in_0_1_still_works_and_says_how_it_is_called_now(look):
    rng = np.random.default_rng(0)
    display = SaliencyDisplay(rng.normal(size=(1, 1, 15)), {"student": rng.normal(size=(1, 15))})
    message = (
        f"kind='{look}' is now look='{look}'; kind says whether series or classes are drawn. "
        "The old name ends with version 0.3."
    )
    with pytest.warns(FutureWarning, match=f"^{re.escape(message)}$"):
        axes = display.plot(kind=look).axes_
    assert len(axes[0, 0].images) == len(display.plot(look=look).axes_[0, 0].images)
    assert bool(axes[0, 0].images) == (look == "shade")


def test_one_map_for_all_channels_is_drawn_once():
    rng = np.random.default_rng(0)
    X, m = rng.normal(size=(2, 5, 15)), rng.normal(size=(2, 15))
    display = SaliencyDisplay(X, {"student": m, "teacher": m}).plot(look="shade")
    assert display.axes_.shape == (2, 2)
    np.testing.assert_allclose(display.axes_[1, 1].images[0].get_array()[0], m[1])
    ax = SaliencyDisplay(X, {"student": m, "teacher": m}).plot().axes_[1, 0]
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert [text.get_text() for text in ax.get_yticklabels()] == [f"channel {c}" for c in range(5)]
    for line, place, channel in zip(lines, ax.get_yticks(), X[0], strict=True):
        np.testing.assert_allclose(line.get_array(), (m[0, :-1] + m[0, 1:]) / 2)
        drawn = np.array([segment[0, 1] for segment in line.get_segments()])
        assert (np.abs(drawn - place) <= 0.5 + 1e-9).all()  # no line enters another's lane
        assert np.corrcoef(drawn, channel[:-1])[0, 1] > 0.999


def test_red_is_for_blue_and_hatched_against():
    X = np.zeros((1, 1, 9))
    saliency = np.array([[-2.0, -2, -2, -2, 0, 1, 1, 1, 1]])
    ax = SaliencyDisplay(X, {"map": saliency}).plot().axes_[0, 0]
    line = coloured(ax)
    against, speaks_for = line.cmap(line.norm([-2.0, 2.0]))
    assert speaks_for[0] > 0.3 > speaks_for[2] and against[2] > 0.3 > against[0]
    (hatched,) = [c for c in ax.collections if c.get_hatch()]
    assert hatched.get_paths()[0].vertices[:, 0].max() <= 4.01
    base = hatched.get_paths()[0].vertices[:, 1].max()
    (area,) = [c for c in ax.collections if c not in (line, hatched)]
    drawn = np.concatenate([path.vertices for path in area.get_paths()])
    assert drawn[drawn[:, 1] > base + 1e-6][:, 0].min() >= 4 and drawn[:, 1].min() >= base - 1e-6


def test_labels_that_look_like_formulas_are_drawn(toy):
    X = np.zeros((1, 1, 9))
    SaliencyDisplay(X, {"m": X[:, 0]}, titles=["$x_$"]).plot().figure_.canvas.draw()


def test_titles_tell_where_the_student_differs(quick, toy):
    student = quick(max_epochs=1).fit(*toy)
    X = toy[0]
    display = SaliencyDisplay.from_estimator(student, X, of="teacher")
    theirs = student.teacher_.predict(X)
    for i, ax in enumerate(display.axes_[0]):
        own = student.predict(X[i : i + 1])[0]
        differs = f" (student: {own})" if own != theirs[i] else ""
        assert ax.get_title() == f"series {i}, class {theirs[i]}{differs}"
    named = SaliencyDisplay.from_estimator(student, X[:1], titles=["the first"])
    assert named.axes_[0, 0].get_title() == "the first"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: SaliencyDisplay(np.zeros((1, 1, 5)), np.zeros((1, 5))).plot(),
            "maps is a ndarray",
        ),
        (
            lambda: SaliencyDisplay(
                np.zeros((2, 1, 5)), {"m": np.zeros((2, 5))}, titles=["a"]
            ).plot(),
            "titles has 1 entries for 2 series",
        ),
        (lambda: FidelityDisplay(np.ones(2), np.ones(1, bool)).plot(), r"shape \(2,\) and agrees"),
        (lambda: DeferralDisplay.from_estimator(object()), "expected a fitted DeferringClassifier"),
    ],
)
def test_displays_of_what_they_are_not_for(draw, message):
    with pytest.raises(ParameterError, match=message):
        draw()


def test_scale_over_all_series_is_shared(student, toy):
    display = SaliencyDisplay.from_estimator(student, toy[0][:3], scale="all")
    largest = max(np.abs(m).max() for m in display.maps.values())
    assert {coloured(ax).norm.vmax for ax in display.axes_.flat} == {np.float32(largest)}


def test_shades_are_the_map(student, toy):
    display = SaliencyDisplay.from_estimator(student, toy[0][:2], look="shade", of="student")
    assert display.axes_.shape == (1, 2)
    np.testing.assert_allclose(
        display.axes_[0, 1].images[0].get_array()[0], display.maps["student"][1]
    )


def test_channels_have_rows_and_maps_of_their_own():
    rng = np.random.default_rng(0)
    X, maps = rng.normal(size=(2, 3, 15)), rng.normal(size=(2, 3, 15))
    display = SaliencyDisplay(X, {"student": maps, "teacher": maps[:, 0]}).plot()
    assert display.axes_.shape == (6, 2)
    labels = [ax.get_ylabel() for ax in display.axes_[:, 0]]
    assert labels[2:4] == ["student\nchannel 1", "teacher\nchannel 1"]
    for row, of in ((2, maps[1, 1]), (3, maps[1, 0])):
        line = coloured(display.axes_[row, 1])
        np.testing.assert_allclose(line.get_array(), (of[:-1] + of[1:]) / 2)


def test_colours_tell_for_from_against_in_grey_and_to_the_colour_blind():
    colours = matplotlib.colormaps["RdBu_r"](np.linspace(0, 1, 101))[:, :3]
    grey = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(grey[:46]) > 0).all() and (np.diff(grey[55:]) < 0).all()
    np.testing.assert_allclose(grey, grey[::-1], atol=0.15)
    # Brettel's halves of the deuteranope's plane, nearly: red and green receptors as one.
    seen = np.column_stack([colours[:, :2] @ [0.37, 0.63], colours[:, 2]])
    assert np.abs(seen[10] - seen[90]).sum() > 0.5
    X = np.array([[[0.0, 1.0, 0.0, -1.0, 0.0, 2.0]]])
    ax = SaliencyDisplay(X, {"map": X[:, 0]}).plot().axes_[0, 0]
    hatched = [c for c in ax.collections if c.get_hatch()]  # and the sign needs no colour
    assert len(hatched) == 1


def test_search_and_pipeline_are_drawn(student, toy):
    pipeline = make_pipeline(FunctionTransformer(), student)
    assert SaliencyDisplay.from_estimator(pipeline, toy[0][:1]).axes_.shape == (2, 1)
    with pytest.raises(ParameterError, match="cannot draw a function"):
        SaliencyDisplay.from_estimator(lambda X: X, toy[0])


def test_fidelity_display_draws_agreement_and_curves(student, toy):
    display = FidelityDisplay.from_estimator(student, toy[0], n_explained=5)
    assert len(display.axes_) == 3
    assert display.agrees.mean() == student.fidelity_score(toy[0])
    np.testing.assert_allclose(
        display.confidence, student.predict_proba(toy[0]).max(axis=1), rtol=1e-6
    )
    for ax, kind in zip(display.axes_[1:], ("deletion", "insertion"), strict=True):
        assert len(ax.lines) == 6
        _, proba = display.curves["student", "mean", kind]
        assert proba.shape == (5, 11)
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
        np.testing.assert_allclose(drawn["student, mean"], proba.mean(axis=0))
    assert len(FidelityDisplay.from_estimator(student, toy[0], curves=False).axes_) == 1


@pytest.mark.parametrize("width", [8, 13])
def test_the_legend_of_fidelity_fits_into_the_figure(student, toy, width):
    display = FidelityDisplay.from_estimator(student, toy[0], n_explained=3)
    figure = plt.figure(figsize=(width, 3.6), layout="constrained")
    display.plot(figure=figure)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_displays_leave_the_global_random_states(quick, toy):
    def draws(X):
        np.random.rand()
        torch.rand(1)
        return bump_teacher(X)

    student = quick(draws).fit(*toy)
    before = np.random.get_state()[1].copy(), np.random.get_state()[2], torch.get_rng_state()
    FidelityDisplay.from_estimator(student, toy[0], n_explained=3)
    SaliencyDisplay.from_estimator(student, toy[0][:2])
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert np.random.get_state()[2] == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_agreement_is_drawn_against_confidence():
    confidence = np.linspace(0.5, 1, 400)
    agrees = np.arange(400) >= 100  # the hundred least sure ones differ
    ax = FidelityDisplay(confidence, agrees).plot().axes_[0]
    centre, share = ax.containers[0].lines[0].get_data()
    assert share[0] == 0 and share[-1] == 1 and (np.diff(share) >= 0).all()
    assert share.mean() == pytest.approx(0.75) and centre.mean() == pytest.approx(0.75)


def test_deferral_display_marks_what_was_chosen(student, toy):
    X = np.tile(toy[0], (20, 1))
    model = DeferringClassifier(student, max_disagreement=0.1).fit(X)
    display = model.plot()
    assert isinstance(display, DeferralDisplay)
    marked = [line.get_xdata()[0] for line in display.ax_.lines if line.get_marker() == "o"]
    assert marked == [pytest.approx(100 * model.deferral_rate_)]
    again = DeferralDisplay.from_estimator(model, ax=plt.figure().subplots())
    assert again.figure_ is not display.figure_


@pytest.mark.parametrize(
    ("X", "maps", "options", "message"),
    [
        (np.zeros((1, 1, 5)), np.zeros((1, 4)), {}, r"maps\['m'\] has shape \(1, 4\)"),
        (np.zeros((1, 5)), np.zeros((1, 5)), {}, r"X has shape \(1, 5\)"),
        (np.zeros((1, 1, 5)), np.full((1, 5), np.nan), {}, r"maps\['m'\] has NaN or infinity in 5"),
        (np.zeros((1, 1, 5)), np.full((1, 5), np.inf), {}, r"maps\['m'\] has NaN or infinity in 5"),
        (np.zeros((99, 1, 5)), np.zeros((99, 5)), {}, "99 panels; pass from one to 60"),
        (np.zeros((0, 1, 5)), np.zeros((0, 5)), {}, "0 panels"),
        (
            np.zeros((1, 1, 5)),
            np.zeros((1, 5)),
            {"kind": "bars"},
            "kind='bars'; expected one of 'series', 'class'",
        ),
        (np.zeros((1, 1, 5)), np.zeros((1, 5)), {"look": "dots"}, "look='dots'; expected one of"),
        (np.zeros((1, 1, 5)), np.zeros((1, 5)), {"kind": "class"}, "groups is None; pass groups"),
        (
            np.zeros((1, 1, 5)),
            np.zeros((1, 5)),
            {"align": "shift"},
            "align='shift' .* with kind='series'",
        ),
        (np.zeros((1, 2, 5)), np.zeros((1, 5)), {"channels": 2}, "channels=2 holds 2; .* 0 to 1"),
        (np.zeros((1, 2, 5)), np.zeros((1, 5)), {"channels": ["x"]}, "holds 'x'; .*'channel 0'"),
        (np.zeros((1, 2, 5)), np.zeros((1, 5)), {"channels": []}, "expected one channel or more"),
        (np.zeros((1, 2, 5)), np.zeros((1, 5)), {"channels": [0, 0]}, "each once"),
        (np.zeros((1, 1, 5)), np.zeros((1, 5)), {"scale": 1}, "scale=1; expected one of 'series'"),
    ],
)
def test_what_cannot_be_drawn(X, maps, options, message):
    with pytest.raises(ParameterError, match=message):
        SaliencyDisplay(X, {"m": maps}).plot(**options)


def test_constant_series_of_one_step_are_drawn():
    SaliencyDisplay(np.ones((2, 1, 1)), {"m": np.zeros((2, 1))}).plot().figure_.canvas.draw()


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        SaliencyDisplay(np.ones((1, 1, 9)), {"m": np.ones((1, 9))}).plot()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        bare_figure((1, 1))
