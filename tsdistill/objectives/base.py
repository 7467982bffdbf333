"""Base of the objectives, each of which is one weighted term of the distillation loss."""

from collections.abc import Callable
from dataclasses import dataclass

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from tsdistill.inputs.checks import check_positive


@dataclass
class Answers:
    """Answers of student and teacher for one batch.

    Attributes
    ----------
    student : Tensor of shape (n_instances, n_classes)
        The student's logits for the series, with gradients.
    teacher : Tensor of shape (n_instances, n_classes)
        The teacher's log-probabilities for the series.
    labels : Tensor of shape (n_instances,), int64
        Class indices; the teacher's prediction for a series without a label.
    student_perturbed : Tensor of shape (n_copied, n_windows, n_classes) or None
        The student's logits for the perturbed copies of this step.
    teacher_perturbed : Tensor of shape (n_copied, n_windows, n_classes) or None
        The teacher's log-probabilities for the same copies.
    copied : Tensor of shape (n_copied,), int64, or None
        Which series of the batch have copies in this step; None if all have. Losses of these
        series are made losses of the batch by :meth:`spread`.
    teacher_change : Tensor of shape (n_instances,) or None
        Mean absolute change of the teacher's centred logits over all windows of a series.
    mean_change : Tensor, a scalar
        Mean of these over all series.
    series : Tensor of shape (n_instances, n_channels, n_timepoints) or None
        The series of the batch, unperturbed.
    rows : Tensor of shape (n_instances,), int64, or None
        Rows of the series among the training series, to index results of
        :meth:`Objective.prepare`.
    ask : callable or None
        Takes series and returns the current student's logits, for objectives that need more of
        them.
    network : torch.nn.Module or None
        The student. If it is in eval mode, the batch holds held-out series and no gradients are
        taken.
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

    def of_copied(self, values):
        """The entries of ``values``, one a series of the batch, of the series with copies."""
        return values if self.copied is None else values[self.copied]

    def spread(self, losses):
        """Losses of the series with copies, as losses of the whole batch with the same mean.

        Parameters
        ----------
        losses : Tensor of shape (n_copied,)

        Returns
        -------
        losses : Tensor of shape (n_instances,)
            0 for the series without copies.
        """
        if self.copied is None:
            return losses
        n_instances = len(self.labels)
        spread = losses.new_zeros(n_instances)
        return spread.index_copy(0, self.copied, losses * (n_instances / max(len(losses), 1)))


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

    def __init__(self, weight=1.0):
        self.weight = weight

    def losses(self, answers, sample_weight):
        """Compute the loss of each series, before ``weight`` and ``sample_weight`` are applied.

        Parameters
        ----------
        answers : Answers
        sample_weight : Tensor of shape (n_instances,)
            Needed only for statistics over the batch; the caller applies it to the losses.

        Returns
        -------
        losses : Tensor of shape (n_instances,)
        """
        raise TypeError(
            f"{type(self).__name__} defines no losses(answers, sample_weight); every objective "
            "must define it."
        )

    def check(self):
        """Raise ParameterError if a parameter cannot be used; called before anything else."""
        check_positive(f"{type(self).__name__}.weight", self.weight, zero=True)

    def extension(self, n_channels, n_timepoints, n_classes):
        """Return a function that adds layers to the student, which it keeps after training.

        Returns
        -------
        extend : callable or None
            Takes the student, a module that returns logits, and returns a module that contains
            it and returns logits too. Must be picklable. The class attribute ``holds`` of the
            returned module names the attribute that holds the student, so that the student's
            stages can be found. None adds no layers.
        """
        return None

    def check_models(self, preparation):
        """Raise an error if the teacher or student lacks what this objective needs.

        Called before the teacher is queried: ``clean`` and ``baselines`` of ``preparation`` are
        None.

        Parameters
        ----------
        preparation : Preparation
        """

    def prepare(self, preparation):
        """Compute, once before training, what the steps will need.

        Parameters
        ----------
        preparation : Preparation
            Holds teacher, student and series, and queries the teacher.
        """

    def own_modules(self):
        """Modules to train together with the student and to drop after training."""
        return []

    def begin_epoch(self, epoch, network):
        """Called when an epoch begins; ``epoch`` counts from 1, ``network`` is the student."""

    def end_epoch(self, epoch, network):
        """Called when an epoch ends, with the same arguments as :meth:`begin_epoch`."""
