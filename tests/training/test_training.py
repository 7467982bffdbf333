import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from tests.conftest import transfer_set_of
from tsdistill.exceptions import TrainingError
from tsdistill.objectives import Label, PerturbedSoftTargets, SoftTargets, TemporalSaliency
from tsdistill.perturbation.plan import draw_plan
from tsdistill.students import Lite
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.training.loop import settle_batch_norm
from tsdistill.training.loss import DistillationLoss, StudentInTraining
from tsdistill.training.steps import Steps, TrainingRows, TransferTensors

ALL = [Label(0.5), SoftTargets(), TemporalSaliency(), PerturbedSoftTargets(2.0, temperature=4.0)]


@pytest.fixture
def material(toy):
    """A transfer set of the toy series, four windows each."""
    X, y = toy
    rng = np.random.default_rng(0)
    panel = X[:, np.newaxis].astype(np.float32)
    plan = draw_plan(panel, y, width=4, n_windows=4, donors="opposing", rng=rng)
    answers = TeacherAnswers(
        rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=(12, 4, 3)).astype(np.float32)
    )
    return transfer_set_of(panel, y.astype(np.int64), answers, plan)


def tensors_of(material, weight=None):
    weight = np.ones(12, dtype=np.float32) if weight is None else weight
    return TransferTensors(material, weight, "cpu")


def test_a_step_holds_series_their_copies_and_the_answers_to_both(material):
    panel, plan = material.panel, material.plan
    rows, windows = torch.tensor([5, 0, 7]), torch.tensor([3, 1])
    inputs, targets = tensors_of(material).step(rows, windows)
    assert inputs.shape == (9, 1, 20)
    np.testing.assert_array_equal(inputs[:3].numpy(), panel[[5, 0, 7]])
    copies = inputs[3:].view(3, 2, 1, 20)
    for i, row in enumerate([5, 0, 7]):
        assert targets["labels"][i] == material.class_index[row]
        np.testing.assert_array_equal(targets["teacher"][i], material.answers.clean[row])
        for j, m in enumerate([3, 1]):
            expected = panel[row].copy()
            a = plan.start[row, m]
            expected[:, a : a + 4] = panel[plan.donor[row, m], :, a : a + 4]
            np.testing.assert_array_equal(copies[i, j].numpy(), expected)
            answer = targets["teacher_perturbed"][i, j]
            np.testing.assert_array_equal(answer.numpy(), material.answers.perturbed[row, m])


def test_donors_are_not_stored_twice_on_the_device(material):
    tensors = tensors_of(material)
    assert tensors.donors is tensors.panel


def test_an_epoch_visits_every_series_once_in_even_batches(material):
    steps = Steps(TrainingRows(tensors_of(material)), batch_size=5, windows_per_step=1)
    seen = [len(targets["labels"]) for _, targets in steps]
    assert seen == [4, 4, 4]
    torch.manual_seed(0)
    teacher = torch.cat([targets["teacher"] for _, targets in steps])
    assert sorted(teacher[:, 0].tolist()) == sorted(material.answers.clean[:, 0].tolist())


def test_windows_go_round(material):
    steps = Steps(TrainingRows(tensors_of(material)), batch_size=12, windows_per_step=3)
    windows = [steps._windows().tolist() for _ in range(4)]
    assert windows == [[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3]]
    still = Steps(
        TrainingRows(tensors_of(material)), batch_size=12, windows_per_step=3, shuffle=False
    )
    assert [still._windows().tolist() for _ in range(2)] == [[0, 1, 2], [0, 1, 2]]


def loss_of(material, objectives, weight=None, rows=None):
    rows = torch.arange(12) if rows is None else rows
    inputs, targets = tensors_of(material, weight).step(rows, torch.arange(4))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(20, 3))
    loss = DistillationLoss(objectives, StudentInTraining(network))
    return loss, loss(network(inputs), targets)


def test_loss_is_the_weighted_sum_of_the_terms(material):
    loss, value = loss_of(material, ALL)
    terms = loss.terms()
    assert set(terms) == {"label", "soft_targets", "saliency", "perturbed_soft_targets"}
    total = sum(objective.weight * terms[objective.name] for objective in ALL)
    assert float(value.detach()) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("objective", ALL, ids=lambda objective: objective.name)
def test_a_weight_of_two_equals_a_doubled_row(material, objective):
    weight = np.ones(12, dtype=np.float32)
    weight[4] = 2
    _, weighed = loss_of(material, [objective], weight * 12 / 13)
    _, doubled = loss_of(material, [objective], rows=torch.tensor([*range(12), 4]))
    torch.testing.assert_close(weighed, doubled)


