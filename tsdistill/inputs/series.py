"""Checks the shape and values of series that users pass, and converts them to a panel.

A panel is a float32 array of shape ``(n_instances, n_channels, n_timepoints)``. Users may also
pass univariate series as 2-D arrays, ``(n_instances, n_timepoints)``.
"""

import copy
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from tsdistill.exceptions import PanelError, PanelTypeError
from tsdistill.inputs.checks import cut
from tsdistill.inputs.formats import as_array, channel_names, check_channel_names, form_of
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.labels import as_labels
from tsdistill.inputs.lengths import check_ends, check_longest, is_uneven, lengths_of
from tsdistill.inputs.types import LabelArray

FLOAT32_MAX = float(np.finfo(np.float32).max)
PLAIN_DTYPES = np.dtype(np.float32), np.dtype(np.float64)
LONGEST_CAUSE = 500


@dataclass(frozen=True)
class SeriesFormat:
    """Format of the series of a ``fit``, which later series have to match.

    Attributes
    ----------
    n_features_in : int
        Length of the second axis of X, as in scikit-learn: timepoints in 2-D, channels in 3-D.
    feature_names_in : ndarray of shape (n_features_in,) or None
        Column names of a data frame.
    n_channels, n_timepoints : int
    ndim : {2, 3}
        Number of axes of X.
    channel_names : list or None
        Names of the channels, if X is in a format of sktime that has them.
    form : str or None
        How series of unequal length were passed, see :func:`~tsdistill.inputs.formats.form_of`;
        None for series of one length without gaps.
    lengths : tuple of int or None
        Length of the shortest and of the longest series, if there is a form.
    gaps : bool
        Whether values may be missing; there is a form then, too.
    """

    n_features_in: int
    feature_names_in: np.ndarray | None
    n_channels: int
    n_timepoints: int
    ndim: int
    channel_names: list | None
    form: str | None = None
    lengths: tuple | None = None
    gaps: bool = False

    @property
    def uneven(self) -> UnevenForm | None:
        """The form of series of unequal length, an UnevenForm; None for series of one length."""
        if self.form is None:
            return None
        names = self.channel_names or range(self.n_channels)
        return UnevenForm(self.form, self.ndim, self.n_timepoints, tuple(names), self.gaps)

    def attributes(self) -> dict[str, Any]:
        """The fitted attributes that store this format in an estimator, by name."""
        stored = {
            "n_features_in_": self.n_features_in,
            "n_channels_in_": self.n_channels,
            "n_timepoints_in_": self.n_timepoints,
            "panel_ndim_": self.ndim,
            "_channel_names": self.channel_names,
            "_uneven_form": self.uneven,
            "_series_lengths": self.lengths,
        }
        if self.feature_names_in is not None:
            stored["feature_names_in_"] = self.feature_names_in
        return stored


def read_series(
    estimator: object,
    X: Any,
    y: ArrayLike | None = None,
    *,
    uneven: bool = False,
    gaps: bool = False,
) -> tuple[NDArray[Any], LabelArray | None, SeriesFormat]:
    """Validate the series of a ``fit`` as scikit-learn does, and their time axis.

    Parameters
    ----------
    estimator : estimator
        Its name appears in errors; it is not changed.
    X : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints), or one of sktime's panel formats
    y : array-like of shape (n_instances,), default=None
    uneven : bool, default=False
        Whether series may differ in length.
    gaps : bool, default=False
        Whether they may, and values may be missing.

    Returns
    -------
    X : ndarray in the user's shape
        Finite and numeric; a numeric array is not copied. Series of unequal length are padded with
        NaN after their end.
    y : ndarray of shape (n_instances,), or None if none was passed
    series_format : SeriesFormat

    Raises
    ------
    PanelError
        If X has more than three axes, series of unequal length or values that do not fit
        float32.
    ValueError, TypeError
        Raised by scikit-learn: NaN, infinity, complex, sparse, empty, inconsistent lengths.
    """
    form, names, y = form_of(X), channel_names(X), as_labels(y)
    X = as_array(X, uneven or gaps)
    uneven = gaps or (uneven and is_uneven(X))
    reader = copy.copy(estimator)  # scikit-learn sets attributes of the estimator it is given
    labels = () if y is None else (y,)
    found = _validated(reader, X, *labels, reset=True, uneven=uneven, gaps=gaps)
    X, y = (found, None) if y is None else found
    lengths = lengths_of(X) if uneven else None
    series_format = SeriesFormat(
        n_features_in=reader.n_features_in_,
        feature_names_in=getattr(reader, "feature_names_in_", None),
        n_channels=X.shape[1] if X.ndim == 3 else 1,
        n_timepoints=X.shape[-1],
        ndim=X.ndim,
        channel_names=names,
        form=form if uneven else None,
        lengths=(int(lengths.min()), int(lengths.max())) if uneven else None,
        gaps=gaps,
    )
    return X, y, series_format


