"""Soft targets: the knowledge distillation of Hinton et al., and a control for saliency.

The loss of one series is::

    tau^2 * KL(p_t || p_s) = tau^2 * sum_k p_t,k * (log p_t,k - log p_s,k),   p = softmax(z / tau)
"""

import torch.nn.functional as F

from tsdistill.inputs.checks import check_temperature
from tsdistill.objectives.base import Objective


def soft_target_loss(student, teacher, temperature):
    """Soft-target loss of each series, ``tau^2 * KL(teacher || student)``.

    Parameters
    ----------
    student, teacher : Tensor of shape (..., n_classes)
        Logits or log-probabilities.
    temperature : float
        tau, above 0; 1 compares the probabilities as they are.

    Returns
    -------
    losses : Tensor of shape (...)

    References
    ----------
    Hinton, Vinyals, Dean: Distilling the knowledge in a neural network. arXiv 1503.02531.
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
        tau, from 0.01 to 1000; higher values soften the probabilities of both networks.

    References
    ----------
    Hinton, Vinyals, Dean: Distilling the knowledge in a neural network. arXiv 1503.02531.
    """

    name = "soft_targets"
    takes_uneven = True
    capturable = True

    def __init__(self, weight=1.0, temperature=4.0):
        super().__init__(weight)
        self.temperature = temperature

    def check(self):
        super().check()
        check_temperature(f"{type(self).__name__}.temperature", self.temperature)

    def losses(self, answers, sample_weight):
        return soft_target_loss(answers.student, answers.teacher, self.temperature)


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
        tau, from 0.01 to 1000; None takes the estimator's temperature.
    """

    name = "perturbed_soft_targets"
    takes_uneven = True
    capturable = True
    needs_copies = True

    def __init__(self, weight=1.0, temperature=None):
        super().__init__(weight, temperature)

    def losses(self, answers, sample_weight):
        losses = soft_target_loss(
            answers.student_perturbed, answers.teacher_perturbed, self.temperature
        )
        return answers.spread(losses.mean(dim=1))
