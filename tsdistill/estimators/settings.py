"""The constructor's arguments: checked, and made into the recipe of a training."""

import functools
import math
from numbers import Integral
from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import (
    as_list,
    check_choice,
    check_count,
    check_flag,
    check_positive,
    check_temperature,
    cut,
    is_number,
    is_whole,
    shown,
)
from tsdistill.inputs.random_state import check_random_state
from tsdistill.inputs.types import Device
from tsdistill.numerics.tensors import plain_device
from tsdistill.objectives.base import Objective
from tsdistill.objectives.saliency import MEASURES
from tsdistill.perturbation.plan import DONORS, WindowSettings, window_width
from tsdistill.teachers.cache import check_memory
from tsdistill.teachers.memorised import n_probes
from tsdistill.teachers.store_size import bytes_of
from tsdistill.teachers.teacher import Teacher
from tsdistill.training.budget import budget_of
from tsdistill.training.recipe import (
    DONORS_OF_MEASURES,
    Recipe,
    make_objectives,
    net_settings,
    some,
)
from tsdistill.training.start import TrainingSeries
from tsdistill.training.steps import SHORT


def check_settings(estimator: Any) -> None:
    """Refuse arguments that cannot be used, whatever the data.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier

    Raises
    ------
    ParameterError
        Naming the argument, its value and what was expected.
    """
    check_count("batch_size", estimator.batch_size)
    for name, least in (("n_windows", 1), ("n_mixtures", 0), ("n_queries", 1), ("max_epochs", 1)):
        if getattr(estimator, name) is not None:
            check_count(name, getattr(estimator, name), least)
    per_step = estimator.windows_per_step
    if is_whole(per_step):
        check_count("windows_per_step", per_step)
    elif not (is_number(per_step) and 0 < per_step <= 1):
        raise ParameterError(
            f"windows_per_step={shown(per_step)}; expected a whole number above 0 (copies of each "
            "series), or a share of the series in (0, 1]."
        )
    check_positive("lr", estimator.lr)
    check_temperature("temperature", estimator.temperature)
    for name in ("label_weight", "soft_target_weight", "saliency_weight"):
        if name != "saliency_weight" or estimator.saliency_weight is not None:
            check_positive(name, getattr(estimator, name), zero=True)
    if estimator.donors is not None:
        check_choice("donors", estimator.donors, DONORS, also=", or None")
    check_choice("saliency", estimator.saliency, (*MEASURES, "gradient"))
    check_choice("missing", estimator.missing, ("refuse", "mask"))
    fraction = estimator.validation_fraction
    if fraction is not None and not (is_number(fraction) and 0 < fraction < 1):
        raise ParameterError(
            f"validation_fraction={shown(fraction)}; expected None or a share of the series in "
            "(0, 1)."
        )
    check_not_own_teacher(estimator)
    for device in devices_of(estimator):
        check_device(device)
    if not isinstance(estimator.verbose, (Integral, np.bool_)):
        raise ParameterError(
            f"verbose={shown(estimator.verbose)}; expected a whole number or a bool."
        )
    n_jobs = estimator.n_jobs
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise ParameterError(
            f"n_jobs={shown(n_jobs)}; expected None or a whole number other than 0."
        )
    check_memory(estimator.memory)
    bytes_of(estimator.memory_size)
    check_flag("warm_start", estimator.warm_start)
    check_random_state(estimator.random_state)
    _check_callbacks("callbacks", estimator.callbacks)
    student = estimator.student
    if isinstance(student, NeuralNetClassifier) and student.callbacks != "disable":
        _check_callbacks("student.callbacks", student.callbacks)


def devices_of(estimator: Any) -> tuple[Device, ...]:
    """Where student and teacher will run: ``device``, or that of a skorch student."""
    student = estimator.student
    if isinstance(student, NeuralNetClassifier) and student.device is not None:
        return [estimator.device, student.device]
    return [estimator.device]


def check_not_own_teacher(estimator: Any) -> None:
    """Refuse an estimator that would be its own teacher, perhaps inside of another model."""
    if _holds(estimator.teacher, estimator, set()):
        raise ParameterError(
            f"teacher is or holds this {type(estimator).__name__} itself; pass the classifier that "
            "it is to replace, such as its teacher_."
        )


