"""What an objective is: one weighted term of the distillation loss."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor

from tsdistill.exceptions import ParameterError


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
    """

    student: Tensor
    teacher: Tensor
    labels: Tensor
    student_perturbed: Tensor | None = None
    teacher_perturbed: Tensor | None = None
    teacher_change: Tensor | float = 0.0


class Objective(BaseEstimator):
    """Base of the terms that add up to the distillation loss.

    A subclass gives ``name``, the key of its value in ``history_``, says by
    ``needs_copies`` whether it reads the perturbed answers, and computes :meth:`losses`.
    Being scikit-learn estimators, objectives can be cloned and their parameters searched.

    Parameters
    ----------
    weight : float, default=1.0
        Factor in the sum, 0 or more.
    """

    name = "objective"
    needs_copies = False

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
        """Refuse parameters that cannot be used, before training starts."""
        check_positive(f"{type(self).__name__}.weight", self.weight, zero=True)


def check_positive(name, value, *, zero=False):
    """Refuse what is no finite number above 0 (or 0 itself, with ``zero``)."""
    if (
        isinstance(value, Real)
        and not isinstance(value, (bool, np.bool_))
        and np.isfinite(value)
        and (value > 0 or (zero and value == 0))
    ):
        return
    raise ParameterError(
        f"{name}={value!r}; expected a finite number {'of 0 or more' if zero else 'above 0'}."
    )
