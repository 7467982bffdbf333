"""Weights of series and of classes."""

from collections.abc import Mapping
from numbers import Real

import numpy as np

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.labels import class_indices


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


def class_factors(class_weight, classes, class_index, sample_weight):
    """Weight of each class, as ``class_weight`` says.

    Parameters
    ----------
    class_weight : dict from label to weight, "balanced" or None
        Classes that a dict does not name have weight 1. It may name classes that a fold lacks,
        if it names all that are there.
    classes : ndarray of shape (n_classes,)
    class_index : ndarray of shape (n_instances,), int64
        The class of each series, as its position in classes.
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
        count = np.bincount(class_index, weights=sample_weight, minlength=len(classes))
        return count.sum() / np.maximum(count, np.finfo(np.float32).tiny) / len(classes)
    if not isinstance(class_weight, Mapping):
        raise ParameterError(
            f"class_weight={class_weight!r}; expected None, 'balanced' or a dict from label to "
            "weight."
        )
    _, unknown = class_indices(list(class_weight), classes)
    _, unnamed = class_indices(classes, np.array(list(class_weight), dtype=object))
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
