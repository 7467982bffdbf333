"""What :func:`tsdistill.fidelity.summarise_maps` may be given, and its errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.over_series import FloatArray, IntArray
from tsdistill.inputs.checks import check_share, shown
from tsdistill.inputs.labels import class_indices, few
from tsdistill.inputs.lengths import lengths_of
from tsdistill.inputs.plain import as_array, as_real

ALL_CHANNELS = "all channels"


def names_of_channels(channel_names: Sequence[Any] | None, n_channels: int) -> tuple[str, ...]:
    """Names of the channels as text, each once; "channel 0" and so on if none are given.

    Parameters
    ----------
    channel_names : list of length n_channels, or None
    n_channels : int

    Raises
    ------
    ParameterError
        If there is not one name for each channel, or two are equal.
    """
    if channel_names is None:
        if n_channels == 1:
            return (ALL_CHANNELS,)
        return tuple(f"channel {c}" for c in range(n_channels))
    is_list = isinstance(channel_names, Sequence | np.ndarray) and not isinstance(
        channel_names, str
    )
    names = tuple(map(str, channel_names)) if is_list else ()
    if len(names) != n_channels or len(set(names)) < n_channels:
        raise ParameterError(
            f"channel_names={shown(channel_names)}; expected a list of {n_channels} different "
            "names, one for each channel."
        )
    return names


def classes_of(
    groups: ArrayLike, n_instances: int, classes: Sequence[Any] | None
) -> tuple[list[Any], IntArray]:
    """Which classes are summarised, and the position among them of the class of each series.

    Parameters
    ----------
    groups : array-like of shape (n_instances,)
    n_instances : int
    classes : list of labels, or None

    Returns
    -------
    classes : list of labels
    class_index : ndarray of shape (n_instances,), int64
        -1 for a series of another class.

    Raises
    ------
    ParameterError
        If there is not one label for each series, or a class has none.
    """
    labels = as_array(groups, "groups")
    if labels.shape != (n_instances,):
        raise ParameterError(
            f"groups has shape {labels.shape} for {n_instances} maps; expected one label for each, "
            f"shape ({n_instances},)."
        )
    is_nan = labels != labels  # of floats, and of objects that are such floats
    if np.any(is_nan):
        raise ParameterError(
            f"groups holds NaN in {np.sum(is_nan)} places; expected a label for each series. Leave "
            "these series out."
        )
    try:
        known = np.unique(labels).tolist()
    except TypeError as error:
        raise ParameterError(f"groups holds labels of several types: {error}") from error
    chosen = known
    if classes is not None:
        is_list = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str)
        chosen = np.asarray(classes).tolist() if is_list else []
        if not chosen or len(set(chosen)) < len(chosen):
            raise ParameterError(
                f"classes={shown(classes)}; expected a list of different labels, such as {known}."
            )
        _, unknown = class_indices(chosen, known)
        if unknown:
            raise ParameterError(
                f"classes holds {few(unknown)}, of which there is no series in groups; leave such "
                f"classes out. There are series of {known}."
            )
    position = {label: k for k, label in enumerate(chosen)}
    index = [position.get(label, -1) for label in labels.tolist()]
    return chosen, np.array(index, dtype=np.int64)


def check_quantiles(quantiles: tuple[float, float]) -> None:
    try:
        low, high = quantiles
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"quantiles={shown(quantiles)}; expected two numbers, such as (0.1, 0.9)."
        ) from error
    for one in (low, high):
        check_share("quantiles", one)
    if low >= high:
        raise ParameterError(
            f"quantiles={shown(quantiles)}; expected the lower one first, such as (0.1, 0.9)."
        )


def checked_maps(
    maps: ArrayLike | Mapping[str, ArrayLike],
) -> tuple[dict[str, FloatArray], IntArray]:
    """The maps by model, (n_instances, n_channels, n_timepoints) each, and their lengths."""
    given = dict(maps) if isinstance(maps, Mapping) else {"model": maps}
    if not given:
        raise ParameterError("maps is an empty dict; expected the maps of at least one model.")
    found: dict[str, FloatArray] = {}
    for name, values in given.items():
        title = f"maps[{name!r}]" if isinstance(maps, Mapping) else "maps"
        m = as_real(values, title)
        if m.ndim not in (2, 3) or 0 in m.shape:
            raise ParameterError(
                f"{title} has shape {m.shape}; expected (n_instances, n_timepoints) or "
                "(n_instances, n_channels, n_timepoints), none of them 0."
            )
        m = m[:, np.newaxis] if m.ndim == 2 else m
        lengths = ends_of(m, title)
        other = next(iter(found.values()), m)
        if m.shape != other.shape or (np.isnan(m) != np.isnan(other)).any():
            raise ParameterError(
                f"{title} has shape {m.shape} and {np.isnan(m).sum()} NaN, the maps of the first "
                f"model have shape {other.shape} and {np.isnan(other).sum()} NaN; expected maps of "
                "the same series, with the same channels and ends, from all models."
            )
        found[str(name)] = m
    return found, lengths


def checked_series(X: ArrayLike, lengths: IntArray) -> FloatArray:
    """The series, (n_instances, n_channels, n_timepoints), that the maps belong to."""
    series: FloatArray = as_real(X, "X")
    if series.ndim == 2:
        series = series[:, np.newaxis]
    fits = series.ndim == 3 and len(series) == len(lengths)
    if not fits or (lengths_of(series) != lengths).any() or np.isinf(series).any():
        raise ParameterError(
            f"X has shape {series.shape}; expected the {len(lengths)} finite series that the maps "
            "explain, of the same lengths, as (n_instances, n_timepoints) or (n_instances, "
            "n_channels, n_timepoints)."
        )
    return series


def ends_of(maps: FloatArray, name: str) -> IntArray:
    """Number of timesteps of each map, which may have NaN after its end alone.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_channels, n_timepoints)
    name : str
        For errors.

    Raises
    ------
    ParameterError
        If NaN or infinity stands elsewhere, or a map has no value.
    """
    lengths: IntArray = lengths_of(maps)
    inside = np.arange(maps.shape[-1]) < lengths[:, np.newaxis]
    bad = ~np.isfinite(maps) & inside[:, np.newaxis]
    if bad.any():
        raise ParameterError(
            f"{name} has NaN or infinity in {bad.sum()} places; expected none but NaN after the "
            "end of series."
        )
    if (lengths == 0).any():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise ParameterError(f"{name}[{row}] has no value, only NaN; leave that series out.")
    return lengths
