"""A network as a list of simple steps on one series, from which C and JavaScript are written.

A value is a map (n_channels, length) or, after pooling, a vector (n_channels, 1). Every step reads
values and writes one; all lie in one block of memory, whose places are worked out here.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Weight:
    """Numbers of a step: float32, or whole numbers with a scale for each output.

    Attributes
    ----------
    values : ndarray of float32
    codes : ndarray of int8 or None
        In the shape of ``values``.
    scale : ndarray of shape (n_outputs,), float32, or None
        ``values`` are ``codes`` times these, along the first axis.
    """

    values: np.ndarray
    codes: np.ndarray | None = None
    scale: np.ndarray | None = None


@dataclass
class Step:
    """One operation; with ``relu`` set, negative results become 0.

    ========  ======================================================================
    affine    y[c, t] = (x[c, t] - shift[c]) * scale[c] + offset[c]
    fill      y[c, t] = x[c, t], gaps filled; y[n + c, t] = heed[c] in a gap, else 0
    conv      y[o, t] = bias[o] + sum_i,k weight[o, i, k] x[i, t * stride + k * dilation - padding]
    relu      y = max(x, 0)
    add       y = x + z
    max_pool  y[c, t] = max_k x[c, t * stride + k - padding]
    mean      y[c] = mean_t x[c, t]
    last      y[c] = x[c, n - 1]
    join      values one after another
    linear    y[o] = bias[o] + sum_i weight[o, i] x[i], over the whole value
    gru       y[:, t]: states of one direction of one layer
    ========  ======================================================================

    Attributes
    ----------
    operation : str
        One of the first column.
    inputs : list of int
        Numbers of the values that it reads.
    output : int
        Number of the value that it writes.
    settings : dict of str to int
        "padded" counts what surrounds the input on both sides, "padding" what precedes it.
    weights : dict of str to Weight
    relu : bool
    """

    operation: str
    inputs: list
    output: int
    settings: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    relu: bool = False


@dataclass
class Program:
    """All steps of a network.

    Attributes
    ----------
    steps : list of Step
    shapes : list of (n_channels, length)
        Of each value; value 0 is the series.
    result : int
        The value with the logits.
    gives_proba : bool
        Whether the result is probabilities already.
    is_softmaxed : bool
        Whether the network ends with a softmax, which is left out.
    """

    steps: list
    shapes: list
    result: int
    gives_proba: bool
    is_softmaxed: bool

    def size(self, value):
        """Numbers in a value."""
        n_channels, length = self.shapes[value]
        return n_channels * length

    @property
    def n_multiplications(self):
        """Multiplications with weights for one series."""
        total = 0
        for step in self.steps:
            length = self.shapes[step.output][1]
            for weight in step.weights.values():
                if weight.values.ndim >= 2:
                    total += weight.values.size * length
        return total

    @property
    def n_state_numbers(self):
        """Numbers in the two arrays that a GRU needs beside the block of memory."""
        states = [self.shapes[s.output][0] for s in self.steps if s.operation == "gru"]
        return 2 * max(states, default=0)

    @property
    def weights(self):
        """All weights, in the order of the steps."""
        return [weight for step in self.steps for weight in step.weights.values()]

    @property
    def n_weight_bytes(self):
        """Bytes of all weights as they are written: one for a code, four for a float."""
        return sum(
            weight.values.nbytes
            if weight.codes is None
            else weight.codes.nbytes + weight.scale.nbytes
            for weight in self.weights
        )

    def memory(self):
        """Places of all values in one block of memory.

        A value that only a ``join`` reads lies where it will be joined; a step that works on each
        number alone writes over its input if nothing else reads it.

        Returns
        -------
        places : dict of int to (int, int)
            Where each value begins: a number of the block, and how many channels of its own length
            lie between that and the value. The series, which the caller holds, has none.
        n_numbers : int
            Size of the block.
        """
        return _places(self)

    def follows_series(self):
        """Which values have lengths that follow from that of the series, a list of bool.

        Others are vectors.
        """
        follows = [True]
        for step in self.steps:
            of_inputs = all(follows[value] for value in step.inputs)
            follows.append(of_inputs and step.operation not in ("mean", "last"))
        return follows


ON_EACH_NUMBER = ("affine", "relu", "add")


def _places(program):
    readers = {}
    for number, step in enumerate(program.steps):
        for value in step.inputs:
            readers.setdefault(value, []).append(number)
    home, inside = _homes(program, readers)
    root = {value: _root(value, home) for value in range(1, len(program.shapes))}
    first, last, size = {}, {}, {}
    for number, step in enumerate(program.steps):
        where = root[step.output]
        first.setdefault(where, number)
        size[where] = program.size(where)
        for value in (step.output, *step.inputs):
            if value:
                last[root[value]] = max(number, *readers.get(value, [number]))
    starts = {}
    for where in first:  # in the order in which they are written first
        others = sorted(
            (start, size[other]) for other, start in starts.items() if last[other] >= first[where]
        )
        at = 0
        for start, length in others:
            if start - at >= size[where]:
                break
            at = max(at, start + length)
        starts[where] = at
    places = {
        value: (starts[where], _offset(value, home, inside) // program.shapes[value][1])
        for value, where in root.items()
    }
    return places, max(start + size[where] for where, start in starts.items())


def _homes(program, readers):
    """In which other value a value lies, and how far from its first number."""
    home, inside = {}, {}
    for number, step in enumerate(program.steps):
        alone = [v for v in step.inputs if v and readers[v] == [number] and v not in home]
        if step.operation == "join":
            offset = 0
            for value in step.inputs:
                if value in alone and step.inputs.count(value) == 1:
                    home[value], inside[value] = step.output, offset
                offset += program.size(value)
        elif step.operation in ON_EACH_NUMBER and alone[:1] == step.inputs[:1]:
            # The input lies where the output will be.
            home[step.inputs[0]], inside[step.inputs[0]] = step.output, 0
    return home, inside


def _root(value, home):
    while value in home:
        value = home[value]
    return value


def _offset(value, home, inside):
    offset = 0
    while value in home:
        offset += inside[value]
        value = home[value]
    return offset
