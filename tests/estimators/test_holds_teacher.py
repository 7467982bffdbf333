"""How the estimator shows itself, and how its parameters are set."""

import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from sktime.classification.interval_based import TimeSeriesForestClassifier

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.sktime import SaliencyDistilledTSC
from tsdistill.students import GRU

BOTH = pytest.mark.parametrize("estimator", [SaliencyDistilledClassifier, SaliencyDistilledTSC])


@BOTH
def test_repr_is_short_and_shows_what_was_set(toy, gunpoint_net, estimator):
    name = estimator.__name__
    forest = RandomForestClassifier(500, max_depth=7)
    shown = {
        "teacher=<fitted NeuralNetClassifier>": {"teacher": gunpoint_net},
        "teacher=<Sequential>": {"teacher": torch.nn.Sequential(*[torch.nn.ReLU()] * 50)},
        "teacher=<bump_teacher>, lr=0.5": {"teacher": bump_teacher, "lr": 0.5},
        "teacher=RandomForestClassifier(max_depth=7, n_estimators=500)": {"teacher": forest},
        "teacher=[<fitted LogisticRegression>, <ReLU>], student=GRU()": {
            "teacher": [LogisticRegression().fit(*toy), torch.nn.ReLU()],
            "student": GRU(),
        },
        "teacher=Teacher(<ReLU>), student=<NeuralNetClassifier>": {
            "teacher": Teacher(torch.nn.ReLU()),
            "student": NeuralNetClassifier(torch.nn.ReLU()),
        },
    }
    for expected, parameters in shown.items():
        assert repr(estimator(**parameters)) == f"{name}({expected})"
    with config_context(print_changed_only=False):
        assert "saliency_weight=5.0" in repr(estimator(bump_teacher))


def test_notebooks_show_the_estimator_with_any_teacher(toy, gunpoint_net):
    net = NeuralNetClassifier(torch.nn.ReLU())
    for teacher in (gunpoint_net, net, torch.nn.ReLU(), bump_teacher, Teacher(bump_teacher)):
        student = SaliencyDistilledClassifier(teacher, student=net, lr=0.5)
        for shown in (student, make_pipeline(StandardScaler(), student)):
            assert "SaliencyDistilledClassifier" in shown._repr_html_()
    student = SaliencyDistilledClassifier(bump_teacher, max_epochs=1, n_windows=1).fit(*toy)
    assert "SaliencyDistilledClassifier" in student._repr_html_()


@BOTH
def test_parameters_of_a_named_student_can_be_set(estimator):
    student = estimator(bump_teacher).set_params(student__n_filters=3, lr=0.5)
    assert student.student.n_filters == 3 and student.lr == 0.5
    student = estimator(bump_teacher).set_params(student="gru", student__hidden_size=5)
    assert isinstance(student.student, GRU) and student.student.hidden_size == 5
    with pytest.raises(ValueError, match="n_layers"):
        estimator(bump_teacher).set_params(student__n_layers=3)
    with pytest.raises(ValueError, match="teachers"):
        estimator(bump_teacher).set_params(teachers=3)


def test_a_refused_parameter_changes_nothing():
    student = SaliencyDistilledClassifier(bump_teacher)
    with pytest.raises(ValueError, match="no_such"):
        student.set_params(student__no_such=3)
    assert student.student == "lite"


@pytest.mark.parametrize("lost", [[LogisticRegression()], Teacher(LogisticRegression())])
def test_what_has_no_parameters_is_named(lost):
    with pytest.raises(ValueError, match="teacher__C cannot be set.*bare unfitted classifier"):
        SaliencyDistilledClassifier(lost).set_params(teacher__C=1.0)
    with pytest.raises(ValueError, match="student__n_filters cannot be set: student='nosuch'"):
        SaliencyDistilledClassifier(lost).set_params(student="nosuch", student__n_filters=3)


def test_a_subclass_may_fix_the_student():
    class Fixed(SaliencyDistilledClassifier):
        def __init__(self, teacher=None):
            super().__init__(teacher, student="gru")

    assert repr(Fixed(bump_teacher)) == "Fixed(teacher=<bump_teacher>)"
    assert clone(Fixed(bump_teacher)).student == "gru"


@BOTH
def test_parameters_of_a_fitted_teacher_cannot_be_set(toy, estimator):
    forest = RandomForestClassifier(5)
    estimator(forest).set_params(teacher__n_estimators=7)
    assert forest.n_estimators == 7
    forest.fit(*toy)
    with pytest.raises(ValueError, match=r"teacher__n_estimators cannot be set.*is fitted"):
        estimator(forest).set_params(teacher__n_estimators=3)
    assert forest.n_estimators == 7


def test_sktime_class_has_the_parameters_and_defaults_of_the_other():
    ours = SaliencyDistilledTSC(bump_teacher).get_params(deep=False)
    theirs = SaliencyDistilledClassifier(bump_teacher).get_params(deep=False)
    assert theirs.pop("warm_start") is False
    ours.pop("teacher"), theirs.pop("teacher")
    assert ours == theirs


@BOTH
def test_clones_keep_a_fitted_teacher_by_identity(italy, gunpoint_net, estimator):
    forest = TimeSeriesForestClassifier(n_estimators=5)
    assert clone(estimator(forest)).teacher is not forest
    forest.fit(*italy[:2])
    for teacher in (forest, gunpoint_net, Teacher(gunpoint_net), [forest, gunpoint_net]):
        assert clone(estimator(teacher)).teacher is teacher