@pytest.mark.parametrize("objective", ALL, ids=lambda objective: objective.name)
def test_a_weight_of_zero_equals_a_missing_row(material, objective):
    weight = np.ones(12, dtype=np.float32)
    weight[4] = 0
    _, weighed = loss_of(material, [objective], weight * 12 / 11)
    _, without = loss_of(material, [objective], rows=torch.tensor([*range(4), *range(5, 12)]))
    torch.testing.assert_close(weighed, without)


def test_batch_norm_ends_with_the_statistics_of_the_series_alone(material):
    learning = TrainingRows(tensors_of(material))
    network = Lite().build(1, 20, 3)
    with torch.no_grad():
        network(1000 + torch.randn(64, 1, 20))
    settle_batch_norm(network, learning)
    network.train()
    with torch.no_grad():
        shapes = torch.cat([conv(learning.tensors.panel) for conv in network.shapes], dim=1)
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
    network = quick(windows_per_step=4).fit(X, y).student_.module_
    with torch.no_grad():
        panel = network.standardise(torch.tensor(X[:, np.newaxis], dtype=torch.float32))
        shapes = torch.cat([conv(panel) for conv in network.shapes], dim=1)
    mean = network.normalise[0].running_mean
    torch.testing.assert_close(mean, shapes.mean(dim=(0, 2)), atol=1e-5, rtol=1e-4)


def test_no_step_is_left_with_one_series(material):
    tensors = tensors_of(material)
    for n in range(2, 12):
        part = TrainingRows(tensors, torch.arange(n))
        sizes = [len(targets["labels"]) for _, targets in Steps(part, 2, 1)]
        assert min(sizes) >= 2 and sum(sizes) == n


@pytest.mark.parametrize("validation_fraction", [None, 0.4])
def test_learning_rate_ends_near_zero(toy, quick, validation_fraction):
    student = quick(max_epochs=20, batch_size=3, validation_fraction=validation_fraction).fit(*toy)
    rates = [batch["event_lr"] for row in student.student_.history for batch in row["batches"]
             if "event_lr" in batch]  # fmt: skip
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[-1] < 1e-4


class Exploding(nn.Module):
    def __init__(self, n_channels, n_timepoints, n_classes):
        super().__init__()
        self.linear = nn.Linear(n_channels * n_timepoints, n_classes)
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        return self.linear(x.flatten(1)) * (float("nan") if self.calls > 2 else 1.0)


def test_nan_loss_stops_with_the_epoch_and_the_likely_cause(toy, quick):
    with pytest.raises(TrainingError, match=r"nan in epoch 3 \(term: .*learning rate.*lr=0\.02"):
        quick(student=Exploding, lr=0.02, max_epochs=5).fit(*toy)


def test_terms_and_losses_stand_in_the_history(toy, quick):
    history = quick(auxiliary=PerturbedSoftTargets()).fit(*toy).history_
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for row in history:
        total = (
            0.1 * row["label"] + row["soft_targets"] + 5 * row["saliency"]
            + row["perturbed_soft_targets"]
        )  # fmt: skip
        assert row["train_loss"] == pytest.approx(total, rel=1e-4)
        assert row["dur"] > 0
        assert "batches" not in row


def test_weights_of_the_best_epoch_on_held_out_series_are_kept(toy, quick):
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            weights = net.module_.head.linear.weight.detach().clone()
            kept[net.history[-1, "epoch"]] = weights

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 20)), rng.integers(3, size=60)  # noise: training overfits it
    student = quick(
        label_weight=1.0, soft_target_weight=0, saliency_weight=0, validation_fraction=0.3,
        max_epochs=40, callbacks=[Keep()],
    ).fit(X, y)  # fmt: skip
    losses = [row["valid_loss"] for row in student.history_]
    best = int(np.argmin(losses)) + 1
    assert best < 40, "the test needs a run whose last epoch is not its best"
    assert torch.equal(student.student_.module_.head.linear.weight, kept[best])


def test_callbacks_are_passed_through(toy, quick):
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, threshold_mode="abs")
    student = quick(callbacks=[("stop", stop)], max_epochs=50).fit(*toy)
    assert len(student.history_) < 10


def test_verbose_shows_bars_and_silence_is_silent(toy, quick, capfd):
    quick().fit(*toy)
    assert capfd.readouterr() == ("", "")
    quick(verbose=1).fit(*toy)
    shown = capfd.readouterr().err
    assert "teacher: windows" in shown and "student" in shown and "loss=" in shown


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
