"""Series and labels as sktime takes them; labels in several columns are fitted one by one."""

from typing import Any

import numpy as np

from tsdistill.exceptions import PanelError
from tsdistill.inputs.forms import as_array_or_frames
from tsdistill.inputs.labels import as_labels, check_labels


def series_for_sktime(X: Any, gaps: bool, names: list[Any] | None = None) -> Any:
    """Series in a format of sktime's, or what sktime refuses.

    Parameters
    ----------
    X : object
    gaps : bool
        Whether values may be missing.
    names : list, default=None
        Names for the channels of series of unequal length that have none.

    Raises
    ------
    PanelError
        If they are in a known format but cannot be used.
    """
    X = as_array_or_frames(X, gaps, names)
    if isinstance(X, list) and not X:
        raise PanelError("X=[] holds no series; expected one or more.")
    if not isinstance(X, np.ndarray):
        return X
    if X.dtype.kind not in "biufcO":  # on some of these sktime's checks stumble
        raise PanelError(f"X has values of type {X.dtype}; expected numbers.")
    return np.asarray(X)  # sktime refuses its subclasses


def labels_for_sktime(y: Any, name: str) -> Any:
    """Labels in a type of sktime's, which would not say that it cannot sort them.

    Parameters
    ----------
    y : object
    name : str
        Name of the estimator, for errors.

    Returns
    -------
    labels : ndarray, Series or DataFrame, with one axis or two

    Raises
    ------
    PanelError
        If they have other axes, or cannot be classes. A single class is left to sktime.
    """
    labels = as_labels(y)
    if not hasattr(labels, "iloc"):
        try:
            labels = np.asarray(labels)
        except ValueError as error:
            raise PanelError(f"y is no list of labels: {error}") from error
    if labels.ndim not in (1, 2):
        got = "y=None" if y is None else f"y of shape {labels.shape}"
        raise PanelError(
            f"{got}; {name} needs one label for each series, of shape (n_instances,), or several, "
            "of shape (n_instances, n_outputs)."
        )
    values = np.asarray(labels)
    for column in np.atleast_2d(values.T):
        check_labels(column)
    return labels


def check_as_many(X: Any, labels: Any) -> None:
    """Raise PanelError unless an array or a list of series has one series for each label."""
    counted = isinstance(X, list) or (isinstance(X, np.ndarray) and X.ndim > 0)
    if counted and len(X) != len(labels):
        raise PanelError(
            f"X has {len(X)} series but y has {len(labels)} labels; pass one for each."
        )
