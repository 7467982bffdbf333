"""A teacher that is bound to series and classes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sktime.classification.interval_based import TimeSeriesForestClassifier

from tests.conftest import bump_teacher
from tsdistill import Teacher
from tsdistill.exceptions import PanelError, TeacherError
from tsdistill.students import Lite
from tsdistill.teachers.teacher import as_teacher


def test_teacher_of_another_shape_is_told_so(gunpoint, toy):
    X, y, _, _ = gunpoint
    forest = TimeSeriesForestClassifier(n_estimators=3, random_state=0).fit(X, y)
    with pytest.raises(TeacherError, match="150 timepoints, but X of shape .* has 100"):
        as_teacher(forest).bind(X[:, :, :100])
    with pytest.raises(TeacherError, match="1 channel, but X of shape .* has 2"):
        as_teacher(forest).bind(np.repeat(X, 2, axis=1))
    ridge = RidgeClassifier().fit(*toy)
    with pytest.raises(TeacherError, match="failed on two series of shape .*20 features"):
        as_teacher(ridge).bind(toy[0][:, :15])
    with pytest.raises(TeacherError, match="failed on two series"):
        as_teacher(Lite().build(3, 20, 2)).bind(toy[0][:, np.newaxis])


def test_binding_anew_forgets_the_fingerprint(toy):
    X, y = toy
    bound = Teacher(RandomForestClassifier(5).fit(X, y)).bind(X)
    bound.fingerprint = "of what it was"
    assert bound.bind(X).fingerprint is None


def test_a_bound_teacher_predicts_as_a_classifier_does(toy):
    sizes = []

    def changes_what_it_is_given(X):
        sizes.append(len(X))
        proba = bump_teacher(X)
        X -= 5
        return proba

    X = np.tile(toy[0].astype(np.float32), (30, 1))
    teacher = as_teacher(changes_what_it_is_given).bind(X, np.array(["a", "b", "c"]))
    before = X.copy()
    sizes.clear()
    proba = teacher.predict_proba(X)
    assert sum(sizes) == 360 and max(sizes) <= 256
    np.testing.assert_allclose(proba, bump_teacher(before), atol=1e-3)
    np.testing.assert_array_equal(X, before)
    labels = teacher.predict(list(X[:3]))  # any format that fit takes
    assert labels.tolist() == np.array(["a", "b", "c"])[bump_teacher(before[:3]).argmax(1)].tolist()
    with pytest.raises(PanelError, match=r"X has series of shape \(1, 19\).*answers for \(1, 20\)"):
        teacher.predict(X[:, :19])
    with pytest.raises(ValueError, match="NaN"):
        teacher.predict(np.full((1, 20), np.nan))


def test_a_student_predicts_as_a_teacher_does(toy, quick):
    student = quick().fit(*toy)
    asked = Teacher.of_student(student.student_, student.classes_)
    np.testing.assert_array_equal(asked.predict(toy[0]), student.predict(toy[0]))


def test_a_bound_teacher_can_be_asked_while_a_fit_waits_for_it(toy, quick):
    first = quick(max_epochs=2).fit(*toy)
    with ThreadPoolExecutor(2) as pool:

        def in_threads(X):
            return np.concatenate(list(pool.map(first.teacher_.predict_proba, np.split(X, len(X)))))

        quick(in_threads, max_epochs=2).fit(*toy)
