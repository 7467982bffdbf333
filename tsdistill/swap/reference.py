"""What the series looked like on which a swap was fitted, so that later drift can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.exceptions import SavedFileError
from tsdistill.inputs.panel import with_channels
from tsdistill.inputs.types import FloatArray
from tsdistill.swap.risk import BEYOND_ALL

N_BINS = 64
IN_SCALE = 3
"""One in so many series gives centre, scale and edges of bins; the others are counted."""
DEVIATIONS_A_MAD = 1.4826  # of a normal distribution
SMALLEST_SCALE = 0.01  # of a channel's deviation: rounding errors are no drift
SERIES_AT_ONCE = 256
TENSORS = "reference."


@dataclass(frozen=True)
class Reference:
    """Counts of two scores of the series of a ``fit``: the student's uncertainty, and strangeness.

    The strangeness of a series is the mean of ``((s - centre) / scale)^2`` over statistics s: mean,
    standard deviation and mean absolute step of every channel.

    Centre, scale and edges come from one third of the series, the counts from the others. Given
    the former, a score is a fixed function, so the scores counted and those of later series are
    exchangeable if the series are.

    Attributes
    ----------
    centre, scale : ndarray of shape (3 * n_channels,), float64
        Medians of the statistics, and their spreads.
    uncertainty_edges, input_edges : ndarray of shape (n_bins - 1,), float64
        Ascending.
    uncertainty_counts, input_counts : ndarray of shape (n_bins,), int64
    """

    centre: np.ndarray
    scale: np.ndarray
    uncertainty_edges: np.ndarray
    uncertainty_counts: np.ndarray
    input_edges: np.ndarray
    input_counts: np.ndarray

    @classmethod
    def of(cls, uncertainty: FloatArray, X: NDArray[Any]) -> Reference:
        """The reference of a ``fit``.

        Parameters
        ----------
        uncertainty : ndarray of shape (n_instances,)
            May be infinite.
        X : ndarray of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            May be padded with NaN, and have gaps.
        """
        statistics = statistics_of(X)
        first = np.arange(len(X)) % IN_SCALE == 0
        centre = np.median(statistics[first], axis=0)
        spread = DEVIATIONS_A_MAD * np.median(np.abs(statistics[first] - centre), axis=0)
        _, deviation, _ = np.split(centre, 3)
        least = np.maximum(SMALLEST_SCALE * np.tile(deviation, 3), 1e-6 * np.abs(centre))
        scale = np.maximum(spread, least)
        scale[scale == 0] = 1.0
        strangeness = strangeness_of(statistics, centre, scale)
        uncertainty = np.minimum(uncertainty, BEYOND_ALL)
        return cls(centre, scale, *_counted(uncertainty, first), *_counted(strangeness, first))

    def strangeness(self, X):
        """The strangeness of series.

        Parameters
        ----------
        X : ndarray of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)

        Returns
        -------
        strangeness : ndarray of shape (n_instances,), float64
        """
        return strangeness_of(statistics_of(X), self.centre, self.scale)

    def tensors(self):
        """The attributes by the names that they have in a file."""
        return {TENSORS + name: value for name, value in vars(self).items()}

    @classmethod
    def from_tensors(cls, tensors, n_channels):
        """The reference in a file; None if it was written before there was one.

        Raises
        ------
        SavedFileError
            If it is damaged.
        """
        found = {
            name.removeprefix(TENSORS): value
            for name, value in tensors.items()
            if name.startswith(TENSORS)
        }
        if not found:
            return None
        if set(found) != set(cls.__dataclass_fields__):
            raise SavedFileError("the reference of the swap is not complete.")
        reference = cls(**found)
        of_statistics = {"centre": 3 * n_channels, "scale": 3 * n_channels}
        sizes = of_statistics | {
            f"{kind}_counts": len(np.atleast_1d(found[f"{kind}_edges"])) + 1
            for kind in ("uncertainty", "input")
        }
        usable = all(found[name].shape == (size,) for name, size in sizes.items()) and all(
            value.ndim == 1 and value.dtype == (np.int64 if name.endswith("counts") else float)
            for name, value in found.items()
        )
        if (
            not usable
            or (reference.scale <= 0).any()
            or any(
                (found[f"{kind}_counts"] < 0).any() or (np.diff(found[f"{kind}_edges"]) <= 0).any()
                for kind in ("uncertainty", "input")
            )
        ):
            raise SavedFileError("the reference of the swap is damaged.")
        return reference


def _counted(scores, first):
    """Edges of bins from some of the scores, and counts of the others in these bins."""
    inner = np.arange(1, N_BINS) / N_BINS
    edges = np.unique(np.quantile(scores[first], inner, method="higher"))
    counts = np.bincount(bins_of(scores[~first], edges), minlength=len(edges) + 1)
    return edges.astype(np.float64), counts.astype(np.int64)


def bins_of(scores, edges):
    """The bin of each score: the number of edges below it."""
    return np.searchsorted(edges, scores, side="left")


def strangeness_of(statistics, centre, scale):
    """How far statistics are from their centre, see :class:`Reference`."""
    deviations = (statistics - centre) / scale
    deviations *= deviations
    return np.add.reduce(deviations, axis=1) / len(centre)


def statistics_of(X):
    """Mean, standard deviation and mean absolute step of every channel.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        NaN, after the end of a series or in gaps, does not count.

    Returns
    -------
    statistics : ndarray of shape (n_instances, 3 * n_channels), float64

    Examples
    --------
    >>> statistics_of(np.array([[1.0, 3.0, np.nan, 3.0, 1.0]])).tolist()
    [[2.0, 1.0, 2.0]]
    """
    panel = with_channels(X)
    if len(panel) <= SERIES_AT_ONCE:
        return _statistics(panel)
    starts = range(0, len(panel), SERIES_AT_ONCE)
    return np.concatenate([_statistics(panel[at : at + SERIES_AT_ONCE]) for at in starts])


def _statistics(panel):
    panel = np.ascontiguousarray(panel, dtype=np.float64)
    n_timepoints = panel.shape[2]
    mean = np.add.reduce(panel, axis=2, keepdims=True)
    mean /= n_timepoints
    if (mean != mean).any():  # np.isnan takes longer, and for one series each call counts
        return _statistics_with_nan(panel)
    deviations = panel - mean
    steps = deviations[:, :, 1:] - deviations[:, :, :-1]
    np.abs(steps, out=steps)
    deviations *= deviations
    deviation = np.add.reduce(deviations, axis=2)
    deviation /= n_timepoints
    step = np.add.reduce(steps, axis=2)
    step /= max(n_timepoints - 1, 1)
    return np.concatenate([mean[:, :, 0], np.sqrt(deviation), step], axis=1)


def _statistics_with_nan(panel):
    steps = np.abs(np.diff(panel, axis=2))
    mean = _mean_of_values(panel)
    deviations = panel - mean[:, :, np.newaxis]
    deviation = np.sqrt(_mean_of_values(deviations**2))
    return np.concatenate([mean, deviation, _mean_of_values(steps)], axis=1)


def _mean_of_values(panel):
    """The mean over time of what is not NaN; 0 if all is."""
    known = ~np.isnan(panel)
    return np.where(known, panel, 0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
