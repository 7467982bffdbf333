"""Soft targets for noisy series, which match Jacobians to first order.

Let e ~ N(0, (scale * std_c)^2) be noise in channel c. The loss of one draw is::

    tau^2 * KL(p_t(x + e) || p_s(x + e)),   p = softmax(z / tau)

The expectation of the loss is the soft-target loss on x plus, to first order, the squared
difference of both networks' Jacobians times the variance of the noise (Srinivas and Fleuret). What
is missing in a series, after its end or in a gap, is missing in its noisy copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsdistill.inputs.checks import check_count, check_positive
from tsdistill.inputs.lengths import lengths_of, to_length
from tsdistill.inputs.types import Float32Array, IntArray
from tsdistill.numerics.forks import no_fork
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Answers, given
from tsdistill.objectives.preparation import Preparation
from tsdistill.objectives.soft_targets import SoftTargets, soft_target_loss
from tsdistill.perturbation.baselines import N_NOISE_SERIES


@dataclass(frozen=True)
class NoisySeries:
    """Series with noise added, stored as indices and computed one slice at a time.

    Attributes
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The series.
    noise : ndarray of shape (n_noise, n_channels, n_timepoints), float32
        The noise, in the units of the series; NaN beyond the longest of them.
    row, draw : ndarray of shape (n_copies,), int64
        Row of ``panel`` and row of ``noise`` that are added, for each copy.
    """

    panel: Float32Array
    noise: Float32Array
    row: IntArray
    draw: IntArray

    def __len__(self) -> int:
        return len(self.row)

    def part(self, part: slice) -> NoisySeries:
        """Some of the noisy series, with the series that they need alone."""
        rows, row = np.unique(self.row[part], return_inverse=True)
        return NoisySeries(self.panel[rows], self.noise, row, self.draw[part])

    def __getitem__(self, part: slice) -> Float32Array:
        return self.panel[self.row[part]] + self.noise[self.draw[part]]


class InputNoise(SoftTargets):
    """Soft targets for series with noise added: Jacobian matching to first order.

    The teacher may be a black box: it is queried once, for ``n_draws`` noisy copies of each
    series. A training step uses one of them.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss.
    scale : float, default=0.1
        Standard deviation of the noise, in units of the standard deviation of each channel.
    n_draws : int, default=8
        Number of noisy copies of each series.
    temperature : float, default=None
        The temperature tau, from 0.01 to 1000; None takes the estimator's temperature.

    See Also
    --------
    PerturbedSoftTargets : Soft targets for copies with replaced windows.
    GradientSaliency : Compares gradients of the predicted class.

    Notes
    -----
    This term is added to the soft targets for the series themselves, which can be turned off by
    ``soft_target_weight=0``. The noise of a series is one of ``n_draws`` draws rather than new in
    every step, so that the teacher is queried only once.

    References
    ----------
    Srinivas, Fleuret: Knowledge transfer with Jacobian matching. ICML 2018, arXiv 1803.00443.

    Examples
    --------
    >>> from tsdistill.objectives import InputNoise
    >>> InputNoise(scale=0.2)
    InputNoise(scale=0.2)
    """

    name = "input_noise"
    needs_panel = True

    def __init__(
        self,
        weight: float = 1.0,
        scale: float = 0.1,
        n_draws: int = 8,
        temperature: float | None = None,
    ) -> None:
        super().__init__(weight)
        self.temperature = temperature
        self.scale = scale
        self.n_draws = n_draws

    def check(self) -> None:
        super().check()
        check_positive(f"{type(self).__name__}.scale", self.scale)
        check_count(f"{type(self).__name__}.n_draws", self.n_draws)

    def prepare(self, preparation: Preparation) -> None:
        key = (self.name, self.scale, self.n_draws)
        noise, draw, answers = preparation.once(key, lambda: self._query_noisy(preparation))
        device = preparation.device
        self.noise_, self.draw_ = as_tensor(noise).to(device), as_tensor(draw).to(device)
        self.teacher_noisy_ = as_tensor(answers.reshape(*draw.shape, -1)).to(device)

    def _query_noisy(self, preparation: Preparation) -> tuple[Float32Array, IntArray, Float32Array]:
        """Draw the noise, and query the teacher for the noisy series."""
        panel, rng = preparation.panel, preparation.rng(self.name)
        n_series = len(panel)
        std = np.nanstd(panel, axis=(0, 2), dtype=np.float64)[:, np.newaxis]
        n_timepoints = lengths_of(panel).max()  # padding changes no draw
        shape = max(N_NOISE_SERIES, self.n_draws), panel.shape[1], n_timepoints
        noise = (self.scale * std * rng.standard_normal(shape)).astype(np.float32)
        noise = to_length(noise, panel.shape[2])
        draw = (rng.integers(len(noise), size=(n_series, 1)) + np.arange(self.n_draws)) % len(noise)
        row = np.repeat(np.arange(n_series), self.n_draws)
        noisy = NoisySeries(panel, noise, row, draw.ravel())
        return noise, draw, preparation.ask(noisy, title="teacher: noise")

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        rows = given(answers.rows)
        if given(answers.network).training:
            with no_fork():
                copy = torch.randint(self.n_draws, (len(rows),)).to(rows.device)
        else:
            copy = torch.zeros_like(rows)
        index = (rows, copy)
        student = given(answers.ask)(given(answers.series) + self.noise_[self.draw_[index]])
        return soft_target_loss(student, self.teacher_noisy_[index], given(self.temperature))
