"""Every kind of model behind one question."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from sktime.classification.interval_based import TimeSeriesForestClassifier
from torch import nn

from tests.conftest import bump_teacher
from tests.teachers.conftest import ask, check_matches
from tsdistill import Teacher
from tsdistill.exceptions import TeacherError
from tsdistill.students import Lite
from tsdistill.teachers.adapters import adapter_for
from tsdistill.teachers.teacher import as_teacher


def test_sklearn_classifier_in_2d(toy):
    X, y = toy
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    check_matches(ask(forest, X), forest.predict_proba(X.astype(np.float32)))


def test_sklearn_pipeline_is_found_fitted(toy):
    X, y = toy
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    assert not as_teacher(pipeline).is_fitted
    pipeline.fit(X, y)
    assert as_teacher(pipeline).is_fitted
    check_matches(ask(pipeline, X), pipeline.predict_proba(X))


def test_sktime_classifier(gunpoint):
    X, y, X_test, _ = gunpoint
    forest = TimeSeriesForestClassifier(n_estimators=10, random_state=0)
    assert not as_teacher(forest).is_fitted
    forest.fit(X, y)
    assert as_teacher(forest).is_fitted
    check_matches(ask(forest, X_test[:9]), forest.predict_proba(X_test[:9]))
    assert as_teacher(forest).bind(X_test).classes_.tolist() == ["1", "2"]


class AeonStyle:
    """Only what aeon's classifiers share with ours: is_fitted, classes_, predict_proba."""

    is_fitted = True
    classes_ = np.array(["a", "b"])

    def fit(self, X, y):
        raise AssertionError("a fitted teacher is never fitted again")

    def get_params(self, deep=True):
        raise AssertionError("a fitted teacher is never introspected")

    __sklearn_tags__ = get_params

    def predict_proba(self, X):
        assert X.ndim == 3
        p = 1 / (1 + np.exp(-X[:, 0].mean(axis=1)))
        return np.column_stack([1 - p, p])


def test_aeon_style_classifier(toy):
    X = toy[0][:, np.newaxis]
    assert as_teacher(AeonStyle()).is_fitted
    check_matches(ask(AeonStyle(), X), AeonStyle().predict_proba(X))


def test_decision_values_are_logits(toy):
    X, y = toy
    ridge = RidgeClassifier().fit(X, y)
    d = ridge.decision_function(X)
    check_matches(ask(ridge, X), np.exp(d) / np.exp(d).sum(axis=1, keepdims=True))
    ridge.fit(X, y > 0)
    d = ridge.decision_function(X)
    np.testing.assert_allclose(np.exp(ask(ridge, X)[:, 1]), 1 / (1 + np.exp(-2 * d)), rtol=1e-5)


def test_skorch_net_gives_its_logits(gunpoint, gunpoint_net):
    X = gunpoint[2][:20]
    expected = gunpoint_net.predict_proba(X.astype(np.float32))
    log_proba = ask(gunpoint_net, X)
    np.testing.assert_allclose(np.exp(log_proba), expected, atol=1e-5)
    assert as_teacher(gunpoint_net).bind(X).differentiable


