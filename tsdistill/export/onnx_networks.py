"""Networks that a file of ONNX holds: a student with what surrounds it in ``predict_proba``."""

import copy

import numpy as np
import torch
from torch import nn

from tsdistill.explainers.occlusion import sliding_starts
from tsdistill.export.local_windows import LocalWindows
from tsdistill.export.saving import gives_proba
from tsdistill.inputs.lengths import LONGEST_SHARE
from tsdistill.numerics.logits import SMALLEST_PROBABILITY, centred, first_output
from tsdistill.perturbation.uneven import at_relative_place, widths_of
from tsdistill.students.masking import lengths_of
from tsdistill.students.receptive_field import is_local

CONSTANTS = ("donors", "one_hot", "spread")
"""Buffers of float32 of the networks that explain, which are no weights."""
WORTH_IT = 0.5
"""Above this share of the arithmetic, stretches cost more than they save."""


def network_of(model, explain, fill):
    """The network of a file: one of those below.

    Parameters
    ----------
    model : FittedStudent
    explain : bool
    fill : {"opposing", "mean", "zero"}
    """
    if model.uneven is None:
        return Explaining(model, fill) if explain else Answering(model)
    return ExplainingUneven(model, fill) if explain else AnsweringUneven(model)


class Answering(nn.Module):
    """A student with probabilities as outputs, whatever those of its network are."""

    def __init__(self, model):
        super().__init__()
        self.network = copy.deepcopy(model.net.module_).cpu()
        self.gives_proba = gives_proba(model.net)

    def logits(self, series):
        """Logits, or log-probabilities of a network that gives probabilities."""
        answers = first_output(self.network(series))
        return torch.log(answers.clamp_min(SMALLEST_PROBABILITY)) if self.gives_proba else answers

    def forward(self, series):
        """Map series (n_instances, n_channels, n_timepoints) to proba (n_instances, n_classes)."""
        return torch.softmax(self.logits(series), dim=1)


class Explaining(Answering):
    """A student with probabilities and occlusion maps as outputs.

    All copies of the given series are computed at once, so few series should be given at a time.
    """

    def __init__(self, model, fill):
        super().__init__(model)
        donors, rows = model.baselines.donors(fill, len(model.classes))
        n_timepoints = donors.shape[-1]
        starts = sliding_starts(n_timepoints, model.width)
        since_start = np.arange(n_timepoints) - starts[:, np.newaxis]
        inside = (since_start >= 0) & (since_start < model.width)
        self.register_buffer("donors", torch.tensor(donors[rows]))  # (n_classes, n_donors, C, T)
        self.register_buffer("inside", torch.tensor(inside))
        self.register_buffer("one_hot", torch.eye(len(model.classes)))
        self.local = None
        if not self.gives_proba and is_local(self.network):
            local = LocalWindows(self.network, starts, model.width, n_timepoints)
            self.local = local if local.share < WORTH_IT else None
        covers = inside.astype(np.float32)
        self.register_buffer("spread", torch.tensor(covers / covers.sum(axis=0)))

    def forward(self, series, target):
        """Probabilities, and the map (n_instances, n_timepoints) of each target.

        Parameters
        ----------
        series : Tensor of shape (n_instances, n_channels, n_timepoints)
        target : Tensor of shape (n_instances,), int64
            Class indices; -1 is the predicted class.
        """
        logits = self.logits(series)
        target = torch.where(target < 0, logits.argmax(dim=1), target)
        without = centred(self._without_windows(series, self.donors[target])).mean(dim=2)
        lost = centred(logits)[:, None] - without
        lost = (lost * self.one_hot[target][:, None]).sum(dim=2)
        return torch.softmax(logits, dim=1), lost @ self.spread

    def _without_windows(self, series, donors):
        """Logits (n_instances, n_windows, n_donors, n_classes) of all copies."""
        if self.local is not None:
            return self.local(series, donors)
        inside = self.inside[None, :, None, None, :]
        copies = torch.where(inside, donors[:, None], series[:, None, None])
        n_windows, n_donors = copies.shape[1:3]
        logits = self.logits(copies.flatten(0, 2))
        return logits.reshape(-1, n_windows, n_donors, logits.shape[1])


