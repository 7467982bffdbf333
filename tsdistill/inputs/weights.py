"""Checks weights of series and of classes."""

from collections.abc import Mapping
from numbers import Real

import numpy as np

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.checks import shown
from tsdistill.inputs.plain import as_real

FLOAT64_MAX = float(np.finfo(np.float64).max)


def check_sample_weight(sample_weight, n_instances):
    """Check weights of the labelled series.

    Parameters
    ----------
    sample_weight : None, scalar or array-like of shape (n_instances,)
        Non-negative, not all zero. None gives every series the weight 1.
    n_instances : int

    Returns
    -------
    sample_weight : ndarray of shape (n_instances,), float64

    Raises
    ------
    PanelError
        If sample_weight is none of these.
    """
    if sample_weight is None:
        return np.ones(n_instances)
    weights = as_real(sample_weight, "sample_weight", PanelError)
    if weights.ndim == 0:
        weights = np.full(n_instances, float(weights))
    if weights.shape != (n_instances,):
        raise PanelError(
            f"sample_weight has shape {weights.shape}; expected ({n_instances},), one weight for "
            "each series of X."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise PanelError(
            "sample_weight must be finite and non-negative, and not zero for all series; got "
            f"values from {weights.min()} to {weights.max()}."
        )
    return weights


def scaled_to_mean_one(weights):
    """Scale weights to mean 1, in float32.

    Raises
    ------
    ParameterError
        If no weight is above 0.
    """
    if not weights.any():
        raise ParameterError("sample_weight and class_weight give all series the weight 0.")
    weights = weights / weights.max()
    return (weights / weights.mean()).astype(np.float32)


def class_factors(class_weight, classes, class_index, sample_weight):
    """Compute the weight of each class from ``class_weight``.

    Parameters
    ----------
    class_weight : dict from label to weight, "balanced" or None
        A class that is not in the dict has weight 1. A dict that has all the classes may have
        further labels, since a fold of cross-validation can lack classes.
    classes : ndarray of shape (n_classes,)
    class_index : ndarray of shape (n_instances,), int64
        Class index of each series.
    sample_weight : ndarray of shape (n_instances,)
        Weights with which "balanced" counts the series.

    Returns
    -------
    factors : ndarray of shape (n_classes,), float64

    Raises
    ------
    ParameterError
        If class_weight is none of these, has an unknown label or an invalid weight.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        shares = sample_weight / sample_weight.max()  # so that no sum of huge weights overflows
        count = np.bincount(class_index, weights=shares, minlength=len(classes))
        return count.sum() / np.maximum(count, np.finfo(np.float32).tiny) / len(classes)
    if not isinstance(class_weight, Mapping):
        raise ParameterError(
            f"class_weight={shown(class_weight)}; expected None, 'balanced' or a dict from label "
            "to weight."
        )
    unknown = [label for label in class_weight if label not in classes.tolist()]
    unnamed = [label for label in classes.tolist() if label not in class_weight]
    if unknown and unnamed:
        raise ParameterError(
            f"class_weight names {unknown}, but the classes are {classes.tolist()}; use labels of "
            "these classes as keys."
        )
    factors = [class_weight.get(label, 1.0) for label in classes.tolist()]
    valid = all(isinstance(factor, Real) and 0 <= factor <= FLOAT64_MAX for factor in factors)
    if not valid or not any(factors):
        raise ParameterError(
            f"class_weight={shown(class_weight)}; expected finite weights of 0 or more, not all 0."
        )
    return np.array(factors, dtype=np.float64)