class GivesProba(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(20, 3)

    def forward(self, x):
        return torch.softmax(self.linear(x.flatten(1)), dim=1)


def test_skorch_net_with_nll_loss_gives_probabilities(toy):
    X, y = toy[0].astype(np.float32), toy[1]
    net = NeuralNetClassifier(GivesProba, max_epochs=2, train_split=None, verbose=0).fit(X, y)
    check_matches(ask(net, X), net.predict_proba(X))


class Moody(nn.Module):
    """A module whose answer depends on its mode, with parts in different modes."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.BatchNorm1d(1).eval()
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(20, 3)

    def forward(self, x):
        assert not torch.is_grad_enabled()
        return self.linear(self.drop(self.frozen(x)).flatten(1))


def test_module_is_asked_in_eval_mode_and_left_as_it_was(toy):
    X = toy[0][:, np.newaxis]
    module = Moody()
    module.frozen.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first, second = ask(module, X), ask(module, X)
    np.testing.assert_array_equal(first, second)
    assert module.training and module.drop.training and not module.frozen.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("ndim", [2, 3])
def test_network_that_wants_channels_is_asked_with_either_shape(toy, ndim):
    X = toy[0] if ndim == 2 else toy[0][:, np.newaxis]
    network = Lite().build(1, 20, 3)
    with torch.no_grad():
        expected = network.eval()(torch.tensor(toy[0][:, np.newaxis], dtype=torch.float32))
    np.testing.assert_allclose(np.exp(ask(network, X)), expected.softmax(1), atol=1e-5)


def test_callable_is_asked_in_the_shape_of_the_user(toy):
    X, _ = toy
    shapes = []

    def teacher(X):
        shapes.append(X.shape[1:])
        return np.full((len(X), 2), 0.5)

    ask(teacher, X)
    assert set(shapes) == {(20,)}
    shapes.clear()
    ask(teacher, X[:, np.newaxis])
    assert set(shapes) == {(1, 20)}


def test_a_black_box_that_refuses_float32_is_asked_in_float64(toy):
    X, _ = toy
    given = []

    def catch22(X):  # aeon's compiled features fail so
        if X.dtype != np.float64:
            raise TypeError("cannot unify float64 and float32")
        given.append(X.dtype)
        return bump_teacher(X)

    check_matches(ask(catch22, X), bump_teacher(X.astype(np.float32)))
    assert set(given) == {np.dtype(np.float64)}


def test_list_averages_probabilities_by_label(toy):
    X, y = toy
    one = LogisticRegression().fit(X, y)
    other = RandomForestClassifier(20, random_state=0).fit(X[y > 0][::-1], -y[y > 0][::-1])
    swapped = Teacher(lambda X: one.predict_proba(X)[:, ::-1], classes=[2, 1, 0])
    check_matches(ask([one, swapped], X, [0, 1, 2]), one.predict_proba(X))
    with pytest.raises(TeacherError, match="does not know class"):
        ask([one, other], X, [0, 1, 2])
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    mean = (one.predict_proba(X) + forest.predict_proba(X)) / 2
    check_matches(ask([one, forest], X), mean)


def test_list_of_very_confident_networks_stays_finite(toy):
    torch.manual_seed(0)
    members = [nn.Sequential(nn.Flatten(), nn.Linear(20, 3)) for _ in range(2)]
    for member in members:
        member[1].weight.data *= 400
    assert np.isfinite(ask(members, toy[0])).all()


def test_double_precision_module_is_asked_in_its_precision(toy):
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 3)).double()
    assert ask(module, toy[0]).dtype == np.float32


def test_decision_values_of_pairs_are_refused(toy):
    with pytest.raises(TeacherError, match="expected one value a class.*ovr"):
        ask(SVC(decision_function_shape="ovo").fit(*toy), toy[0])
    assert ask(SVC().fit(*toy), toy[0]).shape == (12, 3)


def test_decision_values_may_carry_other_names_than_the_models(toy):
    X, y = toy
    ridge = RidgeClassifier().fit(X, y)
    named = Teacher(ridge, classes=["a", "b", "c"])
    np.testing.assert_array_equal(ask(named, X), ask(ridge, X))


def test_support_vector_machines_that_break_ties_their_own_way_are_taken(toy):
    class Tied(RidgeClassifier):
        def predict(self, X):
            labels = super().predict(X)
            labels[0] = 2 - labels[0]  # one of twelve
            return labels

    assert ask(Tied().fit(*toy), toy[0]).shape == (12, 3)


def test_exact_zeros_and_ones_stay_finite(toy):
    X, _ = toy
    log_proba = ask(lambda X: np.eye(3)[np.arange(len(X)) % 3], X)
    assert np.isfinite(log_proba).all()
    assert log_proba.min() == pytest.approx(np.log(1e-4), abs=1e-3)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda X: np.full((len(X), 2), np.nan), "NaN or infinity for 2 of 2 series"),
        (lambda X: np.full((len(X), 2), 0.9), "not probabilities .*sums to 1.8"),
        (lambda X: np.tile([1.5, -0.5], (len(X), 1)), "not probabilities .*-0.5"),
        (lambda X: np.full(len(X), 0.5), r"in shape \(2,\)"),
        (lambda X: np.full((1, 2), 0.5), r"in shape \(1, 2\)"),
        (lambda X: np.ones((len(X), 1)), r"at least two classes"),
        (lambda X: np.full((len(X), 2, 1), 0.5), r"in shape \(2, 2, 1\)"),
        (lambda X: ["a", "b"], "not a numeric array"),
        (lambda X: {}["x"], "failed on two series of shape .*KeyError"),
    ],
)
def test_answers_that_cannot_be_used(toy, answer, message):
    with pytest.raises(TeacherError, match=message):
        ask(answer, toy[0])


def test_models_that_cannot_be_asked(toy):
    X, y = toy
    from sklearn.linear_model import LinearRegression

    with pytest.raises(TeacherError, match="neither predict_proba nor decision_function"):
        as_teacher(LinearRegression().fit(X, y))
    with pytest.raises(TeacherError, match="neither predict_proba nor decision_function"):
        as_teacher(LinearRegression()).fit(X, y).bind(X)
    with pytest.raises(TeacherError, match="neither predict_proba"):
        as_teacher("forest")
    with pytest.raises(TeacherError, match="empty list"):
        as_teacher([])
    with pytest.raises(TeacherError, match="the class RidgeClassifier; pass an instance"):
        as_teacher(RidgeClassifier)


def test_black_box_has_no_gradients(toy):
    X, y = toy
    teacher = as_teacher(RidgeClassifier().fit(X, y)).bind(X)
    assert not teacher.differentiable
    with pytest.raises(TeacherError, match="no gradients.*occlusion"):
        teacher.logits(torch.zeros(2, 1, 20))


class Overlap:
    """Two questions, of which the first is answered while the second is still being answered."""

    def __init__(self):
        self.both_in, self.first_out = threading.Barrier(2, timeout=10), threading.Event()
        self.order = iter(["first", "second"])

    def wait(self):
        name = next(self.order)
        self.both_in.wait()
        if name == "second":
            assert self.first_out.wait(10)

    def ask(self, question):
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(question) for _ in range(2)]
            for answer in answers:
                answer.add_done_callback(lambda _: self.first_out.set())
            return [answer.result(20) for answer in answers]


def test_a_module_that_two_threads_ask_at_once_is_in_eval_mode_and_then_in_train_mode(toy):
    X, _ = toy
    modes = []

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.dropout = nn.Linear(20, 3), nn.Dropout(0.5)
            self.overlap = None

        def forward(self, X):
            if self.overlap is not None:
                self.overlap.wait()
            modes.append(self.training)
            return self.dropout(self.linear(X[:, 0]))

    module = Slow()
    teacher = as_teacher(module).bind(X, np.arange(3))
    expected = teacher.predict_proba(X)
    assert module.train().training
    module.overlap = Overlap()
    for proba in module.overlap.ask(lambda: teacher.predict_proba(X)):
        np.testing.assert_array_equal(proba, expected)
    assert not any(modes)
    assert all(part.training for part in module.modules())


def test_warnings_are_as_before_when_two_threads_have_asked_at_once(toy):
    X, _ = toy
    overlap = None

    def slow(X):
        if overlap is not None:
            overlap.wait()
        return bump_teacher(X)

    teacher = as_teacher(slow).bind(X, np.arange(3))
    before = list(warnings.filters)
    overlap = Overlap()
    overlap.ask(lambda: teacher.predict_proba(X))
    assert warnings.filters == before


def certain(net):
    """A fitted net whose probabilities are as small as 1e-9, but not 0."""
    with torch.no_grad():
        net.module_.linear.weight.zero_()
        net.module_.linear.bias.copy_(torch.tensor([0.0, 8.0, 20.0]))
    return net


def test_tiny_probabilities_of_a_teacher_are_raised_and_those_of_a_student_are_not(toy):
    X, y = toy[0].astype(np.float32), toy[1]
    net = NeuralNetClassifier(GivesProba, max_epochs=1, train_split=None, verbose=0).fit(X, y)
    own = certain(net).predict_proba(X)
    assert 0 < own.min() < 1e-8
    student = Teacher.of_student(net, np.arange(3)).log_proba(X[:, np.newaxis])
    np.testing.assert_allclose(np.exp(student), own, rtol=1e-4)
    np.testing.assert_allclose(np.exp(ask(net, X)), np.maximum(own, 1e-4), rtol=1e-3)


def test_a_module_is_left_where_it_lies_where_no_device_is_asked_for(monkeypatch):
    module = nn.Linear(20, 3, device="meta")
    adapter = adapter_for(module, 2)
    monkeypatch.setattr(module, "to", None)  # as if it could not be moved
    with adapter.on_device(None):
        assert module.weight.device.type == "meta" and not module.training
    assert module.weight.device.type == "meta" and module.training


def test_a_module_on_several_devices_is_not_moved(monkeypatch):
    module = nn.Sequential(nn.Linear(20, 3), nn.Linear(3, 3, device="meta"))
    adapter = adapter_for(module, 2)
    monkeypatch.setattr(module, "to", None)
    with adapter.on_device("cpu"):
        assert [part.weight.device.type for part in module] == ["cpu", "meta"]
    assert [part.weight.device.type for part in module] == ["cpu", "meta"]


def test_models_that_change_the_number_of_threads_do_not_slow_torch_down():
    """As sktime's MiniRocket does, by numba."""
    before = torch.get_num_threads()

    def threaded(X):
        torch.set_num_threads(before + 1)
        return np.full((len(X), 2), 0.5)

    adapter_for(threaded, 2).log_proba(np.zeros((3, 1, 8), dtype=np.float32))
    assert torch.get_num_threads() == before
