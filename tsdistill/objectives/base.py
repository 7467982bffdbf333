"""Base of the objectives, each of which is one weighted term of the distillation loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from tsdistill.inputs.checks import check_positive

if TYPE_CHECKING:
    from tsdistill.objectives.preparation import Preparation

Value = TypeVar("Value")


@dataclass
class Answers:
    """Answers of student and teacher for one batch.

    The trainer makes them, and hands them to :meth:`Objective.losses`.

    Parameters
    ----------
    student : torch.Tensor of shape (n_instances, n_classes)
        The student's logits for the series, with gradients.
    teacher : torch.Tensor of shape (n_instances, n_classes)
        The teacher's log-probabilities for the series.
    labels : torch.Tensor of shape (n_instances,), int64
        Class indices; the teacher's prediction for a series without a label.
    student_perturbed : torch.Tensor of shape (n_copied, n_windows, n_classes) or None
        The student's logits for the perturbed copies of this step.
    teacher_perturbed : torch.Tensor of shape (n_copied, n_windows, n_classes) or None
        The teacher's log-probabilities for the same copies.
    copied : torch.Tensor of shape (n_copied,), int64, or None
        Which series of the batch have copies in this step; None if all have. Losses of these
        series are made losses of the batch by :meth:`spread`.
    teacher_change : torch.Tensor of shape (n_instances,) or None
        Mean absolute change of the teacher's centred logits over all windows of a series.
    mean_change : torch.Tensor or float, default=0.0
        Mean of these over all series.
    series : torch.Tensor of shape (n_instances, n_channels, n_timepoints) or None
        The series of the batch, unperturbed.
    rows : torch.Tensor of shape (n_instances,), int64, or None
        Rows of the series among the training series, to index results of
        :meth:`Objective.prepare`.
    ask : callable or None
        Takes series and returns the current student's logits, for objectives that need more of
        them.
    network : torch.nn.Module or None
        The student. If it is in eval mode, the batch holds held-out series and no gradients are
        taken.

    See Also
    --------
    Objective : Computes losses from them.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import Answers, Label
    >>> logits = torch.tensor([[2.0, 0.0]])
    >>> answers = Answers(student=logits, teacher=logits, labels=torch.tensor([0]))
    >>> Label().losses(answers, sample_weight=torch.ones(1))
    tensor([0.1269])
    """

    student: Tensor
    teacher: Tensor
    labels: Tensor
    student_perturbed: Tensor | None = None
    teacher_perturbed: Tensor | None = None
    copied: Tensor | None = None
    teacher_change: Tensor | None = None
    mean_change: Tensor | float = 0.0
    series: Tensor | None = None
    rows: Tensor | None = None
    ask: Callable[[Tensor], Tensor] | None = None
    network: nn.Module | None = None

    def of_copied(self, values: Tensor) -> Tensor:
        """Select those of the series with copies from values of all series.

        Parameters
        ----------
        values : torch.Tensor of shape (n_instances, ...)
            One entry for each series of the batch.

        Returns
        -------
        torch.Tensor of shape (n_copied, ...)
            The entries of the series with copies.
        """
        return values if self.copied is None else values[self.copied]

    def spread(self, losses: Tensor) -> Tensor:
        """Make losses of the whole batch, with the same mean, from those of the series with copies.

        Parameters
        ----------
        losses : torch.Tensor of shape (n_copied,)
            Losses of the series with copies.

        Returns
        -------
        torch.Tensor of shape (n_instances,)
            The losses, 0 for the series without copies.
        """
        if self.copied is None:
            return losses
        n_instances = len(self.labels)
        spread = losses.new_zeros(n_instances)
        return spread.index_copy(0, self.copied, losses * (n_instances / max(len(losses), 1)))


def given(value: Value | None) -> Value:
    """A value that may be None elsewhere, but not where the objective said what it needs."""
    assert value is not None
    return value


class Objective(BaseEstimator):
    """Base of the terms that add up to the distillation loss.

    A subclass sets ``name``, the key of its value in ``history_``; sets ``needs_copies`` to True
    if it uses the answers for perturbed copies, and ``compares_copies`` if it compares them with
    those for the series; sets ``makes_mixtures`` to True if ``n_mixtures=None`` is to add none,
    since it mixes series on its own; sets ``learns_answers`` to False if it uses none of the
    teacher's answers; sets ``takes_uneven`` to True if series may differ in length (they are then
    padded with NaN, which answers never hold); sets ``needs_panel`` to True if it reads all series
    at once, so that ``fit`` refuses series that are not in memory; sets ``capturable`` to True
    (it is not inherited) if :meth:`losses` computes with tensors alone, in the same way in every
    step and whatever their values, so that a GPU can replay it; and computes :meth:`losses`. Most
    subclasses need no more: the other methods do nothing by default. Every ``fit`` works on a
    clone, so attributes that are set on an objective during ``fit`` are lost afterwards.

    Objectives are scikit-learn estimators, so they can be cloned and their parameters searched
    (``auxiliary__weight``).

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss, 0 or more.

    See Also
    --------
    Answers : What the loss is computed from.
    tsdistill.SaliencyDistilledClassifier : Takes objectives as ``auxiliary``.

    Examples
    --------
    A term that makes the student less certain:

    >>> import torch
    >>> from tsdistill.objectives import Objective
    >>> class NegativeEntropy(Objective):
    ...     name = "negative_entropy"
    ...     def losses(self, answers, sample_weight):
    ...         log_proba = torch.log_softmax(answers.student, dim=1)
    ...         return (log_proba.exp() * log_proba).sum(dim=1)
    >>> NegativeEntropy(weight=0.1)
    NegativeEntropy(weight=0.1)
    """

    name = "objective"
    needs_copies = False
    compares_copies = False
    makes_mixtures = False
    learns_answers = True
    capturable = False
    takes_uneven = False
    needs_panel = False
    weight = 1.0  # for subclasses without this parameter

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        """Compute the loss of each series, before ``weight`` and ``sample_weight`` are applied.

        Parameters
        ----------
        answers : Answers
            Answers of student and teacher for a batch.
        sample_weight : torch.Tensor of shape (n_instances,)
            Needed only for statistics over the batch; the caller applies it to the losses.

        Returns
        -------
        torch.Tensor of shape (n_instances,)
            The losses.
        """
        raise TypeError(
            f"{type(self).__name__} defines no losses(answers, sample_weight); every objective "
            "must define it."
        )

    def check(self) -> None:
        """Raise ParameterError if a parameter cannot be used; called before anything else."""
        check_positive(f"{type(self).__name__}.weight", self.weight, zero=True)

    def extension(
        self, n_channels: int, n_timepoints: int, n_classes: int
    ) -> Callable[[nn.Module], nn.Module] | None:
        """Return a function that adds layers to the student, which it keeps after training.

        Parameters
        ----------
        n_channels : int
            Channels of the series.
        n_timepoints : int
            Timesteps of the longest series.
        n_classes : int
            Number of classes.

        Returns
        -------
        callable or None
            Takes the student, a module that returns logits, and returns a module that contains
            it and returns logits too. Must be picklable. The class attribute ``holds`` of the
            returned module names the attribute that holds the student, so that the student's
            stages can be found. None adds no layers.
        """
        return None

    def check_models(self, preparation: Preparation) -> None:
        """Raise an error if the teacher or student lacks what this objective needs.

        Called before the teacher is queried: ``clean`` and ``baselines`` of ``preparation`` are
        None.

        Parameters
        ----------
        preparation : Preparation
            Holds teacher, student and series.
        """

    def prepare(self, preparation: Preparation) -> None:
        """Compute, once before training, what the steps will need.

        Parameters
        ----------
        preparation : Preparation
            Holds teacher, student and series, and queries the teacher.
        """

    def own_modules(self) -> list[nn.Module]:
        """Return modules to train together with the student and to drop after training.

        Returns
        -------
        list of torch.nn.Module
            The modules; none by default.
        """
        return []

    def begin_epoch(self, epoch: int, network: nn.Module) -> None:
        """Called when an epoch begins.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1 on.
        network : torch.nn.Module
            The student.
        """

    def end_epoch(self, epoch: int, network: nn.Module) -> None:
        """Called when an epoch ends.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1 on.
        network : torch.nn.Module
            The student.
        """
