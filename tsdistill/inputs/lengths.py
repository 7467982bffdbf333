"""Series of unequal length: inside, one array that is padded with NaN after the end of each.

NaN is thus the only mask, and travels with the series wherever they are cut, copied or sent. Where
missing values are allowed, NaN before the end of a series is a gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.exceptions import PanelError
from tsdistill.inputs.labels import few
from tsdistill.inputs.types import Float32Array, IntArray

LONGEST_SHARE = 2.0
"""Later series may be twice as long as the longest series of ``fit``."""
IMPUTE = (
    "fill them first, for example with FitInTransform(Imputer('linear')) of sktime.transformations "
    "or SimpleImputer of scikit-learn in front of the classifier in a pipeline, or let a student "
    "take them with missing='mask'"
)


def padded(instances: list[NDArray[Any]]) -> NDArray[np.floating[Any]]:
    """Put series of unequal length into one array, padded with NaN after the end of each.

    Parameters
    ----------
    instances : list of ndarray of shape (n_timepoints_i,) or (n_channels, n_timepoints_i)

    Returns
    -------
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
        float32 if all instances are, else float64; as long as the longest series.

    Raises
    ------
    PanelError
        If some are no real numbers.

    Examples
    --------
    >>> padded([np.array([1.0, 2.0]), np.array([3.0])])
    array([[ 1.,  2.],
           [ 3., nan]])
    """
    dtype = np.result_type(*instances)
    if dtype.kind not in "biuf":
        raise PanelError(f"X has values of type {dtype}; expected numbers.")
    dtype = np.float32 if dtype == np.float32 else np.float64
    longest = max(one.shape[-1] for one in instances)
    X = np.full((len(instances), *instances[0].shape[:-1], longest), np.nan, dtype)
    for row, one in zip(X, instances, strict=True):
        row[..., : one.shape[-1]] = one
    return X


def lengths_of(X: NDArray[Any]) -> IntArray:
    """Number of timesteps of each series, up to its last value in any channel.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)

    Returns
    -------
    lengths : ndarray of shape (n_instances,), int64
        0 for a series without a value.

    Examples
    --------
    >>> lengths_of(np.array([[1.0, np.nan, 2.0, np.nan], [1.0, 2.0, 3.0, 4.0]])).tolist()
    [3, 4]
    """
    has_value = np.full(X.shape, True) if X.dtype.kind in "biu" else ~np.isnan(X)
    if X.ndim == 3:
        has_value = has_value.any(axis=1)
    return np.where(has_value, np.arange(1, X.shape[-1] + 1), 0).max(axis=-1, initial=0)


def joined(*panels: Float32Array) -> Float32Array:
    """Panels one after the other, padded to the longest of them.

    Parameters
    ----------
    *panels : ndarray of shape (n_instances_i, n_channels, n_timepoints_i), float32
    """
    longest = max(panel.shape[-1] for panel in panels)
    return np.concatenate([to_length(panel, longest) for panel in panels])


def to_length(panel: Float32Array, n_timepoints: int) -> Float32Array:
    """A panel padded with NaN to a number of timesteps; itself if it has as many or more."""
    missing = n_timepoints - panel.shape[-1]
    if missing <= 0:
        return panel
    return np.pad(panel, [(0, 0), (0, 0), (0, missing)], constant_values=np.nan)


def is_uneven(X: object) -> bool:
    """Whether series are padded: an array, or a data frame of numbers, with NaN in it."""
    values = X.to_numpy() if hasattr(X, "to_numpy") else X
    return (
        isinstance(values, np.ndarray)
        and values.ndim in (2, 3)
        and values.dtype.kind == "f"
        and bool(np.isnan(values).any())
    )


def hardest(panel: Float32Array) -> Float32Array:
    """Two series on which to try a model: the shortest, and of the others that with most gaps.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints)

    Returns
    -------
    series : ndarray of shape (2, n_channels, n_timepoints)
        The first two if none has NaN; a single series twice.

    Examples
    --------
    >>> nan = np.nan
    >>> hardest(np.array([[[1.0, 2.0, 3.0]], [[1.0, nan, 3.0]], [[1.0, 2.0, nan]]])).tolist()
    [[[1.0, 2.0, nan]], [[1.0, nan, 3.0]]]
    """
    lengths, n_missing = lengths_of(panel), np.isnan(panel).sum(axis=(1, 2))
    shortest = lengths.argmin()
    n_gaps = n_missing - panel.shape[1] * (panel.shape[-1] - lengths)
    n_gaps[shortest] = -1
    return panel[[shortest, n_gaps.argmax()]]


def has_gaps(X: NDArray[Any]) -> bool:
    """Whether NaN is found before the end of a series, in some of its channels or in all.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
    """
    panel = X if X.ndim == 3 else X[:, np.newaxis]
    before_end = np.arange(panel.shape[-1]) < lengths_of(panel)[:, np.newaxis]
    return bool((np.isnan(panel).any(axis=1) & before_end).any())


def check_ends(X: NDArray[Any], name: str = "X", gaps: bool = False) -> None:
    """Raise PanelError where NaN is anything but padding after the end of a series.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
    name : str, default="X"
    gaps : bool, default=False
        Whether values may be missing before the end, too.

    Raises
    ------
    PanelError
        Naming the position of the first such series: with infinity, without a value or with a
        single timestep, or with a channel without values; and without ``gaps`` one with a channel
        of another length, or with NaN before its end.
    """
    panel = X if X.ndim == 3 else X[:, np.newaxis]
    for i, _, time in np.argwhere(np.isinf(panel))[:1]:
        raise PanelError(
            f"{name}[{i}] has an infinite value at timestep {time}; expected finite values."
        )
    missing = np.isnan(panel)
    lengths = lengths_of(panel)
    for i in np.flatnonzero(lengths < 2):
        found = "no value, only NaN" if lengths[i] == 0 else "a single timestep"
        raise PanelError(
            f"{name}[{i}] has {found}; expected two timesteps or more in every series. Drop such "
            "series first."
        )
    before_end = np.arange(panel.shape[-1]) < lengths[:, np.newaxis, np.newaxis]
    at = np.argwhere(missing.all(axis=2, keepdims=True) if gaps else missing & before_end)
    if not len(at):
        return
    i, channel, time = at[0]
    within = missing[i, channel, : lengths[i]]
    where = f"in channel {channel}" if panel.shape[1] > 1 else "inside"
    if within.all():
        raise PanelError(
            f"{name}[{i}] has no value in channel {channel}, where other channels have "
            f"{lengths[i]}; drop the series, or fill that channel first."
        )
    end = np.flatnonzero(~within)[-1] + 1
    if within[end:].all() and not within[:end].any():
        raise PanelError(
            f"{name}[{i}] has channels that differ in length: {end} timesteps in channel {channel},"
            f" {lengths[i]} in another; pad or cut them to one length first."
        )
    affected = np.unique(at[:, 0])
    raise PanelError(
        f"{name}[{i}] has a missing value (NaN) {where}, at timestep {time}; NaN may only pad a "
        f"series after its end. {len(affected)} of {len(panel)} series have such gaps "
        f"(positions {few(affected.tolist())}); {IMPUTE}."
    )


def check_longest(X: NDArray[Any], longest: int, name: str = "X") -> None:
    """Raise PanelError if a series is much longer than those of ``fit``.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
    longest : int
        Length of the longest series of ``fit``.
    name : str, default="X"
    """
    lengths, most = lengths_of(X), int(LONGEST_SHARE * longest)
    for i in np.flatnonzero(lengths > most):
        raise PanelError(
            f"{name}[{i}] has {lengths[i]} timesteps, but the longest series of fit had {longest}; "
            f"expected at most {most}, twice as many: resample or cut it."
        )
