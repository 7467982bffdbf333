"""Soft targets: the knowledge distillation of Hinton et al., and a control for saliency.

The loss of one series is::

    tau^2 * KL(p_t || p_s) = tau^2 * sum_k p_t,k * (log p_t,k - log p_s,k),   p = softmax(z / tau)
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tsdistill.inputs.checks import check_temperature
from tsdistill.objectives.base import Answers, Objective, given


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Soft-target loss of each series, ``tau^2 * KL(teacher || student)``.

    Parameters
    ----------
    student, teacher : torch.Tensor of shape (..., n_classes)
        Logits or log-probabilities.
    temperature : float
        The temperature tau, above 0; 1 compares the probabilities as they are.

    Returns
    -------
    torch.Tensor of shape (...)
        The losses, 0 or more.

    See Also
    --------
    SoftTargets : The objective.
    label_loss : Compares answers with labels.

    References
    ----------
    Hinton, Vinyals, Dean: Distilling the knowledge in a neural network. arXiv 1503.02531.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import soft_target_loss
    >>> soft_target_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]]), temperature=4.0)
    tensor([0.4585])
    """
    log_student = F.log_softmax(student / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher / temperature, dim=-1)
    return temperature**2 * (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)


class SoftTargets(Objective):
    """Knowledge distillation: the student learns the teacher's class probabilities.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss.
    temperature : float, default=4.0
        The temperature tau, from 0.01 to 1000; higher values soften the probabilities of both
        networks.

    See Also
    --------
    PerturbedSoftTargets : Soft targets for perturbed copies.
    InputNoise : Soft targets for noisy copies.
    TemporalSaliency : Learns how windows change the probabilities.

    References
    ----------
    Hinton, Vinyals, Dean: Distilling the knowledge in a neural network. arXiv 1503.02531.

    Examples
    --------
    The estimator adds it with the weight ``soft_target_weight``:

    >>> from tsdistill.objectives import SoftTargets
    >>> SoftTargets(temperature=2.0)
    SoftTargets(temperature=2.0)
    """

    name = "soft_targets"
    takes_uneven = True
    capturable = True

    def __init__(self, weight: float = 1.0, temperature: float = 4.0) -> None:
        super().__init__(weight)
        self.temperature: float | None = temperature

    def check(self) -> None:
        super().check()
        check_temperature(f"{type(self).__name__}.temperature", self.temperature)

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        return soft_target_loss(answers.student, answers.teacher, given(self.temperature))


class PerturbedSoftTargets(SoftTargets):
    """Soft targets for the perturbed copies: more data, but no saliency.

    This is the control that saliency has to beat: the student learns from the same copies and
    the teacher's answers for them, but never from the *change* that a window makes. Use it as
    ``SaliencyDistilledClassifier(teacher, saliency_weight=0, auxiliary=PerturbedSoftTargets())``.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss.
    temperature : float, default=None
        The temperature tau, from 0.01 to 1000; None takes the estimator's temperature.

    See Also
    --------
    TemporalSaliency : Learns from the same copies what each window changes.

    Examples
    --------
    >>> from tsdistill.objectives import PerturbedSoftTargets
    >>> PerturbedSoftTargets(weight=2.0)
    PerturbedSoftTargets(weight=2.0)
    """

    name = "perturbed_soft_targets"
    capturable = True
    needs_copies = True

    def __init__(self, weight: float = 1.0, temperature: float | None = None) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        losses = soft_target_loss(
            given(answers.student_perturbed),
            given(answers.teacher_perturbed),
            given(self.temperature),
        )
        return answers.spread(losses.mean(dim=1))
