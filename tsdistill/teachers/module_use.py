"""Torch modules while they are queried: in eval mode, on a device, in full precision."""

import contextlib
import inspect
import threading
from typing import NamedTuple

import torch

from tsdistill.exceptions import TeacherError
from tsdistill.numerics.forks import now_and_in_children
from tsdistill.numerics.tensors import without_autocast
from tsdistill.students.masking import lengths_of


def _start():
    global _LOCK, _IN_EVAL
    _LOCK, _IN_EVAL = threading.RLock(), {}


now_and_in_children(_start)

_THREAD = threading.local()


class Place(NamedTuple):
    """Where a module takes series, and in which dtype; None if its weights are of several."""

    device: object
    dtype: torch.dtype | None


@contextlib.contextmanager
def in_use(module, device):
    """Context in which a module is in eval mode on a device; both are restored afterwards.

    Several threads may query one module, or modules with common parts: a part returns to train
    mode when the last of them is done. Only the thread that holds the lock of
    :mod:`tsdistill.numerics.random_states` passes a device to which a module has to move.

    Parameters
    ----------
    module : torch.nn.Module
    device : str, torch.device or None
        None leaves the module where it lies.

    Yields
    ------
    place : Place

    Raises
    ------
    TeacherError
        If the module cannot be moved there, or back.
    """
    settled = vars(_THREAD).setdefault("settled", {})
    if device is None and id(module) in settled:  # inside of another use by this thread
        yield settled[id(module)]
        return
    parts = list(module.modules())  # once, since this costs more than a small network's answer
    with _in_eval_mode(module, parts), without_autocast():
        weights = [p for part in parts for p in part._parameters.values() if p is not None]
        buffers = [b for part in parts for b in part._buffers.values() if b is not None]
        devices = {tensor.device for tensor in (*weights, *buffers)}
        dtypes = {weight.dtype for weight in weights if weight.is_floating_point()}
        # A module that is spread over several devices is left there.
        outer = None
        moves = device is not None and len(devices) == 1 and _numbered(device) not in devices
        try:
            if moves:
                _move(module, device)
            here = device if moves else weights[0].device if weights else "cpu"
            place = Place(here, dtypes.pop() if len(dtypes) == 1 else None)
            outer = settled.get(id(module))
            settled[id(module)] = place
            yield place
        except BaseException:
            if moves:
                with contextlib.suppress(Exception):  # of a device that is lost: the first counts
                    module.to(*devices)
            raise
        else:
            if moves:
                _move(module, *devices)
        finally:
            settled.pop(id(module), None)
            if outer is not None:
                settled[id(module)] = outer


def _move(module, device):
    try:
        module.to(device)
    except Exception as error:  # of a device that is lost or full, or of the user's module
        raise TeacherError(
            f"{type(module).__name__} cannot be moved to device {str(device)!r}: "
            f"{type(error).__name__}: {str(error)[:200]}."
        ) from error


def _numbered(device):
    """A device as tensors name it: "cuda" is the current one."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@contextlib.contextmanager
def _in_eval_mode(module, parts):
    with _LOCK:
        counted = [part for part in parts if part.training or id(part) in _IN_EVAL]
        if any(part.training for part in counted):
            module.eval()
        for part in counted:
            _IN_EVAL[id(part)] = _IN_EVAL.get(id(part), 0) + 1
    try:
        yield
    finally:
        with _LOCK:
            for part in counted:
                left = _IN_EVAL.pop(id(part), 1) - 1
                part.training = not left
                if left:
                    _IN_EVAL[id(part)] = left


def ask_uneven(module, panel):
    """Call a module on series of unequal length.

    Parameters
    ----------
    module : torch.nn.Module
        If its ``forward`` has a parameter ``lengths`` or ``mask``, it is given series padded with
        zeros, and their lengths, (n_instances,), int64, or which timesteps come before their end,
        (n_instances, n_timepoints), bool; gaps are NaN. Otherwise it is given series padded with
        NaN.
    panel : Tensor of shape (n_instances, n_channels, n_timepoints)
        Padded with NaN after the end of each series.
    """
    parameters = inspect.signature(module.forward).parameters
    if not {"lengths", "mask"} & set(parameters):
        return module(panel)
    lengths = lengths_of(panel)
    real = torch.arange(panel.shape[-1], device=panel.device) < lengths[:, None]
    zeros = panel.masked_fill(~real[:, None], 0.0)
    return module(zeros, lengths=lengths) if "lengths" in parameters else module(zeros, mask=real)
