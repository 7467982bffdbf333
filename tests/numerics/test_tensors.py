"""The modes of torch in which a student is trained, saved and exported."""

import contextlib

import numpy as np
import pytest
import torch

from tsdistill import SaliencyDistilledClassifier


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
    from tsdistill.numerics.tensors import usual_modes

    with MODES[mode]():
        before = modes()
        with usual_modes():
            layer = torch.nn.Linear(3, 2)
            answers = layer(torch.ones(1, 3))
            answers.sum().backward()
        assert modes() == before
    assert answers.dtype == layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.device.type == "cpu"


EXPORTS = ("save", "to_c", "to_html")


def exported(student, folder):
    """The content of each exported file."""
    for name in EXPORTS:
        getattr(student, name)(folder / name)
    return [(folder / name).read_bytes() for name in EXPORTS]


@pytest.mark.parametrize("mode", MODES)
def test_files_are_the_same_in_any_mode(toy, quick, tmp_path, mode):
    student = quick(max_epochs=1).fit(*toy)
    expected = exported(student, tmp_path)
    costs = student.student_costs()
    with MODES[mode]():
        assert exported(student, tmp_path) == expected
        assert student.student_costs() == costs


@pytest.mark.parametrize("mode", MODES)
def test_students_are_loaded_and_rounded_alike_in_any_mode(toy, quick, tmp_path, mode):
    student = quick(max_epochs=1).fit(*toy)
    student.save(tmp_path / "student")
    expected, rounded = (one.predict_proba(toy[0]) for one in (student, student.quantised()))
    with MODES[mode]():
        loaded = SaliencyDistilledClassifier.load(tmp_path / "student")
        quantised = student.quantised()
    np.testing.assert_array_equal(loaded.predict_proba(toy[0]), expected)
    np.testing.assert_array_equal(quantised.predict_proba(toy[0]), rounded)


@pytest.mark.parametrize("mode", ["float64 by default", "another default device"])
def test_integrated_gradients_are_the_same_in_any_mode(toy, quick, mode):
    student = quick(max_epochs=1).fit(*toy)
    expected = student.explain(toy[0][:2], method="integrated_gradients")
    with MODES[mode]():
        found = student.explain(toy[0][:2], method="integrated_gradients")
    np.testing.assert_array_equal(found, expected)


def test_threads_in_usual_modes_leave_the_default_dtype_of_the_user():
    from tsdistill.numerics.tensors import usual_modes

    with double_by_default():
        first, second = usual_modes(), usual_modes()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float32
        second.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float64
