"""Turns a torch network into a :class:`~tsdistill.export.program.Program`, by tracing it."""

import copy
import operator

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from tsdistill.exceptions import ExportError
from tsdistill.export.codes import CodesOf
from tsdistill.export.folding import check_answers, fold
from tsdistill.export.program import Program, Step, Weight
from tsdistill.numerics.logits import first_output
from tsdistill.students.base import Standardise, StandardiseFilled
from tsdistill.students.masking import take_uneven
from tsdistill.students.rounding import rounding_of


def program_of(network, n_channels, n_timepoints, gives_proba=False):
    """The program of a network in eval mode.

    Parameters
    ----------
    network : torch.nn.Module
        Made of the layers that the built-in students have: Standardise, convolutions over time,
        batch normalisation, ReLU, sums, concatenations, pooling, linear layers and GRUs.
    n_channels, n_timepoints : int
    gives_proba : bool, default=False

    Returns
    -------
    program : Program

    Raises
    ------
    ExportError
        If it has another layer; the message names it.
    """
    name = type(network).__name__
    rounding = rounding_of(network)
    network = copy.deepcopy(network).cpu().eval()
    take_uneven(network, False)  # a series by itself needs no mask
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # torch raises errors of many kinds, from the user's module too
        raise ExportError(
            f"the student {name} cannot be traced: {type(error).__name__}: {str(error)[:300]}. "
            "Its forward has to consist of layers and torch's operations, without Python that "
            "depends on values."
        ) from error
    lowering = _Lowering(network, graph, (n_channels, n_timepoints))
    with torch.no_grad():
        result = lowering.run(torch.zeros(2, n_channels, n_timepoints))
    steps, softmaxed = lowering.steps, False
    if gives_proba and steps and steps[-1].operation == "softmax":  # which comes in the end anyway
        gives_proba, softmaxed, result = False, True, _Value(steps.pop().inputs[0], "c", None)
    _need(
        all(step.operation != "softmax" for step in steps), "a softmax that is not its last layer"
    )
    program = Program(steps, lowering.shapes, result.number, gives_proba, softmaxed)
    fold(program)
    if not all(np.isfinite(weight.values).all() for weight in program.weights):
        raise ExportError(f"the student {name} has weights that are NaN or infinite.")
    check_answers(program, network, n_channels, n_timepoints)
    if rounding is not None:
        codes_of = CodesOf(rounding)
        for weight in program.weights:
            found = codes_of(weight.values)
            if found is not None and found[0] == 0:
                _, weight.codes, weight.scale = found
    return program


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module, name):
        return isinstance(module, Standardise) or super().is_leaf_module(module, name)


class _Value:
    """A value of the program while it is traced; ``axes`` are those after the instances."""

    def __init__(self, number, axes, tensor):
        self.number, self.axes, self.tensor = number, axes, tensor


class _Lowering:
    """Goes through the traced operations; each becomes one step or none."""

    def __init__(self, network, graph, shape):
        self.network, self.graph = network, graph
        self.modules = dict(network.named_modules())
        self.steps, self.shapes = [], [shape]
        self.overwritten = set()

    def run(self, series):
        """Value with the outputs of the network for two series, which are only for their shapes."""
        known = {}
        for node in self.graph.nodes:
            arguments = fx.map_arg(node.args, lambda one: known[one])
            named = fx.map_arg(node.kwargs, lambda one: known[one])
            if node.op == "placeholder":
                known[node] = _Value(0, "ct", series)
            elif node.op == "output":
                return self._finished(first_output(arguments[0]))
            elif node.op == "get_attr":
                known[node] = operator.attrgetter(node.target)(self.network)
            else:
                known[node] = self._lowered(node, arguments, named)
        raise ExportError("the student returns nothing.")

    def _finished(self, value):
        if not isinstance(value, _Value) or value.axes != "c":
            raise ExportError("the student does not return one number for each class.")
        return value

    def _lowered(self, node, arguments, named):
        module = self.modules[node.target] if node.op == "call_module" else None
        values = [one for one in _flat([*arguments, *named.values()]) if isinstance(one, _Value)]
        tensors = [
            torch.utils._pytree.tree_map(_tensor_of, part) for part in (arguments, dict(named))
        ]
        if node.op == "call_method":
            target = getattr(torch.Tensor, node.target)
        else:
            target = module if module is not None else node.target
        try:
            answer = target(*tensors[0], **tensors[1])
        except Exception as error:  # the user's module may raise anything
            raise ExportError(
                f"{node.target} of the student fails: {type(error).__name__}: {error}."
            ) from error
        if not values:
            return answer  # of weights alone
        if any(value.number in self.overwritten for value in values):
            raise ExportError(
                "the student reads a value that a ReLU with inplace=True has overwritten, which "
                "can be written neither in C nor in JavaScript; use inplace=False."
            )
        what = type(module) if module is not None else node.target  # of a method, its name
        lower = _LOWERINGS.get(what)
        if lower is None:
            shown = getattr(what, "__name__", str(what))
            where = f" ({node.target})" if module is not None else ""
            raise ExportError(
                f"the student has a layer {shown}{where} that can be written neither in C nor in "
                "JavaScript; the layers of the built-in students can."
            )
        try:
            return lower(self, answer, module, *arguments, **named)
        except (TypeError, AttributeError) as error:
            raise ExportError(
                f"{what} of the student is used in an unknown way: {error}"
            ) from error

    def step(self, operation, inputs, answer, axes, weights=None, **settings):
        """Add a step; its value."""
        shape = answer.shape[1:] if len(axes) == 2 else (*answer.shape[1:], 1)
        if axes == "tc":
            shape = shape[::-1]
        self.shapes.append(tuple(map(int, shape)))
        number = len(self.shapes) - 1
        weights = {} if weights is None else {k: Weight(_array(v)) for k, v in weights.items()}
        numbers = [value.number for value in inputs]
        self.steps.append(Step(operation, numbers, number, settings, weights))
        return _Value(number, axes, answer)