def _holds(model, estimator, seen):
    """Whether a model is an estimator, or has it among its members, steps or parameters."""
    if model is estimator:
        return True
    if id(model) in seen:
        return False
    seen.add(id(model))
    if isinstance(model, (list, tuple)):
        return any(_holds(part, estimator, seen) for part in model)
    if isinstance(model, Teacher):
        return _holds(model.model, estimator, seen)
    names = ("estimator", "steps", "estimators", "classifier", "classifiers", "teacher")
    return any(_holds(vars(model)[name], estimator, seen) for name in names if name in _own(model))


def _own(model):
    return getattr(model, "__dict__", {})


def _width_of(window_size, n_timepoints, form):
    """Timesteps in a window; for series of unequal length, ``form``, a share stays a share."""
    width = window_width(window_size, n_timepoints)
    return width if form is None or is_whole(window_size) else float(window_size)


def check_device(device: Device) -> None:
    """Refuse a device that torch does not know or cannot find."""
    try:
        if not isinstance(device, str | torch.device):
            raise TypeError("it is neither a str nor a torch.device")
        float(torch.zeros(1, device=device))  # a "meta" tensor has no value
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise ParameterError(
            f"device={shown(device)} cannot be used: {cut(str(error))}. Expected 'cpu', or "
            "'cuda' where torch finds a GPU."
        ) from error


def _check_callbacks(name, callbacks):
    for callback in as_list(callbacks):
        named = isinstance(callback, tuple) and len(callback) == 2 and isinstance(callback[0], str)
        one = callback[1] if named else callback
        if not (isinstance(one, Callback) or (isinstance(one, type) and issubclass(one, Callback))):
            raise ParameterError(
                f"{name} holds {shown(callback)}; expected skorch callbacks, or (name, callback) "
                "with a str as name."
            )


def objectives_of(estimator: Any) -> list[Objective]:
    """The terms of the loss of an estimator with checked settings, a list of Objective."""
    return make_objectives(
        estimator.label_weight,
        estimator.soft_target_weight,
        estimator.saliency_weight,
        estimator.saliency,
        estimator.temperature,
        [one for one in as_list(estimator.auxiliary) if one is not None],
    )


def _default_donors(estimator, n_series):
    """Donors that fit the measure and the length of the training."""
    n_steps = math.inf
    if estimator.max_epochs is not None:
        n_steps = int(estimator.max_epochs) * math.ceil(n_series / int(estimator.batch_size))
    usual = "opposing" if n_steps < SHORT else "varied"
    return DONORS_OF_MEASURES.get(estimator.saliency, usual)


def recipe_of(estimator: Any, objectives: list[Objective], series: TrainingSeries) -> Recipe:
    """The recipe that the arguments of an estimator give for training series.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier
        With checked settings.
    objectives : list of Objective
    series : TrainingSeries

    Returns
    -------
    recipe : Recipe

    Raises
    ------
    ParameterError
        If ``window_size`` does not fit the series.
    """
    n_series, _, n_timepoints = series.panel.shape
    parts = len(series.X), n_series - len(series.X)
    per_step = estimator.windows_per_step
    budget_with = functools.partial(
        budget_of,
        n_series,
        n_windows=estimator.n_windows,
        mixes=estimator.saliency == "logit_change"
        and estimator.saliency_weight != 0
        and not some(objectives, "makes_mixtures"),
        asks_windows=some(objectives, "needs_copies"),
        n_probes=sum(map(n_probes, parts)) if some(objectives, "compares_copies") else 0,
    )
    n_queries = estimator.n_queries
    budget = budget_with(n_queries=n_queries, n_mixtures=estimator.n_mixtures)
    windows_if_unmixed = None
    if estimator.n_mixtures is None and budget.n_mixtures:
        left = None if n_queries is None else n_queries - budget.n_mixtures
        windows_if_unmixed = budget_with(n_queries=left, n_mixtures=0).n_windows
    return Recipe(
        student=estimator.student,
        net_settings=functools.partial(
            net_settings,
            n_series=n_series,
            batch_size=estimator.batch_size,
            max_epochs=estimator.max_epochs,
            lr=float(estimator.lr),
            device=plain_device(estimator.device),
            callbacks=as_list(estimator.callbacks),
        ),
        objectives=objectives,
        windows=WindowSettings(
            width=_width_of(estimator.window_size, n_timepoints, series.form),
            n_windows=budget.n_windows,
            donors=estimator.donors or _default_donors(estimator, n_series),
        ),
        windows_per_step=int(per_step) if is_whole(per_step) else float(per_step),
        n_mixtures=budget.n_mixtures,
        validation_fraction=estimator.validation_fraction,
        class_weight=estimator.class_weight,
        gaps=series.form is not None and series.form.gaps,
        windows_if_unmixed=windows_if_unmixed,
    )
