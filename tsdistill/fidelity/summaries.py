"""Saliency maps of a whole set: what they have in common within each class, and what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tsdistill.fidelity.alignment import ALIGNMENTS, Alignment, alignment_of
from tsdistill.fidelity.map_inputs import (
    check_quantiles,
    checked_maps,
    checked_series,
    classes_of,
    names_of_channels,
)
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.fidelity.over_series import FloatArray, IntArray, MeanInterval, mean_interval, shares
from tsdistill.fidelity.over_series import quantiles as quantiles_of
from tsdistill.inputs.checks import check_choice, check_share

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class MapSummary:
    """Summary of the saliency maps of a set, made by :func:`summarise_maps`.

    Parameters
    ----------
    models : tuple of str, of length n_models
        Names of the models.
    classes : tuple of labels, of length n_classes
        Labels of the classes.
    channel_names : tuple of str, of length n_channels
        "all channels" if a map is for all of them.
    n_series : ndarray of shape (n_classes,), int64
        Number of series of each class.
    count : ndarray of shape (n_classes, n_timepoints), int64
        Number of series that have each timestep.
    saliency : MeanInterval of arrays of shape (n_models, n_classes, n_channels, n_timepoints)
        Mean map of each class. NaN where no series has the timestep; the interval is NaN where
        fewer than two have it. It holds for one timestep, not for all at once.
    quantiles : tuple of two arrays of the same shape
        Between them lie the maps of most series, at each timestep.
    timestep_share : ndarray of the same shape
        Share of the absolute saliency of a series, over all channels and timesteps, that lies at
        this timestep of this channel; mean over the series.
    channel_share : MeanInterval of arrays of shape (n_models, n_classes, n_channels)
        Share of the absolute saliency of a series that each channel carries.
    channel_share_overall : MeanInterval of arrays of shape (n_models, n_channels)
        The same over the series of all classes.
    correlation_of_means : ndarray of shape (n_models - 1, n_classes, n_channels)
        Correlation of the mean map of the first model with that of each other model.
    mean_correlation : ndarray of shape (n_models - 1, n_classes, n_channels)
        Mean over series of the correlation of their maps by these models.
    alignment : Alignment
        How the series were put on one time axis. ``alignment.shifts`` says by how much each
        series was moved, if ``align`` was "shift".

    See Also
    --------
    tsdistill.display.SaliencyDisplay : Draws mean maps, with ``kind="class"``.
    tsdistill.display.ChannelImportanceDisplay : Draws the shares of channels.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import summarise_maps
    >>> summary = summarise_maps(np.array([[0.0, 2.0], [1.0, 3.0]]), ["a", "a"])
    >>> summary.models, summary.classes, summary.n_series.tolist()
    (('model',), ('a',), [2])
    """

    models: tuple[str, ...]
    classes: tuple[Any, ...]
    channel_names: tuple[str, ...]
    n_series: IntArray
    count: IntArray
    saliency: MeanInterval
    quantiles: tuple[FloatArray, FloatArray]
    timestep_share: FloatArray
    channel_share: MeanInterval
    channel_share_overall: MeanInterval
    correlation_of_means: FloatArray
    mean_correlation: FloatArray
    alignment: Alignment

    def to_frame(self) -> "pd.DataFrame":
        """One row for each model, class, channel and timestep.

        Returns
        -------
        pandas.DataFrame
            Columns: model, class, channel, timestep; count (series that have the timestep), mean,
            mean_low, mean_high (the interval of the mean), quantile_low, quantile_high, share.
        """
        import pandas as pd

        n_timepoints = self.count.shape[-1]
        index = pd.MultiIndex.from_product(
            [self.models, self.classes, self.channel_names, range(n_timepoints)],
            names=["model", "class", "channel", "timestep"],
        )
        shape = self.timestep_share.shape
        values = {
            "count": np.broadcast_to(self.count[:, np.newaxis], shape),
            "mean": self.saliency.mean,
            "mean_low": self.saliency.low,
            "mean_high": self.saliency.high,
            "quantile_low": self.quantiles[0],
            "quantile_high": self.quantiles[1],
            "share": self.timestep_share,
        }
        columns = {name: array.ravel() for name, array in values.items()}
        frame: pd.DataFrame = pd.DataFrame(columns, index=index).reset_index()
        return frame

    def channels_to_frame(self, by_class: bool = True) -> "pd.DataFrame":
        """One row for each model, class and channel.

        Parameters
        ----------
        by_class : bool, default=True
            Whether each class has rows of its own. With False the shares are means over all
            series, and the frame has no column class and no correlations.

        Returns
        -------
        pandas.DataFrame
            Columns: model, class, channel; n_series, share, share_low, share_high, and the
            correlations with the first model: correlation_of_means and mean_correlation, NaN for
            the first model itself.
        """
        import pandas as pd

        keys: list[Sequence[Any]] = [self.models, self.classes, self.channel_names]
        names, share = ["model", "class", "channel"], self.channel_share
        n_series = self.n_series[:, np.newaxis]
        if not by_class:
            share, n_series = self.channel_share_overall, self.n_series.sum()
            del keys[1], names[1]
        values = {
            "n_series": np.broadcast_to(n_series, share.mean.shape),
            "share": share.mean,
            "share_low": share.low,
            "share_high": share.high,
        }
        if by_class:
            first = np.full((1, *share.mean.shape[1:]), np.nan)
            for name in ("correlation_of_means", "mean_correlation"):
                values[name] = np.concatenate([first, getattr(self, name)])
        index = pd.MultiIndex.from_product(keys, names=names)
        columns = {name: array.ravel() for name, array in values.items()}
        frame: pd.DataFrame = pd.DataFrame(columns, index=index).reset_index()
        return frame


def summarise_maps(
    maps: ArrayLike | Mapping[str, ArrayLike],
    groups: ArrayLike,
    *,
    classes: Sequence[Any] | None = None,
    channel_names: Sequence[str] | None = None,
    align: str = "none",
    X: ArrayLike | None = None,
    max_shift: int | None = None,
    quantiles: tuple[float, float] = (0.1, 0.9),
    confidence: float = 0.95,
) -> MapSummary:
    """Summarise the saliency maps of a whole set, class by class.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints), or dict of str to such arrays
        Maps of the series, or those of several models by name, such as
        ``{"teacher": ..., "student": ...}``, of the same shape. Maps of series of unequal length
        are NaN after the end of each.
    groups : array-like of shape (n_instances,)
        The class of each series: a label or a class index.
    classes : list of labels, default=None
        The classes to summarise, in this order. Series of other classes are left out. None takes
        all classes, sorted.
    channel_names : list of str of length n_channels, default=None
        None takes "channel 0" and so on.
    align : {"none", "relative", "shift"}, default="none"
        How series are put on one time axis. "none": by their position from the start; where some
        have ended, the mean is that of the others, which ``count`` tells. "relative": each series
        is stretched to the longest, by linear interpolation, so that all count everywhere.
        "shift": each series is moved by up to ``max_shift`` timesteps to where its values in X
        correlate best with the mean of the other series of its class; what is moved beyond the
        first or last timestep is left out, and counted nowhere.
    X : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints), default=None
        The series, by which "shift" aligns; their maps are not looked at.
    max_shift : int, default=None
        Largest shift. None takes a tenth of the longest series.
    quantiles : tuple of two floats in (0, 1), default=(0.1, 0.9)
        The spread over series: at each timestep, these shares of the series have lower values.
    confidence : float in (0, 1), default=0.95
        Of the t intervals of means, which tell how far the mean of so many series can be trusted.

    Returns
    -------
    MapSummary
        The summary, whose attributes are arrays.

    Raises
    ------
    ParameterError
        If shapes do not fit, a class has no series, values are missing before the end of a series,
        or an argument has a value that cannot be used.

    See Also
    --------
    saliency_correlation : Mean correlation of two models' maps over all series.
    tsdistill.display.SaliencyDisplay : Draws mean maps, with ``kind="class"``.
    tsdistill.display.ChannelImportanceDisplay : Draws the shares of channels.

    Notes
    -----
    The spread is told by quantiles, not by a standard deviation, since values of maps are skewed
    and signed: a lower quantile above 0 means that the timestep speaks for the class in nearly all
    series. Shares are means over series of each series' own shares, so that no series counts more
    because its map is stronger; series whose map is 0 everywhere have none and are left out. The
    shares of channels and the correlations of series are those before the alignment.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import summarise_maps
    >>> maps = np.array([[0.0, 2.0, 0.0], [1.0, 3.0, 0.0], [4.0, 0.0, np.nan]])
    >>> summary = summarise_maps(maps, ["a", "a", "b"])
    >>> summary.saliency.mean[0, 0, 0].tolist(), summary.count.tolist()
    ([0.5, 2.5, 0.0], [[2, 2, 2], [1, 1, 0]])
    >>> summary.to_frame().loc[:1, ["class", "timestep", "count", "mean", "share"]]
      class  timestep  count  mean  share
    0     a         0      2   0.5  0.125
    1     a         1      2   2.5  0.875
    """
    check_choice("align", align, ALIGNMENTS)
    check_share("confidence", confidence)
    check_quantiles(quantiles)
    found, lengths = checked_maps(maps)
    n, n_channels, _ = next(iter(found.values())).shape
    names = names_of_channels(channel_names, n_channels)
    labels, class_index = classes_of(groups, n, classes)
    rows = np.flatnonzero(class_index >= 0)
    found = {name: m[rows] for name, m in found.items()}
    k = class_index[rows]
    series = None if X is None else checked_series(X, lengths)[rows]
    alignment = alignment_of(align, lengths[rows], k, series, max_shift)
    aligned = {name: alignment.of(m) for name, m in found.items()}
    members = [np.flatnonzero(k == label) for label in range(len(labels))]

    def by_class(panels: Mapping[str, FloatArray]) -> MeanInterval:
        every = [[mean_interval(m[of], confidence) for of in members] for m in panels.values()]
        return MeanInterval(*np.moveaxis(np.array(every), 2, 0))

    saliency = by_class(aligned)
    spread = [[quantiles_of(m[of], quantiles) for of in members] for m in aligned.values()]
    low, high = np.moveaxis(np.array(spread), 2, 0)
    of_channels = {name: shares(m).sum(axis=2) for name, m in found.items()}
    overall = [mean_interval(m, confidence) for m in of_channels.values()]
    present = ~np.isnan(next(iter(aligned.values()))[:, 0])
    first, *others = found.values()
    return MapSummary(
        models=tuple(found),
        classes=tuple(labels),
        channel_names=names,
        n_series=np.array([len(of) for of in members], dtype=np.int64),
        count=np.array([present[of].sum(axis=0) for of in members], dtype=np.int64),
        saliency=saliency,
        quantiles=(low, high),
        timestep_share=by_class({name: shares(m) for name, m in aligned.items()}).mean,
        channel_share=_from_0_to_1(by_class(of_channels)),
        channel_share_overall=_from_0_to_1(MeanInterval(*np.moveaxis(np.array(overall), 1, 0))),
        correlation_of_means=_per_channel(
            [[of_class[None] for of_class in m] for m in saliency.mean], n_channels
        ),
        mean_correlation=_per_channel(
            [[m[of] for of in members] for m in (first, *others)], n_channels
        ),
        alignment=alignment,
    )


def _per_channel(maps: Sequence[Sequence[FloatArray]], n_channels: int) -> FloatArray:
    """Mean correlation of the first model's maps with those of each other, by class and channel."""
    first, *others = maps
    correlations = [
        [
            [per_series_correlation(a[:, c], b[:, c]).mean() for c in range(n_channels)]
            for a, b in zip(first, other, strict=True)
        ]
        for other in others
    ]
    return np.array(correlations, dtype=np.float64).reshape(len(others), len(first), n_channels)


def _from_0_to_1(found: MeanInterval) -> MeanInterval:
    return MeanInterval(*(np.clip(part, 0, 1) for part in (found.mean, found.low, found.high)))