def match_series(
    estimator: object,
    X: Any,
    y: ArrayLike | None = None,
    *,
    series_format: SeriesFormat | None = None,
) -> Any:
    """Validate series that have to match those of a ``fit``.

    Parameters
    ----------
    estimator : estimator
        Has the attributes of a :class:`SeriesFormat`, unless ``series_format`` is passed.
    X : array-like, as in :func:`read_series`
    y : array-like of shape (n_instances,), default=None
    series_format : SeriesFormat, default=None
        Format of the ``fit``, for an estimator that does not have its attributes yet.

    Returns
    -------
    X : ndarray in the user's shape
    y : ndarray of shape (n_instances,)
        Only if y was passed.

    Raises
    ------
    PanelError
        For the reasons in :func:`read_series`, or if the number of axes, channels or timepoints,
        or the channel names, differ from those of ``fit``.
    ValueError, TypeError
        Raised by scikit-learn.
    """
    if series_format is not None:
        estimator = with_format(estimator, series_format)
    elif y is None and _plainly_matches(estimator, X):
        return X
    form = estimator._uneven_form
    uneven = form is not None
    names, X = channel_names(X), as_array(X, uneven)
    check_channel_names(names, estimator._channel_names)
    check_same_ndim(estimator, X)
    labels = () if y is None else (as_labels(y),)
    if not uneven:
        check_same_shape(estimator, X)
        return _validated(estimator, X, *labels, reset=False)
    shape = _shape_of(X)
    if len(shape) not in (2, 3):
        return _validated(estimator, X, *labels, reset=False, uneven=True, gaps=form.gaps)
    if len(shape) == 3 and shape[1] != estimator.n_channels_in_:
        raise PanelError(
            f"X has {shape[1]} channel(s), but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_in_}; pass series with the same channels."
        )
    shortest, longest = estimator._series_lengths
    one_length = form.gaps and shortest == longest
    if one_length and shape[-1] not in (0, estimator.n_timepoints_in_):
        raise PanelError(
            f"X has {shape[-1]} timepoints, but {type(estimator).__name__} was fitted on series of "
            f"{estimator.n_timepoints_in_}, none of which ends earlier; resample or cut the series "
            "to that length, or pad them with NaN."
        )
    if len(shape) == 2:  # of any number of timepoints
        estimator = copy.copy(estimator)
        estimator.n_features_in_ = shape[1]
    found = _validated(estimator, X, *labels, reset=False, uneven=True, gaps=form.gaps)
    check_longest(found[0] if labels else found, longest)
    return found


