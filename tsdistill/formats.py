"""sktime's panel formats as arrays: what else than an array counts as series.

sktime and pandas are imported only where such a format is met.
"""

import sys

import numpy as np

from tsdistill.exceptions import PanelError

TO_ONE_LENGTH = (
    "bring them to one first, with sktime's PaddingTransformer "
    "(sktime.transformations.padder), TruncationTransformer (sktime.transformations.truncation) "
    "or TSInterpolator (sktime.transformations.interpolate), which pad, cut or resample"
)


def as_array(X):
    """Series as an array, or as they are where they are in no format of sktime's.

    Parameters
    ----------
    X : object
        Understood are sktime's "nested_univ" (data frame whose cells are series), "pd-multiindex"
        (data frame indexed by instance and time), "df-list" (list of data frames of shape
        (n_timepoints, n_channels)), and lists or object arrays of arrays of shape
        (n_timepoints,) or (n_channels, n_timepoints).

    Returns
    -------
    X : ndarray of shape (n_instances, n_channels, n_timepoints), or the object that was passed

    Raises
    ------
    PanelError
        If the series are of unequal length, or an instance lacks channels that others have.
    """
    if _is_frame(X):
        if X.index.nlevels > 1:
            _check_one_length(X.groupby(level=0, sort=False).size().tolist(), "timepoints")
            return _converted(X)
        if len(X) and any(_is_series(cell) for cell in X.iloc[0]):
            cells = X.to_numpy().ravel()
            _check_one_length([len(c) if _is_series(c) else 1 for c in cells], "timepoints")
            return _converted(X)
        return X
    if isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.dtype == object):
        return _stacked(X)
    return X


def _is_frame(X):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def _is_series(cell):
    return hasattr(cell, "__len__") and not isinstance(cell, (str, bytes))


def _converted(X):
    from sktime.datatypes import convert_to

    try:
        return convert_to(X, "numpy3D", as_scitype="Panel")
    except Exception as error:  # sktime's checks of the format
        raise PanelError(f"X is no panel that sktime can convert to numpy3D: {error}") from error


def _stacked(X):
    """A list of instances as one array; a list of plain rows stays as it is."""
    if len(X) and all(_is_frame(instance) for instance in X):
        _check_one_length([len(instance) for instance in X], "timepoints")
        return _converted(list(X))
    try:
        shapes = [np.shape(instance) for instance in X if isinstance(instance, (np.ndarray, list))]
    except ValueError as error:
        raise PanelError(f"X has an instance whose channels differ in length: {error}") from error
    if len(shapes) != len(X) or not shapes or 0 in map(len, shapes):
        return X
    _check_one_length([shape[-1] for shape in shapes], "timepoints")
    if len(set(shapes)) > 1:
        _check_one_length([shape[0] for shape in shapes], "channels")
    return X if isinstance(X, list) else np.stack(list(X))


def _check_one_length(lengths, axis):
    if len(set(lengths)) > 1:
        remedy = TO_ONE_LENGTH if axis == "timepoints" else "every series needs the same ones"
        raise PanelError(
            f"X has series of {min(lengths)} to {max(lengths)} {axis}, and this classifier needs "
            f"one number for all; {remedy}."
        )
