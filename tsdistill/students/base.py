"""Parts that students share: their base class, standardisation, a block and a head."""

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_count, is_whole
from tsdistill.students.masking import Chain, filled, mean_over_time, standardised


class Student(BaseEstimator):
    """Configuration of a student network.

    A scikit-learn estimator without ``fit``: its parameters can be read, cloned and searched
    (``student__n_filters``). :meth:`build` makes the network.

    Attributes
    ----------
    capturable : bool
        Whether a GPU may replay a training step of one of our networks: it computes with tensors
        alone, in the same way whatever their values.
    """

    capturable = False

    def build(self, n_channels, n_timepoints, n_classes):
        """Make a freshly initialised network.

        Parameters
        ----------
        n_channels, n_timepoints, n_classes : int
            With ``missing="mask"`` twice as many channels as the series have: a
            :class:`Standardise` in front is then replaced by one that fills the gaps and marks
            them. A network without such a layer is built again for the channels of the series.

        Returns
        -------
        network : torch.nn.Module
            Maps series of shape ``(n_instances, n_channels, n_timepoints)`` to logits of shape
            ``(n_instances, n_classes)``. Its attribute ``stages`` names the modules whose outputs
            are feature maps, for objectives that compare these.
        """
        raise TypeError(f"{type(self).__name__} does not define build(...).")

    def counts(self, *names):
        """Parameters that count something, as plain ints; ParameterError if one does not."""
        for name in names:
            check_count(f"{type(self).__name__}.{name}", getattr(self, name))
        return tuple(int(getattr(self, name)) for name in names)

    def lengths(self, how_many=None):
        """``kernel_sizes`` as a tuple of plain ints; ParameterError if one is no length.

        Parameters
        ----------
        how_many : int, default=None
            None allows any number of them but 0.
        """
        sizes = self.kernel_sizes
        usable = (
            isinstance(sizes, (list, tuple, np.ndarray))
            and len(sizes) > 0
            and how_many in (None, len(sizes))
            and all(is_whole(size) and size > 0 for size in sizes)
        )
        if not usable:
            expected = "one length or more" if how_many is None else f"{how_many} lengths"
            raise ParameterError(
                f"{type(self).__name__}.kernel_sizes={sizes!r}; expected {expected}, whole numbers "
                "above 0, such as (7, 5, 3)."
            )
        return tuple(map(int, sizes))


def check_shape(n_channels, n_timepoints, n_classes):
    """Raise ParameterError if a network cannot be built for series of this shape."""
    check_count("n_channels", n_channels)
    check_count("n_timepoints", n_timepoints)
    check_count("n_classes", n_classes, least=2)


class Standardise(nn.Module):
    """Subtract each channel's mean and divide by its standard deviation.

    Both are buffers, so they are saved with the weights. :meth:`learn` sets them from the
    training series; until then the layer returns its input unchanged.

    Parameters
    ----------
    n_channels : int

    Attributes
    ----------
    takes_uneven : bool
        Whether the network expects series of unequal length, padded with NaN, see
        :mod:`tsdistill.students.masking`. NaN stays NaN here.
    fills_gaps : bool
        Whether NaN before the end is filled, see :class:`StandardiseFilled`.
    """

    takes_uneven = fills_gaps = False

    def __init__(self, n_channels):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_channels, 1))
        self.register_buffer("std", torch.ones(n_channels, 1))

    @property
    def has_learnt(self):
        """Whether the mean or standard deviation differs from that of a new layer."""
        return bool(self.mean.any() or (self.std != 1).any())

    @torch.no_grad()
    def learn(self, panel):
        """Set the mean and standard deviation of each channel from a panel.

        A constant channel gets a standard deviation of 1, and so does one that varies by no more
        than float32 rounds. NaN does not count.

        Parameters
        ----------
        panel : Tensor of shape (n_instances, n_channels, n_timepoints)
        """
        values = panel.double()
        if panel.isnan().any():
            mean = values.nanmean(dim=(0, 2))
            std = (values - mean[:, None]).square().nanmean(dim=(0, 2)).sqrt()
        else:
            std, mean = torch.std_mean(values, dim=(0, 2), correction=0)
        self.take(mean, std)

    @torch.no_grad()
    def take(self, mean, std):
        """Set the mean and standard deviation of each channel, as :meth:`learn` finds them.

        Parameters
        ----------
        mean, std : Tensor of shape (n_channels,), float64
        """
        std = torch.where(std <= 1e-7 * mean.abs(), 1.0, std)
        self.mean.copy_(mean[:, None])
        self.std.copy_(std[:, None])

    def forward(self, x):
        if x.ndim != 3 or x.shape[1] != len(self.mean):  # broadcasting would hide it
            raise ValueError(
                f"got series of shape {tuple(x.shape)}; expected (n_instances, {len(self.mean)}, "
                "n_timepoints)."
            )
        return (x - self.mean) / self.std


