"""What users give as ``random_state``, as seeds and generators of NumPy. Torch stays out."""

from numbers import Integral

import numpy as np

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
