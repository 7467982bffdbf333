"""Soft targets, of the series and of their perturbed copies."""

import numpy as np
import pytest
import torch

from tests.objectives.conftest import (
    TAU,
    M,
    N,
    check_against,
    check_parameters,
    slow_kl,
    with_copies_of,
)
from tsdistill.exceptions import ParameterError
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


@pytest.mark.parametrize("copied", [[1], [3, 0], [0, 1, 2, 3]], ids=str)
def test_control_is_zero_for_series_without_copies(answers, copied):
    expected = np.zeros(N)
    for i in copied:
        pairs = zip(answers.teacher_perturbed[i], answers.student_perturbed[i], strict=True)
        expected[i] = np.mean([slow_kl(*pair, TAU) for pair in pairs]) * N / len(copied)
    some = with_copies_of(answers, copied)
    check_against(PerturbedSoftTargets(temperature=TAU).losses(some, torch.ones(N)), expected)


@pytest.mark.parametrize("objective", [SoftTargets, PerturbedSoftTargets])
def test_parameters_have_the_documented_defaults_and_are_kept(objective):
    check_parameters(objective)


@pytest.mark.parametrize("objective", [SoftTargets, PerturbedSoftTargets])
def test_parameters_that_cannot_be_are_named(objective):
    with pytest.raises(ParameterError, match=rf"^{objective.__name__}.weight=-1"):
        objective(weight=-1, temperature=2.0).check()
    with pytest.raises(ParameterError, match=rf"^{objective.__name__}.temperature=0"):
        objective(temperature=0).check()


def test_series_of_unequal_length_and_their_copies_have_soft_targets(uneven, quick):
    teacher, *series = uneven
    model = quick(teacher, saliency_weight=0, auxiliary=PerturbedSoftTargets()).fit(*series)
    for name in ("soft_targets", "perturbed_soft_targets"):
        assert np.isfinite([row[name] for row in model.history_]).all()
