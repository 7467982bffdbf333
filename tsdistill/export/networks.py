"""Describes a student's network in plain values, and builds it again around saved weights."""

import math

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from tsdistill.exceptions import ExportError, SavedFileError, StudentError
from tsdistill.export.values import decoded, encoded
from tsdistill.inputs.checks import is_whole
from tsdistill.inputs.types import Device
from tsdistill.numerics.tensors import plain_device
from tsdistill.students import STUDENTS
from tsdistill.students.base import built_for
from tsdistill.students.building import CONFIGURATION, as_net, initialised, net_around
from tsdistill.students.explained import ExplainedStudent
from tsdistill.students.extension import is_extended
from tsdistill.students.masking import take_uneven
from tsdistill.students.rounding import FEWEST_BITS, MOST_BITS, ROUNDING, Rounding, rounding_of

MOST_LAYERS = 8  # around a student
SCALE = "scale:"
MOST_REPEATS = 4096  # of blocks or layers
LARGEST_STEP = 1024  # of strides and dilations, by which the memory of an explanation grows
BEFORE = {"lite": {"pool": 1, "bottleneck": None}}
"""What parameters were, as it were, before there were such, for older files."""
LARGEST_SIZE = 2**20  # of kernels, strides, dilations and layers


def described(network):
    """A network in plain values.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    description : dict
        "student" holds the configuration of a built-in student, or None for any other module.
        "layers" lists the layers around it that an ``ExplanationAutoencoder`` added, the
        outermost first; it is None if there are layers of another kind, which then count as part
        of the module. "bits" are those of rounded weights, or None.
    """
    rounding = rounding_of(network)
    found = {"bits": None if rounding is None else rounding.bits}
    layers, inner = [], network
    while is_extended(inner):
        if type(inner) is not ExplainedStudent:
            return found | {"student": None, "layers": None}
        layers.append({"n_filters": inner.fusion.in_features // 2})
        inner = inner.extended
    configuration = getattr(inner, CONFIGURATION, None)
    if type(configuration) not in STUDENTS.values():
        return found | {"student": None, "layers": layers}
    return found | {"student": encoded_student(configuration), "layers": layers}


def encoded_student(configuration):
    """The configuration of a built-in student as JSON has it."""
    parameters = configuration.get_params()
    return {
        "name": _NAMES[type(configuration)],
        "parameters": {name: encoded(value) for name, value in parameters.items()},
    }


def decoded_student(value):
    """The configuration that :func:`encoded_student` was given.

    Raises
    ------
    SavedFileError
        If there is no such student, or it has other parameters.
    """
    try:
        configuration = STUDENTS[value["name"]]()
        parameters = {name: decoded(one) for name, one in value["parameters"].items()}
        parameters = BEFORE.get(value["name"], {}) | parameters
        if parameters.keys() != configuration.get_params().keys():
            raise ValueError(f"it has the parameters {sorted(configuration.get_params())}")
        return configuration.set_params(**parameters)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SavedFileError(f"the student {str(value)[:200]} cannot be built: {error}.") from error


def state_of(network):
    """Weights and buffers of a network by name, as arrays; rounded weights as codes and scales.

    Raises
    ------
    ExportError
        If its state holds anything else.
    """
    state, rounding = {}, rounding_of(network)
    for name, value in network.state_dict().items():
        if rounding is not None and name in rounding.codes:
            state[name], state[SCALE + name] = rounding.codes[name], rounding.scales[name]
            continue
        try:
            state[name] = value.detach().cpu().numpy().copy()
        except (AttributeError, TypeError, RuntimeError) as error:
            raise ExportError(
                f"{name} of the student {type(network).__name__} cannot be saved: {error}; "
                "expected weights and buffers of usual types, such as float32."
            ) from error
    return state


def unrounded(state, bits):
    """The state of a network with its weights as float32, and their Rounding.

    Parameters
    ----------
    state : dict of str to ndarray
        See :func:`state_of`; it may come from a hostile file.
    bits : int or None

    Returns
    -------
    state : dict of str to ndarray
    rounding : Rounding or None

    Raises
    ------
    SavedFileError
        If codes and scales do not fit each other.
    """
    scales = {k.removeprefix(SCALE): v for k, v in state.items() if k.startswith(SCALE)}
    if bits is None and not scales:
        return state, None
    if not (scales and is_whole(bits) and FEWEST_BITS <= bits <= MOST_BITS):
        raise SavedFileError(f"bits={str(bits)[:50]} of the weights cannot be.")
    codes = {name: state.get(name, np.zeros(0)) for name in scales}
    largest = 2 ** (bits - 1) - 1
    for name, scale in scales.items():
        fits = (
            codes[name].dtype == np.int8
            and scale.dtype == np.float32
            and codes[name].ndim >= 2
            and scale.shape == codes[name].shape[:1]
            and codes[name].size > 0
            and -largest <= codes[name].min() <= codes[name].max() <= largest
        )
        if not fits:
            raise SavedFileError(f"codes and scales of the weight {name[:100]!r} do not fit.")
    rounding = Rounding(bits, codes, scales)
    plain = {k: v for k, v in state.items() if not k.startswith(SCALE)}
    return plain | {name: rounding.weights(name) for name in codes}, rounding


def rebuilt(
    description, state, shape, *, student=None, gives_proba=False, device="cpu",
    uneven=False, gaps=False,
):  # fmt: skip
    """A skorch net around a network with saved weights.

    Parameters
    ----------
    description : dict
        See :func:`described`; it may come from a hostile file.
    state : dict of str to ndarray
        Weights and buffers.
    shape : tuple of int
        n_channels, n_timepoints, n_classes.
    student : as :class:`~tsdistill.SaliencyDistilledClassifier` takes it, default=None
        Needed for a module that is not built in.
    gives_proba : bool, default=False
        Whether the network answers with probabilities.
    device : str or torch.device, default="cpu"
    uneven, gaps : bool, default=False
        Whether series may differ in length, and whether they may have gaps.

    Returns
    -------
    net : initialised skorch.NeuralNetClassifier

    Raises
    ------
    StudentError
        If student is needed and missing, cannot be built, or has other layers.
    SavedFileError
        If the description and the weights do not fit each other.
    """
    state, rounding = unrounded(state, description.get("bits"))
    own = student is not None or description.get("student") is None
    if own:
        module = _built_by_user(student, shape, gaps)
        extended = _with_layers(description, module, shape)
        check_same_state(extended, state, StudentError)
        extended.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    else:
        configuration = decoded_student(description["student"])
        _check_size(configuration, sum(value.size > 0 for value in state.values()))
        with torch.device("meta"):  # takes no memory, whatever a hostile file asks for
            try:
                module = built_for(configuration, shape, gaps)
            except (ValueError, RuntimeError, OverflowError) as error:
                raise SavedFileError(f"the student cannot be built: {error}") from error
            extended = _with_layers(description, module, shape)
        check_same_state(extended, state, SavedFileError)
        setattr(module, CONFIGURATION, configuration)
        extended.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, assign=True)
    if uneven:
        take_uneven(extended)
    net = net_of(extended, shape[-1], gives_proba, device)
    if rounding is not None:
        setattr(net.module_, ROUNDING, rounding)
    return net


def net_of(
    module: nn.Module, n_classes: int, gives_proba: bool, device: Device
) -> NeuralNetClassifier:
    """An initialised skorch net around a trained module."""
    criterion = nn.NLLLoss if gives_proba else nn.CrossEntropyLoss
    net = net_around(module, n_classes, criterion, device=plain_device(device)).initialize()
    net.module_.eval()
    return net


def _built_by_user(student, shape, gaps):
    if student is None:
        raise StudentError(
            "the file holds the weights of a module that tsdistill does not know; pass student=, "
            "a factory (n_channels, n_timepoints, n_classes) -> module, or a module with these "
            "layers."
        )
    return initialised(as_net(student, *shape, gaps=gaps)).module_


def _with_layers(description, module, shape):
    layers = description.get("layers")
    try:
        if layers is not None and len(layers) > MOST_LAYERS:
            raise ValueError(f"there are {len(layers)} of them")
        for layer in reversed([] if layers is None else layers):
            n_filters = layer["n_filters"]
            if not is_whole(n_filters) or not 0 < n_filters < LARGEST_SIZE:
                raise ValueError(f"n_filters={n_filters}")
            module = ExplainedStudent(module, shape[0], shape[2], n_filters)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SavedFileError(f"the layers around the student cannot be built: {error}.") from error
    return module


def check_same_state(network, state, error):
    """Raise an error unless weights and buffers have the names, shapes and types of a network."""
    try:
        expected = {
            name: (tuple(value.shape), str(value.dtype).removeprefix("torch."))
            for name, value in network.state_dict().items()
        }
    except RuntimeError as cause:  # a lazy layer
        raise error(
            f"student {type(network).__name__} has layers without shapes: {cause}; pass a module "
            "that has answered once."
        ) from cause
    found = {name: (value.shape, str(value.dtype)) for name, value in state.items()}
    if found != expected:
        differing = [k for k in {**expected, **found} if expected.get(k) != found.get(k)]
        first = differing[0]
        raise error(
            f"the saved weights do not fit the student {type(network).__name__}: {first[:100]!r} "
            f"is saved as {found.get(first)}, expected {expected.get(first)} (shape and type; None "
            f"is missing); {len(differing)} of {len({**expected, **found})} differ."
        )


def _check_size(configuration, n_tensors):
    """Refuse a configuration of more layers than there are tensors, before it is built."""
    parameters = configuration.get_params()
    repeats = [parameters[name] for name in ("n_blocks", "n_layers") if name in parameters]
    lengths = [len(v) for v in parameters.values() if isinstance(v, (list, tuple))]
    counts = [*repeats, *lengths]
    most = min(n_tensors, MOST_REPEATS)
    if not all(is_whole(n) and n > 0 for n in counts) or math.prod(counts) > most:
        raise SavedFileError(
            f"{type(configuration).__name__} of {str(counts)[:60]} layers does not fit the "
            f"{n_tensors} tensors of the file."
        )
    if not all(
        parameters.get(name) is None
        or (is_whole(parameters[name]) and parameters[name] <= LARGEST_STEP)
        for name in ("stride", "dilation", "pool")
    ):
        raise SavedFileError(
            f"stride, dilation or pool of the {type(configuration).__name__} is too large."
        )
    whole = [v for v in parameters.values() if is_whole(v)]
    lists = [v for v in parameters.values() if isinstance(v, (list, tuple))]
    if max([*whole, *(n for v in lists for n in v if is_whole(n))], default=0) > LARGEST_SIZE:
        raise SavedFileError(f"a size of the {type(configuration).__name__} is too large.")


_NAMES = {student: name for name, student in STUDENTS.items()}
