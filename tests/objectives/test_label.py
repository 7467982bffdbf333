"""The cross-entropy with the labels."""

import math

import numpy as np
import torch

from tests.objectives.conftest import N, check_against, check_parameters, hard_teacher, softmax
from tsdistill.objectives import (
    Label,
    label_loss,
)


def test_label_loss_is_cross_entropy(answers):
    slow = [-math.log(softmax(z)[y]) for z, y in zip(answers.student, answers.labels, strict=True)]
    check_against(label_loss(answers.student, answers.labels), slow)
    check_against(Label().losses(answers, torch.ones(N)), slow)


def test_who_learns_labels_alone_is_not_warned_of_a_hard_teacher(toy, quick):
    model = quick(hard_teacher, soft_target_weight=0, saliency_weight=0).fit(*toy)
    assert model.history_[-1]["label"] > 0


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(Label)


def test_series_of_unequal_length_have_labels(uneven, quick):
    teacher, *series = uneven
    model = quick(teacher, soft_target_weight=0, saliency_weight=0).fit(*series)
    assert np.isfinite([row["label"] for row in model.history_]).all()
