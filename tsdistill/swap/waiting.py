"""Series that wait for a few others before a SwapMonitor ranks them all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.inputs.types import FloatArray
from tsdistill.swap.reference import Reference

MOST_WAITING = 16


class WaitingSeries:
    """Series of single calls, until there are enough: statistics of several are as fast as of one.

    What comes out does not depend on how long they have waited.

    Parameters
    ----------
    uneven : bool
        Whether series may differ in length. They cannot be put together, so they never wait.
    """

    def __init__(self, uneven: bool) -> None:
        self.most = 1 if uneven else MOST_WAITING
        self.parts, self.n_series = [], 0

    def add(
        self, n_before: int, X: NDArray[Any], uncertainty: FloatArray, draws: FloatArray
    ) -> bool:
        """Add the series of a call.

        Parameters
        ----------
        n_before : int
            Number of series seen before them.
        X : ndarray of shape (n_instances, ..., n_timepoints)
        uncertainty : ndarray of shape (n_instances,)
        draws : ndarray of shape (n_instances, 3)
            Random numbers; the last two of each series are for ties.

        Returns
        -------
        enough : bool
            Whether they have waited long enough.
        """
        self.n_series += len(X)
        enough = self.n_series >= self.most
        # The user may write to X before the series are looked at.
        self.parts.append((n_before, X if enough else X.copy(), uncertainty, draws))
        return enough

    def taken(
        self, reference: Reference
    ) -> tuple[list[int], dict[str, list[float]], dict[str, list[float]]]:
        """Take all series, and score them.

        Parameters
        ----------
        reference : Reference

        Returns
        -------
        numbers : list of int
            How many series had been seen with each of them.
        scores : dict of str to list of float
            For "confidence" and "input", the two drifts of a monitor.
        ties : dict of str to list of float
        """
        if not self.parts:
            return [], {}, {}
        n_before, arrays, uncertainties, draws = zip(*self.parts, strict=True)
        self.parts, self.n_series = [], 0
        numbers = [
            start + 1 + i for start, X in zip(n_before, arrays, strict=True) for i in range(len(X))
        ]
        X = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        scores = np.concatenate(uncertainties), reference.strangeness(X)
        ties = np.concatenate(draws).T[1:]
        names = "confidence", "input"
        return (
            numbers,
            {name: values.tolist() for name, values in zip(names, scores, strict=True)},
            {name: values.tolist() for name, values in zip(names, ties, strict=True)},
        )
