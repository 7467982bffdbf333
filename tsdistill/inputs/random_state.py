"""Converts ``random_state`` to seeds and generators of NumPy."""

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import is_whole


def seed_sequence(random_state):
    """Convert scikit-learn's ``random_state`` to a source of independent seeds.

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
    """Convert ``random_state`` to a generator.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        A Generator is returned as it is; other values go through :func:`seed_sequence`.

    Raises
    ------
    ParameterError
        If random_state is none of these.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if (
        (is_whole(random_state) and random_state >= 0)
        or isinstance(random_state, np.random.RandomState)
        or random_state is None
        or random_state is np.random
    ):
        return np.random.default_rng(seed_sequence(random_state))
    raise ParameterError(
        f"random_state={random_state!r}; expected None, an int of 0 or more, a "
        "numpy.random.Generator or a numpy.random.RandomState."
    )
