"""The cross-entropy with the labels."""

import math

import torch

from tests.objectives.conftest import N, check_against, softmax
from tsdistill.objectives import (
    Label,
    label_loss,
)


def test_label_loss_is_cross_entropy(answers):
    slow = [-math.log(softmax(z)[y]) for z, y in zip(answers.student, answers.labels, strict=True)]
    check_against(label_loss(answers.student, answers.labels), slow)
    check_against(Label().losses(answers, torch.ones(N)), slow)
