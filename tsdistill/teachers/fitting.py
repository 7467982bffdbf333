"""Unfitted teachers: whether a model is fitted, and how a clone of it is fitted."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter
from torch import nn

from tsdistill.exceptions import TeacherError
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.panel import with_channels
from tsdistill.inputs.types import FloatArray, LabelArray
from tsdistill.numerics.tensors import threads_kept
from tsdistill.teachers.adapters import name_of, no_answers_error
from tsdistill.teachers.layouts import uneven_error


def is_fitted(model: object) -> bool:
    """Whether a model is fitted, judged by the attributes that each library sets.

    Parameters
    ----------
    model : classifier, torch.nn.Module, callable, Teacher, or list of these

    Returns
    -------
    fitted : bool
        True if the model can be queried as it is.
    """
    if isinstance(model, (list, tuple)):
        return all(map(is_fitted, model))
    if isinstance(model, nn.Module) or not hasattr(model, "fit"):
        return True
    if isinstance(model, FrozenEstimator):  # its own check needs tags, which sktime lacks
        return is_fitted(model.estimator)
    if isinstance(model, Pipeline):
        return not model.steps or is_fitted(model.steps[-1][1])
    if hasattr(model, "__sklearn_is_fitted__"):
        return bool(model.__sklearn_is_fitted__())
    flag = getattr(model, "is_fitted", None)
    flag = flag() if callable(flag) else flag  # a method in CatBoost
    if flag is None:
        flag = getattr(model, "initialized_", None)  # skorch before 1.3
    if isinstance(flag, (bool, np.bool_)):  # sktime, aeon
        return bool(flag)
    if not hasattr(model, "get_params"):
        return True
    return any(name.endswith("_") and not name.startswith("_") for name in vars(model))


def fit_clone(
    model: Any,
    X: NDArray[Any],
    y: LabelArray,
    random_state: np.random.RandomState | None,
    sample_weight: FloatArray | None,
    form: UnevenForm | None = None,
) -> Any:
    """Fit a clone of a model on X, or on X in the other layout (2-D or 3-D) if that fails.

    The model is given copies of the arrays.

    Parameters
    ----------
    model : unfitted classifier
    X : ndarray in the user's shape
    y : ndarray of shape (n_instances,)
    random_state : numpy.random.RandomState or None
        Source of a seed for every ``random_state`` of the clone that is None.
    sample_weight : ndarray of shape (n_instances,) or None
        Passed to the model if its ``fit`` takes it.
    form : UnevenForm, default=None
        How series of unequal length were passed; other forms are tried after it.

    Returns
    -------
    fitted : classifier

    Raises
    ------
    TeacherError
        If fitting fails in every layout.
    """
    layouts = [X]
    if form is not None:
        layouts = (other.of(with_channels(X)) for other in form.in_turn())
    elif X.ndim == 2:
        layouts.append(X[:, np.newaxis])
    elif X.shape[1] == 1:
        layouts.append(X[:, 0])
    failures = []
    for layout in layouts:
        unfitted = _with_seeds(clone(model), random_state)
        # Copies, since the model may write to what it is given.
        weights = {}
        if sample_weight is not None:
            weights = _as_fit_parameters(unfitted, sample_weight.copy())
        try:
            with threads_kept():
                unfitted.fit(copy.deepcopy(layout), y.copy(), **weights)
            return unfitted
        except Exception as error:  # the user's model may raise anything
            failures.append(error)
    error = failures[0]
    if form is not None:
        raise uneven_error(model, X, form, failures) from error
    raise TeacherError(
        f"teacher {name_of(model)} is not fitted, and fitting it on X of shape {X.shape} "
        f"failed: {type(error).__name__}: {str(error).rstrip('.')}. Pass a fitted teacher, or one "
        "that can be fitted on X and y."
    ) from error


def _with_seeds(model, random_state):
    """Set every ``random_state`` of the model that is None, and return the model."""
    if random_state is not None and hasattr(model, "get_params"):
        seeds = {
            key: int(random_state.randint(np.iinfo(np.int32).max))
            for key, value in sorted(model.get_params().items())
            if value is None and key.split("__")[-1] == "random_state"
        }
        if seeds:
            model.set_params(**seeds)
    return model


def _as_fit_parameters(model, sample_weight):
    """Keyword arguments that pass the weights to ``fit``; empty if the model takes no weights."""
    if has_fit_parameter(model, "sample_weight"):
        return {"sample_weight": sample_weight}
    if isinstance(model, Pipeline) and not get_config()["enable_metadata_routing"]:
        name, last = model.steps[-1]
        inner = _as_fit_parameters(last, sample_weight)
        return {f"{name}__{key}": value for key, value in inner.items()}
    return {}


def check_can_classify(model: object) -> None:
    """Refuse what can never be a teacher.

    Raises
    ------
    TeacherError
        If a fitted model has no method that gives answers, or a list is empty.
    """
    if isinstance(model, (list, tuple)):
        if not model:
            raise TeacherError("teacher is an empty list; expected one classifier or more.")
        return
    if isinstance(model, type):
        raise TeacherError(
            f"teacher is the class {model.__name__}; pass an instance of it, fitted or not."
        )
    if not (
        isinstance(model, nn.Module)
        or hasattr(model, "predict_proba")
        or hasattr(model, "decision_function")
        or (callable(model) and not hasattr(model, "predict"))
        or not is_fitted(model)
    ):
        raise no_answers_error(model)
