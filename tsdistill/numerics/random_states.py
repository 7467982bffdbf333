"""Seeds the global random states of Python, NumPy and torch, and restores them."""

import contextlib
import random
import threading

import numpy as np
import torch

from tsdistill.numerics.forks import no_fork, now_and_in_children
from tsdistill.numerics.logits import usual_float_errors
from tsdistill.numerics.tensors import usual_modes

_THREAD = threading.local()


def _start():
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.RLock()


now_and_in_children(_start)


@contextlib.contextmanager
def global_states_kept(seed, *devices):
    """Seed the global random states of Python, NumPy and torch, and restore them afterwards.

    Torch's modes and NumPy's handling of float errors are the usual ones in the block. Only one
    thread at a time runs it: all threads share the random states, and the mode (training or
    evaluation) of a teacher module that several fits use.

    Parameters
    ----------
    seed : int
    *devices : str or torch.device
        Where models run. GPUs are seeded and restored, all of them, if one of these is a GPU or
        if this process used a GPU before.
    """
    on_behalf = getattr(_THREAD, "on_behalf", False)
    with contextlib.nullcontext() if on_behalf else _ONE_AT_A_TIME, on_behalf_of_a_fit():
        yield from _states_kept(seed, devices)


@contextlib.contextmanager
def on_behalf_of_a_fit():
    """Mark a thread that works for a fit, its own or a waiting one, so that it waits for none."""
    before = getattr(_THREAD, "on_behalf", False)
    _THREAD.on_behalf = True
    try:
        yield
    finally:
        _THREAD.on_behalf = before


def as_the_caller():
    """Make a context in which another thread queries a teacher for the fit of this thread, if any.

    Returns
    -------
    context manager
        To be entered by the other thread.
    """
    on_behalf = getattr(_THREAD, "on_behalf", False)
    return on_behalf_of_a_fit() if on_behalf else contextlib.nullcontext()


def _states_kept(seed, devices):
    gpus = _gpus_in_use(devices)
    with _restored_afterwards(gpus):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        with no_fork():
            # torch.manual_seed would seed every GPU too, even those that are not restored.
            torch.default_generator.manual_seed(seed)
            if gpus:
                torch.cuda.manual_seed_all(seed)
        with usual_float_errors(), usual_modes():
            yield


@contextlib.contextmanager
def untouched_by_a_teacher(*devices):
    """Context after which random states and torch's default dtype are as they were before.

    A teacher that draws, seeds or sets them when it is asked would otherwise decide on what follows
    in this process, but not where its answers are kept, or given by workers.

    Parameters
    ----------
    *devices : str or torch.device
        Where models run, as for :func:`global_states_kept`.
    """
    dtype = torch.get_default_dtype()
    try:
        with _restored_afterwards(_gpus_in_use(devices)):
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextlib.contextmanager
def _restored_afterwards(gpus):
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_states = torch.random.fork_rng(devices=gpus, device_type="cuda")
    with no_fork():
        torch_states.__enter__()
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # of a GPU that is lost: the first error counts
            _restore(python_state, numpy_state, torch_states)
        raise
    else:
        _restore(python_state, numpy_state, torch_states)


def _restore(python_state, numpy_state, torch_states):
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    with no_fork():
        torch_states.__exit__(None, None, None)


def _gpus_in_use(devices):
    """Numbers of all GPUs if the process uses any, else none: their state is not even asked for."""
    wanted = any(torch.device(device).type == "cuda" for device in devices if device is not None)
    if wanted or torch.cuda.is_initialized():
        return list(range(torch.cuda.device_count()))
    return []
