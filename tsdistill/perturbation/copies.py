"""Perturbed copies: series in which one window is replaced by that window of a donor."""

from dataclasses import dataclass

import numpy as np
import torch

from tsdistill.numerics.tensors import as_tensor


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


@dataclass(frozen=True)
class PerturbedCopies:
    """Perturbed copies, stored as integers and built when sliced.

    Attributes
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
    row, donor, start : ndarray of shape (n_copies,), int64
        For each copy its row of ``panel``, its row of ``donors`` and the first timestep of its
        window.
    width : int
    channel : ndarray of shape (n_copies,), int64, optional
        The only channel to replace in each copy.
    """

    panel: np.ndarray
    donors: np.ndarray
    row: np.ndarray
    donor: np.ndarray
    start: np.ndarray
    width: int
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
        donor_rows, donor = np.unique(self.donor[part], return_inverse=True)
        return PerturbedCopies(
            self.panel[rows], self.donors[donor_rows], row, donor, self.start[part], self.width,
            None if self.channel is None else self.channel[part],
        )  # fmt: skip

    def __getitem__(self, part):
        return replace_windows(
            as_tensor(self.panel[self.row[part]]),
            as_tensor(self.donors[self.donor[part]]),
            as_tensor(self.start[part]),
            self.width,
            None if self.channel is None else as_tensor(self.channel[part]),
        ).numpy()
