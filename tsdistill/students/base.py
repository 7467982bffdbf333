"""Parts that students share: their base class, standardisation, a block and a head."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

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

    See Also
    --------
    Lite : The default student.
    tsdistill.SaliencyDistilledClassifier : Trains the network that a student builds.

    Examples
    --------
    A linear student:

    >>> from torch import nn
    >>> from tsdistill.students import Student
    >>> class Linear(Student):
    ...     def build(self, n_channels, n_timepoints, n_classes):
    ...         return nn.Sequential(nn.Flatten(), nn.Linear(n_channels * n_timepoints, n_classes))
    >>> sum(p.numel() for p in Linear().build(1, 150, 2).parameters())
    302
    """

    capturable = False

    def build(self, n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
        """Make a freshly initialised network.

        Parameters
        ----------
        n_channels : int
            Number of channels; with ``missing="mask"`` twice as many as the series have: a
            :class:`Standardise` in front is then replaced by one that fills the gaps and marks
            them. A network without such a layer is built again for the channels of the series.
        n_timepoints : int
            Length of the series, of the longest if they differ.
        n_classes : int
            Number of classes, 2 or more.

        Returns
        -------
        torch.nn.Module
            Maps series of shape ``(n_instances, n_channels, n_timepoints)`` to logits of shape
            ``(n_instances, n_classes)``. Its attribute ``stages`` names the modules whose outputs
            are feature maps, for objectives that compare these.
        """
        raise TypeError(f"{type(self).__name__} does not define build(...).")

    def counts(self, *names: str) -> tuple[int, ...]:
        """Read parameters that count something as plain ints.

        Parameters
        ----------
        *names : str
            Names of the parameters.

        Returns
        -------
        tuple of int
            Their values.

        Raises
        ------
        ParameterError
            If one is no whole number above 0.
        """
        for name in names:
            check_count(f"{type(self).__name__}.{name}", getattr(self, name))
        return tuple(int(getattr(self, name)) for name in names)

    def lengths(self, how_many: int | None = None) -> tuple[int, ...]:
        """Read ``kernel_sizes`` as plain ints.

        Parameters
        ----------
        how_many : int, default=None
            How many there have to be. None allows any number but 0.

        Returns
        -------
        tuple of int
            The lengths, in timesteps.

        Raises
        ------
        ParameterError
            If one is no whole number above 0, or there are too many or too few.
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


def check_shape(n_channels: int, n_timepoints: int, n_classes: int) -> None:
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
        Number of channels.

    Attributes
    ----------
    takes_uneven : bool
        Whether the network expects series of unequal length, padded with NaN, see
        :mod:`tsdistill.students.masking`. NaN stays NaN here.
    fills_gaps : bool
        Whether NaN before the end is filled, as :class:`StandardiseFilled` does.

    See Also
    --------
    Student.build : What a network has to do.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.students import Standardise
    >>> layer = Standardise(n_channels=1)
    >>> panel = torch.tensor([[[1.0, 3.0]], [[5.0, 7.0]]])
    >>> layer.learn(panel)
    >>> layer(panel)[0]
    tensor([[-1.3416, -0.4472]])
    """

    takes_uneven = fills_gaps = False
    mean: Tensor
    std: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_channels, 1))
        self.register_buffer("std", torch.ones(n_channels, 1))

    @property
    def has_learnt(self) -> bool:
        """Whether the mean or standard deviation differs from that of a new layer."""
        return bool(self.mean.any() or (self.std != 1).any())

    @torch.no_grad()
    def learn(self, panel: Tensor) -> None:
        """Set the mean and standard deviation of each channel from a panel.

        A constant channel gets a standard deviation of 1, and so does one that varies by no more
        than float32 rounds. NaN does not count.

        Parameters
        ----------
        panel : torch.Tensor of shape (n_instances, n_channels, n_timepoints)
            The training series.
        """
        values = panel.double()
        if panel.isnan().any():
            mean = values.nanmean(dim=(0, 2))
            std = (values - mean[:, None]).square().nanmean(dim=(0, 2)).sqrt()
        else:
            std, mean = torch.std_mean(values, dim=(0, 2), correction=0)
        self.take(mean, std)

    @torch.no_grad()
    def take(self, mean: Tensor, std: Tensor) -> None:
        """Set the mean and standard deviation of each channel, as :meth:`learn` finds them.

        Parameters
        ----------
        mean : torch.Tensor of shape (n_channels,), float64
            Mean of each channel.
        std : torch.Tensor of shape (n_channels,), float64
            Standard deviation of each channel.
        """
        std = torch.where(std <= 1e-7 * mean.abs(), 1.0, std)
        self.mean.copy_(mean[:, None])
        self.std.copy_(std[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Standardise series.

        Parameters
        ----------
        x : torch.Tensor of shape (n_instances, n_channels, n_timepoints)
            The series.

        Returns
        -------
        torch.Tensor of the same shape
            The series, standardised.
        """
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

    def __init__(self, n_channels: int) -> None:
        super().__init__(n_channels)
        self.heed = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([filled(super().forward(x)), self.heed[:, None] * torch.isnan(x)], dim=1)


def built_for(configuration: Student, shape: tuple[int, int, int], gaps: bool) -> nn.Module:
    """Build the network of a configuration; with ``gaps`` one that fills them, if it can be.

    Parameters
    ----------
    configuration : Student
    shape : tuple of int
        n_channels, n_timepoints and n_classes.
    gaps : bool
    """
    if gaps:
        n_channels, n_timepoints, n_classes = shape
        network = configuration.build(2 * n_channels, n_timepoints, n_classes)
        if isinstance(network, nn.Module) and let_fill_gaps(network, n_channels):
            return network
    return configuration.build(*shape)


def let_fill_gaps(network: nn.Module, n_channels: int) -> bool:
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


def conv_block(n_in: int, n_out: int, kernel_size: int, dilation: int = 1) -> Chain:
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
    def stages(self) -> tuple[str, ...]:
        """Names of the stages."""
        return tuple(str(i) for i in range(1, len(self) - 1))

    def forward(self, x: Tensor) -> Tensor:
        standardise, *stages, head = self
        x, real = standardised(standardise, x)
        for stage in stages:
            x = stage(x, real)
        logits: Tensor = head(x, real)
        return logits


class PooledHead(nn.Module):
    """Mean over time, before the end of each series, then one linear layer to the logits."""

    def __init__(self, n_filters: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_filters, n_classes)

    def forward(self, features: Tensor, real: Tensor | None = None) -> Tensor:
        logits: Tensor = self.linear(mean_over_time(features, real))
        return logits
