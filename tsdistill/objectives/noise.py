"""Soft targets on noisy series, which match Jacobians to first order.

With e ~ N(0, (scale * std_c)^2) for channel c, the loss of one draw is::

    tau^2 * KL(p_t(x + e) || p_s(x + e)),   p = softmax(z / tau)

Its expectation is that of the soft targets on x plus, to first order, the squared difference of
the Jacobians of both networks times the variance of the noise (Srinivas and Fleuret).
"""

from dataclasses import dataclass

import numpy as np
import torch

from tsdistill.inputs.checks import check_count, check_positive
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.soft_targets import SoftTargets, soft_target_loss

NOISE_SERIES = 64


@dataclass(frozen=True)
class NoisySeries:
    """Series with noise added, described by integers and built a slice at a time.

    Attributes
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    noise : ndarray of shape (n_noise, n_channels, n_timepoints), float32
    row, draw : ndarray of shape (n_copies,), int64
        Row of the panel, row of noise.
    """

    panel: np.ndarray
    noise: np.ndarray
    row: np.ndarray
    draw: np.ndarray

    def __len__(self):
        return len(self.row)

    def __getitem__(self, part):
        return self.panel[self.row[part]] + self.noise[self.draw[part]]


class InputNoise(SoftTargets):
    """Soft targets on series with noise added: Jacobian matching to first order.

    The teacher may be a black box: it is asked once about ``n_draws`` noisy copies of each
    series, one of which is used in a step.

    Parameters
    ----------
    weight : float, default=1.0
    scale : float, default=0.1
        Standard deviation of the noise, in standard deviations of each channel.
    n_draws : int, default=8
        Noisy copies of a series.
    temperature : float, default=None
        None takes that of the estimator.

    Notes
    -----
    A term beside the soft targets on the series themselves, which
    ``soft_target_weight=0`` leaves out. So that the teacher is asked once, the noise of a
    series is one of ``n_draws`` and not new in every step.

    References
    ----------
    Srinivas, Fleuret: Knowledge transfer with Jacobian matching. ICML 2018, arXiv 1803.00443.
    """

    name = "input_noise"

    def __init__(self, weight=1.0, scale=0.1, n_draws=8, temperature=None):
        super().__init__(weight, temperature)
        self.scale = scale
        self.n_draws = n_draws

    def check(self):
        super().check()
        check_positive(f"{type(self).__name__}.scale", self.scale)
        check_count(f"{type(self).__name__}.n_draws", self.n_draws)

    def prepare(self, preparation):
        key = (self.name, self.scale, self.n_draws)
        noise, draw, answers = preparation.once(key, lambda: self._asked_about_noise(preparation))
        device = preparation.device
        self.noise_, self.draw_ = as_tensor(noise).to(device), as_tensor(draw).to(device)
        self.teacher_noisy_ = as_tensor(answers.reshape(*draw.shape, -1)).to(device)

    def _asked_about_noise(self, preparation):
        panel, rng = preparation.panel, preparation.rng(self.name)
        n_series = len(panel)
        std = panel.std(axis=(0, 2), dtype=np.float64)[:, np.newaxis]
        noise = rng.standard_normal((max(NOISE_SERIES, self.n_draws), *panel.shape[1:]))
        noise = (self.scale * std * noise).astype(np.float32)
        draw = (rng.integers(len(noise), size=(n_series, 1)) + np.arange(self.n_draws)) % len(noise)
        row = np.repeat(np.arange(n_series), self.n_draws)
        noisy = NoisySeries(panel, noise, row, draw.ravel())
        return noise, draw, preparation.ask(noisy, title="teacher: noise")

    def losses(self, answers, sample_weight):
        if answers.network.training:
            turn = torch.randint(self.n_draws, (len(answers.rows),)).to(answers.rows.device)
        else:
            turn = torch.zeros_like(answers.rows)
        at = (answers.rows, turn)
        student = answers.ask(answers.series + self.noise_[self.draw_[at]])
        return soft_target_loss(student, self.teacher_noisy_[at], self.temperature)
