"""How far a student answers as its teacher does, and for the same reasons.

Functions of arrays: log-probabilities of teacher and student, or their saliency maps. All
are plain means over series.
"""

import numpy as np

from tsdistill.exceptions import ParameterError

METRICS = ("agreement", "kl", "js", "saliency")


def agreement(teacher, student):
    """Share of series for which both models put the same class first.

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
    teacher, student = _pair(teacher, student, "n_instances, n_classes")
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
    teacher, student = _pair(teacher, student, "n_instances, n_classes")
    return float(np.mean(_kl(teacher, student)))


def predictive_js(teacher, student):
    """Mean Jensen-Shannon divergence of the predictive distributions, in nats, 0 to log 2.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.
    """
    teacher, student = _pair(teacher, student, "n_instances, n_classes")
    middle = np.logaddexp(teacher, student) - np.log(2)
    return float(np.mean(_kl(teacher, middle) + _kl(student, middle)) / 2)


def _kl(log_p, log_q):
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=1)


def saliency_correlation(teacher, student):
    """Mean over series of Pearson's correlation between two saliency maps.

    A series whose map is constant in either model has no correlation and counts as 0.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.

    Returns
    -------
    correlation : float in [-1, 1]

    Examples
    --------
    >>> import numpy as np
    >>> saliency_correlation(np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, 2.0, 4.0]]))
    1.0
    """
    teacher, student = _pair(teacher, student, "n_instances, n_timepoints")
    return float(np.mean(_rowwise_correlation(teacher, student)))


def _rowwise_correlation(a, b):
    a = a.reshape(len(a), -1)
    b = b.reshape(len(b), -1)
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    together = (a * b).sum(axis=1)
    return np.clip(np.divide(together, size, out=np.zeros_like(size), where=size > 0), -1, 1)


def _pair(teacher, student, axes):
    teacher = np.asarray(teacher, dtype=np.float64)
    student = np.asarray(student, dtype=np.float64)
    if teacher.shape != student.shape or teacher.ndim < 2 or not len(teacher):
        raise ParameterError(
            f"teacher has shape {teacher.shape} and student {student.shape}; expected the same "
            f"shape ({axes}) with at least one instance."
        )
    return teacher, student


def answer_score(metric, teacher, student):
    """A metric of answers as a score, higher being better.

    Parameters
    ----------
    metric : {"agreement", "kl", "js"}
    teacher, student : ndarray of shape (n_instances, n_classes)
        Log-probabilities, finite.

    Returns
    -------
    score : float
    """
    if metric == "agreement":
        return agreement(teacher, student)
    return -(predictive_kl if metric == "kl" else predictive_js)(teacher, student)


def fidelity_scorer(metric="agreement"):
    """A scorer for ``GridSearchCV(scoring=...)``: fidelity to the teacher, y unused.

    Parameters
    ----------
    metric : {"agreement", "kl", "js", "saliency"}, default="agreement"

    Returns
    -------
    scorer : callable (estimator, X, y=None) -> float
        Higher is better; divergences are negated. Of a Pipeline (also of sktime's) the last step
        is scored, of a fitted search its best estimator.

    Examples
    --------
    >>> fidelity_scorer("saliency")
    fidelity_scorer('saliency')
    """
    check_metric(metric)
    return _FidelityScorer(metric)


class _FidelityScorer:
    def __init__(self, metric):
        self.metric = metric

    def __repr__(self):
        return f"fidelity_scorer({self.metric!r})"

    def __call__(self, estimator, X, y=None):
        asked = estimator
        while not hasattr(estimator, "fidelity_score"):
            if hasattr(estimator, "best_estimator_"):
                estimator = estimator.best_estimator_
            elif hasattr(estimator, "transformers_") and hasattr(
                estimator, "classifier_"
            ):  # sktime
                X, estimator = estimator.transformers_.transform(X), estimator.classifier_
            elif hasattr(estimator, "steps"):
                X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
                estimator = estimator[-1]
            else:
                raise ParameterError(
                    f"{self!r} cannot score a {type(asked).__name__}: it holds no fitted "
                    "student. Score a SaliencyDistilledClassifier, or a fitted search or Pipeline "
                    "around one."
                )
        return estimator.fidelity_score(X, metric=self.metric)


def check_metric(metric):
    """Refuse an unknown ``metric``."""
    if metric not in METRICS:
        raise ParameterError(f"metric={metric!r}; expected one of {', '.join(map(repr, METRICS))}.")
