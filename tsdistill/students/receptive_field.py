"""What a replaced window changes in a convolutional network: that alone is worked out anew.

A convolution sees a few timesteps, so outside the window and its reach a perturbed copy has the
activations of the series itself. Those are kept, and of each copy every layer computes only the
stretch that the window can reach; the answers are those of the whole network.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.numerics.batches import batches
from tsdistill.students.base import PooledHead, Standardise

COPIES_AT_ONCE = 128  # whose activations stay in the processor's cache


@dataclass(frozen=True)
class LocalStage:
    """Convolutions side by side, and what is done to each timestep of their outputs.

    Attributes
    ----------
    convolutions : list of torch.nn.Conv1d
        Of one stride, odd kernel sizes and zero padding of ``dilation * (kernel_size - 1) / 2``;
        their outputs are concatenated.
    pointwise : torch.nn.Sequential
        In eval mode a function of each timestep alone: batch normalisation and ReLU.
    """

    convolutions: list
    pointwise: nn.Sequential

    @property
    def stride(self):
        """Timesteps between outputs."""
        return self.convolutions[0].stride[0]

    @property
    def reach(self):
        """How many timesteps to either side an output sees, at most."""
        return max(conv.padding[0] for conv in self.convolutions)

    def whole(self, x):
        """Outputs for whole series."""
        return self.pointwise(torch.cat([conv(x) for conv in self.convolutions], dim=1))

    def part(self, x):
        """Outputs for stretches that hold all that the first and last output see."""
        found = []
        for conv in self.convolutions:
            spare = self.reach - conv.padding[0]
            inner = x[..., spare : x.shape[-1] - spare]
            found.append(
                F.conv1d(inner, conv.weight, conv.bias, conv.stride, dilation=conv.dilation)
            )
        return self.pointwise(torch.cat(found, dim=1))


def is_local(network):
    """Whether :func:`window_answers` can be asked of a network, as it now is.

    Only of networks whose every part is known: one that was changed, subclassed or hooked may do
    anything in its ``forward``.
    """
    parts = vars(type(network)).get("local_parts")  # not that of a parent, whose forward differs
    modules = list(network.modules())
    if parts is None or "forward" in vars(network) or any(map(_is_hooked, modules)):
        return False
    try:
        standardise, stages, head = parts(network)
    except (AttributeError, IndexError, TypeError, ValueError):
        return False
    return (
        type(standardise) is Standardise
        and type(head) is PooledHead
        and type(head.linear) is nn.Linear
        and all(map(_is_known_stage, stages))
        and all(p.dtype == torch.float32 for p in network.parameters())
    )


def _is_hooked(module):
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _is_known_stage(stage):
    first = stage.convolutions[0]
    pointwise = list(stage.pointwise)
    return all(
        type(conv) is nn.Conv1d
        and conv.padding_mode == "zeros"
        and conv.groups == 1
        and conv.kernel_size[0] % 2 == 1
        and conv.padding == (conv.dilation[0] * (conv.kernel_size[0] - 1) // 2,)
        and conv.stride == first.stride
        for conv in stage.convolutions
    ) and all(
        type(one) is nn.ReLU or (type(one) is nn.BatchNorm1d and one.running_mean is not None)
        for one in pointwise
    )


@torch.no_grad()
def window_answers(network, series, donors, row, donor, start, width, channel=None):
    """Logits for copies of series in which a window was replaced by that of a donor.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode, one for which :func:`is_local` holds.
    series : Tensor of shape (n_series, n_channels, n_timepoints)
    donors : Tensor of shape (n_donors, n_channels, n_timepoints)
    row, donor, start : Tensor of shape (n_copies,), int64
        Series, donor and first timestep of the window of each copy.
    width : int
    channel : Tensor of shape (n_copies,), int64, optional
        The only channel to replace.

    Returns
    -------
    logits : Tensor of shape (n_copies, n_classes)
    """
    standardise, stages, head = network.local_parts()
    activations = [standardise(series)]
    for stage in stages:
        activations.append(stage.whole(activations[-1]))
    padded = []  # with zeros as far as stretches can lie outside the series
    stretch = width
    for stage, whole in zip(stages, activations, strict=False):
        margin = stretch + 2 * stage.reach + stage.stride
        padded.append(F.pad(whole, (margin, margin)))
        stretch = _n_reached(stretch, stage)
    padded.append(F.pad(activations[-1], (stretch, stretch)))
    total = activations[-1].sum(dim=-1)
    donors = standardise(donors)
    logits = []
    for part in batches(len(row), COPIES_AT_ONCE):
        at, rows = start[part], row[part]
        changed = _windows(donors, donor[part], at, width)
        if channel is not None:
            kept = _windows(activations[0], rows, at, width)
            channels = torch.arange(kept.shape[1], device=kept.device)
            taken = channels == channel[part][:, None]
            changed = torch.where(taken[..., None], changed, kept)
        for i, stage in enumerate(stages):
            margin = (padded[i].shape[-1] - activations[i].shape[-1]) // 2
            changed, at = _through(
                stage, changed, at, rows, padded[i], margin, activations[i + 1].shape[-1]
            )
        margin = (padded[-1].shape[-1] - activations[-1].shape[-1]) // 2
        before = _windows(padded[-1], rows, at + margin, changed.shape[-1])
        pooled = total[rows] + (changed - before).sum(dim=-1)
        logits.append(head.linear(pooled / activations[-1].shape[-1]))
    return torch.cat(logits)


def _n_reached(n, stage):
    """Outputs of a stage, at most, that n neighbouring inputs can reach."""
    return (n - 1 + 2 * stage.reach) // stage.stride + 1


def _windows(x, row, start, width):
    """One window of each row, (n_windows, n_channels, width)."""
    return x.unfold(-1, width, 1).transpose(1, 2)[row, start]


def _through(stage, changed, at, rows, padded, margin, n_outputs):
    """What a stage makes of changed stretches amid unchanged inputs.

    Parameters
    ----------
    stage : LocalStage
    changed : Tensor of shape (n_copies, n_inputs, length)
    at : Tensor of shape (n_copies,), int64
        First timestep of each stretch; parts outside the series are 0.
    rows : Tensor of shape (n_copies,), int64
    padded : Tensor of shape (n_series, n_inputs, n_timepoints + 2 * margin)
        Inputs of the unchanged series.
    margin : int
    n_outputs : int
        Timepoints of the stage's outputs.

    Returns
    -------
    changed : Tensor of shape (n_copies, n_outputs, new length)
    at : Tensor of shape (n_copies,), int64
    """
    stride, reach, length = stage.stride, stage.reach, changed.shape[-1]
    first = -((reach - at) // stride)  # the ceiling of (at - reach) / stride
    n_reached = _n_reached(length, stage)
    seen = first * stride - reach  # first input that the first output sees
    x = _windows(padded, rows, seen + margin, (n_reached - 1) * stride + 2 * reach + 1)
    offset = at - seen
    for value in range(2 * reach - stride + 1, 2 * reach + 1):
        same = offset == value
        skipped = max(0, -value)  # inputs that lie between two that are seen
        held = changed[..., skipped : x.shape[-1] - value]
        here = slice(value + skipped, value + skipped + held.shape[-1])
        if stride == 1:
            x[..., here] = held
        elif same.any():
            x[same, :, here] = held[same]
    outputs = stage.part(x)
    place = first[:, None] + torch.arange(n_reached, device=first.device)
    return outputs * ((place >= 0) & (place < n_outputs))[:, None], first
