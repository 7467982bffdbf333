"""A device that is lost in the middle of the work, or full; simulated, since errors are all of it.

A module that lies on "cpu" moves to "cpu:0" as it would to a GPU.
"""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import bump_teacher
from tests.faults.injected import Points, failing, nothing_left_behind, raising
from tests.fuzz.unchanged import shared_states
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import TeacherError, TsdistillError
from tsdistill.numerics import random_states
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.training.loss import DistillationLoss

LOST = "CUDA error: unspecified launch failure"
SMALL = {"n_windows": 2, "n_mixtures": 4, "max_epochs": 2, "random_state": 0}


def lost():
    return RuntimeError(LOST)


class Network(nn.Module):
    """A teacher whose answers, and whose ways to a device, are points."""

    def __init__(self, answers=None, moves=None):
        super().__init__()
        self.linear, self.norm = nn.Linear(20, 3), nn.BatchNorm1d(3)
        self.answers, self.moves = answers or Points(), moves or Points()

    def forward(self, X):
        self.answers.pass_or_fail()
        return self.norm(self.linear(X.flatten(1)))

    def to(self, *device):
        self.moves.pass_or_fail()
        return super().to(*device)


@pytest.fixture
def panel(toy):
    return np.tile(toy[0], (3, 1))[:, np.newaxis].astype(np.float32)


@pytest.mark.usefixtures("few_a_batch")
def test_a_device_that_is_lost_at_any_answer_is_named(toy, panel, injected):
    network = Network().train()
    bound = Teacher(network).bind(toy[0])
    network.answers.n = 0
    query(bound, panel, QueryOptions("cpu:0"))
    n_answers, n_moves = network.answers.n, network.moves.n
    assert n_answers == 8 and n_moves == 2
    for k in range(1, n_answers + 1):
        network.answers = Points(raising(lost), at=k, stays=True)
        network.moves = Points(raising(lost), at=2)  # and so is the way back
        with pytest.raises(TeacherError, match=f"failed on series.*{LOST}"):
            query(bound, panel, QueryOptions("cpu:0"))
        assert network.training and network.moves.n == 2
        injected("GPU lost while a teacher answers")


@pytest.mark.parametrize("make", [lost, lambda: torch.cuda.OutOfMemoryError("CUDA out of memory")])
def test_a_module_that_cannot_be_moved_is_named(make, toy, panel, injected):
    network = Network().train()
    bound = Teacher(network).bind(toy[0])
    for k in (1, 2):
        network.moves = Points(raising(make), at=k)
        with pytest.raises(TeacherError, match="Network cannot be moved to device '.*CUDA"):
            query(bound, panel, QueryOptions("cpu:0"))
        assert network.training
        injected("GPU lost while a module moves")


@pytest.mark.usefixtures("few_a_batch")
@pytest.mark.parametrize("name", ["fidelity_score", "explain"])
def test_a_student_whose_device_is_lost_at_any_answer_is_named(name, toy, injected):
    student = SaliencyDistilledClassifier(bump_teacher, Network(), **SMALL).fit(*toy)
    module, X = student.student_.module_, toy[0][:6]
    ask = {
        "fidelity_score": student.fidelity_score,
        "explain": lambda X: student.explain(X, method="integrated_gradients"),
    }[name]
    module.answers = Points()
    expected = np.asarray(ask(X))
    n_answers = module.answers.n
    for k in range(1, n_answers + 1):
        module.answers = Points(raising(lost), at=k)
        with nothing_left_behind(module), pytest.raises(TsdistillError, match=LOST):
            ask(X)
        injected("GPU lost while a student answers")
    module.answers = Points()
    np.testing.assert_array_equal(np.asarray(ask(X)), expected)


class LostCard:
    """Stands for torch's functions for a GPU, which fail once it is lost."""

    def __init__(self, monkeypatch):
        self.is_lost, self.n_refused = False, 0
        monkeypatch.setattr(random_states, "_gpus_in_use", lambda devices: [0])
        monkeypatch.setattr(torch.cuda, "get_rng_state", lambda *_: torch.zeros(16).byte())
        monkeypatch.setattr(torch.cuda, "set_rng_state", self.set_state)
        monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: None)

    def set_state(self, *given):
        if self.is_lost:
            self.n_refused += 1
            raise lost()


def test_random_states_are_restored_though_a_gpu_is_lost(monkeypatch, injected):
    card, before = LostCard(monkeypatch), shared_states()
    with contextlib.suppress(ZeroDivisionError), global_states_kept(0, "cuda"):
        np.random.rand(), torch.rand(1)
        card.is_lost = True
        raise ZeroDivisionError
    assert card.n_refused == 1, "the first error comes through"
    assert shared_states() == before
    with pytest.raises(RuntimeError, match=LOST), global_states_kept(0, "cuda"):
        torch.rand(1)
    assert shared_states() == before
    injected("GPU lost with random states", 2)


def test_a_fit_whose_gpu_is_lost_ends_in_a_named_error(toy, monkeypatch, injected):
    card = LostCard(monkeypatch)

    def fault():
        card.is_lost = True
        raise lost()

    student = SaliencyDistilledClassifier(bump_teacher, **SMALL)
    with (
        nothing_left_behind(),
        failing(DistillationLoss, "forward", Points(fault, at=2)),
        pytest.raises(TsdistillError, match=f"training the student failed: RuntimeError: {LOST}"),
    ):
        student.fit(*toy)
    assert card.n_refused and not hasattr(student, "student_")
    injected("GPU lost in a step")
