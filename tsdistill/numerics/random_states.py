"""Seeds the global random states of Python, NumPy and torch, and restores them."""

import contextlib
import random
import threading

import numpy as np
import torch

_ONE_AT_A_TIME = threading.RLock()
_THREAD = threading.local()


@contextlib.contextmanager
def global_states_kept(seed, device="cpu"):
    """Seed the global random states of Python, NumPy and torch, and restore them afterwards.

    Only one thread at a time runs the block: all threads share the random states, and the mode
    (training or evaluation) of a teacher module that several fits use.
    """
    on_behalf = getattr(_THREAD, "on_behalf", False)
    with contextlib.nullcontext() if on_behalf else _ONE_AT_A_TIME:
        yield from _states_kept(seed, device)


@contextlib.contextmanager
def on_behalf_of_a_fit():
    """Mark a thread that queries a teacher for a waiting fit, so that it does not wait for it."""
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