class AnsweringUneven(Answering):
    """As :class:`Answering`, for series that end at different timesteps."""

    def forward(self, series, length):
        """Map series (n_instances, n_channels, n_timepoints) to proba (n_instances, n_classes).

        Parameters
        ----------
        series : Tensor of shape (n_instances, n_channels, n_timepoints)
        length : Tensor of shape (n_instances,), int64
            What follows these timesteps is not read.
        """
        return torch.softmax(self.logits(_ended(series, length)), dim=1)


class ExplainingUneven(Answering):
    """As :class:`Explaining`, for series that end at different timesteps.

    The windows of each length that a series may have are looked up.
    """

    def __init__(self, model, fill):
        super().__init__(model)
        donors, rows = model.baselines.donors(fill, len(model.classes))
        lengths = np.arange(int(LONGEST_SHARE * model.lengths[1]) + 1)
        width = np.maximum(1, widths_of(model.width, lengths))
        starts = [sliding_starts(max(n, 1), w) for n, w in zip(lengths, width, strict=True)]
        table = np.zeros((len(starts), max(map(len, starts))), dtype=np.int64)
        for row, one in zip(table, starts, strict=True):
            row[: len(one)] = one
        donors = torch.tensor(donors)
        self.register_buffer("donors", donors[rows])  # (n_classes, n_donors, C, T)
        self.register_buffer("donor_lengths", lengths_of(donors)[rows])
        self.register_buffer("starts", torch.tensor(table))
        self.register_buffer("width", torch.tensor(width))
        self.register_buffer("counts", torch.tensor([len(one) for one in starts]))
        self.register_buffer("one_hot", torch.eye(len(model.classes)))

    def forward(self, series, length, target):
        """Probabilities, and the map (n_instances, n_timepoints) of each target.

        Parameters
        ----------
        series, length
            See :class:`AnsweringUneven`.
        target : Tensor of shape (n_instances,), int64
            Class indices; -1 is the predicted class.
        """
        series = _ended(series, length)
        length = lengths_of(series)  # the last values may be missing
        logits = self.logits(series)
        target = torch.where(target < 0, logits.argmax(dim=1), target)
        n_timepoints = series.shape[-1]
        at, since = self.starts[length][..., None], torch.arange(n_timepoints)
        inside = (since >= at) & (since < at + self.width[length][:, None, None])
        counted = torch.arange(self.starts.shape[1]) < self.counts[length][:, None]
        inside = inside & counted[..., None]  # (n_instances, n_windows, n_timepoints)
        replaced = at_relative_place(
            self.donors[target], self.donor_lengths[target], length[:, None], n_timepoints
        )
        copies = torch.where(
            inside[:, :, None, None], replaced[:, None], series[:, None, None]
        )  # (n_instances, n_windows, n_donors, C, T)
        n_windows, n_donors = copies.shape[1:3]
        without = centred(self.logits(copies.flatten(0, 2)))
        without = without.reshape(-1, n_windows, n_donors, without.shape[1]).mean(dim=2)
        lost = centred(logits)[:, None] - without
        lost = (lost * self.one_hot[target][:, None]).sum(dim=2)
        maps = (lost[:, None] @ inside.to(lost.dtype))[:, 0] / inside.sum(dim=1)
        maps = torch.where(since < length[:, None], maps, torch.nan)
        return torch.softmax(logits, dim=1), maps


def _ended(series, length):
    """Series with NaN after the end of each, as networks take them."""
    place = torch.arange(series.shape[-1])
    return torch.where((place < length[:, None])[:, None], series, torch.nan)
