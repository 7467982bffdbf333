"""The scale of a teacher's logits, by the likelihood of labels: temperature scaling."""

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import is_number, shown
from tsdistill.numerics.logits import log_softmax

SMALLEST, LARGEST = 1 / 32, 32.0
N_HALVINGS = 40


def calibrated(teacher, log_proba, labels):
    """A bound teacher with the scale that its labels ask for, and its answers with that scale.

    Parameters
    ----------
    teacher : bound Teacher
    log_proba : ndarray of shape (n_instances, n_classes), float32
        Its answers.
    labels : ndarray of shape (n_labelled,), int64, or None
        Class indices of the first series. Without labels nothing is changed.

    Returns
    -------
    teacher : Teacher
    log_proba : ndarray of shape (n_instances, n_classes), float32

    Raises
    ------
    ParameterError
        If the user asked for calibration, and there are no labels.
    """
    if not teacher.wants_calibration:
        return teacher, log_proba
    if labels is None:
        if teacher.scale is None:
            return teacher, log_proba
        raise ParameterError(
            "Teacher.scale='calibrated' follows from the labels of y, but y=None; pass labels, or "
            "a number."
        )
    teacher = teacher.with_factor(best_scale(log_proba[: len(labels)], labels))
    return teacher, teacher.scaled(log_proba)


def factor_of(scale):
    """The factor that a setting ``scale`` of a teacher stands for before labels are known.

    Raises
    ------
    ParameterError
        If it is no number above 0, nor "calibrated" nor None.
    """
    if scale is None or (isinstance(scale, str) and scale == "calibrated"):
        return 1.0
    if is_number(scale) and 0 < scale < np.inf:
        return float(scale)
    raise ParameterError(
        f"Teacher.scale={shown(scale)}; expected a number above 0, 'calibrated' or None."
    )


def platt_targets(class_index, n_classes):
    """Targets for calibration that are not quite certain, as in Platt's calibration.

    With targets of 0 and 1, no scale would be too large for answers that are all right, which
    those to the series of the training often are. Of n series of a class, the n + 1st might be of
    another one: the class counts as (n + 1) / (n + 2) certain, and the others share the rest.

    Parameters
    ----------
    class_index : ndarray of shape (n_instances,), int64
    n_classes : int

    Returns
    -------
    targets : ndarray of shape (n_instances, n_classes)
        Rows sum to 1.

    References
    ----------
    Platt: Probabilistic outputs for support vector machines. Advances in large margin
    classifiers (1999).

    Examples
    --------
    >>> import numpy as np
    >>> platt_targets(np.array([0, 0, 1]), 2).round(3).tolist()
    [[0.75, 0.25], [0.75, 0.25], [0.333, 0.667]]
    """
    counts = np.bincount(class_index, minlength=n_classes)
    certain = ((counts + 1) / (counts + 2))[class_index]
    targets = np.repeat(((1 - certain) / (n_classes - 1))[:, np.newaxis], n_classes, axis=1)
    targets[np.arange(len(class_index)), class_index] = certain
    return targets


def best_scale(log_proba, class_index):
    """The factor of the logits under which the labels are most likely, by Platt's targets.

    Parameters
    ----------
    log_proba : ndarray of shape (n_instances, n_classes)
        Logits or log-probabilities.
    class_index : ndarray of shape (n_instances,), int64
        The label of each series.

    Returns
    -------
    scale : float
        From 1/32 to 32.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. ICML 2017, arXiv
    1706.04599.
    """
    logits = log_proba.astype(np.float64)
    # The loss is convex in the scale, and its slope is the surplus of the expected logit.
    of_targets = (platt_targets(class_index, logits.shape[1]) * logits).sum(axis=1).mean()
    low, high = np.log(SMALLEST), np.log(LARGEST)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        proba = np.exp(log_softmax(np.exp(middle) * logits).astype(np.float64))
        if (proba * logits).sum(axis=1).mean() < of_targets:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))
