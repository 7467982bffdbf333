"""Converts between labels and class indices, the positions of labels in ``classes_``."""

from collections.abc import Hashable, Sequence
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets

from tsdistill.exceptions import PanelError, PanelTypeError, ParameterError
from tsdistill.inputs.checks import quoted, shown
from tsdistill.inputs.plain import as_array, as_plain
from tsdistill.inputs.types import IntArray, LabelArray


def encode_labels(y):
    """Find the classes of y, sorted, and the class index of each label.

    -1 is a label like any other: UCR sets use it for a class.

    Parameters
    ----------
    y : ndarray of shape (n_instances,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    class_index : ndarray of shape (n_instances,), int64

    Raises
    ------
    PanelError
        If there is only one class, y is continuous, or its labels are of several types.
    """
    classes, class_index = np.unique(check_labels(y), return_inverse=True)
    check_two_classes(classes, "y holds")
    return classes, class_index.astype(np.int64)


def check_labels(y: LabelArray) -> LabelArray:
    """Labels of one type, or PanelError if they cannot be classes.

    Parameters
    ----------
    y : ndarray of shape (n_instances,)
    """
    y = labels_of_one_type(y)
    if y.dtype.kind in "mM" and np.isnat(y).any():
        raise PanelError(
            f"y holds NaT for {np.isnat(y).sum()} of {len(y)} series; expected a label for each. "
            "Drop these series, or pass them as X_unlabelled."
        )
    if y.dtype.kind == "V":
        raise PanelError(f"y holds values of type {y.dtype}; expected numbers or strings.")
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise PanelError(f"y cannot be used as labels: {error}") from error
    except TypeError as error:  # of bytes, from scikit-learn 1.8 on
        raise PanelTypeError(f"y cannot be used as labels: {error}") from error
    return y


def as_labels(y: Any, name: str = "y") -> Any:
    """Labels without tensors, masks and types of which NumPy or scikit-learn makes other labels.

    Whole numbers of pandas' own dtypes would become floats, and members of a str enumeration in a
    list their names, cut to the length of their values.

    Parameters
    ----------
    y : object
    name : str, default="y"
        Name of the argument, for errors.

    Raises
    ------
    PanelError
        If some values are masked.
    """
    y = as_plain(y, name)
    if hasattr(getattr(y, "dtype", None), "numpy_dtype") and not y.isna().any():
        return np.asarray(y, dtype=y.dtype.numpy_dtype)
    if isinstance(y, list | tuple) and any(isinstance(one, str) for one in y):
        return [str.__str__(one) if isinstance(one, str) else one for one in y]
    return str.__str__(y) if isinstance(y, str) else y


def labels_of_one_type(y: LabelArray) -> LabelArray:
    """Labels of object dtype, which may be strings; numbers get a dtype of their own.

    Raises
    ------
    PanelError
        If they are of several types.
    """
    if y.dtype != object or y.ndim != 1 or all(isinstance(label, str) for label in y):
        return y
    if all(isinstance(label, Number | np.bool_) for label in y):
        return np.array(y.tolist())
    raise PanelError(
        f"y holds labels of the types {quoted(sorted({type(label).__name__ for label in y}))}; "
        "expected labels of one type, numbers or strings, such as y.astype(str)."
    )


def check_two_classes(classes, source):
    """Raise PanelError if there is only one class; source starts the message, as in "y holds"."""
    if len(classes) < 2:
        raise PanelError(
            f"{source} one class only, {classes.tolist()}; a classifier needs series of at least "
            "two classes."
        )


def class_indices(labels: ArrayLike, classes: ArrayLike) -> tuple[IntArray, list[Any]]:
    """Convert labels to class indices, and list the labels that are not among the classes.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    indices : ndarray of int64
        Class indices of the labels that are among the classes, in order.
    unknown : list
        The other labels, each once.
    """
    position = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(labels).tolist()
    known = [position[label] for label in labels if label in position]
    unknown = [label for label in dict.fromkeys(labels) if label not in position]
    return np.array(known, dtype=np.int64), unknown


def target_indices(
    target: Any, classes: LabelArray, n_instances: int, name: str = "target"
) -> IntArray:
    """Convert labels that users pass, to be explained or true ones, to class indices.

    Parameters
    ----------
    target : label, or array-like of shape (n_instances,)
    classes : ndarray of shape (n_classes,)
    n_instances : int
    name : str, default="target"
        Name of the argument, for errors.

    Returns
    -------
    indices : ndarray of shape (n_instances,), int64

    Raises
    ------
    ParameterError
        If a label is not among the classes, or there is not one label per series.
    """
    labels = as_array(as_labels(target, name), name)
    if labels.ndim == 0:
        labels = np.repeat(labels, n_instances)
    if labels.shape != (n_instances,):
        raise ParameterError(
            f"{name} has shape {labels.shape}; expected one label, or one for each of the "
            f"{n_instances} series."
        )
    if not all(isinstance(label, Hashable) for label in labels.tolist()):
        raise ParameterError(f"{name}={shown(target)}; expected labels of {classes.tolist()}.")
    indices, unknown = class_indices(labels, classes)
    if unknown:
        raise ParameterError(
            f"{name} holds unknown labels [{few(unknown)}]; expected labels of {classes.tolist()}."
        )
    return indices


def few(labels: Sequence[Any] | LabelArray, most: int = 6) -> str:
    """Format the first labels for an error message."""
    labels = [shown(label) for label in np.asarray(labels).tolist()]
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
