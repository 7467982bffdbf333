"""Steps that are replayed, and epochs that wait for the card once.

What needs a card is in tests/test_gpu.py; here, a step that is taken again stands for a graph.
"""

import math

import numpy as np
import pytest
import torch
from skorch.callbacks import BatchScoring, Callback, EarlyStopping
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.conftest import material_of, tensors_of
from tsdistill import students
from tsdistill.exceptions import TrainingError
from tsdistill.objectives import (
    InputNoise,
    Label,
    PerturbedSoftTargets,
    SoftTargets,
    TemporalSaliency,
)
from tsdistill.students.building import as_net, check_outputs, initialised, learn_standardisation
from tsdistill.students.masking import take_uneven
from tsdistill.training import captured, loop
from tsdistill.training.captured import can_capture, capture_steps
from tsdistill.training.loss import DistillationLoss, StudentInTraining
from tsdistill.training.recipe import net_settings
from tsdistill.training.steps import TrainingRows, take_steps
from tsdistill.training.waits import wait_once_an_epoch

TERMS = [Label(0.5), SoftTargets(), TemporalSaliency(), PerturbedSoftTargets(2.0, temperature=4.0)]
STUDENTS = [
    students.Lite(),
    students.Inception(),
    students.FCN(),
    students.ResNet(),
    students.GRU(),
]


class Again:
    """A graph for machines without a card: the step is taken again, for rows of its own."""

    made = 0

    def __init__(self, step, batch, parameters):
        Again.made += 1
        self.step, self.batch = step, batch.copy()
        self.loss = step(batch)["loss"]  # tried, as before a capture

    def __call__(self, batch):
        self.batch.take(batch)
        answer = self.step(self.batch)
        self.loss.copy_(answer["loss"])  # a graph writes to the same place each time
        return answer | {"loss": self.loss}


def net_for(tensors, student="lite", callbacks=(), windows_per_step=2, max_epochs=6, batch_size=5):
    torch.manual_seed(0)
    settings = net_settings(
        3, n_series=12, batch_size=batch_size, max_epochs=max_epochs, lr=0.01, device="cpu",
        callbacks=list(callbacks),
    )  # fmt: skip
    net = initialised(take_steps(as_net(student, 1, 20, 3, **settings), windows_per_step))
    check_outputs(net, tensors.panel, 3)
    learn_standardisation(net.module_, tensors.panel)
    return net


def trained(material, student="lite", prepare=None, objectives=TERMS, held_out=None, **settings):
    """Weights and history of a training; ``prepare`` changes the net before it."""
    tensors = tensors_of(material)
    net = net_for(tensors, student, **settings)
    if prepare is not None:
        prepare(net, tensors)
    loss = DistillationLoss(objectives, StudentInTraining(net.module_))
    torch.manual_seed(1)
    loop.train(net, tensors, loss, held_out=held_out)
    return net


def replay(net, tensors):
    net.iterator_train__as_rows = True
    capture_steps(net, tensors, Again)
    wait_once_an_epoch(net)


def assert_same(net, other):
    for name, weight in net.module_.state_dict().items():
        assert torch.equal(weight, other.module_.state_dict()[name]), name
    assert len(net.history) == len(other.history)
    for row, again in zip(net.history, other.history, strict=True):
        assert row.keys() == again.keys()
        assert all(row[key] == again[key] for key in row if key not in ("dur", "batches"))
        for batch, same in zip(row["batches"], again["batches"], strict=True):
            assert batch == same and all(isinstance(v, (int, float)) for v in batch.values())


@pytest.mark.parametrize("student", STUDENTS, ids=repr)
def test_replayed_steps_make_the_same_student(material, student):
    assert_same(trained(material, student, replay), trained(material, student))


@pytest.mark.parametrize("windows_per_step", [0.5, 1, 3])
@pytest.mark.parametrize("held_out", [None, np.array([1, 5])])
def test_with_mixtures_and_held_out_series_too(mixed_material, windows_per_step, held_out):
    settings = {"windows_per_step": windows_per_step, "held_out": held_out}
    replayed = trained(mixed_material, prepare=replay, **settings)
    assert_same(replayed, trained(mixed_material, **settings))


def test_each_size_of_batch_has_a_graph_but_not_too_many(material, monkeypatch):
    Again.made = 0
    trained(material, prepare=replay, batch_size=5)  # 12 series: two batches of 4 and one of 4
    assert Again.made == 1
    Again.made = 0
    one = trained(material, prepare=replay, batch_size=6, held_out=np.array([3]))  # 6 and 5
    assert Again.made == 2
    monkeypatch.setattr(captured, "MOST_GRAPHS", 1)
    Again.made = 0
    assert_same(trained(material, prepare=replay, batch_size=6, held_out=np.array([3])), one)
    assert Again.made == 1


