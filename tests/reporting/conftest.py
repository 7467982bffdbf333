"""One report that several tests read and none changes."""

import numpy as np
import pytest

from tests.conftest import bump_teacher


@pytest.fixture(scope="session")
def fitted():
    """A student of the bump teacher, one trained on labels alone, and held-out series."""
    from tsdistill import SaliencyDistilledClassifier

    rng = np.random.default_rng(0)
    y = np.arange(48) % 3
    X = rng.normal(scale=0.3, size=(48, 20))
    for row, k in enumerate(y):
        X[row, 2 + 6 * k : 6 + 6 * k] += 1.0
    quick = {"max_epochs": 15, "n_windows": 8, "random_state": 0}
    labels = np.array(["down", "<b>", "up & away"])[y]  # to be escaped in pages
    student = SaliencyDistilledClassifier(_Named(bump_teacher), **quick)
    alone = SaliencyDistilledClassifier(
        _Named(bump_teacher), label_weight=1, soft_target_weight=0, saliency_weight=0, **quick
    )
    held_out = 0.3 * X + rng.normal(scale=0.3, size=X.shape)
    return student.fit(X, labels), alone.fit(X, labels), held_out, labels


def _Named(model):
    from tsdistill import Teacher

    return Teacher(model, classes=["down", "<b>", "up & away"])


@pytest.fixture(scope="session")
def report(fitted):
    student, alone, X, y = fitted
    return student.fidelity_report(X, y, label_only=alone, n_explained=30)
