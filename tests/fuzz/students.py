"""Estimators that are fitted in a moment, and answers of a teacher that needs no fit."""

import functools

import numpy as np

from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import FCN

TINY = {
    "student": FCN(n_filters=2, kernel_sizes=(3, 3, 3)),
    "max_epochs": 1,
    "n_windows": 2,
    "n_mixtures": 0,
    "random_state": 0,
}


def level(X):
    """Probabilities of a black box that looks at the mean of a series, by its last values."""
    means = np.array([np.nanmean(np.asarray(one, dtype=float)) for one in X])
    p = 1 / (1 + np.exp(-means / 20))
    return np.column_stack([1 - p, p])


def tiny(teacher=level, **settings):
    """An estimator of which a fit takes some hundredths of a second."""
    return SaliencyDistilledClassifier(teacher, **(TINY | settings))


@functools.cache
def fitted(ndim=2, n_channels=1, n_timepoints=8, n_classes=2):
    """A fitted estimator, which tests may only ask."""
    rng = np.random.default_rng(0)
    X = rng.integers(-100, 101, (12, n_channels, n_timepoints)).astype(float)
    y = np.arange(12) % n_classes

    def teacher(X):
        X = np.asarray(X, dtype=float).reshape(len(X), -1)
        scores = np.stack([X[:, k] for k in range(n_classes)], axis=1) / 50
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    return tiny(teacher, max_epochs=30, lr=0.05).fit(X[:, 0] if ndim == 2 else X, y)


@functools.cache
def fitted_on_ragged(ndim=3, n_channels=1, gaps=False):
    """A fitted estimator of series of unequal length, with gaps or not; tests may only ask it."""
    rng = np.random.default_rng(0)
    X = rng.integers(-100, 101, (12, n_channels, 12)).astype(float)
    for i, one in enumerate(X):
        one[:, 12 - i % 6 :] = np.nan
        if gaps:
            one[:, 2 + i % 3] = np.nan
    missing = "mask" if gaps else "refuse"
    student = tiny(max_epochs=30, lr=0.05, missing=missing)
    return student.fit(X[:, 0] if ndim == 2 else X, np.arange(12) % 2)