def _plainly_matches(estimator, X):
    """Whether series pass every check: an array of finite floats, of the shape of ``fit``.

    For one series the checks of scikit-learn take longer than a student's answer. Where this is
    False they are made, and say what is wrong.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in PLAIN_DTYPES
        and estimator._series_lengths is None
        and X.ndim == estimator.panel_ndim_
        and X.shape[-1] == estimator.n_timepoints_in_
        and (X.ndim == 2 or X.shape[1] == estimator.n_channels_in_)
        and len(X) > 0
        and "feature_names_in_" not in vars(estimator)
        and bool(np.abs(X).max() <= FLOAT32_MAX)  # False for NaN
    )


def with_format(estimator, series_format):
    """Copy an estimator, with the fitted attributes of a format."""
    fitted = copy.copy(estimator)
    vars(fitted).pop("feature_names_in_", None)  # of an earlier fit
    vars(fitted).update(series_format.attributes())
    return fitted


def _validated(estimator, X, *y, reset, uneven=False, gaps=False):
    """Validate X (and y) with scikit-learn, then check that X fits a panel."""
    if getattr(X, "dtype", np.dtype(float)).kind in "mM":
        raise PanelError(f"X has values of type {X.dtype}; expected numbers.")
    if isinstance(X, (list, tuple)) and not X:
        raise PanelError("X is empty; expected one series or more.")
    usual = isinstance(X, np.ndarray) and not isinstance(X, np.matrix)
    ready = usual and X.dtype.kind == "f" and X.ndim in (2, 3) and X.size > 0
    if uneven and ready:
        check_ends(X, gaps=gaps)  # before scikit-learn finds infinity, and names no position
    try:
        found = validate_data(
            estimator, X, *y, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=1,
            ensure_all_finite="allow-nan" if uneven else True,
        )  # fmt: skip
    except OverflowError as error:
        raise PanelError(f"X has values too large for a float: {error}") from error
    except (TypeError, ValueError) as error:
        if re.search(r"\b[Xy]\b", str(error)):
            raise
        kind = PanelTypeError if isinstance(error, TypeError) else PanelError
        told = cut(str(error), LONGEST_CAUSE)  # may hold the whole array
        raise kind(f"X{' or y' * len(y)} cannot be used: {told}") from error
    X = found[0] if y else found
    if X.dtype.kind not in "biuf":
        raise PanelError(f"X has values of type {X.dtype}; expected numbers.")
    if X.ndim > 3:
        raise PanelError(
            f"X has {X.ndim} axes, shape {X.shape}; expected (n_instances, n_timepoints) or "
            "(n_instances, n_channels, n_timepoints)."
        )
    if 0 in X.shape:
        raise PanelError(
            f"X of shape {X.shape} has no {'timepoints' if X.shape[-1] == 0 else 'channels'}."
        )
    _check_fits_float32(X)
    if uneven and not ready and X.dtype.kind == "f":
        check_ends(X, gaps=gaps)
    return found


def _shape_of(X):
    return X.shape if hasattr(X, "shape") else np.asarray(X).shape


def check_same_ndim(estimator, X):
    """Compare the number of axes before scikit-learn compares the wrong ones."""
    shape = _shape_of(X)
    ndim = len(shape)
    if ndim not in (2, 3) or ndim == estimator.panel_ndim_:
        return
    if ndim == 2:
        remedy = (
            "X[:, np.newaxis, :] for n instances of one channel, "
            "X[np.newaxis] for one instance of several channels"
        )
    else:
        remedy = "X[:, 0, :] where the series have one channel"
    raise PanelError(
        f"X has {ndim} axes, shape {tuple(shape)}, but {type(estimator).__name__} was fitted on "
        f"{estimator.panel_ndim_}-D series with {estimator.n_channels_in_} channel(s) and "
        f"{estimator.n_timepoints_in_} timepoints; reshape with {remedy}."
    )


def check_same_shape(estimator, X):
    """Compare channels and timepoints of 3-D series, which scikit-learn would call features."""
    shape = _shape_of(X)
    known = estimator.n_channels_in_, estimator.n_timepoints_in_
    if len(shape) != 3 or shape[1:] == known or 0 in shape:
        return
    if shape[1:] == known[::-1]:
        remedy = "transpose it with X.transpose(0, 2, 1)"
    elif shape[1] == known[0]:
        remedy = "resample or cut the series to that length"
    else:
        remedy = "pass series with the same channels"
    raise PanelError(
        f"X has {shape[1]} channel(s) and {shape[2]} timepoints, but {type(estimator).__name__} "
        f"was fitted on {known[0]} channel(s) and {known[1]} timepoints; {remedy}."
    )


def _check_fits_float32(X):
    if (X.dtype.kind == "f" and X.dtype.itemsize <= 4) or X.dtype.kind in "bui":
        return
    low, high = float(np.fmin.reduce(X, axis=None)), float(np.fmax.reduce(X, axis=None))
    if max(-low, high) > FLOAT32_MAX:
        raise PanelError(
            f"X has values from {low:.3g} to {high:.3g}, too large for float32 "
            f"(infinity beyond {FLOAT32_MAX:.3g}); rescale the series before fitting."
        )
