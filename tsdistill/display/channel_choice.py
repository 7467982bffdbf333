"""Which channels a picture shows, and how they are called."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.map_inputs import names_of_channels
from tsdistill.fidelity.over_series import FloatArray, shares
from tsdistill.inputs.checks import is_whole, shown
from tsdistill.inputs.formats import channel_names as names_within

MOST_WITH_MAPS = 3
MOST_OVER_ONE_MAP = 8


def find_channel_names(
    channel_names: Sequence[Any] | None, n_channels: int, *sources: Any
) -> tuple[str, ...]:
    """The names that were passed, else those in one of sktime's formats, else "channel 0" etc.

    Parameters
    ----------
    channel_names : list of str, or None
    n_channels : int
    *sources : objects
        Series, or lists of names, in which to look for names, the first first.

    Raises
    ------
    ParameterError
        If there is not one name for each channel, or two are equal.
    """
    if channel_names is None:
        for source in sources:
            found = source if isinstance(source, list) else None
            if found is None or not all(isinstance(name, str) for name in found):
                found = names_within(source)
            if found is not None and len(set(map(str, found))) == n_channels == len(found):
                channel_names = found
                break
    return names_of_channels(channel_names, n_channels)


def channel_indices(channels: Any, names: Sequence[str]) -> list[int]:
    """Convert channels that a user picks, by index or name, to indices.

    Parameters
    ----------
    channels : int, str, or list of them
    names : list of str of length n_channels

    Returns
    -------
    indices : list of int
        In the order in which they were picked.

    Raises
    ------
    ParameterError
        If one is unknown, is picked twice, or none is picked.
    """
    picked = channels if isinstance(channels, (list, tuple, np.ndarray, range)) else [channels]
    indices = []
    for one in picked:
        if isinstance(one, str) and one in names:
            indices.append(list(names).index(one))
        elif is_whole(one) and 0 <= one < len(names):
            indices.append(int(one))
        else:
            raise ParameterError(
                f"channels={shown(channels)} holds {shown(one)}; expected indices from 0 to "
                f"{len(names) - 1}, or names of {shown(list(names))}."
            )
    if not indices or len(set(indices)) < len(indices):
        raise ParameterError(
            f"channels={shown(channels)}; expected one channel or more, each once."
        )
    return indices


def count_rows(channels: Any, names: Sequence[str], per_channel: bool) -> int:
    """Number of rows that the channels take for each model, known before maps are.

    Parameters
    ----------
    channels : int, str, list of them, or None
    names : list of str of length n_channels
    per_channel : bool
        Whether each channel has a map of its own.

    Raises
    ------
    ParameterError
        If a channel that the user picks is unknown.
    """
    n_picked = MOST_WITH_MAPS if channels is None else len(channel_indices(channels, names))
    return min(n_picked, len(names)) if per_channel else 1


def choose_channels(
    channels: Any, names: Sequence[str], maps: Mapping[str, FloatArray]
) -> tuple[list[int], str | None]:
    """The channels to draw, and a title that says which were left out.

    Of many channels with maps of their own the most important three are drawn: those that carry
    the largest share of the absolute saliency, on average over series and models. Of many channels
    over one map, the first eight are.

    Parameters
    ----------
    channels : int, str, list of them, or None
    names : list of str of length n_channels
    maps : dict of str to ndarray of shape (n_instances, n_channels or 1, n_timepoints)

    Returns
    -------
    indices : list of int
        In the order of the channels, or that in which the user picked them.
    title : str or None
    """
    if channels is not None:
        return channel_indices(channels, names), None
    n_channels = len(names)
    own = [m for m in maps.values() if m.shape[1] > 1]
    most = MOST_WITH_MAPS if own else MOST_OVER_ONE_MAP
    if n_channels <= most:
        return list(range(n_channels)), None
    left_out = f"{n_channels - most} left out"
    if not own:
        return list(range(most)), f"the first {most} of {n_channels} channels; {left_out}"
    of_channels = np.mean([channel_share(m) for m in own], axis=0)
    indices = np.sort(np.argsort(-of_channels, kind="stable")[:most])
    share = 100 * of_channels[indices].sum()
    title = f"the {most} most important of {n_channels} channels, {share:.0f} % of all absolute"
    return indices.tolist(), f"{title} saliency; {left_out}"


def channel_share(maps: FloatArray) -> FloatArray:
    """Mean share of the absolute saliency that each channel carries, 0 if all maps are 0.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_channels, n_timepoints)

    Returns
    -------
    share : ndarray of shape (n_channels,)
    """
    found = shares(maps.astype(np.float64)).sum(axis=2)
    counted = ~np.isnan(found).any(axis=1)
    if not counted.any():
        return np.zeros(maps.shape[1])
    mean: FloatArray = found[counted].mean(axis=0)
    return mean
