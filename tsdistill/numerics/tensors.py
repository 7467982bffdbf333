"""Converts arrays to tensors that share their memory, and sets the modes of torch."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from numpy.typing import NDArray

from tsdistill.numerics.shared import quiet, shared


def as_tensor(array: NDArray[Any], device: str | torch.device = "cpu") -> torch.Tensor:
    """Convert an array to a tensor; on the CPU it shares the memory of the array.

    Read-only arrays are accepted, without torch's warning: callers never write to the tensor.
    """
    with contextlib.nullcontext() if array.flags.writeable else quiet():
        return torch.as_tensor(array, device=device)


def plain_device(device: str | torch.device) -> str | torch.device:
    """A device without the number of the only CPU, with which torch could not unpickle weights."""
    return "cpu" if torch.device(device).type == "cpu" else device


@contextlib.contextmanager
def threads_kept():
    """Context after which torch computes with as many threads as before.

    Models that use numba, such as sktime's MiniRocket, set the number of OpenMP's threads, which
    torch then takes; two threads on busy cores can be twenty times slower than one.
    """
    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def without_autocast():
    """Context without automatic mixed precision, which is a mode of the thread."""
    stack = contextlib.ExitStack()
    for kind in ("cpu", "cuda"):
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
    return stack


@contextlib.contextmanager
def usual_modes():
    """Context with torch's modes as they are by default, whatever modes the user has set.

    Gradients are computed, also inside ``torch.no_grad()`` and ``torch.inference_mode()``; new
    tensors are float32 on the CPU, also with another default dtype or device; and autocast is off.
    """
    on_cpu = torch.get_default_device().type == "cpu"  # else a context that slows every call
    with (
        shared("float32 by default", _float32_by_default),  # all threads have one default dtype
        torch.inference_mode(False),
        torch.enable_grad(),
        without_autocast(),
        contextlib.nullcontext() if on_cpu else torch.device("cpu"),
    ):
        yield


@contextlib.contextmanager
def _float32_by_default():
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
