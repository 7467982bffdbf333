"""What takes a window's place."""

import numpy as np

from tests.perturbation.conftest import plan_of
from tsdistill.perturbation.baselines import Baselines, stand_in_donors


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
    assert sorted(kept[rows[0]].tolist()) == [1, 1, 1, 2, 2, 2, 2, 2]


def test_stand_ins_are_what_they_say():
    _, panel, _ = plan_of()
    panel[:, 1] = 3 + 2 * panel[:, 1]
    assert not stand_in_donors(panel, "zero").any()
    mean = stand_in_donors(panel, "mean")
    np.testing.assert_allclose(mean[0, :, 7], panel.mean(axis=(0, 2)), rtol=1e-5)
    noise = stand_in_donors(panel, "noise", np.random.default_rng(1))
    np.testing.assert_allclose(noise.mean(axis=(0, 2)), panel.mean(axis=(0, 2)), atol=0.2)
    np.testing.assert_allclose(noise.std(axis=(0, 2)), panel.std(axis=(0, 2)), rtol=0.1)
