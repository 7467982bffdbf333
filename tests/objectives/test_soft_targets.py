"""Soft targets, of the series and of their perturbed copies."""

import numpy as np
import torch

from tests.objectives.conftest import TAU, M, N, check_against, slow_kl
from tsdistill.objectives import (
    PerturbedSoftTargets,
    SoftTargets,
    soft_target_loss,
)


def test_soft_targets_sum_over_classes(answers):
    slow = [slow_kl(answers.teacher[i], answers.student[i], TAU) for i in range(N)]
    check_against(soft_target_loss(answers.student, answers.teacher, TAU), slow)
    check_against(SoftTargets(temperature=TAU).losses(answers, torch.ones(N)), slow)


def test_control_is_soft_targets_on_the_copies(answers):
    slow = [
        np.mean(
            [
                slow_kl(answers.teacher_perturbed[i, m], answers.student_perturbed[i, m], TAU)
                for m in range(M)
            ]
        )
        for i in range(N)
    ]
    check_against(PerturbedSoftTargets(temperature=TAU).losses(answers, torch.ones(N)), slow)
