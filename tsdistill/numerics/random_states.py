"""The global random states of Python, NumPy and torch stay as they were."""

import contextlib
import random
import threading

import numpy as np
import torch

_ONE_AT_A_TIME = threading.RLock()
_THREAD = threading.local()


@contextlib.contextmanager
def global_states_kept(seed, device="cpu"):
    """Seed Python's, NumPy's and torch's global random states, and put them back after.

    Threads wait for each other: the states are the process's, and so is the mode (training or
    evaluation) of a module that several fits share as their teacher.
    """
    held = contextlib.nullcontext() if getattr(_THREAD, "on_behalf", False) else _ONE_AT_A_TIME
    with held:
        yield from _states_kept(seed, device)


@contextlib.contextmanager
def on_behalf_of_a_fit():
    """Mark a thread in which a teacher is asked for a fit that waits for it, and must not wait."""
    before = getattr(_THREAD, "on_behalf", False)
    _THREAD.on_behalf = True
    try:
        yield
    finally:
        _THREAD.on_behalf = before


def _states_kept(seed, device):
    cuda = torch.device(device).type == "cuda"
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[torch.device(device)] if cuda else []):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
