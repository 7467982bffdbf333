"""Which series are held out for validation."""

import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.training.held_out import held_out_rows


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.99])
def test_rows_of_weight_0_are_never_held_out_and_never_all_others_of_a_class(seed, fraction):
    rng = np.random.default_rng(seed)
    y, weight = rng.integers(3, size=60), rng.integers(2, size=60).astype(np.float32)
    weight[y == 2] = 0
    rows = held_out_rows(y, fraction, rng, weight)
    assert len(rows) and (weight[rows] > 0).all() and len(set(rows)) == len(rows)
    for k in (0, 1):
        counted = np.flatnonzero((y == k) & (weight > 0))
        held_out = np.intersect1d(rows, counted)
        assert len(held_out) == min(len(counted) - 1, round(fraction * len(counted)))


def test_too_few_rows_of_weight_above_0_are_refused():
    y, weight = np.repeat([0, 1], 10), np.zeros(20)
    weight[[0, 10]] = 1
    with pytest.raises(ParameterError) as caught:
        held_out_rows(y, 0.5, np.random.default_rng(0), weight)
    assert str(caught.value) == (
        "validation_fraction=0.5 holds out none of 2 series (those of weight above 0); pass a "
        "larger share."
    )
    assert len(held_out_rows(y, 0.5, np.random.default_rng(0))) == 10


@pytest.mark.parametrize(
    ("weight", "class_weight"),
    [
        (np.isin(np.arange(24), [0, 1, 12, 13]), None),
        (None, {0: 0.0, 1: 1.0, 2: 1.0}),
        (np.arange(24) % 4 < 2, {0: 1.0, 1: 0.0, 2: 1.0}),
    ],
)
@pytest.mark.parametrize("random_state", [0, 1, 2])
def test_trained_and_held_out_series_both_have_a_loss(
    toy, quick, weight, class_weight, random_state
):
    X, y = np.tile(toy[0], (2, 1)), np.tile(toy[1], 2)
    student = quick(
        max_epochs=2, validation_fraction=0.5, class_weight=class_weight, random_state=random_state
    ).fit(X, y, sample_weight=weight)
    assert all(row["train_loss"] > 0 and row["valid_loss"] > 0 for row in student.history_)


def test_weights_that_leave_nothing_to_hold_out_are_refused(toy, quick):
    weight = np.isin(np.arange(12), [0, 1])
    with pytest.raises(ParameterError, match=r"holds out none of 2 series \(those of weight above"):
        quick(validation_fraction=0.5).fit(*toy, sample_weight=weight)


def test_held_out_series_are_drawn_again_where_other_series_count(toy, quick):
    X, y = np.tile(toy[0], (2, 1)), np.tile(toy[1], 2)
    student = quick(max_epochs=1, validation_fraction=0.5, warm_start=True).fit(X, y)
    weight = np.arange(24) < 12
    student.fit(X, y, sample_weight=weight).fit(X, y, sample_weight=~weight)
    _, first, last = student._transfer_set.held_out.values()
    assert (first < 12).all() and (last >= 12).all()
    assert all(row["train_loss"] > 0 and row["valid_loss"] > 0 for row in student.history_)
