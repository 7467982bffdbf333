"""How closely a student's answers follow its teacher's, and how good a model's answers are.

Functions of log-probabilities of shape ``(n_instances, n_classes)``. Means are unweighted.
"""

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_count
from tsdistill.inputs.plain import as_plain, as_real
from tsdistill.numerics.logits import usual_float_errors

ROUNDING_OF_A_SUM = 1e-2  # allows for float32, and for rounded probabilities


def agreement(teacher, student):
    """Share of series for which both models predict the same class.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.

    Returns
    -------
    agreement : float in [0, 1]

    References
    ----------
    Stanton et al.: Does knowledge distillation really work? NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> agreement(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.6, 0.4], [0.7, 0.3]]))
    0.5
    """
    teacher, student = pair(teacher, student, "n_instances, n_classes")
    return float(np.mean(teacher.argmax(axis=1) == student.argmax(axis=1)))


def predictive_kl(teacher, student):
    """Mean KL(teacher || student) of the predictive distributions, in nats, at temperature 1.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    kl : float, 0 or more; 0 for equal answers
    """
    return float(np.mean(per_series_kl(teacher, student)))


def predictive_js(teacher, student):
    """Mean Jensen-Shannon divergence of the predictive distributions, in nats, 0 to log 2.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.
    """
    return float(np.mean(per_series_js(teacher, student)))


def per_series_kl(teacher, student):
    """KL(teacher || student) of each series, in nats.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    kl : ndarray of shape (n_instances,), 0 or more
    """
    return _kl(*_log_proba_pair(teacher, student))


@usual_float_errors()
def per_series_js(teacher, student):
    """Jensen-Shannon divergence of each series, in nats, 0 to log 2.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    js : ndarray of shape (n_instances,)
    """
    teacher, student = _log_proba_pair(teacher, student)
    middle = np.logaddexp(teacher, student) - np.log(2)
    return (_kl(teacher, middle) + _kl(student, middle)) / 2


def accuracy(log_proba, y):
    """Share of series whose most probable class is the true one.

    Parameters
    ----------
    log_proba : ndarray of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.
    y : ndarray of shape (n_instances,), integer
        Class index of the true class of each series.

    Returns
    -------
    accuracy : float in [0, 1]
    """
    log_proba, y = _with_truth(log_proba, y)
    return float(np.mean(log_proba.argmax(axis=1) == y))


def negative_log_likelihood(log_proba, y):
    """Mean negative log-probability of the true class, in nats.

    Parameters
    ----------
    log_proba : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.
    y : ndarray of shape (n_instances,), integer
        Class index of the true class of each series.

    Returns
    -------
    nll : float, 0 or more
    """
    log_proba, y = _with_truth(log_proba, y)
    check_log_proba("log_proba", log_proba)
    return float(-np.mean(log_proba[np.arange(len(y)), y]))


def negative_flips(teacher, student, y):
    """Share of all series for which the teacher is right and the student is wrong.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.
    y : ndarray of shape (n_instances,), integer
        Class index of the true class of each series.

    Returns
    -------
    flips : float in [0, 1]

    References
    ----------
    Yan et al.: Positive-congruent training: towards regression-free model updates. CVPR 2021,
    arXiv 2011.09161.

    Examples
    --------
    >>> import numpy as np
    >>> teacher, student = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.2, 0.8], [0.3, 0.7]])
    >>> negative_flips(teacher, student, np.array([0, 1])), positive_flips(teacher, student, [1, 1])
    (0.5, 0.5)
    """
    return float(np.mean(per_series_flips(teacher, student, y)[0]))


def positive_flips(teacher, student, y):
    """Share of all series for which the teacher is wrong and the student is right.

    The student's accuracy is the teacher's, plus the positive flips, minus the negative flips.

    Parameters
    ----------
    teacher, student, y
        See :func:`negative_flips`.

    Returns
    -------
    flips : float in [0, 1]
    """
    return float(np.mean(per_series_flips(teacher, student, y)[1]))


def per_series_flips(teacher, student, y):
    """Whether each series is a negative flip, and whether it is a positive flip.

    Parameters
    ----------
    teacher, student, y
        See :func:`negative_flips`.

    Returns
    -------
    negative, positive : ndarray of shape (n_instances,), bool
    """
    teacher, student = pair(teacher, student, "n_instances, n_classes")
    _, y = _with_truth(teacher, y)
    before, after = teacher.argmax(axis=1) == y, student.argmax(axis=1) == y
    return before & ~after, after & ~before


