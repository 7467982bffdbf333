"""Mixtures: weighted means of two training series, further series for the teacher to answer.

A mixture lies between two series that the teacher may know by heart, but the teacher has never
seen it. So its answers there show what it has learnt, not what it remembers.
"""

from dataclasses import dataclass

import numpy as np

from tsdistill.inputs.lengths import lengths_of, to_length
from tsdistill.perturbation.uneven import stretched, without_gaps

MOST_STRETCHED = 3.0


def mix(series, others, share):
    """Weighted means of pairs of series, with the mean and spread that the pairs have.

    Each channel of ``share * series + (1 - share) * others`` is shifted and stretched until its
    mean and standard deviation over time are the weighted means of those of both series. So
    mixtures of series of mean 0 and standard deviation 1 are such series, too. No channel is
    stretched by more than a factor of 3: in the mean of opposite series, only noise is left.
    Series of unequal length are first resampled to the weighted mean of both lengths. Gaps are
    filled before, and the mixture has those of the series with the larger weight.

    Parameters
    ----------
    series, others : ndarray of shape (n_mixtures, n_channels, n_timepoints)
    share : ndarray of shape (n_mixtures,)
        Weight of ``series``, from 0 to 1.

    Returns
    -------
    mixtures : ndarray of shape (n_mixtures, n_channels, n_timepoints), float32

    Examples
    --------
    >>> import numpy as np
    >>> low, high = np.array([[[-1.0, 1.0, -1.0, 1.0]]]), np.array([[[-1.0, -1.0, 1.0, 1.0]]])
    >>> mix(low, high, np.array([0.75])).round(2)
    array([[[-1.26,  0.63, -0.63,  1.26]]], dtype=float32)
    """
    series, others = series.astype(np.float64), others.astype(np.float64)
    n_timepoints, mean, std, missing = series.shape[-1], np.mean, np.std, None
    if np.isnan(series).any() or np.isnan(others).any():
        mean, std = np.nanmean, np.nanstd
        lengths = share * lengths_of(series) + (1 - share) * lengths_of(others)
        lengths = np.round(lengths).astype(np.int64)
        mostly = np.where((share >= 0.5)[:, np.newaxis, np.newaxis], series, others)
        missing = np.isnan(stretched(mostly, lengths))
        series, others = (stretched(without_gaps(part), lengths) for part in (series, others))
        # A channel that would be left without any value keeps all.
        missing = np.where(missing.all(axis=2, keepdims=True), np.isnan(series), missing)
    share = share[:, np.newaxis, np.newaxis]

    def between(statistic):
        of_series, of_others = (statistic(part, axis=2, keepdims=True) for part in (series, others))
        return share * of_series + (1 - share) * of_others

    mixed = share * series + (1 - share) * others
    centred = mixed - mean(mixed, axis=2, keepdims=True)
    spread = std(centred, axis=2, keepdims=True)
    wanted = between(std)
    stretch = wanted / np.where(spread > 0, spread, 1)
    mixed = between(mean) + np.minimum(stretch, MOST_STRETCHED) * centred
    if missing is not None:
        mixed[missing] = np.nan
    return to_length(mixed, n_timepoints).astype(np.float32)


@dataclass(frozen=True)
class Mixtures:
    """Mixtures, stored as pairs of rows and shares.

    Attributes
    ----------
    first, second : ndarray of shape (n_mixtures,), int64
        Rows of the two series of each mixture.
    share : ndarray of shape (n_mixtures,), float64
        Weight of the first, from 0 to 1.
    """

    first: np.ndarray
    second: np.ndarray
    share: np.ndarray

    def __len__(self):
        return len(self.first)

    @classmethod
    def draw(cls, rows, n_mixtures, rng):
        """Draw pairs of different rows, each row equally often, and shares evenly from 0 to 1.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,), int64
            Two or more.
        n_mixtures : int
        rng : numpy.random.Generator
        """
        turns = -(-n_mixtures // len(rows))
        position = np.concatenate([rng.permutation(len(rows)) for _ in range(turns)])[:n_mixtures]
        step = rng.integers(1, len(rows), size=n_mixtures)
        return cls(rows[position], rows[(position + step) % len(rows)], rng.random(n_mixtures))

    def of(self, panel):
        """The mixtures of a panel's series, (n_mixtures, n_channels, n_timepoints), float32."""
        return mix(panel[self.first], panel[self.second], self.share)

    def weights(self, sample_weight):
        """The weight of each mixture: the mean of its series' weights, by its shares."""
        first, second = sample_weight[self.first], sample_weight[self.second]
        return (self.share * first + (1 - self.share) * second).astype(sample_weight.dtype)
