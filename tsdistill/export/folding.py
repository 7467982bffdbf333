"""Makes a traced program shorter, and compares it with its network."""

import numpy as np
import torch

from tsdistill.exceptions import ExportError
from tsdistill.export.program import Weight
from tsdistill.export.running import run
from tsdistill.numerics.logits import first_output

TOLERANCE = 1e-3
"""How far the answers of a program may be from those of its network."""


def fold(program):
    """Fold normalisation and ReLU into convolutions, and drop what nothing reads; in place."""
    _fuse(program)
    _drop_unread(program)
    _number_again(program)


def _fuse(program):
    """Fold affine steps into the convolution before them, and ReLU into the step before it."""
    steps = program.steps
    writer = {step.output: step for step in steps}
    n_readers = {}
    for step in steps:
        for value in step.inputs:
            n_readers[value] = n_readers.get(value, 0) + 1
    n_readers[program.result] = n_readers.get(program.result, 0) + 1
    dropped = []
    for step in steps:
        before = writer.get(step.inputs[0])
        alone = before is not None and n_readers[step.inputs[0]] == 1 and not before.relu
        if step.operation == "affine" and alone and before.operation == "conv":
            weights = {k: w.values.astype(np.float64) for k, w in step.weights.items()}
            weight, bias = (before.weights[k].values for k in ("weight", "bias"))
            scaled = weight * weights["scale"][:, None, None]
            moved = (bias - weights["shift"]) * weights["scale"] + weights["offset"]
            before.weights = {
                "weight": Weight(scaled.astype(np.float32)),
                "bias": Weight(moved.astype(np.float32)),
            }
        elif step.operation == "relu" and alone and before.operation in ("conv", "affine", "add"):
            before.relu = True
        else:
            continue
        del writer[before.output]
        before.output = step.output
        writer[step.output] = before
        dropped.append(step)
    program.steps = [step for step in steps if step not in dropped]


def _drop_unread(program):
    """Leave out steps whose results nothing reads."""
    needed = {program.result}
    for step in reversed(program.steps):
        if step.output in needed:
            needed.update(step.inputs)
    program.steps = [step for step in program.steps if step.output in needed]


def check_answers(program, network, n_channels, n_timepoints):
    """Compare the answers of a program with those of its network, for two random walks.

    These have gaps if the program fills any.
    """
    rng = np.random.default_rng(0)
    walks = rng.standard_normal((2, n_channels, n_timepoints)).cumsum(axis=2).astype(np.float32)
    if any(step.operation == "fill" for step in program.steps):
        walks[:, :, n_timepoints // 3 : n_timepoints // 2] = np.nan
    with torch.no_grad():
        wanted = first_output(network(torch.from_numpy(walks))).numpy()
    found = np.stack([run(program, walk) for walk in walks])
    if program.is_softmaxed:
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
    if not np.abs(found - wanted).max() <= TOLERANCE * max(1.0, np.abs(wanted).max()):
        raise ExportError(
            f"the student {type(network).__name__} computes something that can be written neither "
            "in C nor in JavaScript: its layers, one after another, give other answers."
        )


def _number_again(program):
    """Leave out the numbers of values that no step writes any more."""
    kept = [0, *(step.output for step in program.steps)]
    new = {old: number for number, old in enumerate(kept)}
    for step in program.steps:
        step.inputs, step.output = [new[v] for v in step.inputs], new[step.output]
    program.shapes = [program.shapes[old] for old in kept]
    program.result = new[program.result]
