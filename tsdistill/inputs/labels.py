"""Labels that users pass, and their class indices: positions in the sorted set of labels."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from tsdistill.exceptions import PanelError, ParameterError


def encode_labels(y):
    """Turn labels into class indices, their positions in the sorted set of labels.

    Any value is a label, also -1 (UCR sets use it for a class).

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
        If there is only one class.
    ValueError
        scikit-learn's own, if y is continuous.
    """
    check_classification_targets(y)
    classes, class_index = np.unique(y, return_inverse=True)
    check_two_classes(classes, "y holds")
    return classes, class_index.astype(np.int64)


def check_two_classes(classes, source):
    """Refuse a single class; source says where it comes from."""
    if len(classes) < 2:
        raise PanelError(
            f"{source} one class only, {classes.tolist()}; a classifier needs series of two "
            "classes or more."
        )


def class_indices(labels, classes):
    """Class indices of labels, and the labels that are none of the classes.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    indices : ndarray of int64
        Of the labels that are among the classes.
    unknown : list
    """
    position = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(labels).tolist()
    known = [position[label] for label in labels if label in position]
    unknown = [label for label in dict.fromkeys(labels) if label not in position]
    return np.array(known, dtype=np.int64), unknown


def target_indices(target, classes, n_instances, name="target"):
    """Class indices of labels that users pass: those to explain, or the true ones.

    Parameters
    ----------
    target : label, or array-like of shape (n_instances,)
    classes : ndarray of shape (n_classes,)
    n_instances : int
    name : str, default="target"
        What errors call it.

    Returns
    -------
    indices : ndarray of shape (n_instances,), int64

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
    indices, unknown = class_indices(labels, classes)
    if unknown:
        raise ParameterError(
            f"{name} holds unknown labels {unknown}; expected labels of {classes.tolist()}."
        )
    return indices


def few(labels, most=6):
    """The first labels, as an error lists them."""
    labels = [repr(label) for label in np.asarray(labels).tolist()]
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
