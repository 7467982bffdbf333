import sys

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.exceptions import TeacherError
from tsdistill.explainers.gradients import gradient, integrated_gradients
from tsdistill.explainers.occlusion import occlusion, sliding_starts
from tsdistill.explainers.registry import EXPLAINERS
from tsdistill.perturbation.baselines import Baselines
from tsdistill.teachers.teacher import as_teacher


def centred(log_proba):
    return log_proba - log_proba.mean(axis=1, keepdims=True)


@pytest.fixture
def scene():
    """Five series of two channels, a network that knows three classes, six donors."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(5, 2, 17)).astype(np.float32)
    network = nn.Sequential(nn.Flatten(), nn.Linear(34, 8), nn.Tanh(), nn.Linear(8, 3))
    donors = rng.normal(size=(6, 2, 17)).astype(np.float32)
    donor_rows = np.array([[0, 1], [2, 3], [4, 5]])
    return as_teacher(network).bind(panel), panel, np.array([0, 1, 2, 2, 0]), donors, donor_rows


def slow_occlusion(model, panel, target, donors, donor_rows, width, channels):
    n, _, n_timepoints = panel.shape
    starts = sliding_starts(n_timepoints, width)
    maps = np.zeros((n, len(channels), n_timepoints))
    for i in range(n):
        score = centred(model.log_proba(panel[i : i + 1]))[0, target[i]]
        for c, channel in enumerate(channels):
            for t in range(n_timepoints):
                lost = []
                for a in starts:
                    if a <= t < a + width:
                        for row in donor_rows[target[i]]:
                            copy = panel[i].copy()
                            copy[channel, a : a + width] = donors[row][channel, a : a + width]
                            answer = centred(model.log_proba(copy[None]))[0, target[i]]
                            lost.append(score - answer)
                maps[i, c, t] = np.mean(lost)
    return maps


def test_occlusion_equals_a_slow_loop(scene):
    model, panel, target, donors, rows = scene
    slow = slow_occlusion(model, panel, target, donors, rows, 5, [slice(None)])[:, 0]
    np.testing.assert_allclose(occlusion(*scene, 5), slow, atol=1e-5)


def test_occlusion_a_channel_equals_a_slow_loop(scene):
    model, panel, target, donors, rows = scene
    slow = slow_occlusion(model, panel, target, donors, rows, 5, [0, 1])
    np.testing.assert_allclose(occlusion(*scene, 5, per_channel=True), slow, atol=1e-5)


def test_occlusion_does_not_depend_on_its_blocks(scene, monkeypatch):
    whole = occlusion(*scene, 5)
    monkeypatch.setattr("tsdistill.explainers.occlusion.COPIES_A_BLOCK", 30)
    np.testing.assert_allclose(occlusion(*scene, 5), whole, atol=1e-6)


def test_positive_speaks_for_the_target():
    X = np.zeros((1, 1, 12), dtype=np.float32)
    X[0, 0, 3:6], X[0, 0, 8:10] = 2.0, -2.0
    linear = nn.Linear(12, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.stack([torch.zeros(12), torch.ones(12)]))
    model = as_teacher(nn.Sequential(nn.Flatten(), linear)).bind(X)
    nothing = np.zeros((1, 1, 12), dtype=np.float32)
    for target, sign in ((1, 1), (0, -1)):
        maps = occlusion(model, X, np.array([target]), nothing, np.zeros((2, 1), dtype=int), 1)
        np.testing.assert_allclose(maps[0], sign * X[0, 0] / 2, atol=1e-5)
        slope = gradient(model, X, np.array([target]), np.zeros(1, dtype=np.float32))
        np.testing.assert_allclose(slope[0], sign * X[0, 0] / 2, atol=1e-5)


def test_gradient_equals_finite_differences(scene):
    model, panel, target, _, _ = scene
    baseline = np.array([0.5, -1.0], dtype=np.float32)
    maps = gradient(model, panel, target, baseline, per_channel=True)
    model.model.double()
    for i, c, t in [(0, 0, 0), (3, 1, 16), (4, 0, 8)]:
        shifted = torch.tensor(np.repeat(panel[i : i + 1], 2, axis=0), dtype=torch.float64)
        shifted[0, c, t] += 1e-5
        shifted[1, c, t] -= 1e-5
        z = model.logits(shifted).detach().numpy()
        slope = np.subtract(*centred(z)[:, target[i]]) / 2e-5
        assert maps[i, c, t] == pytest.approx(slope * (panel[i, c, t] - baseline[c]), abs=1e-4)
    model.model.float()
    np.testing.assert_allclose(
        gradient(model, panel, target, baseline), maps.sum(axis=1), atol=1e-6
    )


def test_gradient_leaves_no_trace_and_works_without_grad_mode(scene):
    model, panel, target, _, _ = scene
    with torch.no_grad():
        gradient(model, panel, target, np.zeros(2, dtype=np.float32))
    assert all(p.grad is None for p in model.model.parameters())
    assert model.model.training


def test_gradient_of_a_black_box_is_refused(toy):
    teacher = as_teacher(lambda X: np.full((len(X), 2), 0.5)).bind(toy[0])
    with pytest.raises(TeacherError, match="gives no gradients; use method='occlusion'"):
        gradient(teacher, toy[0][:, None], np.zeros(12, dtype=int), np.zeros(1))


def test_integrated_gradients_add_up_to_the_difference_to_the_baseline(scene):
    model, panel, target, _, _ = scene
    baseline = np.array([0.5, -1.0], dtype=np.float32)
    maps = integrated_gradients(model, panel, target, baseline, n_steps=100, per_channel=True)
    start = np.broadcast_to(baseline[:, None], panel.shape).copy()
    rows = np.arange(5)
    difference = [centred(model.log_proba(x))[rows, target] for x in (panel, start)]
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), np.subtract(*difference), atol=1e-3)
    summed = integrated_gradients(model, panel, target, baseline, n_steps=100)
    np.testing.assert_allclose(summed, maps.sum(axis=1), atol=1e-5)


def test_integrated_gradients_do_not_depend_on_their_batches(scene, monkeypatch):
    model, panel, target, _, _ = scene
    whole = integrated_gradients(model, panel, target, np.zeros(2))
    monkeypatch.setattr("tsdistill.numerics.batches.ROWS_A_BATCH", 2)
    parts = integrated_gradients(model, panel, target, np.zeros(2))
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_models_that_change_their_input_are_explained_as_others_are(scene):
    _, panel, target, _, _ = scene

    class Doubles(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            torch.manual_seed(0)
            self.head, self.in_place = nn.Linear(34, 3), in_place

        def forward(self, x):
            return self.head((x.mul_(2) if self.in_place else x * 2).flatten(1).tanh())

    for explain in (gradient, integrated_gradients):
        maps = [
            explain(as_teacher(Doubles(in_place)).bind(panel), panel, target, np.zeros(2))
            for in_place in (True, False)
        ]
        np.testing.assert_allclose(*maps, rtol=1e-5)


def test_integrated_gradients_say_what_they_lack(scene, toy, monkeypatch):
    model, panel, target, _, _ = scene
    teacher = as_teacher(lambda X: np.full((len(X), 2), 0.5)).bind(toy[0])
    with pytest.raises(TeacherError, match="method='integrated_gradients' needs.*black box"):
        EXPLAINERS["integrated_gradients"].check_model(teacher)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ImportError, match="pip install captum"):
        integrated_gradients(model, panel, target, np.zeros(2))


@pytest.mark.parametrize(("n_timepoints", "width"), [(150, 15), (20, 1), (20, 20), (7, 3), (1, 1)])
def test_sliding_starts_cover_the_series_without_gaps(n_timepoints, width):
    starts = sliding_starts(n_timepoints, width)
    assert starts[0] == 0 and starts[-1] == n_timepoints - width
    assert (np.diff(starts) <= max(1, width // 3)).all()


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
