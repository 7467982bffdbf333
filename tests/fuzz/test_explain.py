"""Maps of a fitted student and of its teacher: finite, shaped, and of the series alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import FEWER
from tests.fuzz.series import containers, panels
from tests.fuzz.students import fitted
from tests.fuzz.test_predict import passed, passed_ragged, plain
from tests.fuzz.unchanged import nothing_changes

TOLERANCE = {"rtol": 1e-3, "atol": 2e-4}
"""By which maps, in logits, may differ with the size of a batch."""


@st.composite
def settings(draw):
    """Arguments of ``explain`` that go together, for a student of two classes or three."""
    method = draw(st.sampled_from(["occlusion", "gradient", "integrated_gradients"]))
    fills = [None, "mean", "zero"] + ["opposing"] * (method == "occlusion")
    return {
        "method": method,
        "fill": draw(st.sampled_from(fills)),
        "per_channel": draw(st.booleans()),
        "target": draw(st.sampled_from([None, 0, np.int64(1)])),
    }


def shape_of(panel, arguments):
    """Shape of the maps."""
    return panel.shape if arguments["per_channel"] else (len(panel), panel.shape[-1])


@FEWER
@given(passed(), settings())
def test_maps_do_not_depend_on_the_container(case, arguments):
    student, panel, container = case
    X = container(panel)
    with nothing_changes(X):
        maps = student.explain(X, **arguments)
    assert maps.shape == shape_of(panel, arguments) and maps.dtype == np.float32
    assert np.isfinite(maps).all()
    np.testing.assert_array_equal(maps, student.explain(plain(panel, container.ndim), **arguments))


@FEWER
@given(passed_ragged(), settings())
def test_maps_of_ragged_series_end_where_these_end(case, arguments):
    student, panel, container = case
    X = container(panel)
    with nothing_changes(X):
        maps = student.explain(X, **arguments)
    known = ~np.isnan(panel).all(axis=1)
    ends = np.where(known, np.arange(1, panel.shape[-1] + 1), 0).max(axis=1)
    for one, end in zip(maps, ends, strict=True):
        assert np.isfinite(one[..., :end]).all()
        assert np.isnan(one[..., end:]).all()
    np.testing.assert_array_equal(maps, student.explain(plain(panel, container.ndim), **arguments))


@FEWER
@given(passed((2, 6)), settings(), st.randoms(use_true_random=False))
def test_maps_do_not_depend_on_the_batch_or_its_order(case, arguments, random):
    student, panel, container = case
    arguments["target"] = 1  # without one, rounding may tip the prediction
    maps = student.explain(container(panel), **arguments)
    order = random.sample(range(len(panel)), random.randint(1, len(panel)))
    np.testing.assert_allclose(
        student.explain(container(panel[order]), **arguments), maps[order], **TOLERANCE
    )


@given(passed(), st.sampled_from([None, "opposing", "mean", "zero"]), st.booleans())
def test_maps_of_the_teacher(case, fill, per_channel):
    student, panel, container = case
    X = container(panel)
    with nothing_changes(X):
        maps = student.explain(X, of="teacher", fill=fill, per_channel=per_channel)
    assert maps.shape == shape_of(panel, {"per_channel": per_channel})
    assert np.isfinite(maps).all()


@given(passed(), st.data())
def test_targets_may_be_passed_in_any_form(case, data):
    student, panel, container = case
    labels = data.draw(
        st.lists(st.integers(0, 2), min_size=len(panel), max_size=len(panel)), label="labels"
    )
    form = data.draw(st.sampled_from([list, tuple, np.array, lambda y: np.array(y, object)]))
    X = container(panel)
    maps = student.explain(X, target=form(labels))
    for label in set(labels):
        rows = np.flatnonzero(np.array(labels) == label)
        np.testing.assert_array_equal(maps[rows], student.explain(X, target=label)[rows])


@FEWER
@given(passed(), st.sampled_from([1e-45, 1e-10, 1e10, 1e20, 3e38]), settings())
def test_maps_of_huge_and_tiny_series_are_finite(case, size, arguments):
    student, panel, _ = case
    X = plain(panel, student.panel_ndim_) / 100 * size
    assert np.isfinite(student.explain(X, **arguments)).all()


METRICS = ("agreement", "kl", "js", "saliency", "top_overlap", "deletion", "insertion")


@given(panels((1, 9), (2, 2), (8, 8)), containers(2), st.sampled_from(METRICS))
def test_fidelity_scores_do_not_depend_on_the_container(panel, container, metric):
    student, X = fitted(3, 2, n_classes=3), container(panel)
    with nothing_changes(X):
        score = student.fidelity_score(X, metric=metric)
    assert isinstance(score, float) and np.isfinite(score)
    assert score == student.fidelity_score(panel, metric=metric)
