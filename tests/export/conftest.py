"""What the tests of the exports share."""

import numpy as np
import pytest
from torch import nn

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import FCN


def bumps(n_channels=1, n_timepoints=20):
    """Twelve series in three classes; the bumps are in the last channel."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    X = rng.normal(scale=0.1, size=(12, n_channels, n_timepoints))
    for row, k in enumerate(y):
        X[row, -1, 2 + 6 * k : 6 + 6 * k] += 1.0
    return X.astype(np.float32), y


def teacher_of_last(X):
    return bump_teacher(np.asarray(X)[:, -1, :20])


def small(student=None, n_channels=1, n_timepoints=20, labels=None, **settings):
    """A student of bumps that trains in a moment."""
    X, y = bumps(n_channels, n_timepoints)
    settings = {"max_epochs": 3, "n_windows": 4, "n_mixtures": 4, "random_state": 0} | settings
    student = FCN(n_filters=4) if student is None else student
    model = SaliencyDistilledClassifier(teacher_of_last, student, **settings)
    return model.fit(X, y if labels is None else np.asarray(labels)[y])


@pytest.fixture(scope="session")
def fitted():
    """A fitted classifier that no test changes."""
    return small()


class OwnNetwork(nn.Module):
    """A module that tsdistill does not know."""

    def __init__(self, n_channels, n_timepoints, n_classes, scale=1.0):
        super().__init__()
        self.linear = nn.Linear(n_channels * n_timepoints, n_classes)
        self.scale = scale

    def forward(self, x):
        return self.scale * self.linear(x.flatten(1))
