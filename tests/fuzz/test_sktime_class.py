"""The classifier of sktime: the answers of the classifier inside, or a clear error."""

import copy
import functools
import os
import re
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import FEWER
from tests.fuzz.choices import among
from tests.fuzz.clear_errors import Outcome, require_as_it_was, require_clear
from tests.fuzz.labels import labels, n_distinct, odd_labels
from tests.fuzz.oddities import FLAT_SERIES, any_series
from tests.fuzz.parameters import ODD_VALUES, odd_parameters, valid_parameters
from tests.fuzz.series import CONTAINERS, panels, ragged, ragged_containers, values_of
from tests.fuzz.students import TINY, level, tiny
from tests.fuzz.teachers import good_teachers, odd_callables, odd_teachers
from tests.fuzz.test_predict import require_probabilities
from tests.fuzz.unchanged import nothing_changes
from tsdistill.sktime import SaliencyDistilledTSC

HALVES = np.arange(6) % 2
NOT_OF_SKTIME = ("data frame", "data frame of Int64", "data frame of objects", "Dask")
NOT_OF_SKTIME += ("data frame of Arrow", "1-D: padded data frame")
"""Containers of the scikit-learn estimator that sktime does not know."""
SKTIMES = (
    (TypeError, "datatypes/_check.py", "X must be in an sktime compatible format"),
    (ValueError, "base/_base_panel.py", "Data seen by SaliencyDistilledTSC .* missing values"),
    (ValueError, "base/_base_panel.py", "Minimum number of cases required is 1 but X has : 0"),
    (ValueError, "base/_base_panel.py", r"Mismatch in number of cases. Number in X = \d+ nos in y"),
)
"""The errors of sktime's own checks: kind, file and message."""


@pytest.fixture(autouse=True, scope="module")
def own_folder(tmp_path_factory):
    """A folder for what ``memory`` writes where it is a relative path."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    yield
    os.chdir(before)


def tiny_tsc(teacher=level, **settings):
    """A classifier of sktime of which a fit takes some hundredths of a second."""
    return SaliencyDistilledTSC(teacher, **(TINY | settings))


def containers_of_sktime(n_channels):
    """Containers for panels of so many channels, flat ones among them."""
    ndims = [2, 3] if n_channels == 1 else [3]
    known = [one for ndim in ndims for one in CONTAINERS[ndim] if one.name not in NOT_OF_SKTIME]
    return st.sampled_from(known)


def ragged_of_sktime(n_channels):
    return ragged_containers(n_channels).filter(lambda one: one.name not in NOT_OF_SKTIME)


@functools.cache
def fitted_pair(n_channels, gaps=None):
    """Both classifiers, fitted alike, on series of equal length if gaps is None; only to be asked.

    Parameters
    ----------
    n_channels : int
    gaps : None or bool, default=None
        Whether series of unequal length have gaps.
    """
    panel = values_of((12, n_channels, 8 if gaps is None else 12), "noise", 0)
    if gaps is not None:
        for i, one in enumerate(panel):
            one[:, 12 - i % 6 :] = np.nan
            one[:, 2 + i % 3] = np.nan if gaps else 1.0
    settings = {"max_epochs": 30, "lr": 0.05, "missing": "mask" if gaps else "refuse"}
    y = np.arange(12) % 2
    return tiny_tsc(**settings).fit(panel, y), tiny(**settings).fit(panel, y)


def require_same_answers(ours, X, theirs, panel):
    """The classifier of sktime answers, bit by bit, as the one of scikit-learn."""
    proba = ours.predict_proba(X)
    require_probabilities(ours, proba, len(panel))
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(proba, theirs.predict_proba(panel))
    np.testing.assert_array_equal(ours.predict(X), ours.classes_[proba.argmax(axis=1)])
    np.testing.assert_array_equal(ours.explain(X), theirs.explain(panel))


@FEWER
@given(st.data())
def test_series_labels_and_teachers_in_every_form(data):
    panel = data.draw(panels((5, 8), (1, 2)))
    X = data.draw(containers_of_sktime(panel.shape[1]))(panel)
    y, plain_y = data.draw(labels(len(panel)))
    teacher = data.draw(good_teachers(panel, len(set(plain_y))))
    ours = tiny_tsc(teacher)
    with nothing_changes(X, y):
        assert ours.fit(X, y) is ours
        assert ours.teacher is teacher
        require_same_answers(ours, X, tiny(teacher).fit(panel, y), panel)
    assert ours.score(X, ours.predict(X)) == 1


@FEWER
@given(st.data())
def test_ragged_series_in_every_form(data):
    gaps = data.draw(st.booleans())
    panel = data.draw(ragged((5, 8), gaps=gaps))
    X = data.draw(ragged_of_sktime(panel.shape[1]))(panel)
    y, _ = data.draw(labels(len(panel), most_classes=2))
    settings = {"missing": "mask" if gaps else "refuse", "n_mixtures": data.draw(st.integers(0, 2))}
    ours = tiny_tsc(**settings)
    with nothing_changes(X, y):
        ours.fit(X, y)
        require_same_answers(ours, X, tiny(**settings).fit(panel, y), panel)


@FEWER
@given(st.data())
def test_parameters(data):
    panel = data.draw(panels((6, 8), (1, 2), (6, 12)))
    parameters = data.draw(valid_parameters(), label="parameters") | {"random_state": 3}
    parameters.pop("warm_start", None)
    theirs = tiny(**copy.deepcopy(parameters)).fit(panel, HALVES.repeat(2)[: len(panel)])
    ours = tiny_tsc(**parameters)
    with nothing_changes(panel):
        ours.fit(panel, HALVES.repeat(2)[: len(panel)])
    require_same_answers(ours, panel, theirs, panel)
    for name, value in parameters.items():
        assert getattr(ours, name) is getattr(ours.classifier_, name) is value


@FEWER
@given(st.data())
def test_each_column_of_labels_has_a_student(data):
    panel = data.draw(panels((6, 8), (1, 2)))
    X = data.draw(containers_of_sktime(panel.shape[1]))(panel)
    y = np.column_stack([np.arange(len(panel)) % 2, np.arange(len(panel)) < 3])
    ours = tiny_tsc().fit(X, y)
    found = np.asarray(ours.predict(X))
    for k in range(2):
        theirs = tiny().fit(panel, y[:, k])
        np.testing.assert_array_equal(found[:, k], theirs.predict(panel))


@FEWER
@given(st.data())
def test_answers_do_not_depend_on_the_container(data):
    gaps, n_channels = data.draw(st.sampled_from([None, False, True])), data.draw(st.integers(1, 2))
    if gaps is None:
        panel = data.draw(panels((1, 9), (n_channels,) * 2, (8, 8)))
        container = data.draw(containers_of_sktime(n_channels))
    else:
        panel = data.draw(ragged((1, 9), (n_channels,) * 2, gaps=gaps))
        container = data.draw(ragged_of_sktime(n_channels))
    ours, theirs = fitted_pair(n_channels, gaps)
    X = container(panel)
    with nothing_changes(X):
        require_same_answers(ours, X, theirs, panel)


def is_of_sktime(error):
    """Whether an error is one of those of sktime's checks, as it raises them."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename.replace(os.sep, "/")
    return any(
        type(error) is kind and where.endswith(f"/sktime/{file}") and re.match(told, str(error))
        for kind, file, told in SKTIMES
    )


