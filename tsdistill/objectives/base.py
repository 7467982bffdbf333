"""What an objective is: one weighted term of the distillation loss."""

from collections.abc import Callable
from dataclasses import dataclass

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from tsdistill.inputs.checks import check_positive


@dataclass
class Answers:
    """What student and teacher said about one batch.

    Attributes
    ----------
    student : Tensor of shape (n_instances, n_classes)
        The student's logits for the series. Carries gradients.
    teacher : Tensor of shape (n_instances, n_classes)
        The teacher's log-probabilities for the series.
    labels : Tensor of shape (n_instances,), int64
        Positions in ``classes_``; the teacher's answer where a series has no label.
    student_perturbed : Tensor of shape (n_instances, n_windows, n_classes) or None
        The student's logits for the perturbed copies of this step.
    teacher_perturbed : Tensor of shape (n_instances, n_windows, n_classes) or None
    teacher_change : Tensor, a scalar
        Mean absolute change of the teacher's centred logits over all windows of all series.
    series : Tensor of shape (n_instances, n_channels, n_timepoints) or None
        The series of the batch, unperturbed.
    rows : Tensor of shape (n_instances,), int64, or None
        Their places among the training series, for what :meth:`Objective.prepare` worked out.
    ask : callable or None
        From series to the logits of the student as it is now, for objectives that ask it more.
    network : torch.nn.Module or None
        The student. In eval mode the batch is of held-out series, and no gradients are taken.
    """

    student: Tensor
    teacher: Tensor
    labels: Tensor
    student_perturbed: Tensor | None = None
    teacher_perturbed: Tensor | None = None
    teacher_change: Tensor | float = 0.0
    series: Tensor | None = None
    rows: Tensor | None = None
    ask: Callable[[Tensor], Tensor] | None = None
    network: nn.Module | None = None


class Objective(BaseEstimator):
    """Base of the terms that add up to the distillation loss.

    A subclass gives ``name``, the key of its value in ``history_``, says by
    ``needs_copies`` whether it reads the perturbed answers, and computes :meth:`losses`. That
    is all that most need; the other methods do nothing here. Every ``fit`` works on a clone,
    so whatever they keep on the objective is gone afterwards.

    Being scikit-learn estimators, objectives can be cloned and their parameters searched
    (``auxiliary__weight``).

    Parameters
    ----------
    weight : float, default=1.0
        Factor in the sum, 0 or more.

    Examples
    --------
    Students that are less sure of themselves:

    >>> import torch
    >>> from tsdistill.objectives import Objective
    >>> class Doubt(Objective):
    ...     name = "doubt"
    ...     def losses(self, answers, sample_weight):
    ...         log_proba = torch.log_softmax(answers.student, dim=1)
    ...         return (log_proba.exp() * log_proba).sum(dim=1)
    >>> Doubt(weight=0.1)
    Doubt(weight=0.1)
    """

    name = "objective"
    needs_copies = False
    weight = 1.0  # of subclasses that have no such parameter

    def __init__(self, weight=1.0):
        self.weight = weight

    def losses(self, answers, sample_weight):
        """Loss of each series of a batch, before ``weight`` and ``sample_weight`` are applied.

        Parameters
        ----------
        answers : Answers
        sample_weight : Tensor of shape (n_instances,)
            For statistics over the batch; the caller weighs the losses themselves.

        Returns
        -------
        losses : Tensor of shape (n_instances,)
        """
        raise TypeError(f"{type(self).__name__} defines no losses(answers, sample_weight).")

    def check(self):
        """Refuse parameters that cannot be used, before anything else is done."""
        check_positive(f"{type(self).__name__}.weight", self.weight, zero=True)

    def extension(self, n_channels, n_timepoints, n_classes):
        """Layers that the student is to have besides its own, and keep.

        Returns
        -------
        extend : callable or None
            From the student, a module that gives logits, to a module that holds it and gives
            logits too; can be pickled. A class attribute ``holds`` of the latter names the
            attribute where the student lies, so that its stages are found.
        """
        return None

    def check_models(self, preparation):
        """Refuse a teacher or student that lacks what this objective needs.

        Called before the teacher is asked anything: ``preparation.clean`` and ``fills`` are None.

        Parameters
        ----------
        preparation : Preparation
        """

    def prepare(self, preparation):
        """Work out, once before training, what the steps will need.

        Parameters
        ----------
        preparation : Preparation
            Teacher, student and series; asks the teacher.
        """

    def own_modules(self):
        """Modules of this objective to train beside the student; they are dropped after it."""
        return []

    def begin_epoch(self, epoch, network):
        """Hook at the begin of an epoch, counted from 1; network is the student, in any mode."""

    def end_epoch(self, epoch, network):
        """Hook at the end of an epoch."""
