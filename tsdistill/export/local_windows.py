"""Logits of perturbed copies at fixed places, as a torch module that can be exported.

As :func:`tsdistill.students.receptive_field.window_answers`, it computes only the stretch that a
window reaches. There the places of the windows are data; here they are constants of the module,
so that all indices are constants of the exported file.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.students.receptive_field import n_reached


class LocalWindows(nn.Module):
    """Maps series and donors to the logits of copies in which windows were replaced.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode; :func:`tsdistill.students.receptive_field.is_local` is true for it.
    starts : ndarray of shape (n_windows,), int64
        First timestep of each window.
    width, n_timepoints : int
    """

    def __init__(self, network, starts, width, n_timepoints):
        super().__init__()
        self.standardise, self.stages, self.head = network.local_parts()
        self.starts, self.width = starts, width
        self.steps = []
        at, length, n_inputs = starts, width, n_timepoints
        for stage in self.stages:
            step = _Step(stage, at, length, n_inputs)
            self.steps.append(step)
            at, length, n_inputs = step.first, step.n_reached, step.n_outputs
        self.inside = torch.tensor(self.steps[-1].inside)
        self.places, self.margin = _places(at, length, n_inputs)

    @property
    def share(self):
        """Arithmetic for a copy, as a share of that for a whole series."""
        reached, whole = 0, 0
        for step in self.steps:
            a_place = sum(conv.weight.numel() for conv in step.stage.convolutions)
            reached += a_place * step.n_reached
            whole += a_place * step.n_outputs
        return reached / whole

    def forward(self, series, donors):
        """Logits (n_instances, n_windows, n_donors, n_classes).

        Parameters
        ----------
        series : Tensor of shape (n_instances, n_channels, n_timepoints)
        donors : Tensor of shape (n_instances, n_donors, n_channels, n_timepoints)
        """
        n_donors = donors.shape[1]
        activations = [self.standardise(series)]
        for stage in self.stages:
            activations.append(stage.on_series(activations[-1]))
        filled = self.standardise(donors.flatten(0, 1)).unflatten(0, (-1, n_donors))
        window = torch.tensor(self.starts[:, np.newaxis] + np.arange(self.width))
        changed = filled[..., window].permute(0, 3, 1, 2, 4)  # n, windows, donors, channels, width
        for step, inputs in zip(self.steps, activations, strict=False):
            changed = step(inputs, changed)
        last = activations[-1]
        before = F.pad(last, (self.margin, self.margin))[..., self.places].permute(0, 2, 1, 3)
        difference = ((changed - before[:, :, None]) * self.inside[:, None, None, :]).sum(dim=-1)
        pooled = (last.sum(dim=-1)[:, None, None] + difference) / last.shape[-1]
        return self.head.linear(pooled)


class _Step:
    """One stage on the stretches that the windows reach; places are constants."""

    def __init__(self, stage, at, length, n_inputs):
        stride, reach = stage.stride, stage.reach
        self.stage, self.length = stage, length
        self.first = -((reach - at) // stride)
        self.n_reached = n_reached(length, stage)
        self.n_outputs = (n_inputs - 1) // stride + 1
        self.n_seen = (self.n_reached - 1) * stride + 2 * reach + 1
        seen = self.first * stride - reach
        self.places, self.margin = _places(seen, self.n_seen, n_inputs)
        self.offsets = at - seen
        place = self.first[:, np.newaxis] + np.arange(self.n_reached)
        self.inside = (place >= 0) & (place < self.n_outputs)

    def __call__(self, inputs, changed):
        """Outputs (n, windows, donors, filters, n_reached) for changed stretches of inputs."""
        n, n_windows, n_donors = changed.shape[:3]
        around = F.pad(inputs, (self.margin, self.margin))[..., self.places].permute(0, 2, 1, 3)
        parts, order = [], []
        for offset in np.unique(self.offsets):
            rows = np.flatnonzero(self.offsets == offset)
            part = changed if len(rows) == n_windows else changed[:, torch.tensor(rows)]
            skipped = max(0, -int(offset))
            kept = part[..., skipped : self.n_seen - int(offset)]
            left = int(offset) + skipped
            parts.append(F.pad(kept, (left, self.n_seen - left - kept.shape[-1])))
            order.append(rows)
        placed = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if len(parts) > 1:
            placed = placed[:, torch.tensor(np.argsort(np.concatenate(order), kind="stable"))]
        since = np.arange(self.n_seen) - self.offsets[:, np.newaxis]
        replaced = torch.tensor((since >= 0) & (since < self.length))
        stretch = torch.where(replaced[None, :, None, None], placed, around[:, :, None])
        outputs = self.stage.on_stretch(stretch.flatten(0, 2))
        outputs = outputs.reshape(n, n_windows, n_donors, outputs.shape[1], self.n_reached)
        return outputs * torch.tensor(self.inside)[:, None, None, :]


def _places(first, length, n_inputs):
    """Places of stretches in inputs that are padded by a margin on both sides, and the margin."""
    margin = max(0, -int(first.min()), int(first.max()) + length - n_inputs)
    return torch.tensor(first[:, np.newaxis] + np.arange(length) + margin), margin