def outcome_of(call, *names):
    """Call, and require a result, a clear error about a named argument, or one of sktime's."""
    try:
        return Outcome(call())
    except Exception as error:
        if not is_of_sktime(error):
            require_clear(error, *names)
        return Outcome(error=error)


def require_right(student):
    """A fitted student answers, also if labels were of one class or in several columns."""
    n_channels = getattr(getattr(student, "classifier_", None), "n_channels_in_", 1)
    length = getattr(getattr(student, "classifier_", None), "n_timepoints_in_", 8)
    X = np.zeros((2, n_channels, length))
    proba = np.asarray(student.predict_proba(X))
    assert np.isfinite(proba).all()
    n_columns = np.size(getattr(student, "classifiers_", 0))
    np.testing.assert_allclose(proba.sum(axis=1), n_columns, rtol=1e-5)
    assert len(student.predict(X)) == 2


def refused_or_right(student, X, *names, y=HALVES):
    """Fit: a right result, or a clear error that leaves the estimator as it was."""
    before = dict(vars(student))
    with nothing_changes(X, y):
        outcome = outcome_of(lambda: student.fit(X, y), *names)
    if outcome.error is None:
        require_right(student)
    else:
        require_as_it_was(student, before)
    return outcome


@given(any_series(), st.sampled_from(["refuse", "mask"]))
def test_any_series_to_fit(X, missing):
    refused_or_right(tiny_tsc(missing=missing), X, "X", "y")


@given(any_series(), st.sampled_from(["predict", "predict_proba", "explain", "fidelity_score"]))
def test_any_series_to_a_fitted_student(X, method):
    student, _ = fitted_pair(1)
    before = dict(vars(student))
    with nothing_changes(X):
        outcome = outcome_of(lambda: getattr(student, method)(X), "X")
    if outcome.error is None and method != "predict":
        assert np.isfinite(outcome.value).all()
    assert vars(student) == before


@given(odd_labels(6))
def test_odd_labels(y):
    student = tiny_tsc()
    outcome = refused_or_right(student, FLAT_SERIES, "y", "teacher", y=y)
    if outcome.error is None and not hasattr(student, "classifiers_"):
        assert len(student.classes_) == n_distinct(y)
        assert student.score(FLAT_SERIES, y) >= 0


@given(st.one_of(odd_labels(6), among(ODD_VALUES)))
def test_odd_labels_to_score(y):
    outcome = outcome_of(lambda: fitted_pair(1)[0].score(FLAT_SERIES, y), "y")
    if outcome.error is None:
        assert 0 <= outcome.value <= 1


@given(odd_parameters().filter(lambda one: one[0] != "warm_start"))
def test_odd_parameters(parameter):
    name, value = parameter
    student = tiny_tsc().set_params(**{name: value})
    student.get_params()
    refused_or_right(student, FLAT_SERIES, name, type(value).__name__)  # as in FCN.n_filters


@FEWER
@given(st.one_of(odd_teachers(), odd_callables()))
def test_odd_teachers(teacher):
    names = "teacher", "teachers", "Teacher"
    refused_or_right(tiny_tsc(teacher), FLAT_SERIES, *names)


@given(odd_parameters().filter(lambda one: one[0] != "warm_start"), any_series(), odd_labels(6))
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(parameter, X, y):
    """Everything may be wrong at once; if nothing is, only the copy is fitted."""
    (name, value), fitted = parameter, fitted_pair(1)[0]
    student = copy.copy(fitted)
    setattr(student, name, value)  # set_params would reset it
    proba = fitted.predict_proba(FLAT_SERIES)
    outcome = refused_or_right(student, X, name, type(value).__name__, "X", "y", y=y)
    if outcome.error is not None:
        np.testing.assert_array_equal(
            student.classifier_.predict_proba(FLAT_SERIES[:, None]), proba
        )
    np.testing.assert_array_equal(fitted.predict_proba(FLAT_SERIES), proba)
