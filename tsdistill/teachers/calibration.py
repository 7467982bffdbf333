"""The scale of a teacher's logits, by the likelihood of labels: temperature scaling."""

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import is_number, shown
from tsdistill.numerics.logits import centred, log_softmax
from tsdistill.teachers.querying import query

SMALLEST, LARGEST = 1e-6, 1e6
"""Limits of a scale that is given."""
N_HALVINGS = 50


def factor_of(scale: object) -> float:
    """The factor that a setting ``scale`` of a teacher stands for before labels are known.

    Raises
    ------
    ParameterError
        If it is no number from 1e-6 to 1e6, nor "calibrated" nor None.
    """
    if scale is None or (isinstance(scale, str) and scale == "calibrated"):
        return 1.0
    if is_number(scale) and SMALLEST <= scale <= LARGEST:
        return float(scale)
    raise ParameterError(
        f"Teacher.scale={shown(scale)}; expected a number from {SMALLEST:g} to {LARGEST:g}, "
        "'calibrated' or None."
    )


def with_members_calibrated(teacher, panel, labels, sample_weight, options):
    """A bound list whose members have the scales that their labels ask for; others as they are.

    Members that are to be calibrated are asked about the labelled series once more.

    Parameters
    ----------
    teacher : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Series, those with labels first.
    labels : ndarray of shape (n_labelled,), int64, or None
        Class indices of the first series.
    sample_weight : ndarray of shape (n_instances,)
    options : QueryOptions

    Returns
    -------
    teacher : Teacher
    """
    if teacher.inner is None:
        return teacher
    members = []
    for member in teacher.inner:
        member = with_members_calibrated(member, panel, labels, sample_weight, options)
        if member.wants_calibration:
            answers = None
            if labels is not None:
                answers = query(member, panel[: len(labels)], options, title="teacher: scale")
            member, _ = calibrated(member, answers, labels, sample_weight)
        members.append(member)
    return teacher.around(members)


def calibrated(teacher, log_proba, labels, sample_weight):
    """A bound teacher with the scale that its labels ask for, and its answers with that scale.

    Parameters
    ----------
    teacher : bound Teacher
    log_proba : ndarray of shape (n_instances, n_classes), float32
        Its answers, with the scale that it has now; not read without labels.
    labels : ndarray of shape (n_labelled,), int64, or None
        Class indices of the first series. Without labels nothing is changed.
    sample_weight : ndarray of shape (n_instances,)
        A weight of 2 counts as two series.

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
    rows = np.flatnonzero(sample_weight[: len(labels)] > 0)
    more = best_scale(log_proba[rows], labels[rows], sample_weight[rows])
    return teacher.with_factor(teacher.factor * more), log_softmax(more * log_proba)


def platt_targets(class_index, n_classes, sample_weight=None):
    """Targets for calibration that are not quite certain, as in Platt's calibration.

    With targets of 0 and 1, no scale would be too large for answers that are all right, which
    those to the series of the training often are. Of n series of a class, the n + 1st might be of
    another one: the class counts as (n + 1) / (n + 2) certain, and the others share the rest.

    Parameters
    ----------
    class_index : ndarray of shape (n_instances,), int64
    n_classes : int
    sample_weight : ndarray of shape (n_instances,), default=None
        A weight of 2 counts as two series.

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
    counts = np.bincount(class_index, sample_weight, minlength=n_classes)
    certain = ((counts + 1) / (counts + 2))[class_index]
    targets = np.repeat(((1 - certain) / (n_classes - 1))[:, np.newaxis], n_classes, axis=1)
    targets[np.arange(len(class_index)), class_index] = certain
    return targets


def best_scale(log_proba, class_index, sample_weight=None):
    """The factor of the logits under which the labels are most likely, by Platt's targets.

    Parameters
    ----------
    log_proba : ndarray of shape (n_instances, n_classes)
        Logits or log-probabilities.
    class_index : ndarray of shape (n_instances,), int64
        The label of each series.
    sample_weight : ndarray of shape (n_instances,), default=None
        A weight of 2 counts as two series.

    Returns
    -------
    scale : float
        It makes the mean size of the centred logits 0.001 or more, and 1,000 or less.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. ICML 2017, arXiv
    1706.04599.
    """
    logits = centred(log_proba.astype(np.float64))
    size = np.abs(logits).mean()
    if size == 0:
        return 1.0
    logits = logits / size
    targets = platt_targets(class_index, logits.shape[1], sample_weight)
    # The loss is convex in the scale, and its slope is the surplus of the expected logit.
    low, high = np.log(1e-3), np.log(1e3)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        proba = np.exp(log_softmax(np.exp(middle) * logits).astype(np.float64))
        surplus = ((proba - targets) * logits).sum(axis=1)
        if np.average(surplus, weights=sample_weight) < 0:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2) / size)
