"""A training that fails at every one of its steps: the loss, a callback, memory, the card."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from tests.conftest import bump_teacher
from tests.faults.injected import Points, failing, nothing_left_behind, raising
from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import BatchHalvedWarning, TrainingError
from tsdistill.students import FCN
from tsdistill.training.loss import DistillationLoss

SMALL = {"n_windows": 2, "n_mixtures": 4, "max_epochs": 3, "batch_size": 4, "random_state": 0}
N_STEPS = 9


def student_of(**settings):
    return SaliencyDistilledClassifier(bump_teacher, FCN(n_filters=4), **SMALL | settings)


@pytest.fixture
def fitted(toy):
    return student_of().fit(*toy)


class Own(nn.Module):
    """A network of the user's, without batch normalisation."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(20, 3)

    def forward(self, X):
        return self.linear(X.flatten(1))


def check_named(student, toy, match):
    """A further fit ends in a TrainingError, and the last one still holds."""
    before = dict(vars(student))
    with nothing_left_behind(), pytest.raises(TrainingError, match=match):
        student.fit(*toy)
    assert vars(student) == before


FAULTS = {
    "student raises": (lambda: ValueError("bad shape"), "ValueError: bad shape"),
    "GPU lost in a step": (
        lambda: RuntimeError("CUDA error: unspecified launch failure"),
        "RuntimeError: CUDA error: unspecified launch failure",
    ),
    "out of memory in a step": (
        lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        "ran out of memory in a step of 4 series and 4 perturbed copies, each of shape",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_step_that_fails_is_named_and_the_last_fit_holds(kind, toy, fitted, injected):
    make, match = FAULTS[kind]
    for k in range(1, N_STEPS + 1):
        with failing(DistillationLoss, "forward", Points(raising(make), at=k)):
            check_named(fitted, toy, match)
        injected(kind)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_named_at_every_step(value, toy, fitted, injected, monkeypatch):
    forward = DistillationLoss.forward
    for k in range(1, N_STEPS + 1):
        points = Points(lambda: None, at=k)

        def spoilt(loss, *given, points=points):
            return forward(loss, *given) * (value if points.fails_now() else 1.0)

        monkeypatch.setattr(DistillationLoss, "forward", spoilt)
        epoch = (k - 1) // 3 + 1
        check_named(fitted, toy, f"the training loss became {value} in epoch {epoch}")
        injected("loss NaN or infinite")


HOOKS = (
    "on_train_begin", "on_epoch_begin", "on_batch_begin", "on_grad_computed", "on_batch_end",
    "on_epoch_end", "on_train_end",
)  # fmt: skip


@pytest.mark.parametrize("hook", HOOKS)
def test_a_callback_that_raises_is_named_wherever_it_does(hook, toy, injected):
    class Raises(Callback):
        """Raises in a hook, at the k-th time that any such callback is called."""

        def __init__(self, points):
            self.points = points

    setattr(Raises, hook, lambda self, net, **_: self.points.pass_or_fail())
    clean = Points()
    student = student_of(callbacks=[Raises(clean)]).fit(*toy)
    assert clean.n in (1, 3, 9)
    for k in range(1, clean.n + 1):
        points = Points(raising(lambda: OSError("the log's disk is full")), at=k)
        student.set_params(callbacks=[Raises(points)])
        check_named(student, toy, "OSError: the log's disk is full. Check its callbacks")
        injected("callback raises")


def test_the_message_of_a_step_that_memory_does_not_hold_is_whole(toy):
    points = Points(raising(lambda: MemoryError("no room")), at=5)
    with (
        failing(DistillationLoss, "forward", points),
        pytest.raises(TrainingError) as caught,
    ):
        student_of(windows_per_step=2, batch_size=6, n_mixtures=0).fit(*toy)
    assert str(caught.value) == (
        "training the student ran out of memory in a step of 6 series and 12 perturbed copies, "
        "each of shape (1, 20) (MemoryError: no room). Smaller steps need less: pass a smaller "
        "batch_size (it is 6) or windows_per_step (it is 2), or a smaller student."
    )


class Roomless:
    """Lets a module run out of memory when it is given more than so many series."""

    def __init__(self, most):
        self.most, self.sizes = most, []

    def __call__(self, module, inputs):
        (X,) = inputs
        if len(X) > self.most:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate "
                "memory: you tried to allocate 9663676416 bytes. Error code 12"
            )
        self.sizes.append(len(X))


def test_a_trained_student_survives_statistics_that_memory_does_not_hold(toy, monkeypatch):
    """Of batch normalisation: they are taken from batches that are larger than a step."""
    from tsdistill.training import loop

    X, y = np.tile(toy[0], (3, 1)), np.tile(toy[1], 3)
    settle = loop.settle_batch_norm
    room = Roomless(most=20)

    def settle_in_little_room(module, *given):
        hook = module.register_forward_pre_hook(room)
        try:
            settle(module, *given)
        finally:
            hook.remove()

    expected = student_of(n_mixtures=0).fit(X, y)
    monkeypatch.setattr(loop, "settle_batch_norm", settle_in_little_room)
    with pytest.warns(BatchHalvedWarning, match=r"of batches of 9\.$") as caught:
        student = student_of(n_mixtures=0).fit(X, y)
    assert len(caught) == 1 and "did not hold batches of 36 series" in str(caught[0].message)
    assert max(room.sizes) == 18 and len(room.sizes) >= 4, "9 series, a copy of each"
    found, whole = (one.student_.module_.state_dict() for one in (student, expected))
    for name in whole:
        if "running" in name:
            torch.testing.assert_close(found[name], whole[name], rtol=0.15, atol=0.05)
    assert not student.student_.module_.training


def test_statistics_for_which_there_is_no_room_at_all_are_named(toy, fitted, monkeypatch, injected):
    from tsdistill.training import loop

    settle = loop.settle_batch_norm

    def settle_without_room(module, *given):
        hook = module.register_forward_pre_hook(Roomless(most=0))
        try:
            settle(module, *given)
        finally:
            hook.remove()

    monkeypatch.setattr(loop, "settle_batch_norm", settle_without_room)
    check_named(fitted, toy, "ran out of memory on batches of two series, from which it takes")
    injected("out of memory after the training")


def test_a_module_of_the_user_that_fails_after_its_training_is_named(toy, injected):
    """In the passes that follow the last step."""
    clean, own = Points(), Own()
    hook = own.register_forward_pre_hook(lambda *_: clean.pass_or_fail())
    student = SaliencyDistilledClassifier(bump_teacher, own, **SMALL).fit(*toy)
    hook.remove()
    original, n_calls = Own.forward, []

    def forward(module, X):
        n_calls.append(len(X))
        if n_calls[0] and len(n_calls) == forward.at:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return original(module, X)

    forward.at = 0
    student = SaliencyDistilledClassifier(bump_teacher, own, **SMALL)
    try:
        Own.forward = forward
        student.fit(*toy)
        last = len(n_calls)
        for at in (last, last - 1, last - 2):
            n_calls.clear()
            forward.at = at
            check_named(student, toy, "RuntimeError: CUDA error")
            injected("GPU lost after the last step")
    finally:
        Own.forward = original
