"""Where randomness comes from, and that the global random states stay as they were."""

import contextlib
import random
import threading
from numbers import Integral

import numpy as np
import torch

from tsdistill.exceptions import ParameterError


def seed_sequence(random_state):
    """Turn scikit-learn's ``random_state`` into a source of independent seeds.

    Parameters
    ----------
    random_state : None, int or numpy.random.RandomState
        None takes fresh entropy from the operating system, not NumPy's global state.
    """
    if random_state is np.random:
        random_state = None
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(np.iinfo(np.int32).max)
    return np.random.SeedSequence(random_state)


def generator(random_state):
    """A generator of a user's ``random_state``, or an error that says what that can be.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        A generator is taken as it is; of the others, as :func:`seed_sequence` takes them.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    whole = isinstance(random_state, Integral) and not isinstance(random_state, (bool, np.bool_))
    if (
        (whole and random_state >= 0)
        or isinstance(random_state, np.random.RandomState)
        or random_state is None
        or random_state is np.random
    ):
        return np.random.default_rng(seed_sequence(random_state))
    raise ParameterError(
        f"random_state={random_state!r}; expected None, an int of 0 or more, a "
        "numpy.random.Generator or a numpy.random.RandomState."
    )


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
