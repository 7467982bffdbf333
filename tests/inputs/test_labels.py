"""Labels of every kind."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import bump_teacher
from tsdistill import Teacher

LABELS = {
    "strings": np.array(["up", "down", "flat"]),
    "unicode objects": np.array(["up", "down", "flat"], dtype=object),
    "negative": np.array([-3, -1, 2]),
    "floats": np.array([1.0, 2.0, 3.0]),
    "unsigned": np.array([3, 200, 255], dtype=np.uint8),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("container", [np.asarray, list, pd.Series, pd.Categorical])
def test_labels_of_any_kind(toy, quick, kind, container):
    X, codes = toy
    y = LABELS[kind][codes]
    teacher = Teacher(bump_teacher, classes=LABELS[kind])
    student = quick(teacher, max_epochs=20).fit(X, container(y))
    assert student.classes_.tolist() == sorted(LABELS[kind].tolist())
    assert student.score(X, container(y)) > 0.9
    assert np.mean(student.predict(X) == y) > 0.9
    assert student.explain(X[:2], target=y[:2]).shape == (2, 20)


def test_two_classes_that_are_bools(toy, quick):
    X, codes = toy
    y = codes == 1
    student = quick(LogisticRegression(), max_epochs=20).fit(X, y)
    assert student.classes_.tolist() == [False, True]
    assert student.predict(X).dtype == bool
    assert student.score(X, y) > 0.9