def _flat(arguments):
    return torch.utils._pytree.tree_leaves(arguments)


def _tensor_of(value):
    return value.tensor if isinstance(value, _Value) else value


def _array(values):
    return values.detach().numpy().astype(np.float32)


def _need(condition, what):
    if not condition:
        raise ExportError(f"{what} of the student can be written neither in C nor in JavaScript.")


def _same(lowering, answer, module, value, *arguments, **named):
    """A layer that does nothing in eval mode."""
    return _Value(value.number, value.axes, answer)


def _standardise(lowering, answer, module, value):
    scale = 1 / module.std.flatten()
    weights = {"shift": module.mean.flatten(), "scale": scale, "offset": torch.zeros(len(scale))}
    return lowering.step("affine", [value], answer, value.axes, weights)


def _standardise_filled(lowering, answer, module, value):
    value = _standardise(lowering, value.tensor, module, value)
    return lowering.step("fill", [value], answer, value.axes, {"heed": module.heed})


def _batch_norm(lowering, answer, module, value):
    _need(value.axes[0] == "c" and module.running_mean is not None, "a batch normalisation")
    scale = torch.rsqrt(module.running_var.double() + module.eps)
    if module.affine:
        scale = scale * module.weight.double()
    offset = module.bias if module.affine else torch.zeros_like(scale)
    weights = {"shift": module.running_mean, "scale": scale, "offset": offset}
    return lowering.step("affine", [value], answer, value.axes, weights)


def _conv_module(lowering, answer, module, value):
    _need(module.padding_mode == "zeros", f"a convolution with padding {module.padding_mode!r}")
    return _conv(
        lowering, answer, None, value, module.weight, module.bias, module.stride, module.padding,
        module.dilation, module.groups,
    )  # fmt: skip


def _conv(
    lowering, answer, module, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1
):
    _need(x.axes == "ct" and isinstance(weight, torch.Tensor), "a convolution")
    stride, dilation = _single(stride), _single(dilation)
    if padding == "same":  # an even kernel has more after the series than before it
        padded = dilation * (weight.shape[2] - 1)
    else:
        padded = 0 if padding == "valid" else 2 * _single(padding)
    bias = torch.zeros(len(weight)) if bias is None else bias
    return lowering.step(
        "conv", [x], answer, "ct", {"weight": weight, "bias": bias},
        stride=stride, padding=padded // 2, padded=padded, dilation=dilation, groups=int(groups),
    )  # fmt: skip


def _single(value):
    return int(value[0] if isinstance(value, (tuple, list)) else value)


def _relu(lowering, answer, module, value, inplace=False):
    if inplace or (module is not None and module.inplace):
        lowering.overwritten.add(value.number)
    return lowering.step("relu", [value], answer, value.axes)


def _add(lowering, answer, module, left, right, alpha=1):
    same = isinstance(left, _Value) and isinstance(right, _Value) and left.axes == right.axes
    _need(same and alpha == 1 and left.tensor.shape == right.tensor.shape, "a sum")
    return lowering.step("add", [left, right], answer, left.axes)


def _join(lowering, answer, module, values, dim=0):
    axes = values[0].axes if isinstance(values[0], _Value) else ""
    same = all(isinstance(one, _Value) and one.axes == axes for one in values)
    _need(same and axes and dim % (len(axes) + 1) == 1 + axes.index("c"), "a concatenation")
    return lowering.step("join", values, answer, axes)


def _max_pool(lowering, answer, module, value):
    plain = not module.return_indices and not module.ceil_mode and _single(module.dilation) == 1
    _need(plain and value.axes == "ct", "a pooling")
    padding = _single(module.padding)
    return lowering.step(
        "max_pool", [value], answer, "ct", length=_single(module.kernel_size),
        stride=_single(module.stride), padding=padding, padded=2 * padding,
    )  # fmt: skip


