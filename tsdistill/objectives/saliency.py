"""Temporal saliency: the student learns how replacing a window changes the teacher's prediction.

Let z be the logits (log-probabilities if a teacher gives no logits), x a series and x~_m its
copy with window m replaced. The measures of one network are::

    "class"         s[m, k] = tau^2 * p_k(x) * (log p_k(x) - log p_k(x~_m)),   p = softmax(z / tau)
    "sum"           S[m]    = sum_k s[m, k] = tau^2 * KL(p(x) || p(x~_m))
    "decoupled"     (s[m, y], sum_{k != y} s[m, k]),   y the label of x
    "logit_change"  d[m, k] = c(z(x))_k - c(z(x~_m))_k,   c(z) = z - mean_k z

and the loss is ``mean SmoothL1(student / scale_s, teacher / scale_t)`` with beta = 1. For
"class", "sum" and both parts of "decoupled", the scale of each network is the mean of its own
positive entries over the batch. For "logit_change", both scales are the teacher's mean absolute
change, so that the student learns the absolute size too.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from tsdistill.inputs.checks import check_choice, check_temperature
from tsdistill.numerics.logits import centred
from tsdistill.objectives.base import Answers, Objective, given

Measure = Literal["logit_change", "class", "sum", "decoupled"]
MEASURES = get_args(Measure)
SMALLEST_SCALE = 1e-4
SMALLEST_CHANGE = 0.01
SHARE_OF_OVERALL = 0.5


def class_saliency(clean: Tensor, perturbed: Tensor, temperature: float) -> Tensor:
    """Saliency of each class, ``s[m, k]``: the terms of tau^2 * KL(p(x) || p(x~_m)).

    Parameters
    ----------
    clean : torch.Tensor of shape (n_instances, n_classes)
        Logits for the series.
    perturbed : torch.Tensor of shape (n_instances, n_windows, n_classes)
        Logits for their perturbed copies.
    temperature : float
        The temperature tau, above 0.

    Returns
    -------
    torch.Tensor of shape (n_instances, n_windows, n_classes)
        The saliency, above 0 where a window speaks for a class.

    See Also
    --------
    sum_saliency : Its sum over the classes.
    logit_change : The measure of this library.

    References
    ----------
    Temporal Saliency Distillation, ECAI 2025, DOI 10.3233/FAIA251144, arXiv 2601.04263.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import class_saliency
    >>> class_saliency(torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 0.0]]]), temperature=1.0)
    tensor([[[ 0.4987, -0.1709]]])
    """
    log_clean = F.log_softmax(clean / temperature, dim=-1)[:, None]
    log_perturbed = F.log_softmax(perturbed / temperature, dim=-1)
    return temperature**2 * log_clean.exp() * (log_clean - log_perturbed)


def sum_saliency(clean: Tensor, perturbed: Tensor, temperature: float) -> Tensor:
    """Saliency summed over classes, ``S[m] = tau^2 * KL(p(x) || p(x~_m))``.

    Parameters
    ----------
    clean : torch.Tensor of shape (n_instances, n_classes)
        Logits for the series.
    perturbed : torch.Tensor of shape (n_instances, n_windows, n_classes)
        Logits for their perturbed copies.
    temperature : float
        The temperature tau, above 0.

    Returns
    -------
    torch.Tensor of shape (n_instances, n_windows)
        The saliency, 0 or more.

    See Also
    --------
    class_saliency : The summands.

    References
    ----------
    Temporal Saliency Distillation, ECAI 2025, DOI 10.3233/FAIA251144, arXiv 2601.04263.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import sum_saliency
    >>> sum_saliency(torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 0.0]]]), temperature=1.0)
    tensor([[0.3278]])
    """
    return class_saliency(clean, perturbed, temperature).sum(dim=-1)


def decoupled_saliency(
    clean: Tensor, perturbed: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Saliency of the label's class, and summed saliency of all other classes.

    Parameters
    ----------
    clean, perturbed, temperature
        As in :func:`class_saliency`.
    labels : Tensor of shape (n_instances,), int64
        Class indices.

    Returns
    -------
    target, others : Tensor of shape (n_instances, n_windows)
        Their sum is :func:`sum_saliency`.
    """
    saliency = class_saliency(clean, perturbed, temperature)
    index = labels[:, None, None].expand(-1, saliency.shape[1], 1)
    target = saliency.gather(2, index)[..., 0]
    # Not the sum minus the target's: beside a large one, the others would lose their digits.
    return target, saliency.scatter(2, index, 0.0).sum(dim=-1)


