"""Probabilities and labels of a fitted student, for series in every container."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.series import containers, panels, ragged, ragged_containers
from tests.fuzz.students import fitted, fitted_on_ragged
from tests.fuzz.unchanged import nothing_changes

ROUNDING = 2e-6
"""By which probabilities, float32, may differ with the size of a batch."""
SHAPES = st.sampled_from([(2, 1), (3, 1), (3, 2)])
ANSWERS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


@st.composite
def passed(draw, n_instances=(1, 9)):
    """A fitted estimator, a panel, and a container for it."""
    ndim, n_channels = draw(SHAPES)
    panel = draw(panels(n_instances, (n_channels,) * 2, (8, 8)))
    return fitted(ndim, n_channels, n_classes=3), panel, draw(containers(n_channels, ndim))


@st.composite
def passed_ragged(draw, n_instances=(1, 9)):
    """The same for series of unequal length, of which some have gaps."""
    gaps, n_channels = draw(st.booleans()), draw(st.integers(1, 2))
    container = draw(ragged_containers(n_channels))
    panel = draw(ragged(n_instances, (n_channels,) * 2, gaps=gaps))
    return fitted_on_ragged(container.ndim, n_channels, gaps), panel, container


def plain(panel, ndim):
    return np.ascontiguousarray(panel if ndim == 3 else panel[:, 0])


def require_probabilities(student, proba, n):
    assert proba.shape == (n, len(student.classes_)) and proba.dtype == np.float32
    assert np.isfinite(proba).all() and (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


@given(passed(), st.sampled_from(ANSWERS))
def test_answers_do_not_depend_on_the_container(case, method):
    student, panel, container = case
    X = container(panel)
    with nothing_changes(X):
        answers = getattr(student, method)(X)
    np.testing.assert_array_equal(answers, getattr(student, method)(plain(panel, container.ndim)))


@given(passed_ragged(), st.sampled_from(ANSWERS))
def test_answers_about_ragged_series_do_not_depend_on_the_container(case, method):
    student, panel, container = case
    X = container(panel)
    with nothing_changes(X):
        answers = getattr(student, method)(X)
    padded = plain(panel, container.ndim)
    np.testing.assert_array_equal(answers, getattr(student, method)(padded))


@given(st.one_of(passed(), passed_ragged()))
def test_answers_are_probabilities_and_labels_the_most_probable(case):
    student, panel, container = case
    X = container(panel)
    proba, log_proba = student.predict_proba(X), student.predict_log_proba(X)
    require_probabilities(student, proba, len(panel))
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-5)
    np.testing.assert_array_equal(student.predict(X), student.classes_[proba.argmax(axis=1)])


@given(st.one_of(passed((2, 9)), passed_ragged((2, 9))), st.randoms(use_true_random=False))
def test_answers_do_not_depend_on_the_batch_or_its_order(case, random):
    student, panel, container = case
    proba = student.predict_proba(container(panel))
    order = random.sample(range(len(panel)), random.randint(1, len(panel)))
    some = student.predict_proba(container(panel[order]))
    np.testing.assert_allclose(some, proba[order], atol=ROUNDING, rtol=0)
    alone = student.predict_proba(container(panel[order[:1]]))
    np.testing.assert_allclose(alone[0], proba[order[0]], atol=ROUNDING, rtol=0)


LARGE = [1e-45, 1e-38, 1e-10, 1e10, 1e20, 1e30, 3e38]


@given(passed(), st.sampled_from(LARGE), st.sampled_from(["all", "one series", "one value"]))
def test_answers_about_huge_and_tiny_series_are_probabilities(case, size, where):
    student, panel, _ = case
    X = plain(panel, student.panel_ndim_) / 100
    part = {"all": np.s_[:], "one series": np.s_[0], "one value": np.s_[0, ..., 0]}[where]
    X[part] *= size
    require_probabilities(student, student.predict_proba(X), len(X))


@given(passed(), st.sampled_from(["f4", "f8"]), st.sampled_from("CF"))
def test_probabilities_go_to_the_array_that_is_passed(case, dtype, order):
    student, panel, container = case
    shape = len(panel), len(student.classes_)
    out = np.full(shape, np.nan, dtype, order)
    X = container(panel)
    with nothing_changes(X):
        assert student.predict_proba(X, out=out) is out
    np.testing.assert_array_equal(out.astype(np.float32), student.predict_proba(X))


@given(passed())
def test_the_teacher_answers_the_same_in_every_container(case):
    student, panel, container = case
    X = container(panel)
    with nothing_changes(X):
        proba = student.teacher_.predict_proba(X)
        score = student.fidelity_score(X)
    expected = student.teacher_.predict_proba(plain(panel, container.ndim))
    np.testing.assert_array_equal(proba, expected)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    agreement = np.mean(student.predict(X) == student.teacher_.predict(X))
    assert score == agreement
