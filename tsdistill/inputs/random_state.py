"""Converts ``random_state`` to seeds and generators of NumPy."""

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import is_whole, shown
from tsdistill.inputs.types import RandomSource


def check_random_state(random_state: object) -> None:
    """Raise ParameterError if ``random_state`` is nothing that draws can follow from.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
    """
    if not (
        random_state is None
        or random_state is np.random
        or isinstance(random_state, (np.random.RandomState, np.random.Generator))
        or (is_whole(random_state) and random_state >= 0)
    ):
        raise ParameterError(
            f"random_state={shown(random_state)}; expected None, an int of 0 or more, a "
            "numpy.random.RandomState or a numpy.random.Generator."
        )


def seed_sequence(random_state: RandomSource) -> np.random.SeedSequence:
    """Convert ``random_state`` to a source of independent seeds.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        As scikit-learn takes it, and Generators too; these and RandomStates are drawn from, so
        that the next seeds differ. None takes fresh entropy from the operating system, not
        NumPy's global state.

    Raises
    ------
    ParameterError
        If random_state is none of these.
    """
    check_random_state(random_state)
    largest = np.iinfo(np.int32).max
    if random_state is None or random_state is np.random:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(random_state.randint(largest))
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(int(random_state.integers(largest)))
    return np.random.SeedSequence(int(random_state))


def generator(random_state: RandomSource) -> np.random.Generator:
    """Convert ``random_state`` to a generator.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        A Generator is returned as it is; other values go through :func:`seed_sequence`.

    Raises
    ------
    ParameterError
        If random_state is none of these.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(seed_sequence(random_state))
