"""What follows from the constructor's arguments: checks, objectives, the recipe of training."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler

from tsdistill.checks import check_count, check_positive
from tsdistill.exceptions import ParameterError
from tsdistill.memory import check_memory
from tsdistill.objectives import (
    GradientSaliency,
    Label,
    Objective,
    SoftTargets,
    TemporalSaliency,
)
from tsdistill.windows import DONORS

RESERVED = (
    *("epoch", "dur", "train_loss", "valid_loss"),
    *("batches", "train_batch_count", "valid_batch_count"),
)
STEPS, FEWEST_EPOCHS = 2000, 50
QUESTIONS, FEWEST_WINDOWS, MOST_WINDOWS = 4000, 8, 64


def check_settings(estimator):
    """Refuse arguments that cannot be used, whatever the data.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier

    Raises
    ------
    ParameterError
        Naming the argument, its value and what was expected.
    """
    for name in ("windows_per_step", "batch_size"):
        check_count(name, getattr(estimator, name))
    for name in ("n_windows", "max_epochs"):
        if getattr(estimator, name) is not None:
            check_count(name, getattr(estimator, name))
    check_positive("lr", estimator.lr)
    check_positive("temperature", estimator.temperature)
    for name in ("label_weight", "soft_target_weight", "saliency_weight"):
        check_positive(name, getattr(estimator, name), zero=True)
    check_donors(estimator.donors)
    fraction = estimator.validation_fraction
    if fraction is not None and not (isinstance(fraction, Real) and 0 < fraction < 1):
        raise ParameterError(
            f"validation_fraction={fraction!r}; expected None or a share of the series in (0, 1)."
        )
    check_device(estimator.device)
    if not isinstance(estimator.verbose, (Integral, np.bool_)):
        raise ParameterError(f"verbose={estimator.verbose!r}; expected a whole number or a bool.")
    n_jobs = estimator.n_jobs
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise ParameterError(f"n_jobs={n_jobs!r}; expected None or a whole number other than 0.")
    check_memory(estimator.memory)
    if not isinstance(estimator.warm_start, (bool, np.bool_)):
        raise ParameterError(f"warm_start={estimator.warm_start!r}; expected True or False.")
    try:
        check_random_state(estimator.random_state)
    except ValueError as error:
        raise ParameterError(
            f"random_state={estimator.random_state!r}; expected None, an int of 0 or more, or a "
            "numpy.random.RandomState."
        ) from error
    for callback in as_list(estimator.callbacks):
        one = callback[1] if isinstance(callback, tuple) and len(callback) == 2 else callback
        if not (isinstance(one, Callback) or (isinstance(one, type) and issubclass(one, Callback))):
            raise ParameterError(
                f"callbacks holds {callback!r}; expected skorch callbacks, or (name, callback)."
            )


def objectives_of(estimator):
    """The terms of the loss whose weight is above 0.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier
        With checked settings.

    Returns
    -------
    objectives : list of Objective
        New ones; auxiliary objectives are cloned.

    Raises
    ------
    ParameterError
        If an auxiliary is no objective, a parameter of one cannot be used, two have the same
        name, or none is left.
    """
    if estimator.saliency == "gradient":
        saliency = GradientSaliency(estimator.saliency_weight)
        saliency.name = TemporalSaliency.name
    else:
        saliency = TemporalSaliency(
            estimator.saliency_weight, estimator.saliency, estimator.temperature
        )
    objectives = [
        Label(estimator.label_weight),
        SoftTargets(estimator.soft_target_weight, estimator.temperature),
        saliency,
        *(one for one in as_list(estimator.auxiliary) if one is not None),
    ]
    for i, objective in enumerate(objectives):
        if not isinstance(objective, Objective):
            raise ParameterError(
                f"auxiliary={objective!r}; expected an Objective or a list of them, such as "
                "tsdistill.objectives.PerturbedSoftTargets()."
            )
        if i >= 3:  # what it learns in a fit is not the user's
            objective = objectives[i] = clone(objective)
        if getattr(objective, "temperature", 0) is None:
            objective.temperature = estimator.temperature
        if (
            not isinstance(objective.name, str)
            or not objective.name.isidentifier()
            or (
                objective.name in RESERVED
                or "__" in objective.name
                or objective.name.endswith("_best")
            )
        ):
            raise ParameterError(
                f"{type(objective).__name__}.name={objective.name!r}, under which history_ is to "
                f"keep its value; expected a name without '__' and other than {RESERVED}."
            )
        objective.check()
    names = [objective.name for objective in objectives]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(
            f"auxiliary={estimator.auxiliary!r} makes two objectives named {twice}; each needs a "
            "name of its own, under which history_ keeps its value."
        )
    objectives = [objective for objective in objectives if objective.weight > 0]
    if not objectives:
        raise ParameterError("every weight is 0, so there is nothing to train for.")
    return objectives


def n_windows_of(estimator, n_series):
    """Windows a series: as set, or about 4,000 in all, within 8 to 64 a series."""
    if estimator.n_windows is not None:
        return estimator.n_windows
    return int(np.clip(QUESTIONS // n_series, FEWEST_WINDOWS, MOST_WINDOWS))


def net_settings(estimator, n_series):
    """Skorch settings for students that bring none: AdamW, one cycle, clipped gradients.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier
    n_series : int

    Returns
    -------
    settings : dict
    """
    n_steps = math.ceil(n_series / estimator.batch_size)
    epochs = int(estimator.max_epochs or max(FEWEST_EPOCHS, STEPS // n_steps))
    schedule = LRScheduler(
        torch.optim.lr_scheduler.OneCycleLR,
        step_every="batch",
        max_lr=estimator.lr,
        total_steps=n_steps * epochs,  # counted again when the steps are known
    )
    return {
        "max_epochs": epochs,
        "batch_size": int(estimator.batch_size),
        "lr": estimator.lr,
        "device": estimator.device,
        "optimizer": torch.optim.AdamW,
        "optimizer__weight_decay": 1e-4,
        "callbacks": [
            ("clip", GradientNormClipping(1.0)),
            ("one_cycle", schedule),
            *as_list(estimator.callbacks),
        ],
    }


def check_donors(donors):
    """Refuse an unknown kind of donors."""
    if donors not in DONORS:
        raise ParameterError(f"donors={donors!r}; expected one of {', '.join(map(repr, DONORS))}.")


def as_list(value):
    """None is no item, a list or tuple its items, anything else one item."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check_device(device):
    """Refuse a device that torch does not know or that is not there."""
    try:
        if device is None:
            raise TypeError("no device is named")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ParameterError(
            f"device={device!r} cannot be used: {error}. Expected 'cpu', or 'cuda' where torch "
            "finds a GPU."
        ) from error
