"""Windows in series of unequal length, which are padded with NaN after their end.

A window lies within its series, and its width may be a share of the series' own length. A donor
gives the window at the same relative place: the donor is stretched to the length of the series, by
linear interpolation, before the window is taken. So a short donor serves a long series too.

NaN before the end is a gap. A window replaces what is there, gaps too, and a donor brings its own
gaps. Where a channel would be left without any value, it keeps its own.
"""

import numpy as np
import torch

from tsdistill.inputs.lengths import lengths_of
from tsdistill.numerics.tensors import as_tensor
from tsdistill.students.masking import filled
from tsdistill.students.masking import lengths_of as lengths_of_tensor

FLAT, STRAIGHT = -1, -2
"""In place of a donor: the window's own mean, or a line between the timesteps beside it."""


def widths_of(width, lengths):
    """Timesteps in a window of each series.

    Parameters
    ----------
    width : int or float
        An int counts timesteps, at most all of a series; a float in (0, 1] is a share of each.
    lengths : ndarray of shape (n_instances,), int64

    Returns
    -------
    widths : ndarray of shape (n_instances,), int64

    Examples
    --------
    >>> widths_of(0.1, np.array([150, 40, 5])).tolist(), widths_of(12, np.array([150, 5])).tolist()
    ([15, 4, 1], [12, 5])
    """
    if isinstance(width, float):
        return np.maximum(1, np.round(width * lengths)).astype(np.int64)
    return np.minimum(width, lengths)


def stretched(series, n_timepoints):
    """Stretch each series to a length of its own, by linear interpolation.

    Beside a gap there is the nearest timestep, be it a value or part of the gap.

    Parameters
    ----------
    series : ndarray of shape (n_instances, n_channels, n_padded)
    n_timepoints : ndarray of shape (n_instances,) or int
        The new lengths.

    Returns
    -------
    series : ndarray of shape (n_instances, n_channels, max of n_timepoints), of the same dtype

    Examples
    --------
    >>> stretched(np.array([[[0.0, 1.0, np.nan]]]), 4).tolist()
    [[[0.0, 0.25, 0.75, 1.0]]]
    """
    lengths = as_tensor(lengths_of(series))
    wanted = as_tensor(np.broadcast_to(n_timepoints, lengths.shape).copy())
    found = at_relative_place(as_tensor(series), lengths, wanted, int(wanted.max()))
    found[(torch.arange(found.shape[-1]) >= wanted[:, None])[:, None].expand_as(found)] = torch.nan
    return found.numpy()


def without_gaps(series):
    """Series with NaN after their end alone, see :func:`~tsdistill.students.masking.filled`.

    Parameters
    ----------
    series : ndarray of shape (n_instances, n_channels, n_padded)

    Returns
    -------
    series : ndarray of the same shape

    Examples
    --------
    >>> without_gaps(np.array([[[0.0, np.nan, 1.0, np.nan]]])).tolist()
    [[[0.0, 0.5, 1.0, nan]]]
    """
    if not np.isnan(series).any():
        return series
    values = filled(as_tensor(series)).numpy()
    after_end = np.arange(series.shape[-1]) >= lengths_of(series)[:, np.newaxis]
    return np.where(after_end[:, np.newaxis], values.dtype.type(np.nan), values)


def at_relative_place(donors, donor_lengths, lengths, n_timepoints):
    """Values of donors where series of other lengths have their timesteps 0 .. n_timepoints - 1.

    As in :func:`stretched`.

    Parameters
    ----------
    donors : Tensor of shape (..., n_channels, n_padded)
    donor_lengths, lengths : Tensor of shape (...), int64
    n_timepoints : int
    """
    dtype = donors.dtype
    time = torch.arange(n_timepoints, device=donors.device, dtype=dtype) + 0.5
    place = time * (donor_lengths.to(dtype) / lengths.to(dtype))[..., None] - 0.5
    place = torch.minimum(place.clamp_min(0.0), (donor_lengths[..., None] - 1).to(dtype))
    before = place.floor()
    share = (place - before).unsqueeze(-2)
    before = before.long()
    after = torch.minimum(before + 1, donor_lengths[..., None] - 1)

    def at(index):
        index = index.unsqueeze(-2).expand(*index.shape[:-1], donors.shape[-2], index.shape[-1])
        return donors.gather(-1, index)

    low, high = at(before), at(after)
    between = torch.lerp(low, high, share)
    nearest = torch.where(share < 0.5, low, high)
    return torch.where(torch.isnan(between), nearest, between)


def uneven_copies(series, donors, donor, start, width, some_own=True):
    """Build perturbed copies of series of unequal length.

    Parameters
    ----------
    series : Tensor of shape (..., n_channels, n_timepoints)
    donors : Tensor of shape (n_donors, n_channels, n_padded)
    donor : Tensor of shape (...), int64
        Rows of ``donors``, ``FLAT`` or ``STRAIGHT``.
    start, width : Tensor of shape (...), int64
        First timestep of each copy's window, and its length; both within the series.
    some_own : bool, default=True
        Whether some windows may be ``FLAT`` or ``STRAIGHT``.

    Returns
    -------
    copies : Tensor of shape (..., n_channels, n_timepoints)
        NaN after the end of each series, as before.

    Examples
    --------
    >>> nan, one = float("nan"), torch.tensor(0)
    >>> x, d = torch.tensor([[0.0, 0, 0, 0, nan]]), torch.tensor([[[1.0, 3.0]]])
    >>> uneven_copies(x, d, one, one + 2, one + 2)
    tensor([[0.0000, 0.0000, 2.5000, 3.0000,    nan]])
    """
    n_timepoints = series.shape[-1]
    flat = series.reshape(-1, *series.shape[-2:])
    lengths = lengths_of_tensor(flat).reshape(series.shape[:-2])
    rows = donor.clamp_min(0)
    replaced = at_relative_place(
        donors[rows], lengths_of_tensor(donors)[rows], lengths, n_timepoints
    )
    time = torch.arange(n_timepoints, device=series.device)
    inside = ((time >= start[..., None]) & (time < (start + width)[..., None])).unsqueeze(-2)
    if some_own:
        replaced = torch.where(
            donor[..., None, None] < 0, _own(series, donor, start, width, lengths, inside), replaced
        )
    copies = torch.where(inside, replaced, series)
    return torch.where(torch.isnan(copies).all(dim=-1, keepdim=True), series, copies)


def _own(series, donor, start, width, lengths, inside):
    """What windows that are made flat or straight become, as in ``donors_or_own``.

    The mean is that of the values there are; beside a gap it takes the place of the line. A
    window without values stays a gap.
    """
    values = inside & ~torch.isnan(series)
    total = torch.where(values, series, 0.0).sum(dim=-1, keepdim=True)
    mean = total / values.sum(dim=-1, keepdim=True)
    before, after = start - 1, start + width
    first = torch.minimum(torch.where(before < 0, after, before), lengths - 1)
    last = torch.where(after < lengths, after, before).clamp_min(0)

    def at(place):
        index = place[..., None, None].expand(*series.shape[:-1], 1)
        return series.gather(-1, index)

    time = torch.arange(series.shape[-1], device=series.device)
    share = ((time - before[..., None]) / (width[..., None] + 1)).to(series.dtype).unsqueeze(-2)
    line = torch.lerp(at(first), at(last), share)
    line = torch.where(torch.isnan(line), mean, line)
    flat = (donor == FLAT) | (width == lengths)
    return torch.where(flat[..., None, None], mean, line)
