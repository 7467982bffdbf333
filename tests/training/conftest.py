"""What the tests of training share."""

import numpy as np
import pytest

from tests.conftest import transfer_set_of
from tsdistill.perturbation.plan import draw_plan
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.training.steps import TransferTensors


@pytest.fixture
def material(toy):
    """A transfer set of the toy series, four windows each."""
    X, y = toy
    rng = np.random.default_rng(0)
    panel = X[:, np.newaxis].astype(np.float32)
    plan = draw_plan(panel, y, width=4, n_windows=4, donors="opposing", rng=rng)
    answers = TeacherAnswers(
        rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=(12, 4, 3)).astype(np.float32)
    )
    return transfer_set_of(panel, y.astype(np.int64), answers, plan)


def tensors_of(material, weight=None):
    weight = np.ones(12, dtype=np.float32) if weight is None else weight
    return TransferTensors(material, weight, "cpu")
