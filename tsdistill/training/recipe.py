"""The recipe of a training: objectives, windows, optimiser and schedule, and how much of each."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sklearn.base import clone
from skorch.callbacks import GradientNormClipping, LRScheduler, PrintLog

from tsdistill.exceptions import ParameterError, SaliencyWeightWarning, warn_user
from tsdistill.inputs.checks import is_number, is_whole, shown
from tsdistill.inputs.random_state import seed_sequence
from tsdistill.inputs.types import RandomSource
from tsdistill.objectives.base import Objective
from tsdistill.objectives.gradients import GradientSaliency
from tsdistill.objectives.label import Label
from tsdistill.objectives.saliency import TemporalSaliency
from tsdistill.objectives.soft_targets import PerturbedSoftTargets, SoftTargets
from tsdistill.perturbation.plan import WindowSettings
from tsdistill.training.sharing import ShareSteps
from tsdistill.training.transfer_set import TransferSet

RESERVED = (
    "epoch",
    "dur",
    "train_loss",
    "valid_loss",
    "batches",
    "train_batch_count",
    "valid_batch_count",
)
STEPS, FEWEST_EPOCHS = 2000, 50
"""Default steps of a training with two classes, and the fewest epochs of any."""
FUSED = ("cpu", "cuda")
"""Devices on which AdamW updates all weights in one pass."""
SALIENCY_WEIGHTS = {
    "logit_change": 5.0,
    "class": 1.0,
    "sum": 1.0,
    "decoupled": 1.0,
    "gradient": 5.0,
}
"""Default weights, by measure."""
DONORS_OF_MEASURES = {"class": "opposing", "sum": "opposing", "decoupled": "opposing"}
"""Default donors of the published measures."""
LARGEST_WEIGHTS = {"class": 1.0, "sum": 1.0, "decoupled": 1.0}
"""Largest weights with which the measures that are invariant to scale train reliably."""


class Seeds(NamedTuple):
    """Independent seeds for the random draws of a fit.

    Attributes
    ----------
    training : int
        For the global random states: initial weights, and the order of training.
    windows : int
        For windows, donors, baselines and held-out rows.
    teacher : int
        For an unfitted teacher.
    preparation : int
        For what the objectives prepare.
    """

    training: int
    windows: int
    teacher: int
    preparation: int

    @classmethod
    def draw(cls, random_state: RandomSource) -> Seeds:
        """Seeds that follow from a user's ``random_state``."""
        return cls(*map(int, seed_sequence(random_state).generate_state(4)))


@dataclass(frozen=True)
class Recipe:
    """How a student is built and trained.

    Attributes
    ----------
    student : str, Student, torch.nn.Module, callable or skorch.NeuralNetClassifier
    net_settings : callable (n_classes) -> dict
        skorch settings of students that bring none.
    objectives : list of Objective
        Each of a weight above 0.
    windows : WindowSettings
    windows_per_step : int or float
        Copies of each series in a step; below 1 the share of the series that have one.
    n_mixtures : int
    validation_fraction : float or None
    class_weight : dict, "balanced" or None
    gaps : bool, default=False
        Whether values of series may be missing.
    windows_if_unmixed : int or None, default=None
        Windows of each series if mixtures turn out to mislead, or not to be needed. None if the
        user chose ``n_mixtures``: they are used whatever they do.
    """

    student: object
    net_settings: Callable[[int], dict]
    objectives: list
    windows: WindowSettings
    windows_per_step: float
    n_mixtures: int
    validation_fraction: float | None
    class_weight: object
    gaps: bool = False
    windows_if_unmixed: int | None = None

    @property
    def may_leave_mixtures_out(self):
        """Whether the number of mixtures is a default."""
        return self.windows_if_unmixed is not None

    def without_mixtures(self):
        """The recipe without mixtures, and with more windows of each series in their place."""
        windows = self.windows._replace(n_windows=self.windows_if_unmixed)
        return dataclasses.replace(self, n_mixtures=0, windows=windows)

    def keeping_windows_of(self, transfer_set: TransferSet) -> Recipe:
        """Return the recipe with the donors of the last fit, if these are a default."""
        last = transfer_set.windows
        if last is None or last.donors not in ("varied", "opposing"):
            return self
        return dataclasses.replace(self, windows=self.windows._replace(donors=last.donors))

    @property
    def needs_copies(self):
        """Whether an objective reads answers to perturbed copies."""
        return some(self.objectives, "needs_copies")

    @property
    def compares_copies(self):
        """Whether an objective compares answers to perturbed copies with those to the series."""
        return some(self.objectives, "compares_copies")

    @property
    def learns_answers(self):
        """Whether an objective learns from the teacher's answers, and not from labels alone."""
        return some(self.objectives, "learns_answers")


def some(objectives, trait):
    """Whether one of the objectives has a trait, such as ``needs_copies``."""
    return any(getattr(objective, trait) for objective in objectives)


