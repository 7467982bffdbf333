"""Fidelity as one number, for scores and searches; higher is better."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import (
    accuracy,
    agreement,
    negative_log_likelihood,
    predictive_js,
    predictive_kl,
)
from tsdistill.fidelity.calibration import expected_calibration_error
from tsdistill.fidelity.maps import saliency_correlation, top_overlap
from tsdistill.fidelity.truth import auprc, auroc
from tsdistill.inputs.checks import check_choice
from tsdistill.inputs.types import Metric, Series

OF_ANSWERS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "agreement": agreement,
    "kl": lambda teacher, student: -predictive_kl(teacher, student),
    "js": lambda teacher, student: -predictive_js(teacher, student),
}
OF_TRUTH: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "accuracy": accuracy,
    "nll": lambda log_proba, y: -negative_log_likelihood(log_proba, y),
    "ece": lambda log_proba, y: -expected_calibration_error(log_proba, y),
}
OF_MAPS = {"saliency": saliency_correlation, "top_overlap": top_overlap}
OF_MASKS = {"auprc": auprc, "auroc": auroc}
OF_CURVES = ("deletion", "insertion")
METRICS = (*OF_ANSWERS, *OF_MAPS, *OF_TRUTH, *OF_CURVES, *OF_MASKS)


def check_metric(metric: str) -> None:
    """Refuse an unknown ``metric``."""
    check_choice("metric", metric, METRICS)


def check_truth(metric: str, y: ArrayLike | None, mask: ArrayLike | None) -> None:
    """Refuse a metric without the y or mask that it needs, or with a mask that it does not use."""
    check_metric(metric)
    for name, given, metrics in (("y", y, OF_TRUTH), ("mask", mask, OF_MASKS)):
        if given is None and metric in metrics:
            raise ParameterError(f"metric={metric!r} needs {name}, but got None; pass {name}.")
    if mask is not None and metric not in OF_MASKS:
        raise ParameterError(f"metric={metric!r} makes no use of mask; leave it out.")


def fidelity_scorer(metric: Metric = "agreement") -> Callable[..., float]:
    """Make a scorer for ``GridSearchCV(scoring=...)`` that measures fidelity to the teacher.

    Parameters
    ----------
    metric : str, default="agreement"
        A metric of :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_score`. "accuracy",
        "nll" and "ece" need y; the others ignore it. "auprc" and "auroc" need the keyword
        ``mask`` in the call, and so cannot be used in a search.

    Returns
    -------
    callable
        Called as ``scorer(estimator, X, y=None)``, it returns a float. Higher is better;
        divergences and errors are negated. For a Pipeline (also sktime's) the last step is scored,
        for a fitted search the best estimator.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.fidelity_score : The score of one fitted student.

    Examples
    --------
    >>> from tsdistill.fidelity import fidelity_scorer
    >>> fidelity_scorer("saliency")
    fidelity_scorer('saliency')
    """
    check_metric(metric)
    return _FidelityScorer(metric)


class _FidelityScorer:
    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def __repr__(self) -> str:
        return f"fidelity_scorer({self.metric!r})"

    def __call__(
        self, estimator: Any, X: Series, y: ArrayLike | None = None, **mask: ArrayLike
    ) -> float:
        estimator, X = holder_of_student(estimator, X, "fidelity_score", f"{self!r} cannot score")
        truth = {"y": y} if self.metric in OF_TRUTH else {}
        score: float = estimator.fidelity_score(X, **truth, metric=self.metric, **mask)
        return score


def holder_of_student(
    estimator: Any, X: Series, method: str, what_fails: str
) -> tuple[Any, Series]:
    """Find the distilled classifier inside a Pipeline or a search, and transform X for it.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like, as the estimator takes it
    method : str
        A method by which the classifier is recognised.
    what_fails : str
        The beginning of the error message.

    Returns
    -------
    holder : estimator with the method
    X : array-like, as the holder takes it

    Raises
    ------
    ParameterError
        If no estimator inside has the method.
    """
    outermost = estimator
    while not hasattr(estimator, method):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "transformers_") and hasattr(estimator, "classifier_"):  # sktime
            X, estimator = estimator.transformers_.transform(X), estimator.classifier_
        elif hasattr(estimator, "steps"):
            X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
            estimator = estimator[-1]
        else:
            raise ParameterError(
                f"{what_fails} a {type(outermost).__name__}: it holds no fitted student. Pass a "
                "SaliencyDistilledClassifier, or a fitted search or Pipeline around one."
            )
    return estimator, X
