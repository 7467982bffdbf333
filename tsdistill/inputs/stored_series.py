"""Checks of series that are not in memory, and what one pass over them tells."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import column_or_1d

from tsdistill.exceptions import PanelError
from tsdistill.inputs.labels import as_labels
from tsdistill.inputs.panel import check_variation
from tsdistill.inputs.series import SeriesFormat, check_same_ndim, check_same_shape
from tsdistill.inputs.stored import StoredPanel


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel over all series and timesteps.

    Attributes
    ----------
    mean, std : ndarray of shape (n_channels,), float64
    """

    mean: np.ndarray
    std: np.ndarray


def survey(panel):
    """Read all series of a stored panel once: check them, and compute their statistics.

    Means and sums of squares of blocks of 4 MiB are merged in float64, so nothing is lost where the
    mean is large and the deviation small.

    Parameters
    ----------
    panel : StoredPanel

    Returns
    -------
    statistics : Statistics

    Raises
    ------
    PanelError
        If a value is not finite, with its position; or if float32 is too coarse for a channel, as
        in :func:`~tsdistill.inputs.panel.check_resolution`.

    References
    ----------
    Chan, Golub, LeVeque: Algorithms for computing the sample variance. The American Statistician
    37(3), 1983.
    """
    n_channels = panel.shape[1]
    count, mean, squares = 0, np.zeros(n_channels), np.zeros(n_channels)
    lost, low, high = (
        np.zeros(n_channels),
        np.full(n_channels, np.inf),
        -np.full(n_channels, np.inf),
    )
    for raw, values in panel.blocks():
        exact = values.astype(np.float64)
        if raw.dtype != np.float32 and raw.dtype.itemsize > 2:
            lost = np.maximum(lost, np.abs(raw - exact).max(axis=(0, 2)))
        low = np.minimum(low, raw.min(axis=(0, 2)))
        high = np.maximum(high, raw.max(axis=(0, 2)))
        of_block = exact.mean(axis=(0, 2))
        exact -= of_block[:, np.newaxis]
        n, n_block = count, len(exact) * exact.shape[2]
        count = n + n_block
        apart = of_block - mean
        squares += np.einsum("nct,nct->c", exact, exact) + apart**2 * (n * n_block / count)
        mean += apart * (n_block / count)
    std = np.where(low < high, np.sqrt(squares / count), 0.0)
    for channel in range(n_channels):
        size = max(-low[channel], high[channel])
        varies = low[channel] < high[channel]
        deviation = max(std[channel], lost[channel]) if varies else 0.0  # rounding may hide it
        check_variation(channel, deviation, 2 * lost[channel], size)
    return Statistics(mean, std)


def read_stored(panel, X, y=None):
    """Labels and format of stored series of a ``fit``.

    Parameters
    ----------
    panel : StoredPanel
        Of X.
    X : array-like of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
        As the user passed it; not read.
    y : array-like of shape (n_instances,), default=None

    Returns
    -------
    y : ndarray of shape (n_instances,), or None if none was passed
    series_format : SeriesFormat

    Raises
    ------
    PanelError, ValueError
        If there is not one label for each series.
    """
    if y is not None:
        y = column_or_1d(np.asarray(as_labels(y)), warn=True)
        if len(y) != len(panel):
            raise PanelError(
                f"y has {len(y)} labels, but X has {len(panel)} series; pass one label for each."
            )
    return y, SeriesFormat(
        n_features_in=int(X.shape[1]),
        feature_names_in=None,
        n_channels=panel.shape[1],
        n_timepoints=panel.shape[2],
        ndim=len(X.shape),
        channel_names=None,
    )


def match_stored(estimator: object, panel: StoredPanel, X: object) -> None:
    """Refuse stored series that do not match those of a ``fit``.

    Parameters
    ----------
    estimator : estimator
        Has the attributes of a :class:`~tsdistill.inputs.series.SeriesFormat`.
    panel : StoredPanel
        Of X.
    X : array-like of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
        As the user passed it; not read.

    Raises
    ------
    PanelError
        If the number of axes, channels or timepoints differs.
    """
    if estimator._uneven_form is not None:
        raise PanelError(
            f"{type(estimator).__name__} was fitted on series of unequal length or with missing "
            "values, which X cannot be where it is not in memory; pass a part of X that fits into "
            "memory, as X[:1000]."
        )
    check_same_ndim(estimator, X)
    check_same_shape(estimator, X)
    if panel.shape[2] != estimator.n_timepoints_in_:  # of 2-D series
        raise PanelError(
            f"X has {panel.shape[2]} timepoints, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_timepoints_in_}; resample or cut the series to that length."
        )
