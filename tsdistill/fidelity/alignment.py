"""Series, and their maps, on one time axis, so that they can be averaged.

Series have shape ``(n_instances, n_channels, n_timepoints)``, with NaN after the end of each if
they differ in length.
"""

from dataclasses import dataclass

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.fidelity.over_series import FloatArray, IntArray
from tsdistill.inputs.checks import check_count

ALIGNMENTS = ("none", "relative", "shift")
MOST_SWEEPS = 20
LEAST_OVERLAP = 0.5  # of a series' own timesteps
AS_GOOD = 1e-9  # a difference of correlations that rounding can make


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the series of a set are put on one time axis.

    Attributes
    ----------
    align : {"none", "relative", "shift"}
        See :func:`tsdistill.fidelity.summarise_maps`.
    lengths : ndarray of shape (n_instances,), int64
        Number of timesteps of each series.
    shifts : ndarray of shape (n_instances,), int64, or None
        By how many timesteps each series is moved; positive means later. None unless ``align`` is
        "shift".
    """

    align: str
    lengths: IntArray
    shifts: IntArray | None = None

    def of(self, panel: FloatArray) -> FloatArray:
        """Put values of these series on the time axis.

        Parameters
        ----------
        panel : ndarray of shape (n_instances, n_channels, n_timepoints), float64

        Returns
        -------
        panel : ndarray of the same shape, float64
            NaN where a series has no timestep.
        """
        if self.shifts is not None:
            rows = zip(panel, self.shifts, strict=True)
            return np.stack([moved(one, np.array([shift]))[0] for one, shift in rows])
        if self.align == "relative":
            longest = int(self.lengths.max())
            rows = zip(panel, self.lengths, strict=True)
            stretched = np.stack([_at_one_length(one[:, :end], longest) for one, end in rows])
            beyond = panel.shape[-1] - longest
            return np.pad(stretched, [(0, 0), (0, 0), (0, beyond)], constant_values=np.nan)
        return panel


def _at_one_length(series: FloatArray, n_timepoints: int) -> FloatArray:
    """A series, (n_channels, length), at so many timesteps that divide its time equally."""
    length = series.shape[-1]
    place = (np.arange(n_timepoints) + 0.5) * (length / n_timepoints) - 0.5
    return np.stack([np.interp(place, np.arange(length), channel) for channel in series])


def moved(series: FloatArray, shifts: IntArray) -> FloatArray:
    """Copies of one series, each moved in time, with NaN where it has no timestep.

    Parameters
    ----------
    series : ndarray of shape (n_channels, n_timepoints)
    shifts : ndarray of shape (n_copies,), int64
        Positive moves a copy to later timesteps.

    Returns
    -------
    copies : ndarray of shape (n_copies, n_channels, n_timepoints)

    Examples
    --------
    >>> moved(np.array([[1.0, 2.0, 3.0]]), np.array([0, 1])).tolist()
    [[[1.0, 2.0, 3.0]], [[nan, 1.0, 2.0]]]
    """
    n_timepoints = series.shape[-1]
    source = np.arange(n_timepoints) - shifts[:, np.newaxis]
    inside = (source >= 0) & (source < n_timepoints)
    copies = series[:, np.where(inside, source, 0)].transpose(1, 0, 2)
    return np.where(inside[:, np.newaxis], copies, np.nan)


def best_shifts(panel: FloatArray, class_index: IntArray, max_shift: int) -> IntArray:
    """By how many timesteps to move each series so that it fits the others of its class best.

    One series after the other, in the order of the rows, is moved to where its correlation with the
    mean of the others of its class is highest; all channels are pooled, each with a standard
    deviation of 1. Of equally good shifts the smallest is taken. That is repeated until no series
    moves any more, at most 20 times.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints)
    class_index : ndarray of shape (n_instances,), int64
    max_shift : int
        Largest shift, in timesteps. A shift that leaves a series less than half of its timesteps is
        not tried.

    Returns
    -------
    shifts : ndarray of shape (n_instances,), int64
        Positive means later. 0 for the only series of a class.
    """
    panel = panel - np.nanmin(panel, axis=(0, 2), keepdims=True)  # constant channels are exactly 0
    centre = np.nanmean(panel, axis=(0, 2), keepdims=True)
    deviation = np.nanstd(panel, axis=(0, 2), keepdims=True)
    scaled = (panel - centre) / np.where(deviation > 0, deviation, 1)
    shifts = np.empty(len(panel), dtype=np.int64)
    for k in np.unique(class_index):
        rows = np.flatnonzero(class_index == k)
        shifts[rows] = _shifts_within(scaled[rows], max_shift)
    return shifts


def _shifts_within(panel: FloatArray, max_shift: int) -> IntArray:
    """The shifts of :func:`best_shifts` for the series of one class."""
    tried = np.array(sorted(range(-max_shift, max_shift + 1), key=abs))  # the smallest first
    chosen = np.zeros(len(panel), dtype=np.int64)
    present = ~np.isnan(panel)
    total, count = np.where(present, panel, 0).sum(axis=0), present.sum(axis=0)
    for _ in range(MOST_SWEEPS):
        before = chosen.copy()
        for i, series in enumerate(panel):
            copies = moved(series, tried)
            inside = ~np.isnan(copies)
            own = chosen[i]
            total -= np.where(inside[own], copies[own], 0)
            count -= inside[own]
            others = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            chosen[i] = own = _best(copies, others, n_own=(~np.isnan(series)).sum())
            total += np.where(inside[own], copies[own], 0)
            count += inside[own]
        if np.array_equal(chosen, before):
            break
    return tried[chosen]


def _best(copies: FloatArray, others: FloatArray, n_own: int) -> int:
    """Which copy, of shape (n_channels, n_timepoints), correlates best with the mean of others."""
    overlap = ~np.isnan(copies) & ~np.isnan(others)
    enough = overlap.sum(axis=(1, 2)) >= LEAST_OVERLAP * n_own
    if not enough.any():
        return 0
    usable = copies[enough]
    seen = overlap[enough]
    correlation = per_series_correlation(
        np.where(seen, usable, np.nan), np.where(seen, others, np.nan)
    )
    best = np.flatnonzero(correlation >= correlation.max() - AS_GOOD)[0]
    return int(np.flatnonzero(enough)[best])


def alignment_of(
    align: str, lengths: IntArray, class_index: IntArray, X: FloatArray | None,
    max_shift: int | None,
) -> Alignment:  # fmt: skip
    """Find how to put the series of a set on one time axis.

    Parameters
    ----------
    align : {"none", "relative", "shift"}
    lengths : ndarray of shape (n_instances,), int64
        Number of timesteps of each series.
    class_index : ndarray of shape (n_instances,), int64
    X : ndarray of shape (n_instances, n_channels, n_timepoints), float64, or None
        The series themselves, for "shift".
    max_shift : int or None
        Largest shift. None takes a tenth of the longest series.

    Returns
    -------
    alignment : Alignment

    Raises
    ------
    ParameterError
        If "shift" has no series to look at, or ``max_shift`` is not a whole number from 1 to half
        of the longest series, or is given although nothing is shifted.
    """
    longest = int(lengths.max())
    if align != "shift":
        if max_shift is not None:
            raise ParameterError(
                f"max_shift={max_shift!r} with align={align!r}, which shifts no series; leave "
                "max_shift out, or pass align='shift'."
            )
        return Alignment(align, lengths)
    if X is None:
        raise ParameterError(
            "align='shift' needs the series themselves, but X is None; pass X, since maps that "
            "are aligned by themselves look more alike than they are."
        )
    if max_shift is None:
        max_shift = max(1, longest // 10)
    check_count("max_shift", max_shift)
    if max_shift > longest // 2:
        raise ParameterError(
            f"max_shift={max_shift}, but the longest series has {longest} timesteps; expected at "
            f"most half as many, {longest // 2}."
        )
    return Alignment(align, lengths, best_shifts(X, class_index, int(max_shift)))
