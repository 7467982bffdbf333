"""What the tests of several objectives share."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from numpydoc.docscrape import get_doc_object
from torch import nn

from tests.conftest import bump_teacher
from tests.stored import Limited, stream
from tsdistill import Teacher
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


@pytest.fixture
def uneven(toy):
    """A teacher for the toy series that fills them with zeros, the series cut short, and labels."""

    def filling(X):
        return bump_teacher(np.nan_to_num(X))

    X = np.where(np.arange(20) < 15, toy[0], np.nan)
    X[0] = toy[0][0]
    return Teacher(filling, classes=[0, 1, 2]), X, toy[1]


@pytest.fixture
def fit_stored(toy, quick, monkeypatch):
    """Fits a student to series that are not in memory."""
    X = toy[0][:, None].astype(np.float32)
    stream(monkeypatch, X)

    def fit(**settings):
        return quick(n_mixtures=0, **settings).fit(Limited(X, 12), toy[1])

    return fit


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


def hard_teacher(X):
    """Answers with probabilities of 0 and 1 alone."""
    return np.eye(3)[bump_teacher(X).argmax(axis=1)]


class OwnObjective(Objective):
    name = "confidence"

    def losses(self, answers, sample_weight):
        return answers.student.square().mean(dim=1)


def check_parameters(objective):
    """A class has the defaults that its docstring gives, and keeps what it is passed as it is."""
    defaults = {}
    for names, kind, _ in get_doc_object(objective)["Parameters"]:
        default = eval(kind.partition("default=")[2])
        defaults |= dict.fromkeys(names.split(", "), default)
    assert objective().get_params() == defaults
    passed = {name: object() for name in defaults}
    assert objective(**passed).get_params() == passed


class Cut(nn.Module):
    """A network without a way back to the series."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(20, 3)

    def forward(self, x):
        return self.head(x.detach().flatten(1))


N, M, K, TAU = 4, 5, 3, 2.5


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
