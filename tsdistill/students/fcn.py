"""FCN: three convolutions and a mean over time."""

from tsdistill.students.base import (
    PooledHead,
    StagedNetwork,
    Standardise,
    Student,
    check_shape,
    conv_block,
)
from tsdistill.students.receptive_field import LocalStage


class FCN(Student):
    """The fully convolutional network of Wang et al., in any size.

    Parameters
    ----------
    n_filters : int, default=16
        Filters of the first and third convolution; the second has twice as many. 128 is the
        published size.
    kernel_sizes : tuple of three int, default=(7, 5, 3)
        Odd lengths of the filters, in timesteps. The published first length, 8, is even.

    Notes
    -----
    With one channel the defaults have 4,370 weights at two classes, and 17 more for each
    further class.

    References
    ----------
    Wang, Yan, Oates: Time series classification from scratch with deep neural networks.
    IJCNN 2017.
    """

    capturable = True

    def __init__(self, n_filters=16, kernel_sizes=(7, 5, 3)):
        self.n_filters = n_filters
        self.kernel_sizes = kernel_sizes

    def build(self, n_channels, n_timepoints, n_classes):
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
    def local_parts(self):
        """Standardisation, stages and head, for :mod:`tsdistill.students.receptive_field`."""
        standardise, *blocks, head = self
        return standardise, [LocalStage([block[0]], block[1:]) for block in blocks], head
