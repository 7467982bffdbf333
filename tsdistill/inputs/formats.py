"""Converts sktime's panel formats and nested sequences to arrays.

sktime is imported only for its own formats, and pandas never: it is looked up in sys.modules.
"""

import copy
import sys
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np

from tsdistill.exceptions import PanelError
from tsdistill.inputs.checks import shown
from tsdistill.inputs.labels import few
from tsdistill.inputs.lengths import padded
from tsdistill.inputs.plain import as_plain

TO_ONE_LENGTH = (
    "pad, cut or resample them first, with PaddingTransformer, TruncationTransformer or "
    "TSInterpolator of sktime.transformations"
)


def as_array(X: Any, uneven: bool = False) -> Any:
    """Convert series to an array if they are in a known format; return others unchanged.

    Parameters
    ----------
    X : object
        Known formats are sktime's "nested_univ" (data frame whose cells are series),
        "pd-multiindex" (data frame indexed by instance and time) and "df-list" (list of data
        frames of shape (n_timepoints, n_channels)), and lists, object arrays and pandas Series of
        sequences of shape (n_timepoints,) or (n_channels, n_timepoints).
    uneven : bool, default=False
        Whether series of unequal length are padded with NaN after their end, not refused.

    Returns
    -------
    X : ndarray of shape (n_instances, n_channels, n_timepoints), for univariate sequences \
            (n_instances, n_timepoints), or the object that was passed

    Raises
    ------
    PanelError
        If the series differ in length or in their channels, or some values are masked.
    """
    X = as_plain(X)
    if isinstance(X, np.ndarray) and X.ndim == 0:
        return X
    if isinstance(X, np.ndarray) and X.dtype == object:
        X = _of_own_dtype(X)
    if _is_frame(X):
        _check_names_differ(X)
        if X.index.nlevels > 1:
            return _from_long(X, uneven)
        if _is_nested(X):
            return _from_cells(X.to_numpy(), uneven)
        if any(getattr(dtype, "kind", "O") == "O" for dtype in X.dtypes):
            return _with_own_dtype(X)
        return X
    if _is_pandas(X, "Series") and X.dtype == object:
        return _stacked([_plain_parts(instance) for instance in X], X, uneven)
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2:
        return _from_cells(X, uneven) if X.size and _is_sequence(X[0, 0]) else X
    if isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.dtype == object):
        return _stacked([_plain_parts(instance) for instance in X], X, uneven)
    return X


def form_of(X):
    """The format in which series of unequal length were passed.

    Parameters
    ----------
    X : object
        As for :func:`as_array`.

    Returns
    -------
    form : {"array", "list", "df-list", "nested_univ", "pd-multiindex"}
        "array": one array or data frame, padded with NaN.
    """
    if _is_frame(X):
        if X.index.nlevels > 1:
            return "pd-multiindex"
        return "nested_univ" if _is_nested(X) else "array"
    if isinstance(X, (list, tuple)) and len(X) and all(map(_is_frame, X)):
        return "df-list"
    if _is_pandas(X, "Series") or isinstance(X, (list, tuple)):
        return "list"
    return "list" if isinstance(X, np.ndarray) and X.dtype.kind == "O" else "array"


def _with_own_dtype(frame):
    """A data frame of objects with the dtype of its numbers; names stay, text is refused."""
    found = _of_own_dtype(frame.to_numpy(dtype=object))
    if found.dtype == object:
        if any(map(_is_sequence, found.ravel())):
            _check_cells_hold_series(found)
        return frame
    return type(frame)(found, index=frame.index, columns=frame.columns)


def _of_own_dtype(X):
    """Numbers of object dtype as an array of theirs, so that large integers stay exact."""
    cells = X.ravel()
    if any(isinstance(cell, str | bytes) for cell in cells):
        raise PanelError("X holds text; expected numbers, such as X.astype(float).")
    if not all(isinstance(cell, Number | np.bool_) for cell in cells):
        return X
    found = np.array(X.tolist())
    return found if found.dtype.kind in "biuf" and found.shape == X.shape else X


