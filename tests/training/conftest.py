"""What the tests of training share."""

import dataclasses

import numpy as np
import pytest

from tests.conftest import transfer_set_of
from tsdistill.perturbation.mixtures import Mixtures
from tsdistill.perturbation.plan import draw_plan
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.training.steps import TransferTensors


def material_of(panel, y, **parts):
    """A transfer set of these series, four windows each, and answers at random."""
    rng, n = np.random.default_rng(0), len(panel)
    plan = draw_plan(panel, y, width=4, n_windows=4, donors="opposing", rng=rng)
    answers = TeacherAnswers(
        rng.normal(size=(n, 3)).astype(np.float32), rng.normal(size=(n, 4, 3)).astype(np.float32)
    )
    return dataclasses.replace(transfer_set_of(panel, y.astype(np.int64), answers, plan), **parts)


@pytest.fixture
def material(toy):
    """A transfer set of the toy series, four windows each."""
    X, y = toy
    return material_of(X[:, np.newaxis].astype(np.float32), y)


@pytest.fixture
def mixed_material(material):
    """The same with 20 mixtures."""
    mixtures = Mixtures.draw(np.arange(12), 20, np.random.default_rng(0))
    panel = np.concatenate([material.panel, mixtures.of(material.panel)])
    y = np.concatenate([material.class_index, material.class_index[mixtures.first]])
    return material_of(panel, y, labels=material.labels, mixtures=mixtures)


def tensors_of(material, weight=None, device="cpu"):
    weight = np.ones(len(material.panel), dtype=np.float32) if weight is None else weight
    return TransferTensors(material, weight, device)
