"""FCN: three convolutions and a mean over time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from tsdistill.students.base import (
    PooledHead,
    StagedNetwork,
    Standardise,
    Student,
    check_shape,
    conv_block,
)
from tsdistill.students.receptive_field import LocalStage, stage_of


class FCN(Student):
    """The fully convolutional network of Wang et al., in any size.

    Parameters
    ----------
    n_filters : int, default=16
        Filters of the first and third convolution; the second has twice as many. 128 is the
        published size.
    kernel_sizes : tuple of three int, default=(7, 5, 3)
        Odd lengths of the filters, in timesteps. The published first length, 8, is even.

    See Also
    --------
    ResNet : Convolutions with residual connections, by the same authors.
    Lite : The default student.

    Notes
    -----
    With one channel the defaults have 4,370 weights at two classes, and 17 more for each
    further class.

    References
    ----------
    Wang, Yan, Oates: Time series classification from scratch with deep neural networks.
    IJCNN 2017.

    Examples
    --------
    >>> from tsdistill.students import FCN
    >>> network = FCN().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    4370
    """

    capturable = True

    def __init__(self, n_filters: int = 16, kernel_sizes: Sequence[int] = (7, 5, 3)) -> None:
        self.n_filters = n_filters
        self.kernel_sizes = kernel_sizes

    def build(self, n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
        check_shape(n_channels, n_timepoints, n_classes)
        first, second, third = self.lengths(how_many=3)
        (n_filters,) = self.counts("n_filters")
        return _FCNNetwork(
            Standardise(n_channels),
            conv_block(n_channels, n_filters, first),
            conv_block(n_filters, 2 * n_filters, second),
            conv_block(2 * n_filters, n_filters, third),
            PooledHead(n_filters, n_classes),
        )


class _FCNNetwork(StagedNetwork):
    def local_parts(self) -> tuple[nn.Module, list[LocalStage], nn.Module]:
        """Standardisation, stages and head, for :mod:`tsdistill.students.receptive_field`."""
        standardise, *blocks, head = self
        return standardise, [stage_of(block) for block in blocks], head
