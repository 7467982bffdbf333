"""The terms of the distillation loss, one published method a file."""

from tsdistill.objectives.attribution import AttributionMatching, attribution_of
from tsdistill.objectives.autoencoder import ExplanationAutoencoder, explanation_loss
from tsdistill.objectives.base import Answers, Objective
from tsdistill.objectives.gradients import GradientSaliency, gradient_cosine_loss
from tsdistill.objectives.label import Label, label_loss
from tsdistill.objectives.noise import InputNoise
from tsdistill.objectives.review import TemporalReview, review_losses
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
    "AttributionMatching",
    "ExplanationAutoencoder",
    "GradientSaliency",
    "InputNoise",
    "Label",
    "Objective",
    "PerturbedSoftTargets",
    "SoftTargets",
    "TemporalReview",
    "TemporalSaliency",
    "attribution_of",
    "class_saliency",
    "explanation_loss",
    "gradient_cosine_loss",
    "label_loss",
    "logit_change",
    "review_losses",
    "saliency_loss",
    "soft_target_loss",
    "sum_saliency",
]
