"""Perturbed copies: series in which one window is replaced by that window of a donor."""

from dataclasses import dataclass

import numpy as np
import torch

from tsdistill.numerics.tensors import as_tensor
from tsdistill.perturbation.uneven import FLAT, uneven_copies


def replace_windows(series, donor, start, width, channel=None):
    """Build perturbed copies: replace one window of each series by that window of its donor.

    Parameters
    ----------
    series : Tensor of shape (..., n_channels, n_timepoints)
    donor : Tensor
        Broadcasts against the copies.
    start : Tensor of shape (...), integer
        First timestep of each copy's window; its axes broadcast against those of series.
    width : int
    channel : Tensor of shape (...), integer, optional
        The only channel to replace in each copy. Without it all channels are replaced.

    Returns
    -------
    copies : Tensor of shape (..., n_channels, n_timepoints)

    Examples
    --------
    >>> x, d = torch.zeros(1, 5), torch.ones(1, 5)
    >>> replace_windows(x, d, torch.tensor(3), width=2)
    tensor([[0., 0., 0., 1., 1.]])
    """
    time = torch.arange(series.shape[-1], device=series.device)
    since_start = time - start[..., None]
    inside = ((since_start >= 0) & (since_start < width)).unsqueeze(-2)
    if channel is not None:
        channels = torch.arange(series.shape[-2], device=series.device)
        inside = inside & (channels == channel[..., None]).unsqueeze(-1)
    return torch.where(inside, donor, series)


def donors_or_own(series, donors, donor, start, width):
    """The donor of each copy: a series, or what a window that is made flat or straight becomes.

    Parameters
    ----------
    series : Tensor of shape (..., n_channels, n_timepoints)
        The series of each copy.
    donors : Tensor of shape (n_donors, n_channels, n_timepoints)
    donor : Tensor of shape (...), int64
        Rows of ``donors``, ``FLAT`` or ``STRAIGHT``.
    start : Tensor of shape (...), int64
        First timestep of each copy's window.
    width : int

    Returns
    -------
    donors : Tensor of shape (..., n_channels, n_timepoints)
        Of which only the windows are meant to be used.

    Examples
    --------
    >>> from tsdistill.perturbation.uneven import FLAT, STRAIGHT
    >>> x = torch.tensor([[0.0, 4.0, 2.0, 3.0]])
    >>> for kind in (FLAT, STRAIGHT):
    ...     own = donors_or_own(x, x[None], torch.tensor(kind), torch.tensor(1), width=2)
    ...     print(own[0, 1:3].tolist())
    [3.0, 3.0]
    [1.0, 2.0]
    """
    n_timepoints = series.shape[-1]

    def at(time):
        return series.gather(-1, time.unsqueeze(-2).expand(*series.shape[:-1], time.shape[-1]))

    inside = start[..., None] + torch.arange(width, device=series.device)
    mean = at(inside).mean(dim=-1, keepdim=True)
    # At an end of the series, the line is level. A window that is the whole series becomes flat.
    before, after = start[..., None] - 1, start[..., None] + width
    first = torch.where(before < 0, after, before).clamp_max(n_timepoints - 1)
    last = torch.where(after < n_timepoints, after, before).clamp_min(0)
    time = torch.arange(n_timepoints, device=series.device)
    share = ((time - before) / (width + 1)).to(series.dtype).unsqueeze(-2)
    line = at(first) + (at(last) - at(first)) * share
    kind = donor[..., None, None]
    own = mean if width == n_timepoints else torch.where(kind == FLAT, mean, line)
    return torch.where(kind < 0, own, donors[donor.clamp_min(0)])


@dataclass(frozen=True)
class PerturbedCopies:
    """Perturbed copies, stored as integers and built when sliced.

    Attributes
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
    row, donor, start : ndarray of shape (n_copies,), int64
        For each copy its row of ``panel``, its row of ``donors`` (or ``FLAT`` or ``STRAIGHT``)
        and the first timestep of its window.
    width : int, or ndarray of shape (n_copies,), int64
        Timesteps in a window, of each copy if the series differ in length.
    channel : ndarray of shape (n_copies,), int64, optional
        The only channel to replace in each copy; not for series that differ in length.
    """

    panel: np.ndarray
    donors: np.ndarray
    row: np.ndarray
    donor: np.ndarray
    start: np.ndarray
    width: int | np.ndarray
    channel: np.ndarray | None = None

    def __len__(self):
        return len(self.row)

    def part(self, part):
        """Some of the copies, with the series and donors that they need alone.

        Parameters
        ----------
        part : slice

        Returns
        -------
        copies : PerturbedCopies
        """
        rows, row = np.unique(self.row[part], return_inverse=True)
        own = self.donor[part] < 0
        donor_rows, donor = np.unique(np.maximum(self.donor[part], 0), return_inverse=True)
        donor = np.where(own, self.donor[part], donor)
        width = self.width[part] if isinstance(self.width, np.ndarray) else self.width
        return PerturbedCopies(
            self.panel[rows], self.donors[donor_rows], row, donor, self.start[part], width,
            None if self.channel is None else self.channel[part],
        )  # fmt: skip

    def __getitem__(self, part):
        series, donor = self.panel[self.row[part]], self.donor[part]
        series, start = as_tensor(series), as_tensor(self.start[part])
        if isinstance(self.width, np.ndarray):
            used, donor = np.unique(donor, return_inverse=True)
            donor = np.where(used[donor] < 0, used[donor], donor)
            donors = as_tensor(self.donors[np.maximum(used, 0)])
            width = as_tensor(self.width[part])
            some_own = bool((donor < 0).any())
            return uneven_copies(series, donors, as_tensor(donor), start, width, some_own).numpy()
        if (donor < 0).any():
            donors = self.donors[np.maximum(donor, 0)]
            place = np.where(donor < 0, donor, np.arange(len(donor)))
            donors = donors_or_own(series, as_tensor(donors), as_tensor(place), start, self.width)
        else:
            donors = as_tensor(self.donors[donor])
        return replace_windows(
            series,
            donors,
            start,
            self.width,
            None if self.channel is None else as_tensor(self.channel[part]),
        ).numpy()
