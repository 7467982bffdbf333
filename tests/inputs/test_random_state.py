"""What ``random_state`` may be."""

import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.random_state import generator, seed_sequence

ACCEPTED = {
    "None": lambda: None,
    "int": lambda: 3,
    "np.int64": lambda: np.int64(3),
    "2**32": lambda: 2**32,
    "RandomState": lambda: np.random.RandomState(3),
    "Generator": lambda: np.random.default_rng(3),
    "np.random": lambda: np.random,
}
REPEATED = [kind for kind in ACCEPTED if kind not in ("None", "np.random")]
REFUSED = [-1, "a", 1.5, True, []]


def entropy(random_state):
    return seed_sequence(random_state).generate_state(4).tolist()


def test_seeds_follow_from_whatever_scikit_learn_takes_and_from_generators():
    for kind, make in ACCEPTED.items():
        assert (entropy(make()) == entropy(make())) == (kind in REPEATED), kind
        same = generator(make()).random() == generator(make()).random()
        assert same == (kind in REPEATED), kind


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_seeds_drawn_from_a_generator_differ_each_time(make):
    source = make(3)
    assert entropy(source) != entropy(source)


@pytest.mark.parametrize("random_state", REFUSED, ids=repr)
def test_what_gives_no_seeds_is_refused(random_state):
    for convert in (seed_sequence, generator):
        with pytest.raises(ParameterError) as caught:
            convert(random_state)
        assert str(caught.value) == (
            f"random_state={random_state!r}; expected None, an int of 0 or more, a "
            "numpy.random.RandomState or a numpy.random.Generator."
        )


def test_an_estimator_takes_all_of_them_and_refuses_the_rest(toy, quick):
    for make in ACCEPTED.values():
        quick(random_state=make(), max_epochs=1).fit(*toy)
    for random_state in REFUSED:
        with pytest.raises(ParameterError, match="numpy.random.Generator"):
            quick(random_state=random_state).fit(*toy)


def test_generators_of_one_seed_give_one_student_and_go_on(toy, quick):
    X, y = toy

    def student(random_state):
        return quick(random_state=random_state, max_epochs=1).fit(X, y).predict_proba(X)

    one, other = np.random.default_rng(3), np.random.default_rng(3)
    first = student(one)
    np.testing.assert_array_equal(student(other), first)
    second = student(one)
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(student(other), second)
