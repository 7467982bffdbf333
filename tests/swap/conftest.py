"""What the tests of the swap share."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from tests.conftest import bump_teacher


@pytest.fixture
def swap(toy):
    """A nearest-neighbour student of the bump teacher, and series for both."""
    rng = np.random.default_rng(3)
    X, y = toy
    student = KNeighborsClassifier(5).fit(X, y)
    more = np.tile(X, (40, 1)) + rng.normal(scale=1.2, size=(480, 20))
    return student, more


class Shaky:
    """A student without an answer for some series."""

    classes_ = np.array([0, 1, 2])

    def __init__(self, row):
        self.row = row

    def predict_proba(self, X):
        proba = bump_teacher(X)
        proba[X[:, 0] > 0.8] = self.row
        return proba
