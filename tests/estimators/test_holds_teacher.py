"""How the estimator shows itself, how its parameters are set, and how it keeps its teacher."""

import copy
import inspect
import pickle
from html import escape

import numpy as np
import pytest
import sklearn
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from sktime.classification.interval_based import TimeSeriesForestClassifier

from tests.conftest import bump_teacher
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import fidelity_scorer
from tsdistill.sktime import SaliencyDistilledTSC
from tsdistill.students import GRU, Lite

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
        assert "saliency_weight=None, temperature=4.0" in repr(estimator(bump_teacher))


class Talkative(LogisticRegression):
    """Refuses to be walked into."""

    def get_params(self, deep=True):
        raise AssertionError

    def __repr__(self):
        raise AssertionError


@BOTH
def test_notebooks_show_the_constructor_and_nothing_of_a_fitted_teacher(toy, estimator):
    teacher = Talkative()
    teacher.classes_ = np.arange(3)
    shown = estimator(teacher, lr=0.5)
    swap = DeferringClassifier(shown, teacher)
    for one, text in ((shown, "teacher=<fitted Talkative>, lr=0.5"), (swap, "<fitted Talkative>")):
        bundle = one._repr_mimebundle_()
        assert bundle["text/plain"] == repr(one)
        assert escape(text) in bundle["text/html"] == one._repr_html_()


def test_diagrams_of_pipelines_are_drawn_with_any_teacher(toy, gunpoint_net):
    net = NeuralNetClassifier(torch.nn.ReLU())
    forest = TimeSeriesForestClassifier(n_estimators=2).fit(toy[0][:, None], toy[1])
    for teacher in (gunpoint_net, net, forest, torch.nn.ReLU(), bump_teacher):
        student = SaliencyDistilledClassifier(teacher, student=net, lr=0.5)
        page = make_pipeline(StandardScaler(), student)._repr_html_()
        assert "SaliencyDistilledClassifier" in page


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


def test_clone_keeps_a_fitted_teacher_by_identity_and_clones_an_unfitted_one(toy, gunpoint_net):
    forest = RandomForestClassifier(5)
    assert clone(SaliencyDistilledClassifier(forest)).teacher is not forest
    forest.fit(*toy)
    module = Lite().build(1, 20, 3)
    for teacher in (forest, module, gunpoint_net, [forest, module], Teacher(module)):
        student = SaliencyDistilledClassifier(teacher, student=Lite(n_filters=3), lr=0.5)
        copied = clone(student)
        assert copied.teacher is teacher
        assert copied.student is not student.student and copied.student.n_filters == 3
        assert copied.lr == 0.5


def test_clone_keeps_metadata_requests(quick):
    with sklearn.config_context(enable_metadata_routing=True):
        copied = clone(quick().set_fit_request(sample_weight=True))
        assert copied.get_metadata_routing().fit.requests["sample_weight"] is True


def test_a_fitted_teacher_is_never_introspected(toy, quick):
    class Private(RandomForestClassifier):
        def get_params(self, deep=True):
            assert not hasattr(self, "classes_"), "introspected after fit"
            return super().get_params(deep)

    student = quick(Private(5).fit(*toy))
    assert "saliency_weight" in student.get_params(deep=True)
    clone(student).set_params(lr=0.1).fit(*toy)
    assert quick(RandomForestClassifier(5)).get_params()["teacher__n_estimators"] == 5


def test_wrapped_fitted_teacher_can_be_a_value_of_a_grid(toy, quick):
    forest = RandomForestClassifier(5, random_state=0).fit(*toy)
    search = GridSearchCV(quick(), {"teacher": [Teacher(forest)]}, cv=2).fit(*toy)
    assert search.best_estimator_.teacher.model is forest
    assert fidelity_scorer("kl")(search, toy[0]) < 0


def test_clone_of_a_mixed_list_keeps_the_fitted_members(toy):
    fitted, unfitted = RandomForestClassifier(5).fit(*toy), RandomForestClassifier(5)
    copied = clone(SaliencyDistilledClassifier([fitted, unfitted])).teacher
    assert copied[0] is fitted and copied[1] is not unfitted


@BOTH
def test_a_parameter_of_the_student_is_no_argument_of_the_constructor(estimator):
    with pytest.raises(ParameterError) as caught:
        estimator(bump_teacher, lr=0.1, student__n_filters=3)
    assert str(caught.value) == (
        f"student__n_filters=3 is no argument of {estimator.__name__}; pass student=... with "
        "n_filters set, such as student=students.Lite(n_filters=4), or call "
        "set_params(student__n_filters=...)."
    )
    with pytest.raises(TypeError, match="unexpected keyword argument 'filters'"):
        estimator(bump_teacher, filters=3)


@BOTH
def test_the_signature_is_that_of_the_constructor(estimator):
    _, *parameters = inspect.signature(estimator.__init__).parameters.values()
    assert list(inspect.signature(estimator).parameters.values()) == parameters
    assert [parameter.name for parameter in parameters][:2] == ["teacher", "student"]
    assert not {"args", "kwargs", "parameters"} & set(estimator(bump_teacher).get_params())

    class Fixed(estimator):
        def __init__(self, teacher, lr=0.5):
            super().__init__(teacher, lr=lr)

    assert list(inspect.signature(Fixed).parameters) == ["teacher", "lr"]


@BOTH
@pytest.mark.parametrize(
    "copied", [clone, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_copies_have_the_parameters_of_the_original(estimator, copied):
    original = estimator(bump_teacher, student=Lite(n_filters=3), lr=0.5)
    again = copied(original)
    assert type(again) is estimator and again is not original
    assert (again.lr, again.student.n_filters, again.teacher) == (0.5, 3, bump_teacher)
    assert again.set_params(student__n_filters=5).student.n_filters == 5
    assert original.student.n_filters == 3


@pytest.mark.parametrize(
    "holding",
    [
        lambda one: one,
        lambda one: [bump_teacher, one],
        lambda one: Teacher(one),
        lambda one: [Teacher(bump_teacher), Teacher([one])],
        lambda one: make_pipeline(StandardScaler(), one),
        lambda one: GridSearchCV(make_pipeline(one), {}, cv=2),
        lambda one: VotingClassifier([("own", one)]),
    ],
)
def test_an_estimator_cannot_be_its_own_teacher(toy, quick, holding):
    student = quick().fit(*toy)
    expected = student.predict_proba(toy[0])
    student.set_params(teacher=holding(student))
    with pytest.raises(ParameterError) as caught:
        student.fit(*toy)
    assert str(caught.value) == (
        "teacher is or holds this SaliencyDistilledClassifier itself; pass the classifier that it "
        "is to replace, such as its teacher_."
    )
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
    quick(student, max_epochs=1).fit(*toy)  # of another estimator it can be one


def test_an_estimator_of_sktime_cannot_be_its_own_teacher(toy):
    X, y = toy[0][:, np.newaxis], toy[1]
    for holding in (lambda one: one, lambda one: [Teacher(bump_teacher), Teacher(one)]):
        student = SaliencyDistilledTSC(bump_teacher, max_epochs=1, n_windows=4, random_state=0)
        student.teacher = holding(student)
        with pytest.raises(ParameterError) as caught:
            student.fit(X, y)
        assert str(caught.value) == (
            "teacher is or holds this SaliencyDistilledTSC itself; pass the classifier that it is "
            "to replace, such as its teacher_."
        )