def _avg_pool(lowering, answer, module, value):
    """A mean of adjacent values is a convolution of each channel by itself."""
    length, plain = _single(module.kernel_size), not module.ceil_mode and module.count_include_pad
    _need(plain and value.axes == "ct", "a pooling")
    n_channels = value.tensor.shape[1]
    weight = torch.full((n_channels, 1, length), 1 / length)
    return _conv(
        lowering, answer, None, value, weight, None, module.stride, module.padding,
        groups=n_channels,
    )  # fmt: skip


def _mean(lowering, answer, module, value, dim=None, keepdim=False):
    time = 1 + value.axes.find("t")  # 0 for a vector, which has no timesteps
    over = list(dim) if isinstance(dim, (tuple, list)) else [dim]
    _need(time and over in ([time], [time - 3]) and not keepdim, "a mean")
    return lowering.step("mean", [value], answer, "c")


def _linear_module(lowering, answer, module, value):
    return _linear(lowering, answer, None, value, module.weight, module.bias)


def _linear(lowering, answer, module, value, weight, bias=None):
    _need(value.axes == "c" and isinstance(weight, torch.Tensor), "a linear layer over time")
    bias = torch.zeros(len(weight)) if bias is None else bias
    return lowering.step("linear", [value], answer, "c", {"weight": weight, "bias": bias})


def _flatten(lowering, answer, module, value, start_dim=1, end_dim=-1):
    _need(value.axes in ("ct", "c") and start_dim == 1 and answer.ndim == 2, "a flattening")
    return lowering.step("join", [value], answer, "c")


def _flatten_module(lowering, answer, module, value):
    return _flatten(lowering, answer, None, value, module.start_dim, module.end_dim)


def _softmax(lowering, answer, module, value, dim=None, **named):
    dim = module.dim if module is not None else dim
    _need(value.axes == "c" and dim in (1, -1), "a softmax")
    return lowering.step("softmax", [value], answer, "c")


def _transpose(lowering, answer, module, value, first, second):
    _need(len(value.axes) == 2 and {first % 3, second % 3} == {1, 2}, "a transposition")
    return _Value(value.number, value.axes[::-1], answer)


def _get_item(lowering, answer, module, value, item):
    if isinstance(value, (tuple, list)):  # outputs of a GRU
        return value[item]
    last = isinstance(item, tuple) and len(item) == 2 and item[0] == slice(None) and item[1] == -1
    _need(last and value.axes == "tc", "a choice of timesteps")
    return lowering.step("last", [value], answer, "c")


def _gru(lowering, answer, module, value, *state):
    _need(module.batch_first and value.axes == "tc" and not state, "a GRU")
    zeros = torch.zeros(3 * module.hidden_size)
    for layer in range(module.num_layers):
        states = []
        for suffix in ("", "_reverse")[: 2 if module.bidirectional else 1]:
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            weights = {name: getattr(module, f"{name}_l{layer}{suffix}", zeros) for name in names}
            shape = (*value.tensor.shape[:2], module.hidden_size)
            found = lowering.step(
                "gru", [value], torch.zeros(shape), "tc", weights, backwards=int(bool(suffix))
            )
            states.append(found)
        value = states[0]
        if module.bidirectional:
            both = torch.cat([one.tensor for one in states], dim=2)
            value = lowering.step("join", states, both, "tc")
    if module.num_layers > 1 or module.bidirectional:
        return value, None
    return value, [lowering.step("last", [value], value.tensor[:, -1], "c")]


_LOWERINGS = {
    Standardise: _standardise,
    StandardiseFilled: _standardise_filled,
    nn.BatchNorm1d: _batch_norm,
    nn.Conv1d: _conv_module,
    F.conv1d: _conv,
    torch.conv1d: _conv,
    nn.ReLU: _relu,
    F.relu: _relu,
    torch.relu: _relu,
    "relu": _relu,
    operator.add: _add,
    torch.add: _add,
    torch.cat: _join,
    torch.concat: _join,
    nn.MaxPool1d: _max_pool,
    nn.AvgPool1d: _avg_pool,
    "mean": _mean,
    torch.mean: _mean,
    nn.Linear: _linear_module,
    F.linear: _linear,
    "flatten": _flatten,
    torch.flatten: _flatten,
    nn.Softmax: _softmax,
    "softmax": _softmax,
    torch.softmax: _softmax,
    F.softmax: _softmax,
    nn.Flatten: _flatten_module,
    "transpose": _transpose,
    torch.transpose: _transpose,
    operator.getitem: _get_item,
    nn.GRU: _gru,
    nn.Identity: _same,
    nn.Dropout: _same,
    "clone": _same,
    "contiguous": _same,
}
"""How each layer, function or method becomes steps."""
