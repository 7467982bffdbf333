"""Arrays as users have them: any layout and dtype, and values at the limits of float64."""

import contextlib

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tsdistill.exceptions import TsdistillError

HUGE, TINY = 1e306, 5e-324
FEW_VALUES = (-1.0, -0.5, 0.0, 0.5, 1.0)
LOGITS = (-745.0, -690.0, -1e-300, -0.0, 0.0, 1e-17, 36.0, 690.0)
LAYOUTS = ("C", "F", "every second", "backwards", "read-only", "list", "tensor", "big-endian")


def laid_out(array, layout):
    """The same values in another layout."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "every second":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "backwards":
        return array[::-1].copy()[::-1]
    if layout == "read-only":
        array = array.copy()
        array.setflags(write=False)
        return array
    if layout == "list":
        return array.tolist()
    if layout == "tensor":
        return torch.tensor(np.ascontiguousarray(array))
    if layout == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    return np.ascontiguousarray(array)


layouts = st.sampled_from(LAYOUTS)


def content_of(values):
    """All that a caller could see of an array or of what stands for one, to be compared."""
    if isinstance(values, torch.Tensor):
        values = values.numpy()
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.tobytes(), values.dtype, values.shape, values.strides
    return repr(values)


@contextlib.contextmanager
def left_unchanged(*arguments):
    """Context that fails if what was passed has changed at its end."""
    before = [content_of(one) for one in arguments]
    yield
    assert [content_of(one) for one in arguments] == before


def refused(call, *names):
    """Whether a call ends in a clear error, which has to name one of the arguments.

    Returns
    -------
    result : object or None
        What the call gives; None if it is refused.
    """
    try:
        return call()
    except TsdistillError as error:
        message = str(error)
        assert any(name in message for name in names), f"{message!r} names none of {names}"
        assert len(message) < 2000, message
        return None
    except ValueError as error:  # a text that scikit-learn's checks of estimators ask for
        assert str(error).startswith(("X has ", "Input X contains ")), error
        return None


def usual(least=-1e3, most=1e3):
    """Floats of usual size."""
    return st.floats(least, most, allow_nan=False, width=64)


def values_of_maps():
    """Strategies of the values of one map: usual, few different, huge, tiny, nearly constant."""
    return st.sampled_from(
        (
            usual(),
            st.sampled_from(FEW_VALUES),
            st.floats(-HUGE, HUGE),
            st.floats(-TINY * 2**20, TINY * 2**20),
            st.sampled_from((1.0, np.nextafter(1.0, 2), np.nextafter(1.0, 0))),
            st.sampled_from((0.1,)),
            st.sampled_from((1e16, 1e16 + 2, -3.0)),
        )
    )


@st.composite
def maps(draw, shape, dtype=np.float64):
    """Maps of a shape: (n_instances, ...), each with values of its own kind."""
    rows = [
        draw(hnp.arrays(np.float64, shape[1:], elements=draw(values_of_maps()), fill=st.nothing()))
        for _ in range(shape[0])
    ]
    found = np.stack(rows)
    if dtype == np.float32:
        found = np.clip(found, -1e37, 1e37)
    return found.astype(dtype)


@st.composite
def shapes(draw, most_instances=4, most_timepoints=7, most_channels=3):
    """(n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)."""
    n, t = draw(st.integers(1, most_instances)), draw(st.integers(1, most_timepoints))
    c = draw(st.integers(0, most_channels))
    return (n, c, t) if c else (n, t)


@st.composite
def log_probas(draw, n, k, dtype=np.float64):
    """Log-probabilities of shape (n, k), some of them of probabilities of 1e-300."""
    element = draw(st.sampled_from((usual(-20, 20), st.sampled_from(LOGITS), usual(-690, 690))))
    logits = draw(hnp.arrays(np.float64, (n, k), elements=element, fill=st.nothing()))
    shifted = logits - logits.max(axis=1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(dtype)


float_types = st.sampled_from((np.float64, np.float32))


@st.composite
def pairs_of_answers(draw):
    """Two models' log-probabilities of the same series, and the class indices of these."""
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    teacher, student = (draw(log_probas(n, k, draw(float_types))) for _ in range(2))
    if draw(st.booleans()):
        rows = draw(hnp.arrays(bool, n))
        student = np.where(rows[:, np.newaxis], teacher, student)
    return teacher, student, draw(hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)))


ODD_TYPES = st.sampled_from(
    [np.dtype(name) for name in ("f8", "f4", "f2", "i8", "u1", "?", "c8", "U3", "M8[s]", ">f4")]
)


@st.composite
def anything(draw):
    """An array-like that nobody expects: of any type, shape and value, NaN and infinity too."""
    kind = draw(st.sampled_from(("array", "array", "array", "ragged", "object", "frame", "other")))
    if kind == "other":
        other = (None, 3, "text", b"b", {}, {"a": [1.0]}, [], [[]], object, np.nan, [None, 1.0])
        return draw(st.sampled_from(other))
    if kind == "ragged":
        return draw(st.lists(st.lists(st.floats(), max_size=3), max_size=3))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    if kind == "object":
        element = st.sampled_from((1.0, 0, None, "a", np.nan, True, 2**70, 1j))
        return draw(hnp.arrays(object, shape, elements=element))
    if kind == "frame":
        columns = draw(hnp.arrays(np.float64, (2, 2), elements=st.floats()))
        return pd.DataFrame(columns, columns=["a", "b"])
    return draw(hnp.arrays(draw(ODD_TYPES), shape))


def rows_in(order, *arrays):
    """The rows of arrays in another order."""
    return [array[order] for array in arrays]


@st.composite
def orders(draw, n):
    """A permutation of 0 .. n - 1."""
    return np.array(draw(st.permutations(range(n))), dtype=np.int64)
