"""What takes a window's place."""

import dataclasses

import numpy as np
import pytest

from tests.perturbation.conftest import plan_of
from tsdistill.perturbation.baselines import Baselines, stand_in_donors, stand_ins_of


def test_baselines_keep_a_few_of_each_class_and_classes_take_turns():
    rng = np.random.default_rng(0)
    groups = np.array([0] * 50 + [1] * 3 + [2] * 20)
    panel = np.arange(73, dtype=np.float32).reshape(73, 1, 1)
    baselines = Baselines.choose(panel, groups, rng)
    series, kept = baselines.series, baselines.class_index
    assert np.bincount(kept).tolist() == [8, 3, 8]
    assert (groups[series[:, 0, 0].astype(int)] == kept).all()
    donors, rows = baselines.opposing(3)
    assert donors is series
    for target in range(3):
        assert target not in kept[rows[target]]
    assert kept[rows[0]].tolist() == [1, 2, 1, 2, 1, 2, 2, 2]
    assert kept[rows[2]].tolist() == [0, 1, 0, 1, 0, 1, 0, 0]


def test_series_that_have_the_same_turn_keep_their_order():
    series = np.zeros((60, 1, 4), dtype=np.float32)
    rows = Baselines(series, np.repeat(np.arange(20), 3), series[:1]).opposing(20)[1]
    assert rows[0].tolist() == [3, 6, 9, 12, 15, 18, 21, 24]
    assert rows[5].tolist() == [0, 3, 6, 9, 12, 18, 21, 24]


@pytest.mark.parametrize(("fill", "value"), [("mean", 2.5), ("zero", 0.0)])
def test_constant_donors_are_one_series_for_all_classes(fill, value):
    panel = np.array([[[1.0, 4.0]], [[2.0, 3.0]]], dtype=np.float32)
    baselines = Baselines.choose(panel, np.arange(2), np.random.default_rng(0))
    donors, rows = baselines.donors(fill, 2)
    assert donors.tolist() == [[[value, value]]] and donors.dtype == np.float32
    assert rows.tolist() == [[0], [0]]


def test_the_mean_of_all_training_series_counts_where_only_some_are_at_hand():
    panel, mean = np.ones((4, 1, 3), dtype=np.float32), np.full((1, 1, 3), 7, dtype=np.float32)
    baselines = Baselines.choose(panel, np.arange(4) % 2, np.random.default_rng(0), mean=mean)
    assert baselines.channel_means.tolist() == [7]


def test_measures_use_the_baseline_on_which_the_student_was_not_trained():
    panel = np.ones((4, 1, 3), dtype=np.float32)
    baselines = Baselines.choose(panel, np.arange(4) % 2, np.random.default_rng(0))
    assert baselines.untrained == "mean"
    assert dataclasses.replace(baselines, trained_on_constants=True).untrained == "opposing"


def test_stand_ins_are_what_they_say():
    _, panel, _ = plan_of()
    panel[:, 1] = 3 + 2 * panel[:, 1]
    zero = stand_in_donors(panel, "zero")
    assert zero.shape == (1, 2, 20) and not zero.any()
    mean = stand_in_donors(panel, "mean")
    np.testing.assert_allclose(mean[0, :, 7], panel.mean(axis=(0, 2)), rtol=1e-5)
    noise = stand_in_donors(panel, "noise", np.random.default_rng(1))
    np.testing.assert_allclose(noise.mean(axis=(0, 2)), panel.mean(axis=(0, 2)), atol=0.2)
    np.testing.assert_allclose(noise.std(axis=(0, 2)), panel.std(axis=(0, 2)), rtol=0.1)
    assert len(np.unique(noise, axis=0)) == 64


@pytest.mark.parametrize("kind", ["mean", "zero", "noise"])
def test_stand_ins_are_made_of_32_bits(kind):
    _, panel, _ = plan_of()
    rng, statistics = np.random.default_rng(0), (np.zeros(2), np.ones(2))
    assert stand_in_donors(panel, kind, rng).dtype == np.float32
    assert stand_ins_of(kind, *statistics, 20, rng).dtype == np.float32


@pytest.mark.parametrize("kind", ["mean", "noise"])
def test_stand_ins_of_many_series_are_exact(kind):
    panel = np.full((5000, 2, 20), 1000.1, dtype=np.float32)
    donors = stand_in_donors(panel, kind, np.random.default_rng(0))
    np.testing.assert_allclose(donors, 1000.1, rtol=1e-7)
