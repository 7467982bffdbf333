"""Inception: parallel filters of several lengths with residual connections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsdistill.students.base import PooledHead, Standardise, Student, check_shape
from tsdistill.students.masking import Chain, normalised, standardised


class Inception(Student):
    """InceptionTime's network, in any size.

    Parameters
    ----------
    n_filters : int, default=8
        Filters in each of the four branches of a block; 32 is the published size.
    n_blocks : int, default=3
        Inception blocks; a residual connection spans every three of them.
    kernel_sizes : tuple of int, default=(39, 19, 9)
        Odd lengths of the filters, in timesteps.

    See Also
    --------
    Lite : The default student, with one block of such filters.

    Notes
    -----
    With one channel the defaults have 10,498 weights at two classes, and 33 more for each
    further class. With 32 filters, as in the teacher of our benchmarks, it has 157,186.

    References
    ----------
    Ismail Fawaz et al.: InceptionTime. Data Mining and Knowledge Discovery 34 (2020).

    Examples
    --------
    >>> from tsdistill.students import Inception
    >>> network = Inception().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    10498
    """

    capturable = True

    def __init__(
        self, n_filters: int = 8, n_blocks: int = 3, kernel_sizes: Sequence[int] = (39, 19, 9)
    ) -> None:
        self.n_filters = n_filters
        self.n_blocks = n_blocks
        self.kernel_sizes = kernel_sizes

    def build(self, n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
        check_shape(n_channels, n_timepoints, n_classes)
        n_filters, n_blocks = self.counts("n_filters", "n_blocks")
        return _InceptionNetwork(n_channels, n_classes, n_filters, n_blocks, self.lengths())


class _InceptionBlock(nn.Module):
    def __init__(self, n_in: int, n_filters: int, kernel_sizes: Sequence[int]) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(n_in, n_filters, 1, bias=False) if n_in > 1 else nn.Identity()
        n_narrow = n_filters if n_in > 1 else n_in
        self.branches = nn.ModuleList(
            nn.Conv1d(n_narrow, n_filters, k, padding=k // 2, bias=False) for k in kernel_sizes
        )
        self.pooled = nn.Sequential(
            nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(n_in, n_filters, 1, bias=False)
        )
        self.normalise = nn.BatchNorm1d(n_filters * (len(kernel_sizes) + 1))

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        narrow = self.bottleneck(x)
        branches = [branch(narrow) for branch in self.branches] + [self._pooled(x, real)]
        x = torch.relu(normalised(self.normalise, torch.cat(branches, dim=1), real))
        return x if real is None else x * real

    def _pooled(self, x: Tensor, real: Tensor | None) -> Tensor:
        if real is None:
            pooled: Tensor = self.pooled(x)
            return pooled
        x = F.pad(x.masked_fill(~real, -torch.inf), (1, 1), value=-torch.inf)
        highest = x.unfold(-1, 3, 1).amax(dim=-1)  # at the ends as at the start: no zeros
        pooled = self.pooled[1](highest.masked_fill(~real, 0.0))
        return pooled


class _InceptionNetwork(nn.Module):
    def __init__(
        self,
        n_channels: int,
        n_classes: int,
        n_filters: int,
        n_blocks: int,
        kernel_sizes: Sequence[int],
    ) -> None:
        super().__init__()
        wide = n_filters * (len(kernel_sizes) + 1)
        self.standardise = Standardise(n_channels)
        self.blocks = nn.ModuleList(
            _InceptionBlock(n_channels if i == 0 else wide, n_filters, kernel_sizes)
            for i in range(n_blocks)
        )
        self.shortcuts = nn.ModuleList(
            Chain(
                nn.Conv1d(n_channels if i == 0 else wide, wide, 1, bias=False),
                nn.BatchNorm1d(wide),
            )
            for i in range(n_blocks // 3)
        )
        self.head = PooledHead(wide, n_classes)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the blocks."""
        return tuple(f"blocks.{i}" for i in range(len(self.blocks)))

    def forward(self, x: Tensor) -> Tensor:
        x, real = standardised(self.standardise, x)
        origin = x
        for i, block in enumerate(self.blocks):
            x = block(x, real)
            if i % 3 == 2:
                x = origin = torch.relu(x + self.shortcuts[i // 3](origin, real))
        logits: Tensor = self.head(x, real)
        return logits
