"""Lite: three stages of dense convolutions, the default student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsdistill.exceptions import ParameterError
from tsdistill.students.base import PooledHead, Standardise, Student, check_shape, conv_block
from tsdistill.students.masking import Chain, standardised
from tsdistill.students.receptive_field import LocalStage, stage_of

USUAL_STRIDE, LARGEST_STRIDE = 2, 8
OUTPUTS = 100
"""Places at which stage 2 sees a long series, about."""


class Lite(Student):
    """A small convolutional network that is quick on CPUs.

    Stage 1 has ``n_filters`` filters of each of three lengths, at every second timestep; stage 2
    combines their outputs; stage 3 is dilated, for a larger receptive field. Convolutions are
    dense, because depthwise ones are several times slower on CPUs at this size. In long series the
    filters are further apart, and then averaged, so that stages 2 and 3 see about as much of the
    series, at as many places, as of a short one.

    Parameters
    ----------
    n_filters : int, default=8
        Filters of each length in stage 1; stages 2 and 3 have as many as all lengths together.
    kernel_sizes : tuple of int, default=(39, 19, 9)
        Odd lengths of the filters in stage 1, in timesteps.
    stride : int, default=None
        Timesteps between the outputs of stage 1. None: a hundredth of the series, but at least 2
        and at most 8 or the shortest filter, so that no filter steps over a timestep.
    dilation : int, default=4
        Dilation of stage 3, in places of stage 2.
    pool : int, default=None
        Odd number of outputs of stage 1 whose means stage 2 sees. None: 1, but if stride is None
        too, in series of 2,400 timesteps or more as many as make a hundred places of the series.
    bottleneck : int or None, default=12
        Series of more channels are first reduced to so many, by a convolution of one timestep;
        those that mark gaps (``missing="mask"``) count too. None never does that.

    See Also
    --------
    FCN : Fewer settings, and a smaller receptive field.
    Inception : More of such filters, one block after the other.
    GRU : A recurrent student.

    Notes
    -----
    With one channel the defaults have 8,794 weights at two classes, and 25 more for each
    further class; with 500 channels they have 20,690.

    Examples
    --------
    >>> from tsdistill.students import Lite
    >>> network = Lite().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    8794
    """

    capturable = True

    def __init__(
        self,
        n_filters: int = 8,
        kernel_sizes: Sequence[int] = (39, 19, 9),
        stride: int | None = None,
        dilation: int = 4,
        pool: int | None = None,
        bottleneck: int | None = 12,
    ) -> None:
        self.n_filters = n_filters
        self.kernel_sizes = kernel_sizes
        self.stride = stride
        self.dilation = dilation
        self.pool = pool
        self.bottleneck = bottleneck

    def build(self, n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
        check_shape(n_channels, n_timepoints, n_classes)
        n_filters, dilation = self.counts("n_filters", "dilation")
        kernel_sizes = self.lengths()
        if self.stride is None:
            largest = max(USUAL_STRIDE, min(LARGEST_STRIDE, *kernel_sizes))
            stride = min(max(n_timepoints // OUTPUTS, USUAL_STRIDE), largest)
            n_apart = max(1, n_timepoints // (stride * OUTPUTS))
            pool = (n_apart - 1) // 2 * 2 + 1  # odd
        else:
            (stride,), pool = self.counts("stride"), 1
        if self.pool is not None:
            (pool,) = self.counts("pool")
        if pool % 2 == 0:
            raise ParameterError(f"Lite.pool={pool}; expected an odd number, or None.")
        reduced = n_channels
        if self.bottleneck is not None:
            reduced = min(n_channels, *self.counts("bottleneck"))
        return _LiteNetwork(
            n_channels, n_classes, n_filters, kernel_sizes, stride, dilation, pool, reduced
        )


class _LiteNetwork(nn.Module):
    stages = ("normalise", "combine", "reach")

    def __init__(
        self,
        n_channels: int,
        n_classes: int,
        n_filters: int,
        kernel_sizes: Sequence[int],
        stride: int,
        dilation: int,
        pool: int,
        reduced: int,
    ) -> None:
        super().__init__()
        wide = n_filters * len(kernel_sizes)
        self.standardise = Standardise(n_channels)
        self.reduce: nn.Conv1d | None = None
        self.pool: nn.AvgPool1d | None = None
        if reduced < n_channels:
            self.reduce = nn.Conv1d(n_channels, reduced, 1, bias=False)
            n_channels = reduced
        if pool > 1:
            self.pool = nn.AvgPool1d(pool, padding=pool // 2)
        self.shapes = nn.ModuleList(
            nn.Conv1d(n_channels, n_filters, k, stride=stride, padding=k // 2, bias=False)
            for k in kernel_sizes
        )
        self.normalise = Chain(nn.BatchNorm1d(wide), nn.ReLU())
        self.combine = conv_block(wide, wide, 7)
        self.reach = conv_block(wide, wide, 7, dilation=dilation)
        self.head = PooledHead(wide, n_classes)

    @property
    def _filters(self) -> list[nn.Conv1d]:
        return cast("list[nn.Conv1d]", list(self.shapes))

    def local_parts(self) -> tuple[nn.Module, list[LocalStage], nn.Module] | None:
        """Standardisation, stages and head, for :mod:`tsdistill.students.receptive_field`; None
        with a pooling, which is no such stage.
        """
        if self.pool is not None:
            return None
        reduce = [] if self.reduce is None else [LocalStage([self.reduce], nn.Sequential())]
        stages = [
            *reduce,
            LocalStage(self._filters, self.normalise),
            stage_of(self.combine),
            stage_of(self.reach),
        ]
        return self.standardise, stages, self.head

    def forward(self, x: Tensor) -> Tensor:
        x, real = standardised(self.standardise, x)
        if real is not None:
            real = real[..., :: self._filters[0].stride[0]]
        if self.reduce is not None:
            x = self.reduce(x)
        x = self.normalise(self._shapes_at_once(x), real)
        if self.pool is not None:
            x = self.pool(x)
            if real is not None:  # places whose middle is before the end
                (stride,) = cast("tuple[int]", self.pool.stride)
                real = real[..., ::stride]
                x = x * real
        logits: Tensor = self.head(self.reach(self.combine(x, real), real), real)
        return logits

    def _shapes_at_once(self, x: Tensor) -> Tensor:
        """Stage 1 as one convolution: shorter filters get zeros at both ends."""
        longest = max(conv.kernel_size[0] for conv in self._filters)
        filters = []
        for conv in self._filters:
            length = conv.kernel_size[0]
            left = longest // 2 - length // 2
            filters.append(F.pad(conv.weight, (left, longest - length - left)))
        return F.conv1d(x, torch.cat(filters), stride=self._filters[0].stride, padding=longest // 2)
