"""What the tests of the swap share."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from tests.conftest import bump_teacher
from tsdistill import DeferringClassifier, Teacher


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


class SureStudent:
    """Tells two classes apart by the first value of a series, and is unsure near 0."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        proba = 1 / (1 + np.exp(-8 * np.asarray(X)[:, 0]))
        return np.column_stack([1 - proba, proba])


class WatchedTeacher:
    """Answers as :class:`SureStudent` does but for a share of series, and notes what is asked."""

    def __init__(self, share=0.0):
        self.share, self.away, self.asked = share, False, []

    def __call__(self, X):
        if self.away:
            raise ConnectionError("no route to the teacher")
        self.asked.append(np.array(X))
        otherwise = X[:, 1] < self.share  # uniform from 0 to 1
        one = (X[:, 0] > 0) != otherwise
        return np.column_stack([~one, one]).astype(float)


def watched_series(n, seed=0):
    """Series for the two: (n, 6)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    X[:, 1] = rng.random(n)
    return X


@pytest.fixture
def teacher():
    return WatchedTeacher(share=0.005)


@pytest.fixture
def watched(teacher):
    """A swap that defers one series in six, whose teacher can be changed and taken away."""
    named = Teacher(teacher, classes=[0, 1])
    swap = DeferringClassifier(SureStudent(), named, 0.05).fit(watched_series(900, seed=103))
    swap._max_uncertainty = 0.17
    return swap