def _plain_parts(instance):
    """An instance without tensors and masks, at any depth."""
    if isinstance(instance, (list, tuple)) and not all(isinstance(v, Number) for v in instance):
        return [_plain_parts(part) for part in instance]
    return as_plain(instance)


def own_copy(X):
    """Copy series in any format, cells that hold series included.

    Parameters
    ----------
    X : object
        As for :func:`as_array`.
    """
    if _is_frame(X) and _is_nested(X):
        # pandas copies the references to the cells alone.
        return X.apply(lambda column: column.map(copy.deepcopy))
    return copy.deepcopy(X)


def channel_names(X: Any) -> list[Any] | None:
    """Names of the channels, if the format of the series has any.

    Parameters
    ----------
    X : object
        As for :func:`as_array`.

    Returns
    -------
    names : list or None
    """
    if _is_frame(X) and (X.index.nlevels > 1 or _is_nested(X)):
        return X.columns.tolist()
    if isinstance(X, (list, tuple)) and len(X) and all(map(_is_frame, X)):
        return X[0].columns.tolist()
    return None


def check_channel_names(names: list[Any] | None, known: list[Any] | None) -> None:
    """Raise PanelError if channel names or their order differ from those of ``fit``."""
    if names is not None and known is not None and names != known:
        raise PanelError(
            f"X has the channels {names}, but those of fit were {known}; pass the same channels in "
            "the same order."
        )


def _check_names_differ(frame):
    """Refuse a data frame whose columns cannot be told apart."""
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].unique().tolist()
        raise PanelError(
            f"X is a data frame with several columns named {few(twice)}; give each column a name "
            "of its own, or pass X.to_numpy()."
        )


def _is_pandas(X, kind):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, getattr(pandas, kind))


def _is_frame(X):
    return _is_pandas(X, "DataFrame")


def _is_nested(frame):
    return len(frame) > 0 and any(_is_sequence(cell) for cell in frame.iloc[0])


def _is_sequence(cell):
    if getattr(cell, "ndim", 1) == 0:  # arrays and tensors without axes raise in len
        return False
    return hasattr(cell, "__len__") and not isinstance(cell, (str, bytes, Mapping))


def _from_long(X, uneven):
    """Convert "pd-multiindex"; the rows of an instance need not be adjacent."""
    instance = X.index.get_level_values(0).factorize()[0]
    lengths = np.bincount(instance)
    if (np.diff(instance) < 0).any():
        X = X.iloc[np.argsort(instance, kind="stable")]
    if uneven and len(set(lengths.tolist())) > 1:
        return padded([part.T for part in np.split(_plain_frame(X), np.cumsum(lengths)[:-1])])
    _check_one_length(lengths.tolist(), "timepoints")
    return _converted(X)


def _plain_frame(frame):
    values = frame.to_numpy()
    return _numbers(list(values)) if values.dtype == object else values


def _from_cells(cells, uneven):
    """Convert an object array of series, of shape (n_instances, n_channels)."""
    lengths = [[len(c) if _is_sequence(c) else 1 for c in instance] for instance in cells]
    flat = [length for of_channels in lengths for length in of_channels]
    to_pad = uneven and len(set(flat)) > 1
    if to_pad:
        _check_channels_of_one_length(lengths)
    else:
        _check_one_length(flat, "timepoints")
    _check_cells_hold_series(cells)
    if to_pad:
        return padded([_numbers([np.asarray(as_plain(c)) for c in instance]) for instance in cells])
    return _numbers([[np.asarray(as_plain(cell)) for cell in instance] for instance in cells])


