"""How closely a student's answers follow its teacher's, and how good a model's answers are.

Functions of log-probabilities of shape ``(n_instances, n_classes)``. Means are unweighted.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.plain import as_array, as_real
from tsdistill.inputs.types import BoolArray, FloatArray, IntArray
from tsdistill.numerics.logits import usual_float_errors

ROUNDING_OF_A_SUM = 1e-2  # allows for float32, and for rounded probabilities


def agreement(teacher: ArrayLike, student: ArrayLike) -> float:
    """Share of series for which both models predict the same class.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.

    Returns
    -------
    float
        From 0 to 1.

    See Also
    --------
    negative_flips : Share of series for which only the teacher is right.
    predictive_kl : Compares probabilities, not only predictions.

    References
    ----------
    Stanton et al.: Does knowledge distillation really work? NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import agreement
    >>> agreement(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.6, 0.4], [0.7, 0.3]]))
    0.5
    """
    teacher, student = pair(teacher, student, "n_instances, n_classes")
    return float(np.mean(teacher.argmax(axis=1) == student.argmax(axis=1)))


def predictive_kl(teacher: ArrayLike, student: ArrayLike) -> float:
    """Mean KL(teacher || student) of the predictive distributions, in nats, at temperature 1.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    float
        0 for equal answers, else above 0.

    See Also
    --------
    per_series_kl : The divergence of each series.
    predictive_js : A symmetric divergence, which is bounded.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import predictive_kl
    >>> round(predictive_kl(np.log([[0.9, 0.1]]), np.log([[0.6, 0.4]])), 3)
    0.226
    """
    return float(np.mean(per_series_kl(teacher, student)))


def predictive_js(teacher: ArrayLike, student: ArrayLike) -> float:
    """Mean Jensen-Shannon divergence of the predictive distributions, in nats.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    float
        From 0, for equal answers, to log 2.

    See Also
    --------
    per_series_js : The divergence of each series.
    predictive_kl : The divergence that distillation makes small.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import predictive_js
    >>> round(predictive_js(np.log([[0.9, 0.1]]), np.log([[0.6, 0.4]])), 3)
    0.063
    """
    return float(np.mean(per_series_js(teacher, student)))


def per_series_kl(teacher: ArrayLike, student: ArrayLike) -> FloatArray:
    """KL(teacher || student) of each series, in nats.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    ndarray of shape (n_instances,)
        0 or more.

    See Also
    --------
    predictive_kl : The mean over all series.
    bootstrap_interval : A confidence interval of such a mean.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_kl
    >>> teacher = np.log([[0.9, 0.1], [0.5, 0.5]])
    >>> per_series_kl(teacher, np.log([[0.6, 0.4], [0.5, 0.5]])).round(3).tolist()
    [0.226, 0.0]
    """
    return _kl(*_log_proba_pair(teacher, student))


@usual_float_errors()
def per_series_js(teacher: ArrayLike, student: ArrayLike) -> FloatArray:
    """Jensen-Shannon divergence of each series, in nats.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    ndarray of shape (n_instances,)
        From 0 to log 2.

    See Also
    --------
    predictive_js : The mean over all series.
    betting_interval : A confidence interval of the mean of values that have limits, as these do.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_js
    >>> teacher = np.log([[0.9, 0.1], [0.5, 0.5]])
    >>> per_series_js(teacher, np.log([[0.6, 0.4], [0.5, 0.5]])).round(3).tolist()
    [0.063, 0.0]
    """
    teacher, student = _log_proba_pair(teacher, student)
    middle = np.logaddexp(teacher, student) - np.log(2)
    js: FloatArray = np.minimum((_kl(teacher, middle) + _kl(student, middle)) / 2, np.log(2))
    return js


def accuracy(log_proba: ArrayLike, y: ArrayLike) -> float:
    """Share of series whose most probable class is the true one.

    Parameters
    ----------
    log_proba : array-like of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.
    y : array-like of shape (n_instances,), of int
        Class index of the true class of each series.

    Returns
    -------
    float
        From 0 to 1.

    See Also
    --------
    agreement : Share of series for which two models predict the same class.
    negative_log_likelihood : Judges the probabilities too.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import accuracy
    >>> accuracy(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]))
    0.5
    """
    log_proba, y = with_truth(log_proba, y)
    return float(np.mean(log_proba.argmax(axis=1) == y))


def negative_log_likelihood(log_proba: ArrayLike, y: ArrayLike) -> float:
    """Mean negative log-probability of the true class, in nats.

    Parameters
    ----------
    log_proba : array-like of shape (n_instances, n_classes)
        Log-probabilities, finite.
    y : array-like of shape (n_instances,), of int
        Class index of the true class of each series.

    Returns
    -------
    float
        0 or more.

    See Also
    --------
    expected_calibration_error : Judges how far confidences can be believed, and nothing else.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import negative_log_likelihood
    >>> round(negative_log_likelihood(np.log([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0])), 3)
    0.511
    """
    log_proba, y = with_truth(log_proba, y)
    check_log_proba("log_proba", log_proba)
    return float(0.0 - np.mean(log_proba[np.arange(len(y)), y]))  # 0, not -0, for a sure model


def negative_flips(teacher: ArrayLike, student: ArrayLike, y: ArrayLike) -> float:
    """Share of all series for which the teacher is right and the student is wrong.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.
    y : array-like of shape (n_instances,), of int
        Class index of the true class of each series.

    Returns
    -------
    float
        From 0 to 1.

    See Also
    --------
    positive_flips : Share of series for which only the student is right.
    per_series_flips : Which series these are.

    References
    ----------
    Yan et al.: Positive-congruent training: towards regression-free model updates. CVPR 2021,
    arXiv 2011.09161.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import negative_flips
    >>> teacher, student = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.2, 0.8], [0.3, 0.7]])
    >>> negative_flips(teacher, student, np.array([0, 1]))
    0.5
    """
    return float(np.mean(per_series_flips(teacher, student, y)[0]))


def positive_flips(teacher: ArrayLike, student: ArrayLike, y: ArrayLike) -> float:
    """Share of all series for which the teacher is wrong and the student is right.

    The student's accuracy is the teacher's, plus the positive flips, minus the negative flips.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.
    y : array-like of shape (n_instances,), of int
        Class index of the true class of each series.

    Returns
    -------
    float
        From 0 to 1.

    See Also
    --------
    negative_flips : Share of series for which only the teacher is right.
    per_series_flips : Which series these are.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import positive_flips
    >>> teacher, student = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.2, 0.8], [0.3, 0.7]])
    >>> positive_flips(teacher, student, np.array([1, 1]))
    0.5
    """
    return float(np.mean(per_series_flips(teacher, student, y)[1]))


def per_series_flips(
    teacher: ArrayLike, student: ArrayLike, y: ArrayLike
) -> tuple[BoolArray, BoolArray]:
    """Whether each series is a negative flip, and whether it is a positive flip.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_classes)
        Probabilities, log-probabilities or logits.
    y : array-like of shape (n_instances,), of int
        Class index of the true class of each series.

    Returns
    -------
    negative : ndarray of shape (n_instances,), bool
        Where the teacher is right and the student is wrong.
    positive : ndarray of shape (n_instances,), bool
        Where the teacher is wrong and the student is right.

    See Also
    --------
    negative_flips : Share of the negative flips.
    positive_flips : Share of the positive flips.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_flips
    >>> teacher, student = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.2, 0.8], [0.3, 0.7]])
    >>> negative, positive = per_series_flips(teacher, student, np.array([0, 1]))
    >>> negative.tolist(), positive.tolist()
    ([True, False], [False, False])
    """
    teacher, student = pair(teacher, student, "n_instances, n_classes")
    _, y = with_truth(teacher, y)
    before, after = teacher.argmax(axis=1) == y, student.argmax(axis=1) == y
    return before & ~after, after & ~before


@usual_float_errors()
def _kl(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    divergence: FloatArray = np.sum(np.exp(log_p) * (log_p - log_q), axis=1)
    return np.maximum(divergence, 0.0)  # only rounding makes it negative


def with_truth(log_proba: ArrayLike, y: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Convert answers and class indices to arrays; refuse those that do not fit together."""
    log_proba, y = as_real(log_proba, "log_proba"), as_array(y, "y")
    fits = log_proba.ndim == 2 and y.shape == log_proba.shape[:1] and len(y)
    if not fits or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= log_proba.shape[1]:
        raise ParameterError(
            f"log_proba has shape {log_proba.shape} and y shape {y.shape} of {y.dtype}; expected "
            "log_proba of shape (n_instances, n_classes) and y of shape (n_instances,) with the "
            "class indices 0 .. n_classes - 1, such as np.searchsorted(classes_, labels)."
        )
    return log_proba, y


