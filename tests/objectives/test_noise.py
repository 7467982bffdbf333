"""The teacher's answers to noisy series."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tests.objectives.conftest import check_parameters
from tsdistill.exceptions import ParameterError
from tsdistill.objectives import (
    Answers,
    InputNoise,
    soft_target_loss,
)
from tsdistill.objectives.noise import NoisySeries


def test_noise_has_the_scale_of_each_channel_and_answers_are_the_teachers(motions):
    X, _, _, _ = motions
    panel = X.astype(np.float32)

    def teacher(X):
        p = 1 / (1 + np.exp(-X[:, :, :50].mean(axis=(1, 2))))
        return np.column_stack([p, 1 - p])

    class Given:
        device = "cpu"

        def rng(self, name):
            return np.random.default_rng(0)

        def once(self, key, work_out):
            return work_out()

        def ask(self, series, title):
            return np.log(teacher(series[0 : len(series)])).astype(np.float32)

    given = Given()
    given.panel = panel
    noise = InputNoise(scale=0.3, n_draws=5, temperature=2.0)
    noise.check()
    noise.prepare(given)
    std = noise.noise_.numpy().std(axis=(0, 2))
    np.testing.assert_allclose(std, 0.3 * panel.std(axis=(0, 2)), rtol=0.05)
    student = nn.Sequential(nn.Flatten(), nn.Linear(600, 2)).eval()
    rows = torch.tensor([3, 1])
    series = torch.as_tensor(panel)[rows]
    answers = Answers(None, None, rows, series=series, rows=rows, ask=student, network=student)
    losses = noise.losses(answers, torch.ones(2))
    torch.manual_seed(0)
    student.train()
    drawn = {float(noise.losses(answers, torch.ones(2))[0].detach()) for _ in range(40)}
    assert len(drawn) == 5
    student.eval()
    for i, row in enumerate(rows.tolist()):
        noisy = panel[row] + noise.noise_[noise.draw_[row, 0]].numpy()
        theirs = torch.as_tensor(np.log(teacher(noisy[None])))
        expected = soft_target_loss(student(torch.as_tensor(noisy[None])), theirs, 2.0)
        torch.testing.assert_close(losses[i : i + 1], expected.float(), rtol=1e-4, atol=1e-5)


def test_the_scale_of_the_noise_is_exact_for_many_series_far_from_zero():
    rng = np.random.default_rng(0)
    panel = (1000 + rng.normal(scale=0.1, size=(5000, 2, 20))).astype(np.float32)
    given = SimpleNamespace(
        panel=panel, device="cpu",
        rng=lambda name: np.random.default_rng(0),
        once=lambda key, work_out: work_out(),
        ask=lambda series, title: np.zeros((len(series), 2), dtype=np.float32),
    )  # fmt: skip
    noise = InputNoise(scale=0.5, n_draws=1)
    noise.prepare(given)
    np.testing.assert_allclose(noise.noise_.std(dim=(0, 2)), 0.5 * 0.1, rtol=0.05)


@pytest.mark.slow
def test_students_of_noisy_series_hold_on_to_the_teacher_there(toy, quick):
    X, y = toy
    noisy = X + np.random.default_rng(1).normal(scale=0.5 * X.std(), size=X.shape)

    def kl(**settings):
        model = quick(saliency_weight=0, max_epochs=150, **settings).fit(X, y)
        return -model.fidelity_score(noisy, metric="kl")

    assert kl(auxiliary=InputNoise(scale=0.5, n_draws=16)) < 0.7 * kl()


def test_a_part_of_noisy_series_is_the_same_and_holds_only_the_series_it_needs():
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(10, 2, 7)).astype(np.float32)
    noise = rng.normal(size=(4, 2, 7)).astype(np.float32)
    row, draw = np.repeat(np.arange(10), 3), rng.integers(4, size=30)
    noisy = NoisySeries(panel, noise, row, draw)
    for part in (slice(0, 30), slice(4, 11), slice(29, 30)):
        some = noisy.part(part)
        assert len(some) == part.stop - part.start
        np.testing.assert_array_equal(some[0 : len(some)], noisy[part])
        np.testing.assert_array_equal(some[0:1], noisy[part.start : part.start + 1])
        assert len(some.panel) == len(set(row[part].tolist()))


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(InputNoise)


def test_it_needs_all_series_at_once(fit_stored):
    with pytest.raises(ParameterError, match="InputNoise needs all series at once"):
        fit_stored(auxiliary=InputNoise())
