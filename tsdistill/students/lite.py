"""Lite: three stages of dense convolutions, the default student."""

import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.students.base import PooledHead, Standardise, Student, check_shape, conv_block
from tsdistill.students.masking import Chain, standardised
from tsdistill.students.receptive_field import LocalStage


class Lite(Student):
    """A small convolutional network that is quick on CPUs.

    Stage 1 has ``n_filters`` filters of each of three lengths, at every second timestep; stage 2
    combines their outputs; stage 3 is dilated, for a larger receptive field. Convolutions are
    dense, because depthwise ones are several times slower on CPUs at this size.

    Parameters
    ----------
    n_filters : int, default=8
        Filters of each length in stage 1; stages 2 and 3 have as many as all lengths together.
    kernel_sizes : tuple of int, default=(39, 19, 9)
        Odd lengths of the filters in stage 1, in timesteps.
    stride : int, default=2
        Timesteps between the outputs of stage 1; 1 doubles the arithmetic.
    dilation : int, default=4
        Dilation of stage 3, in outputs of stage 1.

    Notes
    -----
    With one channel the defaults have 8,794 weights at two classes, and 25 more for each
    further class.

    Examples
    --------
    >>> network = Lite().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    8794
    """

    def __init__(self, n_filters=8, kernel_sizes=(39, 19, 9), stride=2, dilation=4):
        self.n_filters = n_filters
        self.kernel_sizes = kernel_sizes
        self.stride = stride
        self.dilation = dilation

    def build(self, n_channels, n_timepoints, n_classes):
        check_shape(n_channels, n_timepoints, n_classes)
        n_filters, stride, dilation = self.counts("n_filters", "stride", "dilation")
        return _LiteNetwork(n_channels, n_classes, n_filters, self.lengths(), stride, dilation)


class _LiteNetwork(nn.Module):
    stages = ("normalise", "combine", "reach")

    def __init__(self, n_channels, n_classes, n_filters, kernel_sizes, stride, dilation):
        super().__init__()
        wide = n_filters * len(kernel_sizes)
        self.standardise = Standardise(n_channels)
        self.shapes = nn.ModuleList(
            nn.Conv1d(n_channels, n_filters, k, stride=stride, padding=k // 2, bias=False)
            for k in kernel_sizes
        )
        self.normalise = Chain(nn.BatchNorm1d(wide), nn.ReLU())
        self.combine = conv_block(wide, wide, 7)
        self.reach = conv_block(wide, wide, 7, dilation=dilation)
        self.head = PooledHead(wide, n_classes)

    def local_parts(self):
        """Standardisation, stages and head, for :mod:`tsdistill.students.receptive_field`."""
        stages = [
            LocalStage(list(self.shapes), self.normalise),
            LocalStage([self.combine[0]], self.combine[1:]),
            LocalStage([self.reach[0]], self.reach[1:]),
        ]
        return self.standardise, stages, self.head

    def forward(self, x):
        x, real = standardised(self.standardise, x)
        if real is not None:
            real = real[..., :: self.shapes[0].stride[0]]
        x = self.normalise(self._shapes_at_once(x), real)
        return self.head(self.reach(self.combine(x, real), real), real)

    def _shapes_at_once(self, x):
        """Stage 1 as one convolution: shorter filters get zeros at both ends."""
        longest = max(conv.kernel_size[0] for conv in self.shapes)
        filters = []
        for conv in self.shapes:
            length = conv.kernel_size[0]
            left = longest // 2 - length // 2
            filters.append(F.pad(conv.weight, (left, longest - length - left)))
        return F.conv1d(x, torch.cat(filters), stride=self.shapes[0].stride, padding=longest // 2)
