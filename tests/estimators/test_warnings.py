"""Warnings of ``fit`` point at the line of the user that calls it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import bump_teacher
from tsdistill.exceptions import HardTeacherWarning, LeftOutWarning


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
