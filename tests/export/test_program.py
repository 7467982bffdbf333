"""Values of a program lie where nothing overwrites them, in no more memory than they need."""

import numpy as np
import pytest

from tsdistill.export.folding import fold
from tsdistill.export.program import Program, Step

LENGTH = 4


def random_program(rng):
    """Steps that read any values before them; those that nothing reads are left out."""
    shapes, steps = [(2, LENGTH)], []
    for number in range(1, rng.integers(3, 12)):
        operation = rng.choice(["conv", "conv", "relu", "add", "join", "mean"])
        source = int(rng.integers(number))
        n_channels, length = shapes[source]
        alike = [v for v in range(number) if shapes[v][1] == length]
        inputs = [source]
        if operation == "conv":
            n_channels = int(rng.integers(1, 4))
        elif operation == "add":
            inputs.append(int(rng.choice([v for v in alike if shapes[v] == shapes[source]])))
        elif operation == "join":
            inputs += [int(v) for v in rng.choice(alike, size=rng.integers(0, 3))]
            n_channels = sum(shapes[v][0] for v in inputs)
        elif operation == "mean":
            length = 1
        shapes.append((n_channels, length))
        steps.append(Step(str(operation), inputs, number))
    program = Program(steps, shapes, len(steps), False, False)
    fold(program)
    return program


def assert_nothing_is_overwritten(program, rng):
    """Write numbers wherever the program writes, and look for them wherever it reads."""
    places, n_numbers = program.memory()
    block, contents = np.zeros(n_numbers), {0: rng.random((2, LENGTH))}

    def part(value):
        start, n_before = places[value]
        at = start + n_before * program.shapes[value][1]
        assert at + program.size(value) <= n_numbers
        return block[at : at + program.size(value)]

    for step in program.steps:
        for value in filter(None, step.inputs):
            np.testing.assert_array_equal(part(value), contents[value].ravel())
        if step.operation == "join":
            contents[step.output] = np.concatenate([contents[v] for v in step.inputs])
        else:
            contents[step.output] = rng.random(program.shapes[step.output])
        part(step.output)[:] = contents[step.output].ravel()
    np.testing.assert_array_equal(part(program.result), contents[program.result].ravel())


def test_no_value_is_overwritten_before_it_was_read():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        assert_nothing_is_overwritten(random_program(rng), rng)


def program_of_steps(*steps, shapes):
    return Program(
        [Step(operation, list(inputs), i + 1) for i, (operation, *inputs) in enumerate(steps)],
        [(2, LENGTH), *shapes],
        len(steps),
        False,
        False,
    )


CHAIN = [("conv", 0), ("conv", 1), ("conv", 2), ("conv", 3)]
MEMORY = {
    "two of a chain": (CHAIN, [(3, 4), (5, 4), (1, 4), (2, 4)], 8 * LENGTH),
    "one that works on each number": (
        [("conv", 0), ("relu", 1), ("affine", 2), ("relu", 3)], [(3, 4)] * 4, 3 * LENGTH
    ),
    "a sum over its first input": (
        [("conv", 0), ("conv", 1), ("add", 2, 1)], [(3, 4)] * 3, 6 * LENGTH
    ),
    "a sum that keeps what is read again": (
        [("conv", 0), ("conv", 1), ("add", 1, 2), ("add", 1, 3)], [(3, 4)] * 4, 9 * LENGTH
    ),
    "a sum with the series": ([("conv", 0), ("add", 0, 1)], [(2, 4)] * 2, 4 * LENGTH),
    "parts of a join": (
        [("conv", 0), ("conv", 0), ("join", 1, 2), ("relu", 3)],
        [(3, 4), (1, 4), (4, 4), (4, 4)], 4 * LENGTH,
    ),
    "a join of a join": (
        [("conv", 0), ("conv", 0), ("join", 1, 2), ("conv", 0), ("join", 4, 3)],
        [(1, 4), (2, 4), (3, 4), (1, 4), (4, 4)], 4 * LENGTH,
    ),
    "a join with a part that is read before": (
        [("conv", 0), ("conv", 1), ("join", 1, 2)], [(1, 4), (3, 4), (4, 4)], 5 * LENGTH
    ),
    "a join of vectors": (
        [("mean", 0), ("last", 0), ("join", 1, 2), ("relu", 3)],
        [(2, 1), (2, 1), (4, 1), (4, 1)], 4,
    ),
    "a join with one part twice": (
        [("conv", 0), ("join", 1, 1)], [(3, 4), (6, 4)], 9 * LENGTH
    ),
    "a gap that one fits into": (
        [("conv", 0), ("conv", 1), ("conv", 2), ("conv", 2), ("add", 3, 4), ("add", 5, 2)],
        [(2, 4), (3, 4), (2, 4), (2, 4), (2, 4), (2, 4)], 7 * LENGTH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_used_again(name):
    steps, shapes, expected = MEMORY[name]
    program = program_of_steps(*steps, shapes=shapes)
    assert_nothing_is_overwritten(program, np.random.default_rng(0))
    assert program.memory()[1] == expected


def test_parts_of_a_join_are_placed_by_the_channels_before_them():
    program = program_of_steps(
        ("conv", 0), ("conv", 0), ("join", 1, 2), shapes=[(3, 4), (1, 4), (4, 4)]
    )
    assert program.memory()[0] == {1: (0, 0), 2: (0, 3), 3: (0, 0)}


def test_vectors_do_not_follow_the_length_of_the_series():
    program = program_of_steps(
        ("conv", 0), ("mean", 1), ("last", 0), ("join", 2, 3), ("linear", 4), ("relu", 5),
        ("join", 0, 1), shapes=[(3, 4), (3, 1), (2, 1), (5, 1), (2, 1), (2, 1), (5, 4)],
    )  # fmt: skip
    assert program.follows_series() == [True, True, False, False, False, False, False, True]
