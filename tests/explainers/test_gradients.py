"""Gradients and integrated gradients against differences."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from tests.explainers.conftest import centred
from tsdistill.exceptions import TeacherError
from tsdistill.explainers.gradients import gradient, integrated_gradients
from tsdistill.explainers.registry import EXPLAINERS
from tsdistill.teachers.teacher import as_teacher


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