@usual_float_errors()
def check_log_proba(name: str, answers: NDArray[Any]) -> None:
    """Refuse answers that are not finite log-probabilities, such as probabilities."""
    total = np.logaddexp.reduce(answers, axis=1)
    if not (np.isfinite(answers).all() and np.abs(total).max() < ROUNDING_OF_A_SUM):
        raise ParameterError(
            f"{name} has values from {answers.min():.3g} to {answers.max():.3g}, which are not "
            "finite log-probabilities; expected rows whose exp sums to 1. Pass the result of "
            "predict_log_proba, or for probabilities the log of np.maximum(proba, 1e-4), "
            "renormalised."
        )


def _log_proba_pair(teacher: ArrayLike, student: ArrayLike) -> tuple[FloatArray, FloatArray]:
    teacher, student = pair(teacher, student, "n_instances, n_classes")
    check_log_proba("teacher", teacher)
    check_log_proba("student", student)
    return teacher, student


def pair(
    teacher: ArrayLike, student: ArrayLike, axes: str, ends: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Convert both arrays to float64; refuse different shapes and NaN.

    With ``ends`` NaN is allowed where both have it: after the end of a series.
    """
    teacher, student = as_real(teacher, "teacher"), as_real(student, "student")
    if teacher.shape != student.shape or teacher.ndim < 2 or not teacher.size:
        raise ParameterError(
            f"teacher has shape {teacher.shape} and student {student.shape}; expected the same "
            f"shape ({axes}), none of them 0."
        )
    of_teacher, of_student = np.isnan(teacher), np.isnan(student)
    allowed = of_teacher & of_student & ends
    for name, missing in (("teacher", of_teacher), ("student", of_student)):
        if n_missing := (missing & ~allowed).sum():
            where = ", where the other has values; expected none there." * ends
            raise ParameterError(
                f"{name} has NaN in {n_missing} places{where or '; expected none.'}"
            )
    return teacher, student
