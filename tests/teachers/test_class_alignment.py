"""The columns of a model and the classes of the series."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from tests.conftest import bump_teacher
from tests.teachers.conftest import ask, check_matches
from tsdistill import Teacher
from tsdistill.exceptions import TeacherError
from tsdistill.inputs.panel import as_panel
from tsdistill.teachers.teacher import as_teacher


def test_columns_of_one_name_are_refused_and_unsorted_ones_sorted(toy):
    with pytest.raises(TeacherError, match="several columns with the same label"):
        Teacher(lambda X: np.full((len(X), 2), 0.5), classes=[1, 1]).bind(toy[0])
    bound = Teacher(lambda X: np.tile([0.9, 0.1], (len(X), 1)), classes=["b", "a"]).bind(toy[0])
    assert bound.classes_.tolist() == ["a", "b"]
    assert bound.log_proba(as_panel(toy[0])).argmax(axis=1).tolist() == [1] * 12


def test_columns_follow_the_labels_asked_for(toy):
    X, y = toy
    model = LogisticRegression().fit(X, np.array(["b", "a", "c"])[y])
    proba = model.predict_proba(X)
    check_matches(ask(model, X, ["c", "a"]), proba[:, [2, 0]] / proba[:, [2, 0]].sum(1)[:, None])


def test_bare_model_takes_sorted_labels_of_y_or_counts(toy):
    X, _ = toy

    def teacher(X):
        return np.full((len(X), 2), 0.5)

    assert as_teacher(teacher).bind(X).classes_.tolist() == [0, 1]
    assert as_teacher(teacher).bind(X, np.array([-1, 1])).classes_.tolist() == [-1, 1]
    with pytest.raises(TeacherError, match=r"2 columns, but is asked for 3 classes"):
        as_teacher(teacher).bind(X, np.array([0, 1, 2]))
    with pytest.raises(TeacherError, match=r"2 columns, but has 3 classes"):
        Teacher(teacher, classes=[0, 1, 2]).bind(X)


def test_a_list_takes_its_labels_from_the_first_that_has_some(toy):
    X, y = toy
    names = np.array(["a", "b", "c"])[y]
    forest = RandomForestClassifier(5, random_state=0).fit(X, names)
    for members in ([bump_teacher, forest], [forest, bump_teacher]):
        assert as_teacher(members).is_named
        assert as_teacher(members).bind(X).classes_.tolist() == ["a", "b", "c"]
    assert not as_teacher([bump_teacher, bump_teacher]).is_named
    two = LogisticRegression().fit(X[y < 2], names[y < 2])
    for members in ([two, forest], [forest, two]):
        assert as_teacher(members).bind(X).classes_.tolist() == ["a", "b"]
    with pytest.raises(TeacherError, match="fewer than two classes in common"):
        as_teacher([two, RandomForestClassifier(2).fit(X, y)]).bind(X)


@pytest.mark.parametrize("several", [False, True])
def test_classes_that_are_left_out_can_be_had_back(toy, several):
    X, y = toy
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    panel = X[:, np.newaxis].astype(np.float32)
    part = as_teacher([forest, forest] if several else forest).bind(X, np.array([0, 2]))
    assert part.left_out == [1]
    whole = part.whole(panel)
    assert whole.classes_.tolist() == [0, 1, 2] and not whole.left_out
    assert whole.whole(panel) is whole
    np.testing.assert_array_equal(whole.predict(X), forest.predict(X))
    assert set(part.predict(X)) <= {0, 2}


def test_a_list_can_be_asked_only_for_what_all_its_members_know(toy):
    X, y = toy
    panel, forest = X[:, np.newaxis].astype(np.float32), RandomForestClassifier(5, random_state=0)
    three, two = forest.fit(X, y), LogisticRegression().fit(X[y < 2], y[y < 2])
    letters = LogisticRegression().fit(X[y < 2], np.array(["a", "b"])[y[y < 2]])
    for members in ([three, two], [two, three], [letters, three], [three, letters]):
        bound = as_teacher(members).bind(X[y < 2], np.array([0, 1]), y[y < 2])
        assert not bound.left_out and bound.whole(panel) is bound


class Undecided(RidgeClassifier):
    """A model whose decision values are all equal, as of one fitted on constant series."""

    def decision_function(self, X):
        return np.zeros((len(X), 3))

    def predict(self, X):
        return np.full(len(X), 2)


def test_decision_values_that_are_all_equal_are_accepted(toy):
    X, y = toy
    np.testing.assert_allclose(np.exp(ask(Undecided().fit(X, y), X)), 1 / 3, rtol=1e-6)


def test_classes_that_are_no_list_are_refused(toy, quick):
    with pytest.raises(TeacherError) as caught:
        quick(Teacher(bump_teacher, classes=3)).fit(*toy)
    assert str(caught.value) == (
        "teacher bump_teacher has classes=3; expected a list with the label of each column of its "
        "answers."
    )
