"""The terms of the distillation loss, one file a published method."""

from tsdistill.objectives.base import Answers, Objective
from tsdistill.objectives.label import Label, label_loss
from tsdistill.objectives.saliency import (
    TemporalSaliency,
    class_saliency,
    logit_change,
    saliency_loss,
    sum_saliency,
)
from tsdistill.objectives.soft_targets import PerturbedSoftTargets, SoftTargets, soft_target_loss

__all__ = [
    "Answers",
    "Label",
    "Objective",
    "PerturbedSoftTargets",
    "SoftTargets",
    "TemporalSaliency",
    "class_saliency",
    "label_loss",
    "logit_change",
    "saliency_loss",
    "soft_target_loss",
    "sum_saliency",
]
