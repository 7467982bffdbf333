"""Networks for series of unequal length, and with gaps.

What lies beyond the end of a series changes nothing.

Inside, a panel is padded with NaN after the end of each series, so NaN is the only mask there is.
:func:`standardised` turns it into zeros and a mask, and every stage of a network leaves zeros
beyond the end, as a convolution pads a series with zeros by itself. Hence a series gets the answer
that it would get alone, however far it is padded.

NaN before the end is a gap. A student that takes gaps sees each channel with its gaps filled, and
beside it where they were.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def lengths_of(x: Tensor) -> Tensor:
    """Number of timesteps of each series, up to its last value.

    Parameters
    ----------
    x : Tensor of shape (n_instances, n_channels, n_timepoints)
        Padded with NaN after the end.

    Returns
    -------
    lengths : Tensor of shape (n_instances,), int64

    Examples
    --------
    >>> nan = float("nan")
    >>> lengths_of(torch.tensor([[[1.0, nan, 2.0, nan]], [[1.0, 2.0, 3.0, 4.0]]])).tolist()
    [3, 4]
    """
    has_value = (~torch.isnan(x)).any(dim=1)
    place = torch.arange(1, x.shape[-1] + 1, device=x.device)
    return (has_value * place).amax(dim=-1)


def filled(x: Tensor) -> Tensor:
    """Fill gaps by a straight line between the values beside them, in each channel.

    A gap at the start gets the first value of its channel, one at the end the last.

    Parameters
    ----------
    x : Tensor of shape (..., n_timepoints)
        NaN where values are missing.

    Returns
    -------
    x : Tensor of the same shape
        NaN only in channels without any value.

    Examples
    --------
    >>> nan = float("nan")
    >>> filled(torch.tensor([nan, 1.0, nan, nan, 4.0, nan])).tolist()
    [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    """
    n_timepoints = x.shape[-1]
    place = torch.arange(n_timepoints, device=x.device).expand(x.shape)
    missing = torch.isnan(x)
    before = _largest_so_far(place.masked_fill(missing, -1))
    mirrored = (n_timepoints - 1 - place).masked_fill(missing, -1).flip(-1)
    after = n_timepoints - 1 - _largest_so_far(mirrored).flip(-1)  # n_timepoints where none is
    first = torch.where(before < 0, after, before).clamp_max(n_timepoints - 1)
    last = torch.where(after == n_timepoints, before, after).clamp_min(0)
    share = (place - first).to(x.dtype) / (last - first).clamp_min(1).to(x.dtype)
    line = torch.lerp(x.gather(-1, first), x.gather(-1, last), share)
    return torch.where(missing, line, x)


def _largest_so_far(x: Tensor) -> Tensor:
    """The cumulative maximum over the last axis; in an export, by operations that ONNX has."""
    if not torch.compiler.is_exporting():
        return x.cummax(dim=-1).values
    step, n_timepoints = 1, x.shape[-1]
    while step < n_timepoints:
        x = torch.maximum(x, F.pad(x[..., :-step], (step, 0), value=-1))
        step *= 2
    return x


def standardised(standardise: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Standardise series, with zeros in place of NaN if the layer expects any.

    Parameters
    ----------
    standardise : Standardise
    x : Tensor of shape (n_instances, n_channels, n_timepoints)

    Returns
    -------
    x : Tensor of the same shape, or with twice as many channels
        See :class:`~tsdistill.students.base.StandardiseFilled`.
    real : Tensor of shape (n_instances, 1, n_timepoints), bool, or None
        Timesteps before the end of each series; None if the layer expects series of one length.
    """
    if not standardise.takes_uneven:
        return standardise(x), None
    place = torch.arange(x.shape[-1], device=x.device)
    real = (place < lengths_of(x)[:, None])[:, None]
    x = torch.nan_to_num(standardise(x), nan=0.0)
    return (x * real if standardise.fills_gaps else x), real


def take_uneven(network: nn.Module, uneven: bool = True) -> None:
    """Let the students' own layers of a network expect series of unequal length, or not."""
    for part in network.modules():
        if hasattr(part, "takes_uneven"):
            part.takes_uneven = uneven


class Chain(nn.Sequential):
    """Layers in turn, as in ``nn.Sequential``; with a mask, zeros beyond the end of each series.

    Statistics of batch normalisation count the timesteps before the ends alone. All layers have to
    keep the number of timesteps.
    """

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        if real is None:
            return super().forward(x)
        for layer in self:
            if isinstance(layer, nn.BatchNorm1d):
                x = normalised(layer, x, real)
            elif isinstance(layer, Chain):
                x = layer(x, real)
            else:
                x = layer(x)
        return x * real


def normalised(layer: nn.BatchNorm1d, x: Tensor, real: Tensor | None) -> Tensor:
    """Batch normalisation whose statistics count the timesteps before the end of each series.

    Parameters
    ----------
    layer : torch.nn.BatchNorm1d
    x : Tensor of shape (n_instances, n_filters, n_timepoints)
    real : Tensor of shape (n_instances, 1, n_timepoints), bool, or None

    Returns
    -------
    x : Tensor of the same shape
        Of any value beyond the ends.
    """
    if real is None or not layer.training:
        return layer(x)
    n_values = real.sum()
    mean = (x * real).sum(dim=(0, 2)) / n_values
    centred = x - mean[:, None]
    variance = (centred.square() * real).sum(dim=(0, 2)) / n_values
    with torch.no_grad():
        layer.num_batches_tracked += 1
        # Without a momentum, torch takes the mean of all batches.
        share = 1 / layer.num_batches_tracked if layer.momentum is None else layer.momentum
        unbiased = variance * (n_values / (n_values - 1).clamp_min(1))
        for name, new in (("running_mean", mean), ("running_var", unbiased)):
            kept = getattr(layer, name)
            # Not in place, since the graph of an answer in eval mode may hold it.
            setattr(layer, name, kept + share * (new.to(kept.dtype) - kept))
    scale = layer.weight * torch.rsqrt(variance + layer.eps)
    return centred * scale[:, None] + layer.bias[:, None]


def mean_over_time(features: Tensor, real: Tensor | None = None) -> Tensor:
    """Mean over the timesteps of each series.

    Parameters
    ----------
    features : Tensor of shape (n_instances, n_filters, n_timepoints)
        Zeros beyond the ends.
    real : Tensor of shape (n_instances, 1, n_timepoints), bool, default=None

    Returns
    -------
    means : Tensor of shape (n_instances, n_filters)
    """
    if real is None:
        return features.mean(dim=-1)
    return features.sum(dim=-1) / real.sum(dim=-1)
