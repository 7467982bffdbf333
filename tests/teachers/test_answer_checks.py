"""Warnings of answers that a student should hardly learn."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sktime.classification.interval_based import TimeSeriesForestClassifier

from tests.conftest import bump_teacher
from tsdistill import Teacher
from tsdistill.exceptions import HardTeacherWarning, TeacherMismatchWarning
from tsdistill.inputs.panel import as_panel
from tsdistill.teachers.answer_checks import is_hard, warn_if_mismatched, warn_of_hard
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.teachers.teacher import as_teacher


def test_hard_teacher_is_warned_of_with_the_remedy(toy):
    X, _ = toy
    hard = as_teacher(lambda X: np.eye(3)[np.arange(len(X)) % 3]).bind(X)
    answers = TeacherAnswers(hard.log_proba(X[:, np.newaxis]))
    assert is_hard(hard, answers)
    with pytest.warns(HardTeacherWarning, match="decision values"):
        warn_of_hard(hard, answers)


def test_soft_or_merely_confident_teachers_are_not_hard(toy):
    X, _ = toy
    proba = np.eye(3)[np.arange(12) % 3]
    proba[5] = [0.01, 0.01, 0.98]
    soft = as_teacher(lambda X: proba[: len(X)]).bind(X)
    sure = as_teacher(torch.nn.Linear(20, 3).requires_grad_(False)).bind(X)
    with torch.no_grad():
        sure.model.weight.mul_(1e6)
    for teacher in (soft, sure):
        answers = teacher.log_proba(X[:, np.newaxis].astype(np.float32))
        assert not is_hard(teacher, TeacherAnswers(answers))


def test_a_forest_certain_of_its_own_series_is_not_hard(toy):
    X, _ = toy
    hard = as_teacher(lambda X: np.eye(3)[np.arange(len(X)) % 3]).bind(X)
    clean = hard.log_proba(X[:, np.newaxis])
    soft = np.log(np.full((12, 4, 3), 1 / 3, dtype=np.float32))
    assert not is_hard(hard, TeacherAnswers(clean, soft))


@pytest.mark.parametrize(
    ("n_windows", "copies"), [(None, ""), (4, " and all of their perturbed copies")]
)
def test_the_warning_of_a_hard_teacher_says_which_answers_are_hard(toy, n_windows, copies):
    def hard(X):
        return np.eye(3)[bump_teacher(X).argmax(axis=1)]

    teacher = as_teacher(hard).bind(toy[0])
    clean = teacher.log_proba(as_panel(toy[0]))
    perturbed = None if n_windows is None else np.stack([clean] * n_windows, axis=1)
    with pytest.warns(HardTeacherWarning) as caught:
        warn_of_hard(teacher, TeacherAnswers(clean, perturbed))
    assert str(caught[0].message) == (
        f"Teacher(hard) answers all training series{copies} with probabilities of 0 and 1, so it "
        "gives no soft targets and its saliency changes in jumps. If it has decision values, "
        "use them: pass a callable that returns their softmax, or an object that has "
        "decision_function and classes_ but no predict_proba."
    )


def compare(teacher, X, y):
    """Compare a teacher's answers with labels, as a fit does."""
    panel, (classes, codes) = as_panel(X), np.unique(y, return_inverse=True)
    teacher = as_teacher(teacher).bind(X, classes, y)
    warn_if_mismatched(teacher, panel, codes, teacher.log_proba(panel))


def flat(model):
    """A callable around a model of flat series."""
    return Teacher(lambda X: model.predict_proba(X.reshape(len(X), -1)), model.classes_)


SEVERAL = pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=2000),
        RandomForestClassifier(20, random_state=0),
        HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5),
    ],
)


@SEVERAL
def test_a_teacher_of_series_of_another_scale_is_warned_of(gunpoint, model):
    X, y = gunpoint[0][:, 0], gunpoint[1]
    model = clone(model).fit(100 * X + 500, y)
    with pytest.warns(TeacherMismatchWarning, match="is right about 50% of"):
        compare(model, X, y)


def test_the_warning_gives_the_figures_to_compare_with(gunpoint):
    X, y = gunpoint[0][:, 0], gunpoint[1]
    model = LogisticRegression(max_iter=2000).fit(100 * X + 500, y)
    with pytest.warns(TeacherMismatchWarning) as caught:
        compare(model, X, y)
    assert str(caught[0].message) == (
        "Teacher(LogisticRegression) is right about 50% of the labelled series (mean over the "
        "classes), but guessing would be right about 50% and a nearest neighbour among the same "
        "series about 96%. The student learns these mistakes. Usual causes: the teacher was fitted "
        "on series of another scale, with other values in gaps, or with other axes than X; its "
        "columns have other labels: pass Teacher(model, classes=[...]); or it always answers the "
        "most frequent class."
    )


