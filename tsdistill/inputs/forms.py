"""Series of unequal length, or with gaps, in the form in which a teacher takes them.

A teacher is asked in the form in which the user passed the series. Inside they are one panel,
padded with NaN.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tsdistill.inputs.formats import as_array, channel_names, form_of
from tsdistill.inputs.lengths import check_ends, is_uneven, lengths_of, to_length

FORMS = ("list", "df-list", "nested_univ", "pd-multiindex", "array")


def as_array_or_frames(X: Any, gaps: bool = False, names: list[Any] | None = None) -> Any:
    """Convert series to an array, or if they differ in length to a list of data frames.

    Unlike an array padded with NaN, sktime tells these from series with missing values.

    Parameters
    ----------
    X : object
        As for :func:`~tsdistill.inputs.formats.as_array`.
    gaps : bool, default=False
        Whether values may be missing: then sktime's own formats are left as they are.
    names : list, default=None
        Names for the channels of series that have none. By default these are numbered.

    Returns
    -------
    X : ndarray, list of DataFrame, or the object that was passed
    """
    array = as_array(X, uneven=True)
    if gaps:
        return array if form_of(X) in ("array", "list") else X
    if not is_uneven(array) or hasattr(array, "columns"):
        return array
    check_ends(array)
    panel = array if array.ndim == 3 else array[:, np.newaxis]
    numbered = list(range(panel.shape[1]))
    given = names if names is not None and len(names) == len(numbered) else numbered
    return UnevenForm("df-list", 3, panel.shape[-1], tuple(channel_names(X) or given)).of(panel)


@dataclass(frozen=True)
class UnevenForm:
    """How series of unequal length are passed.

    Attributes
    ----------
    name : {"list", "array", "df-list", "nested_univ", "pd-multiindex"}
        "list": arrays of shape (n_timepoints_i,) or (n_channels, n_timepoints_i); "array": one
        array, padded with NaN; the others are formats of sktime.
    ndim : {2, 3}
        Number of axes of the series in one array.
    n_timepoints : int
        To which "array" is padded, at least.
    channel_names : tuple of str or int
    gaps : bool, default=False
        Whether values may be missing before the end of a series.
    """

    name: str
    ndim: int
    n_timepoints: int
    channel_names: tuple
    gaps: bool = False

    def in_turn(self):
        """Forms to try: the user's own first, then the others."""
        forms = [self]
        for name in (self.name, *FORMS):
            for ndim in (self.ndim, 5 - self.ndim):
                usable = ndim == 3 or len(self.channel_names) == 1
                matters = name in ("list", "array") or ndim == self.ndim
                other = dataclasses.replace(self, name=name, ndim=ndim)
                if usable and matters and other not in forms:
                    forms.append(other)
        return forms

    def of(self, panel):
        """Convert a panel.

        Parameters
        ----------
        panel : ndarray of shape (n_instances, n_channels, n_timepoints)
            Padded with NaN after the end of each series; NaN before the end stays.

        Returns
        -------
        X : list, ndarray or DataFrame
        """
        if self.name == "array":
            panel = to_length(panel, self.n_timepoints)
            return panel[:, 0] if self.ndim == 2 else panel
        ends = lengths_of(panel)
        series = [one[:, :end] for one, end in zip(panel, ends, strict=True)]
        if self.name == "list":
            return [one[0] if self.ndim == 2 else one for one in series]
        import pandas as pd

        names = list(self.channel_names)
        if self.name == "nested_univ":
            cells = [[pd.Series(channel) for channel in one] for one in series]
            columns = {name: [row[i] for row in cells] for i, name in enumerate(names)}
            return pd.DataFrame(columns)
        frames = [pd.DataFrame(one.T, columns=names) for one in series]
        if self.name == "df-list":
            return frames
        return pd.concat(frames, keys=range(len(frames)), names=["instances", "timepoints"])
