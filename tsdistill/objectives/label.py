"""Cross-entropy with the labels, the term that needs no teacher."""

import torch.nn.functional as F

from tsdistill.objectives.base import Objective


def label_loss(logits, labels):
    """Cross-entropy of each series, ``-log softmax(logits)[label]``.

    Parameters
    ----------
    logits : Tensor of shape (n_instances, n_classes)
    labels : Tensor of shape (n_instances,), int64
        Class indices.

    Returns
    -------
    losses : Tensor of shape (n_instances,)
    """
    return F.cross_entropy(logits, labels, reduction="none")


class Label(Objective):
    """Cross-entropy with the labels, or with the teacher's prediction for unlabelled series."""

    name = "label"
    takes_uneven = True
    capturable = True
    learns_answers = False

    def losses(self, answers, sample_weight):
        return label_loss(answers.student, answers.labels)