def make_objectives(
    label_weight, soft_target_weight, saliency_weight, saliency, temperature, auxiliary
):
    """The terms of the loss whose weight is above 0.

    Parameters
    ----------
    label_weight, soft_target_weight, saliency_weight, saliency, temperature
        As in :class:`~tsdistill.SaliencyDistilledClassifier`.
    auxiliary : list of Objective

    Returns
    -------
    objectives : list of Objective
        New objects; the auxiliary objectives are cloned.

    Raises
    ------
    ParameterError
        If an auxiliary is no objective, a parameter of one cannot be used, two have the same
        name, or none is left.
    """
    for one in auxiliary:
        if not isinstance(one, Objective):
            raise ParameterError(
                f"auxiliary={shown(one)}; expected an Objective or a list of them, such as "
                "tsdistill.objectives.PerturbedSoftTargets()."
            )
        if type(one).losses is Objective.losses:
            raise ParameterError(
                f"auxiliary={shown(one)}: {type(one).__name__} defines no losses(answers, "
                "sample_weight); every objective must define it."
            )
    if saliency_weight is None:
        saliency_weight = SALIENCY_WEIGHTS[saliency]
    elif saliency_weight > LARGEST_WEIGHTS.get(saliency, math.inf):
        warn_user(
            f"saliency_weight={shown(saliency_weight)} is above {LARGEST_WEIGHTS[saliency]:g}, the "
            f"largest with which saliency={saliency!r} is known to train: that measure is "
            "invariant to scale, and small students collapsed with more. Leave "
            "saliency_weight=None, or use saliency='logit_change'.",
            SaliencyWeightWarning,
        )
    if saliency == "gradient":
        saliency_term = _renamed(GradientSaliency(saliency_weight), TemporalSaliency.name)
    else:
        saliency_term = TemporalSaliency(saliency_weight, saliency, temperature)
    own_copies = any(isinstance(one, PerturbedSoftTargets) for one in auxiliary)
    if saliency == "logit_change" and saliency_weight > 0 and not own_copies:
        auxiliary = [PerturbedSoftTargets(soft_target_weight, temperature), *auxiliary]
    objectives = [
        Label(label_weight),
        SoftTargets(soft_target_weight, temperature),
        saliency_term,
        *(_at_temperature(one, temperature) for one in auxiliary),
    ]
    for objective in objectives:
        _check_name(objective)
        objective.check()
        _use_plain_numbers(objective)
    names = [objective.name for objective in objectives]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(
            f"auxiliary={auxiliary!r} makes two objectives named {twice}; each needs a name of "
            "its own, under which history_ keeps its value."
        )
    objectives = [objective for objective in objectives if objective.weight > 0]
    if not objectives:
        raise ParameterError("every weight is 0, so there is nothing to train for.")
    return objectives


def _renamed(objective, name):
    """A copy of an objective that goes by another name."""
    renamed = clone(objective)
    renamed.name = name
    return renamed


def _at_temperature(objective, temperature):
    """A copy of an objective, which takes the estimator's temperature unless it has its own."""
    objective = clone(objective)
    if getattr(objective, "temperature", 0) is None:
        objective.temperature = temperature
    return objective


def _use_plain_numbers(objective):
    """Make the numbers of a copied objective ints and floats, which torch can compute with."""
    for name, value in objective.get_params(deep=False).items():
        if is_number(value):
            setattr(objective, name, int(value) if is_whole(value) else float(value))


def _check_name(objective):
    """Refuse a name under which ``history_`` cannot keep a value."""
    name = objective.name
    usable = (
        isinstance(name, str)
        and name.isidentifier()
        and name not in RESERVED
        and "__" not in name
        and not name.endswith("_best")
    )
    if not usable:
        raise ParameterError(
            f"{type(objective).__name__}.name={name!r}, under which history_ is to keep its "
            f"value; expected a name without '__' and other than {RESERVED}."
        )


def epochs_of(n_series, batch_size, n_classes):
    """Default number of epochs: more classes have more logits, and as many maps, to be learnt.

    Examples
    --------
    >>> epochs_of(50, 32, n_classes=2), epochs_of(390, 32, n_classes=37), epochs_of(8000, 32, 2)
    (1000, 661, 50)
    """
    steps = STEPS * math.sqrt(n_classes / 2)
    return max(FEWEST_EPOCHS, int(steps // math.ceil(n_series / batch_size)))


def _are(callbacks, kind):
    """Whether each callback, its class, or the second of a pair is of a kind, a list of bool."""
    alone = [one[1] if isinstance(one, tuple) else one for one in callbacks]
    return [
        isinstance(one, kind) or (isinstance(one, type) and issubclass(one, kind)) for one in alone
    ]


def net_settings(n_classes, *, n_series, batch_size, max_epochs, lr, device, callbacks):
    """Skorch settings for students that bring none: AdamW, one cycle, clipped gradients.

    A schedule among the callbacks takes the place of the cycle, which would override it.

    Parameters
    ----------
    n_classes, n_series : int
    batch_size, max_epochs, lr, device
        As in :class:`~tsdistill.SaliencyDistilledClassifier`.
    callbacks : list of skorch callbacks

    Returns
    -------
    settings : dict
    """
    epochs = int(max_epochs or epochs_of(n_series, batch_size, n_classes))
    schedule = LRScheduler(
        torch.optim.lr_scheduler.OneCycleLR,
        step_every="batch",
        max_lr=lr,
        total_steps=epochs,  # set again when the steps are known
    )
    # Gradients are averaged before they are clipped.
    is_first = _are(callbacks, ShareSteps)
    first = [callback for callback, comes in zip(callbacks, is_first, strict=True) if comes]
    others = [callback for callback, comes in zip(callbacks, is_first, strict=True) if not comes]
    ours = [("clip", GradientNormClipping(1.0))]
    if not any(_are(callbacks, LRScheduler)):
        ours.append(("one_cycle", schedule))
    return {
        "max_epochs": epochs,
        "batch_size": int(batch_size),
        "lr": lr,
        "device": device,
        "optimizer": torch.optim.AdamW,
        "optimizer__weight_decay": 1e-4,
        "optimizer__fused": torch.device(device).type in FUSED,
        "callbacks": [*first, *ours, *others],
        "verbose": int(any(_are(callbacks, PrintLog))),  # or it prints nothing
    }
