"""Warnings of ``fit`` point at the line of the user that calls it."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import bump_teacher
from tsdistill import Teacher
from tsdistill.exceptions import HardTeacherWarning, LeftOutWarning, TeacherMismatchWarning


def test_of_a_teacher_that_only_answers_0_or_1(toy, quick):
    def hard(X):
        return np.eye(3)[bump_teacher(X).argmax(axis=1)]

    with pytest.warns(HardTeacherWarning) as caught:
        quick(hard).fit(*toy)
    assert caught[0].filename == __file__


def test_of_classes_without_series(toy, quick):
    X, y = toy
    teacher = LogisticRegression().fit(X, y)
    with pytest.warns(LeftOutWarning) as caught:
        quick(teacher).fit(X[y < 2], y[y < 2])
    assert caught[0].filename == __file__


def test_of_a_teacher_that_is_wrong_about_the_labels(toy, quick):
    turned = Teacher(bump_teacher, classes=[1, 2, 0])
    with pytest.warns(TeacherMismatchWarning, match="is right about 0% of the") as caught:
        quick(turned, max_epochs=1).fit(*toy)
    assert [warning.filename for warning in caught] == [__file__]


def test_of_a_wrong_teacher_once_where_training_goes_on(toy, quick):
    turned = Teacher(bump_teacher, classes=[1, 2, 0])
    student = quick(turned, max_epochs=1, warm_start=True)
    with pytest.warns(TeacherMismatchWarning):
        student.fit(*toy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        student.fit(*toy)


def test_not_of_a_wrong_teacher_where_no_labels_that_count_say_so(toy, quick):
    X, y = toy
    wrong = (y + 1) % 3
    half = np.concatenate([X, X + 0.01]), np.concatenate([y, wrong])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(Teacher(bump_teacher, classes=[1, 2, 0]), max_epochs=1).fit(X)
        quick(LogisticRegression(C=1e-9), max_epochs=1).fit(X, np.repeat([0, 1], 6))
        quick(max_epochs=1).fit(*half, sample_weight=np.repeat([1, 0], 12))
    with pytest.warns(TeacherMismatchWarning):
        quick(max_epochs=1).fit(*half, sample_weight=np.repeat([0, 1], 12))


def test_not_of_a_hard_teacher_from_which_nothing_is_learnt(toy, quick):
    def hard(X):
        return np.eye(3)[bump_teacher(X).argmax(axis=1)]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = quick(hard, label_weight=1, soft_target_weight=0, saliency_weight=0).fit(*toy)
    assert "label" in alone.history_[0]
