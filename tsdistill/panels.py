"""What counts as a panel: shapes, values, labels and weights, and their errors.

A panel is a float32 array of shape ``(n_instances, n_channels, n_timepoints)``.
Users may also pass 2-D arrays ``(n_instances, n_timepoints)`` of univariate series.
"""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.formats import as_array, channel_names, check_channel_names

FLOAT32_MAX = float(np.finfo(np.float32).max)
LOST_SHARE = 0.01


def validate_series(estimator, X, y="no_validation", *, reset):
    """Validate series as scikit-learn does, and the time axis that it never checks.

    Parameters
    ----------
    estimator : estimator
        Where ``n_features_in_`` (scikit-learn's second axis), ``n_channels_in_``,
        ``n_timepoints_in_`` and ``panel_ndim_`` are written (``reset=True``) or read.
    X : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints), or one of sktime's panel formats
    y : array-like of shape (n_instances,), default="no_validation"
    reset : bool
        True in ``fit``; False where X has to match what ``fit`` saw.

    Returns
    -------
    X : ndarray in the user's shape, finite, numeric; never a copy of a numeric array
    y : ndarray of shape (n_instances,), only if y was passed

    Raises
    ------
    PanelError
        If X has more than three axes, series of unequal length or values that do not fit
        float32, or does not match ``fit``.
    ValueError, TypeError
        scikit-learn's own: NaN, infinity, complex, sparse, empty, inconsistent lengths.
    """
    names, X = channel_names(X), as_array(X)
    if reset:
        estimator._channel_names = names
    else:
        check_channel_names(names, estimator._channel_names)
        _check_same_ndim(estimator, X)
    checked = validate_data(
        estimator, X, y, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=1
    )
    X = checked[0] if isinstance(checked, tuple) else checked
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
    n_channels = X.shape[1] if X.ndim == 3 else 1
    if reset:
        estimator.panel_ndim_ = X.ndim
        estimator.n_channels_in_ = n_channels
        estimator.n_timepoints_in_ = X.shape[-1]
    elif X.shape[-1] != estimator.n_timepoints_in_:
        raise PanelError(
            f"X has {X.shape[-1]} timepoints, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_timepoints_in_}; resample or cut the series to that length."
        )
    return (X, checked[1]) if isinstance(checked, tuple) else X


def _check_same_ndim(estimator, X):
    """Tell 2-D from 3-D before scikit-learn compares the wrong axes."""
    shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
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


def _check_fits_float32(X):
    if (X.dtype.kind == "f" and X.dtype.itemsize <= 4) or X.dtype.kind in "bui":
        return
    low, high = float(X.min()), float(X.max())
    if max(-low, high) > FLOAT32_MAX:
        raise PanelError(
            f"X has values from {low:.3g} to {high:.3g}, too large for float32 "
            f"(infinity beyond {FLOAT32_MAX:.3g}); rescale the series before fitting."
        )


def check_resolution(X, panel):
    """Refuse series whose variation float32 cannot resolve beside their size.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32

    Raises
    ------
    PanelError
        If rounding a channel costs more than a hundredth of its standard deviation.
    """
    if X.dtype.kind in "f" and X.dtype.itemsize <= 4:
        return
    exact = X[:, np.newaxis, :] if X.ndim == 2 else X
    for channel in range(panel.shape[1]):
        values = exact[:, channel].astype(np.float64)
        lost, deviation = np.abs(values - panel[:, channel]).max(), values.std()
        if lost > LOST_SHARE * deviation > 0:
            raise PanelError(
                f"X varies by {deviation:.3g} in channel {channel} around values of "
                f"{np.abs(values).max():.3g}, too little for float32 to tell apart; subtract the "
                "mean before fitting."
            )


def as_panel(X):
    """View or convert validated series as a float32 panel.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)

    Returns
    -------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints)
        C-contiguous float32; shares memory with X where X already is.

    Examples
    --------
    >>> import numpy as np
    >>> as_panel(np.zeros((4, 20))).shape
    (4, 1, 20)
    """
    X = X[:, np.newaxis, :] if X.ndim == 2 else X
    return np.ascontiguousarray(X, dtype=np.float32)


def in_layout(panel, ndim):
    """Give a panel back in 2-D or 3-D shape, for models that were fitted on it.

    Parameters
    ----------
    panel : array or tensor of shape (n_instances, n_channels, n_timepoints)
    ndim : {2, 3}
        2 asks for ``(n_instances, n_timepoints)`` and needs one channel.
    """
    return panel[:, 0, :] if ndim == 2 else panel


def encode_labels(y):
    """Turn labels into positions in their sorted set.

    Any value is a label, also -1 (UCR sets use it for a class).

    Parameters
    ----------
    y : ndarray of shape (n_instances,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_instances,), int64

    Raises
    ------
    PanelError
        If there is only one class.
    ValueError
        scikit-learn's own, if y is continuous.
    """
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    check_two_classes(classes, "y holds")
    return classes, codes.astype(np.int64)


def check_two_classes(classes, source):
    """Refuse a single class; source says where it comes from."""
    if len(classes) < 2:
        raise PanelError(
            f"{source} one class only, {classes.tolist()}; a classifier needs series of two "
            "classes or more."
        )