class StandardiseFilled(Standardise):
    """Standardisation of series with gaps, which gives twice as many channels.

    First come the channels with their gaps :func:`~tsdistill.students.masking.filled`, then 1 for
    each value that was missing, and 0 elsewhere, times a weight of its channel. It is 0 at first:
    a student begins with the filled series alone, and stays there if no series has gaps.

    Parameters
    ----------
    n_channels : int
        Of the series.
    """

    takes_uneven = fills_gaps = True

    def __init__(self, n_channels):
        super().__init__(n_channels)
        self.heed = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x):
        return torch.cat([filled(super().forward(x)), self.heed[:, None] * torch.isnan(x)], dim=1)


def built_for(configuration, shape, gaps):
    """Build the network of a configuration; with ``gaps`` one that fills them, if it can be.

    Parameters
    ----------
    configuration : Student
    shape : tuple of int
        n_channels, n_timepoints and n_classes.
    gaps : bool
    """
    if gaps:
        n_channels, *others = shape
        network = configuration.build(2 * n_channels, *others)
        if isinstance(network, nn.Module) and let_fill_gaps(network, n_channels):
            return network
    return configuration.build(*shape)


def let_fill_gaps(network, n_channels):
    """Let a network that was built for twice as many channels fill the gaps of series.

    Returns
    -------
    could : bool
        Whether the network begins with a :class:`Standardise`, which is replaced.
    """
    found = [
        (parent, name)
        for parent in network.modules()
        for name, part in parent.named_children()
        if type(part) is Standardise and len(part.mean) == 2 * n_channels
    ]
    for parent, name in found:
        setattr(parent, name, StandardiseFilled(n_channels))
    return bool(found)


def conv_block(n_in, n_out, kernel_size, dilation=1):
    """Convolution that keeps the length of its input, then batch normalisation and ReLU."""
    conv = nn.Conv1d(
        n_in,
        n_out,
        kernel_size,
        dilation=dilation,
        padding=dilation * (kernel_size - 1) // 2,
        bias=False,
    )
    return Chain(conv, nn.BatchNorm1d(n_out), nn.ReLU())


class StagedNetwork(nn.Sequential):
    """Standardisation, stages and a head, in turn; stages leave zeros beyond the end of series."""

    @property
    def stages(self):
        """Names of the stages."""
        return tuple(str(i) for i in range(1, len(self) - 1))

    def forward(self, x):
        standardise, *stages, head = self
        x, real = standardised(standardise, x)
        for stage in stages:
            x = stage(x, real)
        return head(x, real)


class PooledHead(nn.Module):
    """Mean over time, before the end of each series, then one linear layer to the logits."""

    def __init__(self, n_filters, n_classes):
        super().__init__()
        self.linear = nn.Linear(n_filters, n_classes)

    def forward(self, features, real=None):
        return self.linear(mean_over_time(features, real))
