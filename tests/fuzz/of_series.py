"""Small series, teachers and students for the life of a classifier and for its exports."""

import numpy as np
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin

from tsdistill import Teacher
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet


def series_of(n, n_channels, n_timepoints, seed):
    """Series of two kinds in turn: (n, n_timepoints) if there are 0 channels."""
    shape = (n, n_channels, n_timepoints) if n_channels else (n, n_timepoints)
    X = np.random.default_rng(seed).normal(scale=0.5, size=shape)
    X[::2, ..., : n_timepoints // 2] += 1
    return X


def proba_of(X, n_classes):
    """Probabilities that look at the means of stretches of a series."""
    X = np.asarray(X, dtype=float)
    flat = X.reshape(len(X), -1)
    scores = np.stack([part.mean(axis=1) for part in np.array_split(flat, n_classes, 1)], axis=1)
    weights = np.exp(2 * scores)
    return weights / weights.sum(axis=1, keepdims=True)


class ForAnyClasses(ClassifierMixin, BaseEstimator):
    """A classifier that is cloned and fitted, and learns nothing but its classes."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return proba_of(X, len(self.classes_))


def two_classes(X):
    return proba_of(X, 2)


class FailingTeacher:
    """Answers so many series, and then raises."""

    classes_ = np.array([0, 1])

    def __init__(self, after):
        self.left = after

    def predict_proba(self, X):
        self.left -= len(X)
        if self.left < 0:
            raise ConnectionError("the line is dead")
        return proba_of(X, 2)


TEACHERS = {
    "unfitted": ForAnyClasses(),
    "named": Teacher(two_classes, classes=["no", "yes"]),
}

tiny_students = st.sampled_from(
    (
        Lite(1, (3,), stride=1),
        Lite(2, (5, 3), pool=3, bottleneck=2),
        FCN(2, (5, 3, 1)),
        Inception(1, 1, (3,)),
        ResNet(1, 1),
        GRU(2),
        "lite",
    )
)