def test_a_teacher_of_series_with_other_axes_is_warned_of(motions):
    X, y = motions[:2]
    model = LogisticRegression(max_iter=2000)
    model.fit(X.transpose(0, 2, 1).reshape(len(X), -1), y)
    with pytest.warns(TeacherMismatchWarning, match="guessing would be right about 25%"):
        compare(flat(model), X, y)
    compare(flat(model), X.transpose(0, 2, 1), y)


@SEVERAL
def test_a_teacher_whose_columns_have_other_labels_is_warned_of(italy, model):
    X, y = italy[0][:, 0], italy[1]
    model = clone(model).fit(X, y)
    with pytest.warns(TeacherMismatchWarning):
        compare(Teacher(model.predict_proba, classes=model.classes_[::-1]), X, y)


def test_a_teacher_of_series_with_other_values_in_gaps_is_warned_of():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(20, 1, size=(60, 12))
    X[y == 1, :5] = np.nan  # where the sensor was off
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    assert model.score(X, y) == 1
    with pytest.warns(TeacherMismatchWarning):
        compare(model, np.nan_to_num(X), y)


@SEVERAL
@pytest.mark.parametrize("name", ["gunpoint", "italy", "motions"])
def test_teachers_of_the_same_series_are_not_warned_of(request, name, model):
    X, y, X_test, y_test = request.getfixturevalue(name)
    good = flat(clone(model).fit(X.reshape(len(X), -1), y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(good, X, y)
        if not isinstance(model, HistGradientBoostingClassifier):  # which is weak on held-out ones
            compare(good, X_test, y_test)


def test_teachers_of_other_packages_are_not_warned_of(gunpoint, gunpoint_net):
    X, y, X_test, y_test = gunpoint
    forest = TimeSeriesForestClassifier(n_estimators=10, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for teacher in (forest, Teacher(gunpoint_net, classes=["1", "2"])):
            compare(teacher, X, y)
            compare(teacher, X_test, y_test)


def rare_and_frequent(rng):
    """Labels of which nine in ten are 0, and series that tell them hardly apart."""
    y = (np.arange(200) % 10 == 0).astype(int)
    return rng.normal(size=(200, 20)) + 0.4 * y[:, np.newaxis], y


def test_every_class_counts_alike():
    X, y = rare_and_frequent(np.random.default_rng(0))
    balanced = LogisticRegression(class_weight="balanced", C=0.01).fit(X, y)
    assert balanced.score(X, y) < np.mean(y == 0), "the test needs a teacher below the majority"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(balanced, X, y)
    with pytest.warns(TeacherMismatchWarning, match="right about 50% of"):
        compare(lambda X: np.tile([0.9, 0.1], (len(X), 1)), X, y)  # right about 90 % of series


def test_labels_that_are_half_noise_may_be_known_by_heart():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 20)), rng.integers(2, size=80)
    X[:, 0] += y  # for half of the series
    forest = RandomForestClassifier(30, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(forest, X, y)
        compare(LogisticRegression().fit(X, y), X, y)


def turned(X):
    """A teacher that never gives the right class of a toy series."""
    return np.roll(bump_teacher(X), 1, axis=1)


def test_a_mismatch_is_warned_of_where_the_answers_are_learnt(toy, quick):
    X, y = toy
    with pytest.warns(TeacherMismatchWarning):
        quick(turned, max_epochs=1).fit(X, y)
    with pytest.warns(TeacherMismatchWarning):
        quick(turned, max_epochs=1, soft_target_weight=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(turned, max_epochs=1, soft_target_weight=0, saliency_weight=0).fit(X, y)


@pytest.mark.parametrize(
    "weights",
    [{"sample_weight": [1, 0, 0] * 4}, {"class_weight": {0: 1, 1: 0, 2: 0}}],
    ids=["sample_weight", "class_weight"],
)
def test_one_class_alone_is_not_compared_with_guessing(toy, quick, weights):
    settings = {name: value for name, value in weights.items() if name == "class_weight"}
    arguments = {name: value for name, value in weights.items() if name == "sample_weight"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(turned, max_epochs=1, **settings).fit(*toy, **arguments)