def test_steps_that_cannot_be_captured_are_taken_one_by_one(material):
    def fails(step, batch, parameters):
        step(batch)
        raise torch.OutOfMemoryError("CUDA out of memory")

    def replay_nothing(net, tensors):
        replay(net, tensors)
        capture_steps(net, tensors, fails)

    assert_same(trained(material, prepare=replay_nothing), trained(material))


def card(net):
    """A net that would be on a card."""
    net.device = "cuda"
    return net


class Own(Callback):
    """A user's callback."""


class OwnSoftTargets(SoftTargets):
    """What it computes is not known."""


class OwnLite(students.Lite):
    """What it builds is not known."""


class Pooled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(20, 3)

    def forward(self, x):
        return self.linear(x.flatten(1))


def test_own_students_and_objectives_are_replayed_on_a_card(material):
    tensors = tensors_of(material)
    stop = EarlyStopping(monitor="train_loss")
    for student in STUDENTS:
        net = net_for(tensors, student, callbacks=[stop])
        loss = DistillationLoss(TERMS, StudentInTraining(net.module_))
        assert not can_capture(net, tensors, loss, 1000), "there is no card"
        assert can_capture(card(net), tensors, loss, 1000) == student.capturable


@pytest.mark.parametrize(
    "case",
    ["short", "callback", "scoring", "objective", "noise", "student", "module", "uneven", "net"],
)
def test_what_users_bring_is_never_replayed(material, case):
    callbacks = {"callback": [Own()], "scoring": [BatchScoring("accuracy", name="a")]}.get(case, [])
    student = {"student": OwnLite(), "module": Pooled()}.get(case, "lite")
    if case == "uneven":
        panel = material.panel.copy()
        panel[3, :, 15:] = np.nan
        material = material_of(panel, material.class_index)
    tensors = tensors_of(material)
    net = card(net_for(tensors, student, callbacks=callbacks))
    if case == "net":
        net.__class__ = type("OwnNet", (type(net),), {})
    added = {"objective": [OwnSoftTargets()], "noise": [InputNoise()]}.get(case, [])
    loss = DistillationLoss([*TERMS, *added], StudentInTraining(net.module_))
    assert not can_capture(net, tensors, loss, 10 if case == "short" else 1000)


def test_a_net_with_epochs_of_its_own_keeps_them(material):
    net = net_for(tensors_of(material))
    net.__class__ = type("OwnNet", (type(net),), {"run_single_epoch": lambda *_, **__: None})
    wait_once_an_epoch(net)
    assert "run_single_epoch" not in vars(net)


class Growing(torch.nn.Module):
    """Gives NaN from its third answer in training on."""

    def __init__(self):
        super().__init__()
        self.linear, self.calls = torch.nn.Linear(20, 3), 0

    def forward(self, x):
        self.calls += self.training
        return self.linear(x.flatten(1)) * (math.nan if self.calls > 2 else 1.0)


def test_a_loss_that_is_read_late_still_stops_the_training(material):
    with pytest.raises(TrainingError, match=r"loss became nan in epoch 1 .*soft_targets"):
        trained(material, Growing(), lambda net, _: wait_once_an_epoch(net))


WAITS = {
    "aten._local_scalar_dense", "aten.is_nonzero", "aten.nonzero", "aten.masked_select",
    "aten.equal", "aten.unique", "aten._unique2", "aten.bincount",
}  # fmt: skip


class CountWaits(TorchDispatchMode):
    """Counts the operations for which a processor would wait for a card."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function.overloadpacket)
        mask = name in ("aten.index", "aten.index_put_") and any(
            part is not None and part.dtype == torch.bool for part in args[1]
        )
        if name in WAITS or mask:
            self.waits.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("student", STUDENTS, ids=repr)
@pytest.mark.parametrize("case", ["plain", "uneven", "mixed"])
def test_no_step_waits_for_the_card(material, mixed_material, student, case):
    if case == "uneven":
        panel = material.panel.copy()
        panel[3, :, 15:] = np.nan
        material = material_of(panel, material.class_index)
    tensors = tensors_of(mixed_material if case == "mixed" else material)
    net = net_for(tensors, student)
    take_uneven(net.module_, tensors.uneven)
    loss = DistillationLoss(TERMS, StudentInTraining(net.module_))
    net.criterion_ = loss
    wait_once_an_epoch(net)
    steps = list(loop.Steps(TrainingRows(tensors), 5, 2, as_rows=True))
    with CountWaits() as counted:
        for step in steps:
            net.train_step(tensors.step(*step))
    assert counted.waits == []
