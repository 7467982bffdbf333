"""What a call may not change: what it is given, and the states that the whole process shares."""

import contextlib
import os
import random
import signal
import warnings

import numpy as np
import pandas as pd
import sklearn
import torch


def shared_states():
    """The states that other code of the process reads, by name."""
    return {
        "random of Python": random.getstate(),
        "random of NumPy": snapshot(list(np.random.get_state())),
        "random of torch": torch.get_rng_state().numpy().tobytes(),
        "gradients": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "float errors": np.geterr(),
        "warnings": [str(one) for one in warnings.filters],
        "print options": str(np.get_printoptions()),
        "scikit-learn": sklearn.get_config(),
        "folder": os.getcwd(),
        "environment": {name: hash(value) for name, value in os.environ.items()},
        "interrupt": signal.getsignal(signal.SIGINT),
    }


@contextlib.contextmanager
def nothing_changes(*given):
    """Context after which what was given, and all shared states, are as they were before."""
    states, values = shared_states(), snapshot(given)
    yield
    assert snapshot(given) == values, "what was given has been changed"
    after = shared_states()
    changed = {name: (states[name], after[name]) for name in states if states[name] != after[name]}
    assert not changed, f"changed for the whole process: {changed}"


def snapshot(value):
    """The content of a value, which can be compared."""
    if isinstance(value, torch.Tensor):
        plain = value.detach()
        listable = plain.layout == torch.strided and not (plain.is_quantized or plain.is_nested)
        if listable and plain.device.type == "cpu":
            return "tensor", str(value.dtype), value.requires_grad, repr(plain.tolist())
        return repr(value)
    if isinstance(value, np.ma.MaskedArray):
        return "masked", snapshot(value.data), snapshot(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            cells = [snapshot(cell) for cell in value.ravel().tolist()]
            return "objects", value.shape, value.flags.writeable, cells
        flags = value.dtype.str, value.shape, value.strides, value.flags.writeable
        return flags, np.asarray(value).tobytes()
    if isinstance(value, (pd.DataFrame, pd.Series)):
        axes = [repr(axis.tolist()) for axis in value.axes]
        return axes, str(value.dtypes), snapshot(value.to_numpy(dtype=object))
    if isinstance(value, (list, tuple)):
        return type(value), [snapshot(one) for one in value]
    if isinstance(value, dict):
        return [(snapshot(key), snapshot(one)) for key, one in value.items()]
    try:
        return type(value), repr(value)
    except Exception:
        return type(value), id(value)
