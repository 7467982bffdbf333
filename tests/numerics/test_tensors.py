"""The modes of torch in which a student is trained."""

import contextlib

import numpy as np
import pytest
import torch


@contextlib.contextmanager
def double_by_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "float64 by default": double_by_default,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "another default device": lambda: torch.device("meta"),
}


def modes():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_device(),
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_fit_in_any_mode_gives_the_same_student_and_leaves_the_mode(toy, quick, mode):
    X, y = toy
    expected = quick(max_epochs=2).fit(X, y).predict_proba(X)
    with MODES[mode]():
        before = modes()
        student = quick(max_epochs=2).fit(X, y)
        assert modes() == before
    weights = list(student.student_.module_.parameters())
    assert all(weight.dtype == torch.float32 and weight.requires_grad for weight in weights)
    np.testing.assert_array_equal(student.predict_proba(X), expected)


@pytest.mark.parametrize("mode", MODES)
def test_training_computes_float32_gradients_on_the_cpu_in_any_mode(mode):
    from tsdistill.numerics.tensors import ready_to_train

    with MODES[mode]():
        before = modes()
        with ready_to_train():
            layer = torch.nn.Linear(3, 2)
            answers = layer(torch.ones(1, 3))
            answers.sum().backward()
        assert modes() == before
    assert answers.dtype == layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.device.type == "cpu"