def label_positions(labels, classes):
    """Positions of labels among classes, and the labels that are not there.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    positions : ndarray of int64
        Of the labels that are there.
    unknown : list
    """
    position = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(labels).tolist()
    known = [position[label] for label in labels if label in position]
    unknown = [label for label in dict.fromkeys(labels) if label not in position]
    return np.array(known, dtype=np.int64), unknown


def target_columns(target, classes, n_instances, name="target"):
    """Columns of the classes to explain, or of the true classes.

    Parameters
    ----------
    target : label, or array-like of shape (n_instances,)
    classes : ndarray of shape (n_classes,)
    n_instances : int
    name : str, default="target"
        What errors call it.

    Returns
    -------
    columns : ndarray of shape (n_instances,), int64

    Raises
    ------
    ParameterError
        If a label is not among the classes, or there is not one for each series.
    """
    labels = np.asarray(target)
    if labels.ndim == 0:
        labels = np.repeat(labels, n_instances)
    if labels.shape != (n_instances,):
        raise ParameterError(
            f"{name} has shape {labels.shape}; expected one label, or one for each of the "
            f"{n_instances} series."
        )
    columns, unknown = label_positions(labels, classes)
    if unknown:
        raise ParameterError(
            f"{name} holds unknown labels {unknown}; expected labels of {classes.tolist()}."
        )
    return columns


def held_out_rows(groups, fraction, rng):
    """Draw a stratified share of the series, at least one in all, never all of a class.

    Parameters
    ----------
    groups : ndarray of shape (n_instances,)
        The class of each series.
    fraction : float in (0, 1), or None for no rows
    rng : numpy.random.Generator

    Returns
    -------
    rows : ndarray of int64, or None

    Raises
    ------
    ParameterError
        If the share is less than one series of every class.
    """
    if fraction is None:
        return None
    rows = []
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        rows.append(members[: min(len(members) - 1, round(fraction * len(members)))])
    rows = np.concatenate(rows)
    if not len(rows):
        raise ParameterError(
            f"validation_fraction={fraction} holds out none of {len(groups)} series; pass a "
            "larger share."
        )
    return rows


def check_sample_weight(sample_weight, n_instances):
    """Check weights of the labelled series.

    Parameters
    ----------
    sample_weight : None, scalar or array-like of shape (n_instances,)
        Non-negative, not all zero. None weighs every series 1.
    n_instances : int

    Returns
    -------
    sample_weight : ndarray of shape (n_instances,), float64
    """
    if sample_weight is None:
        return np.ones(n_instances)
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PanelError(f"sample_weight holds what is no number: {error}") from error
    if weights.ndim == 0:
        weights = np.full(n_instances, float(weights))
    if weights.shape != (n_instances,):
        raise PanelError(
            f"sample_weight has shape {weights.shape}; expected ({n_instances},), one weight a "
            "series of X."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise PanelError(
            "sample_weight must be finite and non-negative, with a weight above zero; got "
            f"values from {weights.min()} to {weights.max()}."
        )
    return weights


def scaled_to_mean_one(weights):
    """Weights of mean 1 in float32, of which at least one has to be above 0.

    Raises
    ------
    ParameterError
        If none is.
    """
    if not weights.any():
        raise ParameterError("sample_weight and class_weight leave no series a weight above 0.")
    weights = weights / weights.max()
    return (weights / weights.mean()).astype(np.float32)


def class_factors(class_weight, classes, groups, sample_weight):
    """Weight of each class, as ``class_weight`` says.

    Parameters
    ----------
    class_weight : dict from label to weight, "balanced" or None
        Classes that a dict does not name have weight 1. It may name classes that a fold lacks,
        if it names all that are there.
    classes : ndarray of shape (n_classes,)
    groups : ndarray of shape (n_instances,), int64
        The class of each series, as a position in classes.
    sample_weight : ndarray of shape (n_instances,)
        "balanced" counts by it.

    Returns
    -------
    factors : ndarray of shape (n_classes,), float64

    Raises
    ------
    ParameterError
        If class_weight is none of these, names an unknown label or has a bad weight.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        count = np.bincount(groups, weights=sample_weight, minlength=len(classes))
        return count.sum() / np.maximum(count, np.finfo(np.float32).tiny) / len(classes)
    if not isinstance(class_weight, Mapping):
        raise ParameterError(
            f"class_weight={class_weight!r}; expected None, 'balanced' or a dict from label to "
            "weight."
        )
    _, unknown = label_positions(list(class_weight), classes)
    _, unnamed = label_positions(classes, np.array(list(class_weight), dtype=object))
    if unknown and unnamed:
        raise ParameterError(
            f"class_weight names {unknown}, but the classes are {classes.tolist()}."
        )
    factors = [class_weight.get(label, 1.0) for label in classes.tolist()]
    bad = [f for f in factors if not isinstance(f, Real) or not 0 <= f < np.inf]
    if bad or not any(factors):
        raise ParameterError(
            f"class_weight={class_weight!r}; expected finite weights of 0 or more, not all 0."
        )
    return np.array(factors, dtype=np.float64)
