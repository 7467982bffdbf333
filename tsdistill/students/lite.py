"""Lite: three stages of dense convolutions, the default student."""

import torch
from torch import nn

from tsdistill.students.base import PooledHead, Standardise, Student, conv_block


class Lite(Student):
    """A small convolutional network that is quick on CPUs.

    Stage 1 looks for shapes at three lengths, ``n_filters`` each; stage 2 combines them;
    stage 3 looks further by dilation. Convolutions are dense, since depthwise ones are
    several times slower on CPUs at this size.

    Parameters
    ----------
    n_filters : int, default=8
        Filters of each length in stage 1; stages 2 and 3 have twice as many.
    kernel_sizes : tuple of int, default=(39, 19, 9)
        Odd lengths of the filters in stage 1, in timesteps.
    dilation : int, default=4
        Of stage 3.

    Notes
    -----
    With one channel and K classes the defaults have ``6,408 + 17 K`` weights, 6,442 at K = 2.

    Examples
    --------
    >>> network = Lite().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    6442
    """

    def __init__(self, n_filters=8, kernel_sizes=(39, 19, 9), dilation=4):
        self.n_filters = n_filters
        self.kernel_sizes = kernel_sizes
        self.dilation = dilation

    def build(self, n_channels, n_timepoints, n_classes):
        return _LiteNetwork(n_channels, n_classes, self.n_filters, self.kernel_sizes, self.dilation)


class _LiteNetwork(nn.Module):
    def __init__(self, n_channels, n_classes, n_filters, kernel_sizes, dilation):
        super().__init__()
        wide = 2 * n_filters
        self.standardise = Standardise(n_channels)
        self.shapes = nn.ModuleList(
            nn.Conv1d(n_channels, n_filters, k, padding=k // 2, bias=False) for k in kernel_sizes
        )
        n_shapes = n_filters * len(kernel_sizes)
        self.normalise = nn.Sequential(nn.BatchNorm1d(n_shapes), nn.ReLU())
        self.combine = conv_block(n_shapes, wide, 9)
        self.reach = conv_block(wide, wide, 9, dilation=dilation)
        self.head = PooledHead(wide, n_classes)

    def forward(self, x):
        x = self.standardise(x)
        x = self.normalise(torch.cat([conv(x) for conv in self.shapes], dim=1))
        return self.head(self.reach(self.combine(x)))
