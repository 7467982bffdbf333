"""What the tests of faults share."""

import pytest

from tsdistill.numerics import batches


@pytest.fixture
def injected(record_property):
    """Takes note of a fault of some kind that was injected; counts are shown after the tests."""
    counts = {}
    record_property("faults", counts)

    def note(kind, n=1):
        counts[kind] = counts.get(kind, 0) + n

    return note


@pytest.fixture
def few_a_batch(monkeypatch):
    """Batches of five series."""
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 5)
