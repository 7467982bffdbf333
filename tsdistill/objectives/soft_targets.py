"""Soft targets: knowledge distillation as Hinton et al. wrote it, and its control.

Formula, for one series::

    tau^2 * KL(p_t || p_s) = tau^2 * sum_k p_t,k * (log p_t,k - log p_s,k),   p = softmax(z / tau)
"""

import torch.nn.functional as F

from tsdistill.inputs.checks import check_positive
from tsdistill.objectives.base import Objective


def soft_target_loss(student, teacher, temperature):
    """tau^2 * KL(teacher || student) at a temperature, summed over classes.

    Parameters
    ----------
    student, teacher : Tensor of shape (..., n_classes)
        Logits or log-probabilities.
    temperature : float
        tau, above 0; 1 compares the distributions as they are.

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
    """Knowledge distillation: the student's distribution follows the teacher's.

    Parameters
    ----------
    weight : float, default=1.0
    temperature : float, default=4.0
    """

    name = "soft_targets"

    def __init__(self, weight=1.0, temperature=4.0):
        super().__init__(weight)
        self.temperature = temperature

    def check(self):
        super().check()
        check_positive(f"{type(self).__name__}.temperature", self.temperature)

    def losses(self, answers, sample_weight):
        return soft_target_loss(answers.student, answers.teacher, self.temperature)


class PerturbedSoftTargets(SoftTargets):
    """Soft targets on the perturbed copies: more data, no saliency.

    The control that a claim for saliency has to beat: the student sees the same copies and
    the teacher's answers to them, but is never asked for the *change* that a window makes.
    Used as ``SaliencyDistilledClassifier(teacher, saliency_weight=0,
    auxiliary=PerturbedSoftTargets())``.

    Parameters
    ----------
    weight : float, default=1.0
    temperature : float, default=None
        None takes that of the estimator.
    """

    name = "perturbed_soft_targets"
    needs_copies = True

    def __init__(self, weight=1.0, temperature=None):
        super().__init__(weight, temperature)

    def losses(self, answers, sample_weight):
        losses = soft_target_loss(
            answers.student_perturbed, answers.teacher_perturbed, self.temperature
        )
        return losses.mean(dim=1)
