"""Occlusion against slow loops."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.explainers.conftest import centred
from tsdistill.explainers.gradients import gradient
from tsdistill.explainers.occlusion import occlusion, sliding_starts
from tsdistill.teachers.teacher import as_teacher


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


@pytest.mark.parametrize(("n_timepoints", "width"), [(150, 15), (20, 1), (20, 20), (7, 3), (1, 1)])
def test_sliding_starts_cover_the_series_without_gaps(n_timepoints, width):
    starts = sliding_starts(n_timepoints, width)
    assert starts[0] == 0 and starts[-1] == n_timepoints - width
    assert (np.diff(starts) <= max(1, width // 3)).all()
