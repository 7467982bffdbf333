"""Cross-entropy with the labels, the term that needs no teacher."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tsdistill.objectives.base import Answers, Objective


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each series, ``-log softmax(logits)[label]``.

    Parameters
    ----------
    logits : torch.Tensor of shape (n_instances, n_classes)
        Answers of a network.
    labels : torch.Tensor of shape (n_instances,), int64
        Class indices.

    Returns
    -------
    torch.Tensor of shape (n_instances,)
        The losses, 0 or more.

    See Also
    --------
    Label : The objective.
    soft_target_loss : Compares answers with those of a teacher.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import label_loss
    >>> label_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([0.6931])
    """
    return F.cross_entropy(logits, labels, reduction="none")


class Label(Objective):
    """Cross-entropy with the labels, or with the teacher's prediction for unlabelled series.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss.

    See Also
    --------
    SoftTargets : Learns the teacher's probabilities.
    label_loss : The loss as a function.

    Examples
    --------
    The estimator adds it with the weight ``label_weight``:

    >>> from tsdistill.objectives import Label
    >>> Label(weight=0.5)
    Label(weight=0.5)
    """

    name = "label"
    takes_uneven = True
    capturable = True
    learns_answers = False

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        return label_loss(answers.student, answers.labels)
