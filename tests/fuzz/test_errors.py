"""Whatever is passed: a right result, or an error that says which argument is wrong."""

import copy
import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.choices import among
from tests.fuzz.clear_errors import outcome_of, require_as_it_was
from tests.fuzz.labels import n_distinct, odd_labels
from tests.fuzz.oddities import DEEP_SERIES, FLAT_SERIES, any_series
from tests.fuzz.parameters import ODD_VALUES, odd_parameters
from tests.fuzz.students import TINY, fitted, tiny
from tests.fuzz.teachers import Scores, odd_callables, odd_teachers
from tests.fuzz.unchanged import nothing_changes
from tsdistill import SaliencyDistilledClassifier

HALVES = np.arange(6) % 2


@pytest.fixture(autouse=True, scope="module")
def own_folder(tmp_path_factory):
    """A folder for what ``memory`` writes where it is a relative path."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    yield
    os.chdir(before)


def require_right(student, X=None):
    """A fitted student answers with probabilities and finite maps."""
    n = student.n_timepoints_in_
    if student._series_lengths is not None:  # an array may be padded beyond its longest series
        n = min(n, student._series_lengths[1])
    X = np.zeros((2, n) if student.panel_ndim_ == 2 else (2, student.n_channels_in_, n))
    proba = student.predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def refused_or_right(student, X, *names, y=HALVES, **given):
    """Fit: a right result, or a clear error that leaves the estimator as it was."""
    before = dict(vars(student))
    outcome = outcome_of(lambda: student.fit(X, y, **given), *names)
    if outcome.error is None:
        require_right(student)
    else:
        require_as_it_was(student, before)
    return outcome


@given(any_series(), st.sampled_from(["refuse", "mask"]))
def test_any_series_to_fit(X, missing):
    refused_or_right(tiny(missing=missing), X, "X", "y")


@given(any_series(), st.sampled_from(["refuse", "mask"]))
def test_any_series_to_fit_without_labels(X, missing):
    names = "X", "teacher", "teacher's"
    refused_or_right(tiny(missing=missing), X, *names, y=None)


@given(any_series(), st.sampled_from([FLAT_SERIES, DEEP_SERIES]))
def test_any_unlabelled_series(more, X):
    refused_or_right(tiny(), X, "X_unlabelled", X_unlabelled=more)


METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "explain")


@given(any_series(), st.sampled_from([2, 3]), st.sampled_from(METHODS))
def test_any_series_to_a_fitted_student(X, ndim, method):
    student = fitted(ndim)
    before = dict(vars(student))
    with nothing_changes():
        outcome = outcome_of(lambda: getattr(student, method)(X), "X")
    if outcome.error is None and method != "predict":
        assert np.isfinite(outcome.value).all()
    assert vars(student) == before


@given(any_series(), st.sampled_from(["fidelity_score", "score"]))
def test_any_series_to_be_compared(X, method):
    student = fitted()
    given = () if method == "fidelity_score" else (HALVES,)
    outcome = outcome_of(lambda: getattr(student, method)(X, *given), "X", "y")
    if outcome.error is None:
        assert 0 <= outcome.value <= 1


@given(odd_labels(6), st.booleans())
def test_odd_labels(y, unfitted):
    from sklearn.naive_bayes import GaussianNB

    student = tiny(GaussianNB() if unfitted else Scores(2))
    outcome = refused_or_right(student, FLAT_SERIES, "y", "teacher", y=y)
    if outcome.error is None:
        assert len(student.classes_) == n_distinct(y)
        assert student.score(FLAT_SERIES, y) >= 0


@given(odd_labels(6))
def test_odd_labels_to_score(y):
    outcome = outcome_of(lambda: fitted().score(FLAT_SERIES, y), "y")
    if outcome.error is None:
        assert 0 <= outcome.value <= 1


@given(odd_labels(6), st.sampled_from(["accuracy", "nll", "ece"]))
def test_odd_labels_to_be_compared(y, metric):
    outcome = outcome_of(lambda: fitted().fidelity_score(FLAT_SERIES, y, metric=metric), "y")
    if outcome.error is None:
        assert np.isfinite(outcome.value)


@given(st.one_of(odd_labels(6), among(ODD_VALUES)))
def test_odd_targets(target):
    outcome = outcome_of(lambda: fitted().explain(FLAT_SERIES, target=target), "target")
    if outcome.error is None:
        assert np.isfinite(outcome.value).all()


@given(st.one_of(odd_labels(6), among(ODD_VALUES)))
def test_odd_weights(weight):
    refused_or_right(tiny(), FLAT_SERIES, "sample_weight", sample_weight=weight)


@given(odd_parameters())
def test_odd_parameters(parameter):
    name, value = parameter
    student = SaliencyDistilledClassifier(Scores(2), **TINY).set_params(**{name: value})
    student.get_params()
    refused_or_right(student, FLAT_SERIES, name, type(value).__name__)  # as in FCN.n_filters


@given(
    st.sampled_from(["target", "method", "of", "per_channel", "fill", "out"]),
    among(ODD_VALUES),
)
def test_odd_arguments_of_explain(name, value):
    outcome = outcome_of(lambda: fitted().explain(FLAT_SERIES, **{name: value}), name)
    if outcome.error is None:
        assert np.isfinite(outcome.value).all()


@given(st.sampled_from(["metric", "y", "mask"]), among(ODD_VALUES))
def test_odd_arguments_of_fidelity_score(name, value):
    given = {"metric": "auprc"} if name == "mask" else {}
    given = given | {"metric": "accuracy"} if name == "y" else given
    call = lambda: fitted().fidelity_score(FLAT_SERIES, **(given | {name: value}))  # noqa: E731
    outcome = outcome_of(call, name)
    if outcome.error is None:
        assert np.isfinite(outcome.value)


@given(odd_callables(), st.booleans())
def test_black_boxes_that_answer_oddly(teacher, labelled):
    student = tiny(teacher, n_mixtures=3)
    refused_or_right(student, FLAT_SERIES, "teacher", "Teacher", y=HALVES if labelled else None)


@given(odd_callables(latest=3), st.sampled_from(["student", "teacher"]))
def test_black_boxes_that_answer_oddly_after_fit(teacher, of):
    student = copy.copy(fitted())
    student.teacher_ = (
        student.teacher_._around(teacher).bind(FLAT_SERIES, student.classes_)
        if (teacher.first > 1)
        else student.teacher_
    )
    outcome = outcome_of(lambda: student.explain(FLAT_SERIES, of=of), "teacher", "Teacher")
    if outcome.error is None:
        assert np.isfinite(outcome.value).all()


@given(odd_teachers(), st.booleans())
def test_objects_that_cannot_teach(teacher, labelled):
    names = "teacher", "teachers", "Teacher"
    refused_or_right(tiny(teacher), FLAT_SERIES, *names, y=HALVES if labelled else None)


@given(odd_parameters(), any_series(), odd_labels(6))
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(parameter, X, y):
    """Everything may be wrong at once; if nothing is, only the copy is fitted."""
    name, value = parameter
    student = copy.copy(fitted()).set_params(**{name: value})
    proba = student.predict_proba(FLAT_SERIES)
    outcome = refused_or_right(student, X, name, type(value).__name__, "X", "y", y=y)
    if outcome.error is not None:
        np.testing.assert_array_equal(student.predict_proba(FLAT_SERIES), proba)
        require_named_what_is_wrong(outcome.error, parameter, X, y)
    np.testing.assert_array_equal(fitted().predict_proba(FLAT_SERIES), proba)


def require_named_what_is_wrong(error, parameter, X, y):
    """Fail if the same error comes with a right value for any of the arguments that it names."""
    name, value = parameter
    passed = {name: value, "X": X, "y": y}
    right = {name: getattr(fitted(), name), "X": FLAT_SERIES, "y": HALVES}
    named = [one for one in passed if re.search(rf"(?<!\w){one}(?!\w)", str(error))]
    for one in named or [name]:  # some messages name the class of the value
        given = passed | {one: right[one]}
        student = copy.copy(fitted()).set_params(**{name: given[name]})
        try:
            student.fit(given["X"], given["y"])
        except Exception as other:
            if str(other) == str(error):
                continue
        return
    error.add_note(f"the message is the same with right values for {named}")
    raise error