def expected_calibration_error(log_proba, y, n_bins=10):
    """Mean distance between accuracy and confidence over bins of confidence.

    Each bin is weighted by its number of series::

        ECE = sum_b |series in b| / n * | accuracy in b - mean confidence in b |

    with bins ``(b / n_bins, (b + 1) / n_bins]`` of the probability of the predicted class.

    Parameters
    ----------
    log_proba : ndarray of shape (n_instances, n_classes)
        Log-probabilities.
    y : ndarray of shape (n_instances,), integer
        Class index of the true class of each series.
    n_bins : int, default=10

    Returns
    -------
    ece : float in [0, 1]

    References
    ----------
    Guo et al.: On calibration of modern neural networks. ICML 2017, arXiv 1706.04599.

    Examples
    --------
    >>> import numpy as np
    >>> sure = np.log([[0.9, 0.1], [0.9, 0.1]])
    >>> round(expected_calibration_error(sure, np.array([0, 1])), 3)
    0.4
    """
    log_proba, y = _with_truth(log_proba, y)
    check_log_proba("log_proba", log_proba)
    check_count("n_bins", n_bins)
    return float(calibration_error(*confidence_and_success(log_proba, y), n_bins))


@usual_float_errors()
def confidence_and_success(log_proba, y):
    """Probability of each series' predicted class, and whether that class is the true one."""
    return np.exp(log_proba.max(axis=1)), log_proba.argmax(axis=1) == y


def bins_of(confidence, n_bins):
    """The bin of each confidence, from 0 on, see :func:`expected_calibration_error`."""
    return np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)


@usual_float_errors()
def calibration_error(confidence, success, n_bins=10, axis=-1):
    """Calibration error of given confidences, see :func:`expected_calibration_error`.

    Parameters
    ----------
    confidence, success : ndarray of the same shape
        Probability of the predicted class, in [0, 1], and whether the prediction is right.
    n_bins : int, default=10
    axis : int, default=-1
        The axis of the series.

    Returns
    -------
    ece : ndarray, of the shape of confidence without ``axis``
    """
    bins = bins_of(confidence, n_bins)
    gap = success - confidence
    total = sum(np.abs(np.sum(gap * (bins == b), axis=axis)) for b in range(n_bins))
    return total / confidence.shape[axis]


@usual_float_errors()
def _kl(log_p, log_q):
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=1)


def _with_truth(log_proba, y):
    log_proba, y = as_real(log_proba, "log_proba"), np.asarray(as_plain(y, "y"))
    fits = log_proba.ndim == 2 and y.shape == log_proba.shape[:1] and len(y)
    if not fits or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= log_proba.shape[1]:
        raise ParameterError(
            f"log_proba has shape {log_proba.shape} and y shape {y.shape} of {y.dtype}; expected "
            "log_proba of shape (n_instances, n_classes) and y of shape (n_instances,) with the "
            "class indices 0 .. n_classes - 1, such as np.searchsorted(classes_, labels)."
        )
    return log_proba, y


@usual_float_errors()
def check_log_proba(name, answers):
    """Refuse answers that are not finite log-probabilities, such as probabilities."""
    total = np.logaddexp.reduce(answers, axis=1)
    if not (np.isfinite(answers).all() and np.abs(total).max() < ROUNDING_OF_A_SUM):
        raise ParameterError(
            f"{name} has values from {answers.min():.3g} to {answers.max():.3g}, which are not "
            "finite log-probabilities; expected rows whose exp sums to 1. Pass the result of "
            "predict_log_proba, or for probabilities the log of np.maximum(proba, 1e-4), "
            "renormalised."
        )


def _log_proba_pair(teacher, student):
    teacher, student = pair(teacher, student, "n_instances, n_classes")
    check_log_proba("teacher", teacher)
    check_log_proba("student", student)
    return teacher, student


def pair(teacher, student, axes, ends=False):
    """Convert both arrays to float64; refuse different shapes and NaN.

    With ``ends`` NaN is allowed where both have it: after the end of a series.
    """
    teacher, student = as_real(teacher, "teacher"), as_real(student, "student")
    if teacher.shape != student.shape or teacher.ndim < 2 or not len(teacher):
        raise ParameterError(
            f"teacher has shape {teacher.shape} and student {student.shape}; expected the same "
            f"shape ({axes}) with at least one instance."
        )
    missing = np.isnan(teacher), np.isnan(student)
    allowed = missing[0] & missing[1] if ends else np.zeros_like(missing[0])
    for name, array in zip(("teacher", "student"), missing, strict=True):
        if (array & ~allowed).any():
            where = ", where the other has values; expected none there." * ends
            raise ParameterError(
                f"{name} has NaN in {(array & ~allowed).sum()} places{where or '; expected none.'}"
            )
    return teacher, student
