"""What ``fit`` promises, for good arguments of every kind."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import FEWER
from tests.fuzz.labels import labels
from tests.fuzz.parameters import valid_parameters
from tests.fuzz.series import containers, panels, ragged, ragged_containers
from tests.fuzz.students import tiny
from tests.fuzz.teachers import good_teachers
from tests.fuzz.test_predict import require_probabilities
from tests.fuzz.unchanged import nothing_changes, snapshot


def require_fitted(student, X, panel, plain_y):
    """A fitted student answers, explains, and knows what it was fitted on."""
    assert student.classes_.tolist() == sorted(set(plain_y))
    assert (student.n_channels_in_, student.n_timepoints_in_) == panel.shape[1:]
    require_probabilities(student, student.predict_proba(X), len(panel))
    assert set(student.predict(X).tolist()) <= set(plain_y)
    maps = student.explain(X)
    assert maps.shape == (len(panel), panel.shape[-1])
    known = np.arange(panel.shape[-1]) < ends_of(panel)[:, np.newaxis]
    np.testing.assert_array_equal(np.isfinite(maps), known)


def ends_of(panel):
    """Number of timesteps of each series."""
    known = ~np.isnan(panel).all(axis=1)
    return np.where(known, np.arange(1, panel.shape[-1] + 1), 0).max(axis=1)


def fit_and_require(student, X, y, panel, plain_y):
    parameters = {k: v for k, v in student.get_params(deep=False).items() if k != "random_state"}
    before = {name: (value, snapshot(value)) for name, value in parameters.items()}
    with nothing_changes(X, y):
        assert student.fit(X, y) is student
    for name, (value, content) in before.items():
        assert getattr(student, name) is value
        if name != "teacher":  # which may count its queries
            assert snapshot(value) == content
    require_fitted(student, X, panel, plain_y)


@given(st.data())
def test_series_and_labels_in_every_form(data):
    panel = data.draw(panels((5, 8), (1, 2)))
    container = data.draw(containers(panel.shape[1]))
    y, plain_y = data.draw(labels(len(panel)))
    teacher = data.draw(good_teachers(panel, len(set(plain_y))))
    fit_and_require(tiny(teacher), container(panel), y, panel, plain_y)


@FEWER
@given(st.data())
def test_ragged_series_in_every_form(data):
    gaps = data.draw(st.booleans())
    panel = data.draw(ragged((5, 8), gaps=gaps))
    container = data.draw(ragged_containers(panel.shape[1]))
    y, plain_y = data.draw(labels(len(panel), most_classes=2))
    student = tiny(missing="mask" if gaps else "refuse", n_mixtures=data.draw(st.integers(0, 2)))
    fit_and_require(student, container(panel), y, panel, plain_y)


@given(st.data())
def test_parameters(data):
    panel = data.draw(panels((6, 8), (1, 2), (6, 12)))
    y = np.arange(len(panel)) % 2
    teacher = data.draw(good_teachers(panel, 2))
    student = tiny(teacher, **data.draw(valid_parameters(), label="parameters"))
    fit_and_require(student, panel, y, panel, y.tolist())


@FEWER
@given(st.data())
def test_what_the_teacher_labels(data):
    panel = data.draw(panels((5, 8), (1, 2), kinds=["noise"]))
    more = data.draw(panels((1, 4), (panel.shape[1],) * 2, (panel.shape[-1],) * 2))
    X, unlabelled = (data.draw(containers(panel.shape[1], 3))(one) for one in (panel, more))
    y = np.arange(len(panel)) % 2
    student = tiny()
    with nothing_changes(X, unlabelled):
        student.fit(X, y, X_unlabelled=unlabelled)
    require_fitted(student, panel, panel, y.tolist())


WEIGHTS = [0.0, 1.0, 2.0, 1e-300, 1e300, 0.5]


@FEWER
@given(st.data())
def test_weights(data):
    panel = data.draw(panels((6, 8), (1, 1)))
    y = np.arange(len(panel)) % 2
    some = st.lists(st.sampled_from(WEIGHTS), min_size=len(y), max_size=len(y))
    weight = np.array(data.draw(some.filter(any), label="weights"))
    held = data.draw(st.sampled_from([list, np.array, lambda w: np.asarray(w)[:,][::-1][::-1]]))
    class_weight = data.draw(st.sampled_from([None, "balanced", {0: 0.0, 1: 1.0}, {0: 1e-9}]))
    student = tiny(class_weight=class_weight)
    w = held(weight)
    factors = np.where(y == 0, 0.0, 1.0) if class_weight == {0: 0.0, 1: 1.0} else 1.0
    with nothing_changes(panel, w):
        if (weight * factors).any():
            student.fit(panel, y, sample_weight=w)
            require_fitted(student, panel, panel, y.tolist())
