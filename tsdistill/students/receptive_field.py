"""Computes logits of perturbed copies by updating only the activations that a window reaches.

A convolution sees a few timesteps, so far from the window a perturbed copy has the activations of
its series. These are computed once, and each layer computes only the stretch of each copy that
the window can reach. The logits equal those of the full network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsdistill.numerics.batches import batches
from tsdistill.students.base import PooledHead, Standardise

COPIES_AT_ONCE = 128  # their activations fit into the processor's cache


@dataclass(frozen=True)
class LocalStage:
    """Parallel convolutions, and the pointwise layers that follow them.

    Attributes
    ----------
    convolutions : list of torch.nn.Conv1d
        All have the same stride, an odd kernel size and zero padding of
        ``dilation * (kernel_size - 1) / 2``; their outputs are concatenated.
    pointwise : torch.nn.Sequential
        Batch normalisation and ReLU, which in eval mode act on each timestep alone.
    """

    convolutions: list[nn.Conv1d]
    pointwise: nn.Sequential

    @property
    def stride(self) -> int:
        """Timesteps between outputs."""
        return self.convolutions[0].stride[0]

    @property
    def reach(self) -> int:
        """The most timesteps that an output sees to either side."""
        return max(conv.padding[0] for conv in self.convolutions)

    def on_series(self, x: Tensor) -> Tensor:
        """Outputs for entire series."""
        return self.pointwise(torch.cat([conv(x) for conv in self.convolutions], dim=1))

    def on_stretch(self, x: Tensor) -> Tensor:
        """Outputs for stretches that contain everything that their outputs see."""
        outputs = []
        for conv in self.convolutions:
            spare = self.reach - conv.padding[0]
            inner = x[..., spare : x.shape[-1] - spare]
            outputs.append(
                F.conv1d(inner, conv.weight, conv.bias, conv.stride, dilation=conv.dilation)
            )
        return self.pointwise(torch.cat(outputs, dim=1))


def stage_of(block: nn.Module) -> LocalStage:
    """The stage of a :func:`~tsdistill.students.base.conv_block`."""
    return LocalStage([block[0]], block[1:])


def is_local(network: nn.Module) -> bool:
    """Whether :func:`window_answers` can be used for a network in its present state.

    It needs a network whose parts are all known: the ``forward`` of one that was changed,
    subclassed or hooked may do anything.
    """
    parts = vars(type(network)).get("local_parts")  # inherited ones may not match the forward
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
    """Logits for perturbed copies, in which a window is replaced by that window of a donor.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode; :func:`is_local` is true for it.
    series : Tensor of shape (n_series, n_channels, n_timepoints)
    donors : Tensor of shape (n_donors, n_channels, n_timepoints)
    row, donor, start : Tensor of shape (n_copies,), int64
        For each copy its row of ``series``, its row of ``donors`` and the first timestep of its
        window.
    width : int
    channel : Tensor of shape (n_copies,), int64, optional
        The only channel to replace in each copy.

    Returns
    -------
    logits : Tensor of shape (n_copies, n_classes)
    """
    standardise, stages, head = network.local_parts()
    activations = [standardise(series)]
    for stage in stages:
        activations.append(stage.on_series(activations[-1]))
    padded = []  # zeros on both sides, because stretches can lie outside the series
    stretch = width
    for stage, inputs in zip(stages, activations, strict=False):
        margin = stretch + 2 * stage.reach + stage.stride
        padded.append(F.pad(inputs, (margin, margin)))
        stretch = n_reached(stretch, stage)
    padded.append(F.pad(activations[-1], (stretch, stretch)))
    total = activations[-1].sum(dim=-1)
    donors = standardise(donors)
    logits = []
    for part in batches(len(row), COPIES_AT_ONCE):
        at, rows = start[part], row[part]
        changed = _windows(donors, donor[part], at, width)
        if channel is not None:
            original = _windows(activations[0], rows, at, width)
            channels = torch.arange(original.shape[1], device=original.device)
            replaced = channels == channel[part][:, None]
            changed = torch.where(replaced[..., None], changed, original)
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


def n_reached(n, stage):
    """The most outputs of a stage that n adjacent inputs can reach."""
    return (n - 1 + 2 * stage.reach) // stage.stride + 1


def _windows(x, row, start, width):
    """Windows of the given rows of x, (n_windows, n_channels, width)."""
    return x.unfold(-1, width, 1).transpose(1, 2)[row, start]


def _through(stage, changed, at, rows, padded, margin, n_outputs):
    """Apply a stage to changed stretches of otherwise unchanged inputs.

    Parameters
    ----------
    stage : LocalStage
    changed : Tensor of shape (n_copies, n_channels, length)
    at : Tensor of shape (n_copies,), int64
        First timestep of each stretch. Timesteps outside the series are 0.
    rows : Tensor of shape (n_copies,), int64
    padded : Tensor of shape (n_series, n_channels, n_timepoints + 2 * margin)
        Inputs of the unchanged series, padded with zeros.
    margin : int
    n_outputs : int
        Number of outputs of the stage for entire series.

    Returns
    -------
    changed : Tensor of shape (n_copies, n_filters, new length)
    at : Tensor of shape (n_copies,), int64
        First output of each stretch.
    """
    stride, reach, length = stage.stride, stage.reach, changed.shape[-1]
    first = -((reach - at) // stride)  # the ceiling of (at - reach) / stride
    n_outputs_reached = n_reached(length, stage)
    seen = first * stride - reach  # the first input that output sees
    x = _windows(padded, rows, seen + margin, (n_outputs_reached - 1) * stride + 2 * reach + 1)
    offset = at - seen
    for value in range(2 * reach - stride + 1, 2 * reach + 1):
        same = offset == value
        skipped = max(0, -value)  # inputs before the first that any output sees
        inserted = changed[..., skipped : x.shape[-1] - value]
        here = slice(value + skipped, value + skipped + inserted.shape[-1])
        if stride == 1:
            x[..., here] = inserted
        elif same.any():
            x[same, :, here] = inserted[same]
    outputs = stage.on_stretch(x)
    place = first[:, None] + torch.arange(n_outputs_reached, device=first.device)
    return outputs * ((place >= 0) & (place < n_outputs))[:, None], first
