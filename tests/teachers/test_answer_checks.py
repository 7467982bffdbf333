"""Warnings of answers that a student should hardly learn."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.experimental import enable_iterative_imputer  # noqa: F401

from tsdistill.exceptions import HardTeacherWarning
from tsdistill.teachers.answer_checks import warn_if_hard
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.teachers.teacher import as_teacher


def test_hard_teacher_is_warned_of_with_the_remedy(toy):
    X, _ = toy
    hard = as_teacher(lambda X: np.eye(3)[np.arange(len(X)) % 3]).bind(X)
    with pytest.warns(HardTeacherWarning, match="decision values"):
        warn_if_hard(hard, TeacherAnswers(hard.log_proba(X[:, np.newaxis])))


def test_soft_or_merely_confident_teachers_are_not_warned_of(toy):
    X, _ = toy
    proba = np.eye(3)[np.arange(12) % 3]
    proba[5] = [0.01, 0.01, 0.98]
    soft = as_teacher(lambda X: proba[: len(X)]).bind(X)
    sure = as_teacher(torch.nn.Linear(20, 3).requires_grad_(False)).bind(X)
    with torch.no_grad():
        sure.model.weight.mul_(1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for teacher in (soft, sure):
            answers = teacher.log_proba(X[:, np.newaxis].astype(np.float32))
            warn_if_hard(teacher, TeacherAnswers(answers))


def test_a_forest_certain_of_its_own_series_is_not_hard(toy):
    X, _ = toy
    hard = as_teacher(lambda X: np.eye(3)[np.arange(len(X)) % 3]).bind(X)
    clean = hard.log_proba(X[:, np.newaxis])
    soft = np.log(np.full((12, 4, 3), 1 / 3, dtype=np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_hard(hard, TeacherAnswers(clean, soft))
