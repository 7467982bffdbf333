"""What the tests of several explainers share."""

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.teachers.teacher import as_teacher


def centred(log_proba):
    return log_proba - log_proba.mean(axis=1, keepdims=True)


@pytest.fixture
def scene():
    """Five series of two channels, a network that knows three classes, six donors."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(5, 2, 17)).astype(np.float32)
    network = nn.Sequential(nn.Flatten(), nn.Linear(34, 8), nn.Tanh(), nn.Linear(8, 3))
    donors = rng.normal(size=(6, 2, 17)).astype(np.float32)
    donor_rows = np.array([[0, 1], [2, 3], [4, 5]])
    return as_teacher(network).bind(panel), panel, np.array([0, 1, 2, 2, 0]), donors, donor_rows