def _check_cells_hold_series(cells):
    """Refuse a number among series, which would be taken for a series of one timestep."""
    for i, channel in np.ndindex(cells.shape):
        if not _is_sequence(cells[i, channel]):
            raise PanelError(
                f"X[{i}] has {shown(cells[i, channel])} in channel {channel}, where other cells "
                "hold series; expected an array of values in each."
            )


def _check_channels_of_one_length(lengths):
    """Refuse an instance whose channels differ in length; lengths are a list for each instance."""
    for i, of_channels in enumerate(lengths):
        if len(set(of_channels)) > 1:
            raise PanelError(
                f"X[{i}] has channels that differ in length: {few(of_channels)} timesteps; pad or "
                "cut them to one length first."
            )


def _converted(X):
    from sktime.datatypes import convert_to

    try:
        return convert_to(X, "numpy3D", as_scitype="Panel")
    except Exception as error:  # sktime raises many kinds
        raise PanelError(f"sktime cannot convert X to its format numpy3D: {error}") from error


def _stacked(instances, X, uneven):
    """Stack instances into one array; return X if they are not series."""
    if instances and all(map(_is_frame, instances)):
        _check_names_differ(instances[0])
        names = [instance.columns.tolist() for instance in instances]
        other = next((name for name in names if name != names[0]), None)
        if other is not None:
            raise PanelError(
                f"X has instances with the channels {names[0]} and with {other}; expected the same "
                "channels, in the same order, in all instances."
            )
        lengths = [len(instance) for instance in instances]
        if uneven and len(set(lengths)) > 1:
            return padded([_plain_frame(instance).T for instance in instances])
        _check_one_length(lengths, "timepoints")
        return _converted(instances)
    if not any(map(_is_sequence, instances)):
        return X
    for i, instance in enumerate(instances):
        if not _is_sequence(instance):
            raise PanelError(
                f"X[{i}] is {shown(instance)}, where X[{_first_sequence(instances)}] is a series; "
                "expected an array of values for each."
            )
    shapes = []
    for i, instance in enumerate(instances):
        try:
            shapes.append(np.shape(instance))
        except ValueError as error:
            raise PanelError(f"X[{i}] has channels that differ in length: {error}") from error
    if 0 in map(len, shapes):
        return X
    if len(set(map(len, shapes))) > 1:
        raise PanelError(
            f"X has series of {min(map(len, shapes))} and of {max(map(len, shapes))} axes; "
            "expected all of shape (n_timepoints,), or all of (n_channels, n_timepoints)."
        )
    if uneven and len({shape[-1] for shape in shapes}) > 1:
        if len(shapes[0]) > 2:
            raise PanelError(
                f"X[0] has shape {shapes[0]}; expected (n_timepoints,) or (n_channels, "
                "n_timepoints)."
            )
        if len({shape[:-1] for shape in shapes}) == 1:
            return padded([_numbers(list(np.asarray(instance))) for instance in instances])
    else:
        _check_one_length([shape[-1] for shape in shapes], "timepoints")
    if len(set(shapes)) > 1:
        _check_one_length([shape[0] for shape in shapes], "channels")
    return _numbers([np.asarray(instance) for instance in instances])


def _first_sequence(instances):
    return next(i for i, instance in enumerate(instances) if _is_sequence(instance))


def _numbers(instances):
    """Stack instances of one shape; objects get the dtype of their numbers, text is refused."""
    try:
        stacked = np.array(instances)
    except ValueError as error:
        raise PanelError(f"X has series of different shapes: {error}") from error
    if stacked.dtype.kind in "US":
        raise PanelError("X holds text; expected numbers, such as X.astype(float).")
    return _of_own_dtype(stacked) if stacked.dtype == object else stacked


def _check_one_length(lengths, axis):
    if len(set(lengths)) > 1:
        remedy = TO_ONE_LENGTH if axis == "timepoints" else "give all series the same channels"
        raise PanelError(
            f"X has series of {min(lengths)} to {max(lengths)} {axis}, but this classifier needs "
            f"the same number in all series; {remedy}."
        )
