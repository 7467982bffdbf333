"""Baselines, which take the place of windows in explanations, and constant or noise donors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsdistill.inputs.types import Float32Array, IntArray
from tsdistill.perturbation.uneven import without_gaps

STAND_INS = ("mean", "zero", "noise")
N_NOISE_SERIES = 64
KEPT_A_CLASS = 8
DONORS_A_TARGET = 8


def stand_in_donors(panel, kind, rng=None):
    """Make donors that carry no information about the class.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints)
    kind : {"mean", "zero", "noise"}
    rng : numpy.random.Generator, needed for "noise"

    Returns
    -------
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
    """
    _, n_channels, n_timepoints = panel.shape
    if kind == "zero":
        return np.zeros((1, n_channels, n_timepoints), dtype=np.float32)
    mean = np.nanmean(panel, axis=(0, 2), dtype=np.float64)
    scale = np.nanstd(panel, axis=(0, 2), dtype=np.float64) if kind == "noise" else None
    return stand_ins_of(kind, mean, scale, n_timepoints, rng)


def stand_ins_of(kind, mean, std, n_timepoints, rng=None):
    """Make the donors of :func:`stand_in_donors` from statistics.

    Parameters
    ----------
    kind : {"mean", "zero", "noise"}
    mean, std : ndarray of shape (n_channels,), float64
        Of each channel over all series.
    n_timepoints : int
    rng : numpy.random.Generator, needed for "noise"

    Returns
    -------
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
    """
    if kind == "zero":
        return np.zeros((1, len(mean), n_timepoints), dtype=np.float32)
    mean = mean[:, np.newaxis]
    if kind == "mean":
        return np.repeat(mean, n_timepoints, axis=1)[np.newaxis].astype(np.float32)
    noise = rng.standard_normal((N_NOISE_SERIES, len(mean), n_timepoints))
    return (mean + std[:, np.newaxis] * noise).astype(np.float32)


@dataclass(frozen=True)
class Baselines:
    """Series that take the place of windows in explanations.

    Attributes
    ----------
    series : ndarray of shape (n_kept, n_channels, n_timepoints), float32
        A few training series of each class.
    class_index : ndarray of shape (n_kept,), int64
        Class index of each of them.
    mean : ndarray of shape (1, n_channels, n_timepoints), float32
        Mean of each channel over the training series.
    trained_on_constants : bool, default=False
        Whether the student was trained on windows replaced by means or zeros, not by series.
    """

    series: Float32Array
    class_index: IntArray
    mean: Float32Array
    trained_on_constants: bool = False

    @classmethod
    def choose(cls, panel, class_index, rng, n_a_class=KEPT_A_CLASS, mean=None):
        """Draw a few series of each class of a panel, and compute its mean unless it is known."""
        rows = [
            rng.permutation(np.flatnonzero(class_index == k))[:n_a_class]
            for k in np.unique(class_index)
        ]
        rows = np.concatenate(rows)
        mean = stand_in_donors(panel, "mean") if mean is None else mean
        return cls(panel[rows].copy(), class_index[rows], mean)

    @property
    def channel_means(self) -> Float32Array:
        """Each channel's mean over the training series, (n_channels,)."""
        return self.mean[0, :, 0]

    @property
    def untrained(self) -> str:
        """The baseline on which the student was not trained, for measures: "mean" or "opposing".

        Windows that were made flat have their own mean, not that of all series.
        """
        return "opposing" if self.trained_on_constants else "mean"

    def opposing(self, n_classes: int) -> tuple[Float32Array, IntArray]:
        """Donors for each target class: series of the other classes.

        Classes take turns: the second series of a class comes after the first series of all
        other classes.

        Parameters
        ----------
        n_classes : int

        Returns
        -------
        donors : ndarray of shape (n_kept, n_channels, n_timepoints)
            With their gaps filled, so that no window leaves a channel without values.
        donor_rows : ndarray of shape (n_classes, n_donors), int64
            Rows of ``donors`` to use for each target class.
        """
        class_index = self.class_index
        n_before = np.array([np.sum(class_index[:i] == k) for i, k in enumerate(class_index)])
        order = np.argsort(n_before, kind="stable")
        others = [order[class_index[order] != target] for target in range(n_classes)]
        n_donors = min(DONORS_A_TARGET, *map(len, others))
        return without_gaps(self.series), np.stack([rows[:n_donors] for rows in others])

    def donors(self, kind: str, n_classes: int) -> tuple[Float32Array, IntArray]:
        """Donors of a kind for each target class.

        Parameters
        ----------
        kind : {"opposing", "mean", "zero"}
        n_classes : int

        Returns
        -------
        donors, donor_rows
            See :meth:`opposing`.
        """
        if kind == "opposing":
            return self.opposing(n_classes)
        series = np.zeros_like(self.mean) if kind == "zero" else self.mean
        return series, np.zeros((n_classes, 1), dtype=np.int64)