def logit_change(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Change of the centred logits, ``d[m, k] = c(z(x))_k - c(z(x~_m))_k``.

    This is the measure of this library. The paper's measure tends to it at high temperature, but
    is invariant to scale, which this one is not.

    Parameters
    ----------
    clean : torch.Tensor of shape (n_instances, n_classes)
        Logits or log-probabilities for the series.
    perturbed : torch.Tensor of shape (n_instances, n_windows, n_classes)
        Logits or log-probabilities for their perturbed copies.

    Returns
    -------
    torch.Tensor of shape (n_instances, n_windows, n_classes)
        The change, above 0 where a window speaks for a class.

    See Also
    --------
    class_saliency : The published measure.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import logit_change
    >>> logit_change(torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 0.0]]]))
    tensor([[[ 1., -1.]]])
    """
    return centred(clean[:, None] - perturbed)


def own_scale(saliency: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """The paper's scale: mean positive entry of one network's saliency over a batch.

    It is at least 1e-4, and 1 if no entry is positive: otherwise, a vanishing saliency would be
    scaled up without limit.

    Parameters
    ----------
    saliency : Tensor of shape (n_instances, ...)
    sample_weight : Tensor of shape (n_instances,), optional
        Weights of the series.

    Returns
    -------
    scale : Tensor, a scalar
    """
    positive = (saliency > 0).to(saliency.dtype)
    if sample_weight is not None:
        positive = positive * _along(sample_weight, saliency)
    count = positive.sum()
    mean = (saliency * positive).sum() / count.clamp_min(torch.finfo(saliency.dtype).tiny)
    return torch.where(count > 0, mean.clamp_min(SMALLEST_SCALE), torch.ones_like(mean))


def teacher_scale(
    change: Tensor, of_series: Tensor | None = None, overall: Tensor | float = 0.0
) -> Tensor:
    """Mean absolute change of the teacher, for each series.

    Maps are compared by their shapes, so a series to which the teacher reacts little is to count
    as much as others. But its scale is at least half of ``overall`` and at least 0.01
    logits: otherwise, series to which the teacher hardly reacts would dominate training.

    Parameters
    ----------
    change : Tensor of shape (n_instances, n_windows, n_classes)
        Result of :func:`logit_change` for the teacher.
    of_series : Tensor of shape (n_instances,), default=None
        The teacher's mean absolute change over all windows of each series. None: over those of
        ``change``.
    overall : float or Tensor, default=0.0
        The teacher's mean absolute change over all windows of all series.

    Returns
    -------
    scale : Tensor of shape (n_instances, 1, 1)
    """
    if of_series is None:
        of_series = change.abs().flatten(start_dim=1).mean(dim=1)
    floor = torch.as_tensor(SHARE_OF_OVERALL * overall, device=change.device)
    return _along(torch.maximum(of_series, floor.clamp_min(SMALLEST_CHANGE)), change)


def saliency_loss(
    student: Tensor, teacher: Tensor, student_scale: Tensor, teacher_scale: Tensor
) -> Tensor:
    """Mean SmoothL1 (beta = 1) between the scaled saliencies of two networks, for each series.

    Parameters
    ----------
    student, teacher : torch.Tensor of shape (n_instances, ...)
        Saliency of each network.
    student_scale, teacher_scale : torch.Tensor that broadcasts to the saliency
        What the saliency is divided by.

    Returns
    -------
    torch.Tensor of shape (n_instances,)
        The losses, 0 or more.

    See Also
    --------
    TemporalSaliency : The objective.
    logit_change : A measure of saliency.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import saliency_loss
    >>> one = torch.tensor(1.0)
    >>> saliency_loss(torch.tensor([[1.0, 4.0]]), torch.tensor([[0.0, 2.0]]), one, one)
    tensor([1.])
    """
    losses = F.smooth_l1_loss(student / student_scale, teacher / teacher_scale, reduction="none")
    return losses.flatten(start_dim=1).mean(dim=1)


def _along(sample_weight: Tensor, saliency: Tensor) -> Tensor:
    """Reshape weights to broadcast over the axes of a saliency."""
    return sample_weight.view(-1, *[1] * (saliency.ndim - 1))


class TemporalSaliency(Objective):
    """Temporal saliency distillation: the student learns the teacher's temporal saliency.

    Parameters
    ----------
    weight : float, default=5.0
        Factor of the term in the loss. Use 1 or less with any measure but "logit_change": the
        others are invariant to scale, and small students collapsed at 10.
    measure : {"logit_change", "class", "sum", "decoupled"}, default="logit_change"
        How the effect of a window is measured. "class" is the published measure; "sum" and
        "decoupled" are the authors' variants. We read "decoupled" as the mean of two terms, each
        with a scale of its own.
    temperature : float, default=4.0
        The temperature tau, from 0.01 to 1000, of the measures other than "logit_change", which
        has none.

    See Also
    --------
    GradientSaliency : Compares gradients, for teachers made of torch modules.
    PerturbedSoftTargets : Learns from the same copies, but not what a window changes.

    References
    ----------
    Temporal Saliency Distillation, ECAI 2025, DOI 10.3233/FAIA251144, arXiv 2601.04263.

    Examples
    --------
    The estimator adds it with the weight ``saliency_weight`` and the measure ``saliency``:

    >>> from tsdistill.objectives import TemporalSaliency
    >>> TemporalSaliency(weight=1.0, measure="class")
    TemporalSaliency(measure='class', weight=1.0)
    """

    name = "saliency"
    takes_uneven = True
    capturable = True
    needs_copies = True
    compares_copies = True

    def __init__(
        self, weight: float = 5.0, measure: Measure = "logit_change", temperature: float = 4.0
    ) -> None:
        super().__init__(weight)
        self.measure = measure
        self.temperature = temperature

    def check(self) -> None:
        super().check()
        check_temperature(f"{type(self).__name__}.temperature", self.temperature)
        check_choice(f"{type(self).__name__}.measure", self.measure, MEASURES)

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        sample_weight = answers.of_copied(sample_weight)
        return answers.spread(self._losses_of_copied(answers, sample_weight))

    def _losses_of_copied(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        """Losses of the series that have copies."""
        student = (answers.of_copied(answers.student), given(answers.student_perturbed))
        teacher = (answers.of_copied(answers.teacher), given(answers.teacher_perturbed))
        if self.measure == "logit_change":
            student_change, teacher_change = logit_change(*student), logit_change(*teacher)
            of_series = answers.teacher_change
            of_series = None if of_series is None else answers.of_copied(of_series)
            scale = teacher_scale(teacher_change, of_series, answers.mean_change)
            return saliency_loss(student_change, teacher_change, scale, scale)
        if self.measure == "decoupled":
            labels = answers.of_copied(answers.labels)
            parts = zip(
                decoupled_saliency(*student, labels, self.temperature),
                decoupled_saliency(*teacher, labels, self.temperature),
                strict=True,
            )
            target, others = (self._self_scaled(*part, sample_weight) for part in parts)
            return (target + others) / 2
        measure = class_saliency if self.measure == "class" else sum_saliency
        return self._self_scaled(
            measure(*student, self.temperature), measure(*teacher, self.temperature), sample_weight
        )

    @staticmethod
    def _self_scaled(student: Tensor, teacher: Tensor, sample_weight: Tensor) -> Tensor:
        """Loss with the scale of each network computed from its own saliency."""
        return saliency_loss(
            student,
            teacher,
            own_scale(student, sample_weight),
            own_scale(teacher, sample_weight),
        )
