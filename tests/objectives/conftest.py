"""What the tests of several objectives share."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.objectives import (
    Answers,
    AttributionMatching,
    ExplanationAutoencoder,
    GradientSaliency,
    InputNoise,
    Objective,
    PerturbedSoftTargets,
    TemporalReview,
)
from tsdistill.students import Inception

FEW = {"n_questions": 1000}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Inception(n_filters=2).build(1, 20, 3)


class InPlace(nn.Module):
    """Changes what it is given, unless told not to."""

    def __init__(self, in_place=True):
        super().__init__()
        self.body, self.head, self.in_place = (
            nn.Conv1d(1, 4, 3, padding=1),
            nn.Linear(4, 3),
            in_place,
        )

    def forward(self, x):
        x = x.mul_(2.0) if self.in_place else x * 2.0
        return self.head(torch.relu(self.body(x)).mean(dim=-1))


def everything():
    return [
        ExplanationAutoencoder(**FEW),
        TemporalReview(),
        GradientSaliency(),
        AttributionMatching(),
        InputNoise(),
        PerturbedSoftTargets(),
    ]


class OwnObjective(Objective):
    name = "confidence"

    def losses(self, answers, sample_weight):
        return answers.student.square().mean(dim=1)


class Cut(nn.Module):
    """A network without a way back to the series."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(20, 3)

    def forward(self, x):
        return self.head(x.detach().flatten(1))


N, M, K, TAU = 4, 3, 3, 2.5


@pytest.fixture
def answers():
    draw = torch.Generator().manual_seed(0)

    def normal(*shape):
        return 2 * torch.randn(*shape, generator=draw, dtype=torch.float64)

    return Answers(
        student=normal(N, K).requires_grad_(),
        teacher=normal(N, K),
        labels=torch.tensor([0, 2, 1, 1]),
        student_perturbed=normal(N, M, K).requires_grad_(),
        teacher_perturbed=normal(N, M, K),
    )


def with_copies_of(answers, copied):
    """The same answers, where only some series have copies."""
    return dataclasses.replace(
        answers,
        student_perturbed=answers.student_perturbed[copied],
        teacher_perturbed=answers.teacher_perturbed[copied],
        copied=torch.tensor(copied).long(),
    )


def softmax(z, tau=1.0):
    e = [math.exp(v / tau) for v in z.tolist()]
    return [v / sum(e) for v in e]


def check_against(losses, slow):
    np.testing.assert_allclose(losses.detach().numpy(), slow, rtol=1e-6)


def slow_kl(teacher, student, tau):
    p, q = softmax(teacher, tau), softmax(student, tau)
    return tau**2 * sum(p[k] * (math.log(p[k]) - math.log(q[k])) for k in range(K))
