"""Plain values and labels as JSON: what comes back has the types that went in."""

import math
import re
from numbers import Integral, Real

import numpy as np

from tsdistill.exceptions import ExportError, SavedFileError

DEEPEST = 8
NAME_OF_A_TYPE = re.compile(
    r"StringDType|[<>|=]?[biufSUOmM?]\d{0,9}(\[([1-9]\d{0,3})?[A-Za-z]{1,2}\])?"
)
KINDS = "biufSUOmM"
VARIABLE = "StringDType"
WIDEST = 2**20  # bytes that labels may take beyond what their longest one needs


def is_plain(value):
    """Whether :func:`encoded` takes a value."""
    try:
        encoded(value)
    except ExportError:
        return False
    return True


def encoded(value, depth=0):
    """A value as JSON has it.

    Numbers of NumPy become those of Python. Tuples, dicts and bytes are marked by an object with
    one key; so is a float that is not finite.

    Raises
    ------
    ExportError
        If the value is none of these, or is nested too deeply.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, np.longdouble):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if depth < DEEPEST:
        parts = {"depth": depth + 1}
        if isinstance(value, np.ndarray) and value.ndim:
            return encoded(value.tolist(), **parts)
        if isinstance(value, list):
            return [encoded(one, **parts) for one in value]
        if isinstance(value, tuple):
            return {"tuple": [encoded(one, **parts) for one in value]}
        if isinstance(value, dict):
            pairs = [[encoded(k, **parts), encoded(v, **parts)] for k, v in value.items()]
            return {"dict": pairs}
    raise ExportError(f"a value of type {type(value).__name__} cannot be saved")


def decoded(value, depth=0):
    """The value that :func:`encoded` was given.

    Raises
    ------
    SavedFileError
        If it was not made by that function.
    """
    if depth > DEEPEST:
        raise SavedFileError("values of the configuration are nested too deeply.")
    if isinstance(value, list):
        return [decoded(one, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    try:
        ((mark, content),) = value.items()
        if mark == "float":
            return float(content)
        if mark == "bytes":
            return bytes.fromhex(content)
        if mark == "tuple":
            return tuple(decoded(one, depth + 1) for one in content)
        if mark == "dict":
            return {decoded(k, depth + 1): decoded(v, depth + 1) for k, v in content}
    except (TypeError, ValueError) as error:
        raise SavedFileError(
            f"the configuration holds {str(value)[:100]}, which cannot be read: {error}."
        ) from error
    raise SavedFileError(f"the configuration holds {str(value)[:100]}, which is unknown.")


def encoded_labels(labels):
    """An array of labels, with its dtype, as JSON has it.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)

    Raises
    ------
    ExportError
        If they are neither numbers, strings, bytes nor dates.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind == "T":  # NumPy's strings of variable length
        return {"dtype": VARIABLE, "values": labels.tolist()}
    strings = labels.dtype.kind != "O" or all(isinstance(one, str) for one in labels.tolist())
    if labels.dtype.kind not in KINDS or not strings or labels.dtype == np.longdouble:
        raise ExportError(f"labels of type {labels.dtype} cannot be saved; use numbers or strings")
    if labels.nbytes > WIDEST and labels.dtype.kind in "SU":
        labels = np.array(labels.tolist())
    return {"dtype": labels.dtype.str, "values": _plain(labels)}


def _plain(labels):
    numbers = labels.astype(np.int64) if labels.dtype.kind in "mM" else labels
    return [encoded(label) for label in numbers.tolist()]


def decoded_labels(value):
    """The array that :func:`encoded_labels` was given.

    Raises
    ------
    SavedFileError
        If it was not made by that function.
    """
    try:
        dtype, values = value["dtype"], [decoded(label) for label in value["values"]]
        if not isinstance(dtype, str) or not NAME_OF_A_TYPE.fullmatch(dtype):
            raise TypeError(f"{str(dtype)[:40]} is no type of labels")
        if dtype == VARIABLE:
            labels = np.array(values, dtype=np.dtypes.StringDType())
            as_saved = labels.tolist()
        else:
            labels = _of_dtype(values, np.dtype(dtype))
            as_saved = _plain(labels)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, ExportError) as error:
        raise SavedFileError(
            f"labels of the configuration cannot be read: {str(error)[:200]}."
        ) from error
    if as_saved != value["values"]:
        raise SavedFileError(f"labels of the configuration do not fit their type {dtype}.")
    return labels


def _of_dtype(values, dtype):
    if dtype.kind not in KINDS:
        raise ValueError(f"{dtype} is no type of labels")
    text = dtype.kind in "SU"
    if dtype.kind == "O" and not all(isinstance(value, str) for value in values):
        raise ValueError("objects have to be strings")
    if text and len(values) * dtype.itemsize > max(WIDEST, np.array(values).nbytes):
        raise ValueError(f"{dtype} is wider than its values")
    labels = np.empty(len(values), dtype=np.int64 if dtype.kind in "mM" else dtype)
    labels[:] = values
    return labels.astype(dtype) if dtype.kind in "mM" else labels
