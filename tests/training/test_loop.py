"""The training loop: epochs, learning rate, batch normalisation, students of skorch."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn

from tests.conftest import bump_teacher
from tests.training.conftest import tensors_of
from tsdistill.exceptions import TrainingError
from tsdistill.students import Lite
from tsdistill.training import loop
from tsdistill.training.loop import settle_batch_norm
from tsdistill.training.steps import TrainingRows, TransferTensors


def of_a_step(network, tensors):
    """Outputs of the first layer for all series and their four copies."""
    inputs, _ = tensors.step(torch.arange(12), torch.arange(4))
    with torch.no_grad():
        inputs = network.standardise(inputs)
        return torch.cat([conv(inputs) for conv in network.shapes], dim=1)


def test_batch_norm_ends_with_the_statistics_of_what_it_was_trained_on(material):
    learning = TrainingRows(tensors_of(material))
    network = Lite().build(1, 20, 3)
    with torch.no_grad():
        network(1000 + torch.randn(64, 1, 20))
    settle_batch_norm(network, learning, windows_per_step=4)
    shapes = of_a_step(network, learning.tensors)
    norm = network.normalise[0]
    torch.testing.assert_close(norm.running_mean, shapes.mean(dim=(0, 2)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm.running_var, shapes.var(dim=(0, 2)), atol=1e-5, rtol=1e-3)
    assert norm.momentum == 0.1


def test_frozen_batch_norm_keeps_its_statistics(toy, quick):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1)
            self.norm.running_mean.fill_(7.0)
            self.linear = nn.Linear(20, 3)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

        def forward(self, x):
            return self.linear(self.norm(x).flatten(1))

    student = quick(student=Frozen()).fit(*toy)
    assert student.student_.module_.norm.running_mean.item() == 7.0


def test_settled_statistics_reach_the_fitted_student(toy, quick):
    X, y = toy
    student = quick(windows_per_step=4, warm_start=True, n_mixtures=0).fit(X, y)
    network = student.student_.module_
    weight = np.ones(12, dtype=np.float32)
    shapes = of_a_step(network, TransferTensors(student._transfer_set, weight, "cpu"))
    mean = network.normalise[0].running_mean
    torch.testing.assert_close(mean, shapes.mean(dim=(0, 2)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("validation_fraction", [None, 0.4])
def test_learning_rate_ends_near_zero(toy, quick, validation_fraction):
    student = quick(max_epochs=20, batch_size=3, validation_fraction=validation_fraction).fit(*toy)
    rates = [batch["event_lr"] for row in student.student_.history for batch in row["batches"]
             if "event_lr" in batch]  # fmt: skip
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[-1] < 1e-4


def test_skorch_student_keeps_its_own_settings(toy, quick):
    class Net(nn.Module):
        def __init__(self, width=5):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(20, width), nn.ReLU())
            self.head = nn.Linear(width, 3)

        def forward(self, x):
            return self.head(self.body(x))

    net = NeuralNetClassifier(
        Net, module__width=7, criterion=nn.CrossEntropyLoss, max_epochs=4, batch_size=6,
        optimizer=torch.optim.Adam, optimizer__weight_decay=0.125, verbose=0,
    )  # fmt: skip
    student = quick(student=net).fit(*toy)
    assert len(student.history_) == 4
    assert student.student_.module_.head.in_features == 7
    assert student.student_.optimizer_.defaults["weight_decay"] == 0.125
    assert not hasattr(net, "module_")
    np.testing.assert_allclose(student.predict_proba(toy[0]).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("gives_proba", [True, False])
def test_skorch_student_with_nll_loss_may_give_either(toy, quick, gives_proba):
    layers = [nn.Flatten(), nn.Linear(20, 3)] + [nn.Softmax(dim=1)] * gives_proba
    net = NeuralNetClassifier(nn.Sequential(*layers), max_epochs=60, lr=0.5, verbose=0)
    student = quick(student=net).fit(*toy)
    proba = student.predict_proba(toy[0])
    np.testing.assert_allclose(proba, student.student_.predict_proba(
        toy[0][:, np.newaxis].astype(np.float32)), atol=1e-4)  # fmt: skip
    assert student.score(*toy) > 0.9


@pytest.mark.parametrize("max_epochs", range(1, 25))
def test_any_number_of_steps_trains(toy, quick, max_epochs):
    student = quick(max_epochs=max_epochs, saliency_weight=0).fit(*toy)
    assert len(student.history_) == max_epochs


@pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning")
@pytest.mark.parametrize(
    ("hard", "short", "n_inputs"), [(False, False, 18), (True, False, 24), (False, True, 24)]
)
def test_hard_teachers_and_short_trainings_have_more_inputs(
    toy, quick, monkeypatch, hard, short, n_inputs
):
    class Counting(nn.Module):
        seen = []

        def __init__(self, *_):
            super().__init__()
            self.answer = nn.Linear(20, 3)

        def forward(self, x):
            if self.training:
                self.seen.append(len(x))
            return self.answer(x[:, 0])

    def teacher(X):
        proba = bump_teacher(X)
        return np.eye(3)[proba.argmax(axis=1)] if hard else proba

    monkeypatch.setattr(loop, "SHORT", 4 if short else 3)  # the training has three steps
    quick(teacher, student=Counting, n_mixtures=40).fit(*toy)
    assert Counting.seen[-3:] == [n_inputs] * 3


def test_tiny_probabilities_of_a_student_with_nll_loss_are_its_own(toy, quick):
    X, y = toy
    linear = nn.Linear(20, 3)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_(torch.tensor([0.0, 8.0, 20.0]))
    net = NeuralNetClassifier(
        nn.Sequential(nn.Flatten(), linear, nn.Softmax(dim=1)), max_epochs=1, lr=1e-6, verbose=0
    )
    student = quick(student=net).fit(X, y)
    own = student.student_.predict_proba(X[:, np.newaxis].astype(np.float32))
    assert 0 < own.min() < 1e-8
    np.testing.assert_allclose(student.predict_proba(X), own, rtol=1e-4)
    np.testing.assert_allclose(student.predict_log_proba(X), np.log(own), rtol=1e-4, atol=1e-6)


def test_a_last_step_that_goes_too_far_is_refused(toy, quick):
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))
    net = NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=1e30, max_epochs=1,
        batch_size=-1, verbose=0,
    )  # fmt: skip
    student = quick(student=net)
    with pytest.raises(TrainingError) as caught:
        student.fit(*toy)
    assert str(caught.value) == (
        "the trained student answers NaN or infinity for its own training series. The likely cause "
        "is a learning rate that is too high for this student (lr=1e+30): try a tenth of it."
    )
    assert not hasattr(student, "student_")
