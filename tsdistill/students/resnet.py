"""ResNet: convolution blocks with residual connections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tsdistill.students.base import (
    PooledHead,
    StagedNetwork,
    Standardise,
    Student,
    check_shape,
    conv_block,
)
from tsdistill.students.masking import Chain


class ResNet(Student):
    """The residual network of Wang et al., in any size.

    Parameters
    ----------
    n_filters : int, default=8
        Filters of the first block; later blocks have twice as many. 64 is the published size.
    n_blocks : int, default=3
        Number of blocks.
    kernel_sizes : tuple of int, default=(7, 5, 3)
        Odd lengths of the filters of a block, in timesteps.

    See Also
    --------
    FCN : Convolutions without residual connections, by the same authors.
    Lite : The default student.

    Notes
    -----
    With one channel the defaults have 7,842 weights at two classes, and 17 more for each
    further class.

    References
    ----------
    Wang, Yan, Oates: Time series classification from scratch with deep neural networks.
    IJCNN 2017.

    Examples
    --------
    >>> from tsdistill.students import ResNet
    >>> network = ResNet().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    7842
    """

    capturable = True

    def __init__(
        self, n_filters: int = 8, n_blocks: int = 3, kernel_sizes: Sequence[int] = (7, 5, 3)
    ) -> None:
        self.n_filters = n_filters
        self.n_blocks = n_blocks
        self.kernel_sizes = kernel_sizes

    def build(self, n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
        check_shape(n_channels, n_timepoints, n_classes)
        n_filters, n_blocks = self.counts("n_filters", "n_blocks")
        widths = [n_filters if i == 0 else 2 * n_filters for i in range(n_blocks)]
        blocks = [
            _ResidualBlock(n_in, n_out, self.lengths())
            for n_in, n_out in zip([n_channels, *widths], widths, strict=False)
        ]
        return StagedNetwork(Standardise(n_channels), *blocks, PooledHead(widths[-1], n_classes))


class _ResidualBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, kernel_sizes: Sequence[int]) -> None:
        super().__init__()
        blocks = [
            conv_block(n_in if i == 0 else n_out, n_out, k) for i, k in enumerate(kernel_sizes)
        ]
        del blocks[-1][2]  # the last ReLU comes after the sum
        self.body = Chain(*blocks)
        self.shortcut = Chain(
            nn.Conv1d(n_in, n_out, 1, bias=False) if n_in != n_out else nn.Identity(),
            nn.BatchNorm1d(n_out),
        )

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        return torch.relu(self.body(x, real) + self.shortcut(x, real))
