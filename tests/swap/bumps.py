"""A student of the bump teacher, trained once, and series for both: shared by several files."""

from functools import cache

import numpy as np

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier, Teacher

NAMES = np.array(["down", "<b>", "up & away"])  # to be escaped in pages
TEACHER = Teacher(bump_teacher, classes=NAMES.tolist())


def bumps(n, noise, seed=0):
    """Series of 20 timesteps, and their labels."""
    rng = np.random.default_rng(seed)
    class_index = np.arange(n) % 3
    X = rng.normal(scale=noise, size=(n, 20))
    for row, k in enumerate(class_index):
        X[row, 2 + 6 * k : 6 + 6 * k] += 1.0
    return X, NAMES[class_index]


@cache
def fitted_student():
    """A student that differs from its teacher now and then; no test changes it."""
    student = SaliencyDistilledClassifier(TEACHER, max_epochs=30, n_windows=8, random_state=0)
    return student.fit(*bumps(48, 0.3))
