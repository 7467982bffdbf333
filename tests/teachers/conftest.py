"""What the tests of teachers share."""

import numpy as np
import pytest

from tsdistill.inputs.panel import as_panel
from tsdistill.numerics import batches
from tsdistill.teachers.adapters import PROBABILITY_FLOOR
from tsdistill.teachers.teacher import as_teacher


def ask(teacher, X, classes=None):
    return as_teacher(teacher).bind(X, classes).log_proba(as_panel(X))


def check_matches(log_proba, proba):
    np.testing.assert_allclose(np.exp(log_proba), proba, atol=2 * PROBABILITY_FLOOR)
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1, atol=1e-5)


@pytest.fixture
def few_a_batch(monkeypatch):
    """Batches of five series."""
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 5)


@pytest.fixture
def panel():
    """Two hundred series of noise, 20 steps each."""
    return np.random.default_rng(0).normal(size=(200, 1, 20)).astype(np.float32)
