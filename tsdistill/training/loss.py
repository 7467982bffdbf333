"""The loss of a step: the weighted sum of the objectives."""

import torch
from torch import nn

from tsdistill.exceptions import ParameterError
from tsdistill.numerics.logits import SMALLEST_PROBABILITY, first_output
from tsdistill.objectives.base import Answers


class StudentInTraining:
    """The network that is trained, and how its outputs become logits.

    It is no module, so that the loss does not count the student's weights as its own.

    Parameters
    ----------
    network : torch.nn.Module
    gives_proba : bool, default=False
        Whether the network answers with probabilities, of which the log is taken.
    """

    def __init__(self, network, gives_proba=False):
        self.network, self.gives_proba = network, gives_proba

    def logits(self, outputs):
        """Logits of the network's outputs."""
        outputs = first_output(outputs)
        if self.gives_proba:
            return torch.log(outputs.clamp_min(SMALLEST_PROBABILITY))
        return outputs

    def ask(self, series):
        """Logits for further series; the network may change what it is given."""
        return self.logits(self.network(series.clone()))


class DistillationLoss(nn.Module):
    """Weighted sum of the objectives, and the mean of each term over an epoch.

    Parameters
    ----------
    objectives : list of Objective
        Prepared.
    student : StudentInTraining
    """

    def __init__(self, objectives, student):
        super().__init__()
        self.objectives, self.student = objectives, student
        self.learnt = nn.ModuleList(m for one in objectives for m in one.own_modules())
        # Sums over the series of an epoch, and their number, which steps add to in place.
        self.register_buffer("totals", torch.zeros(len(objectives) + 1), persistent=False)

    def forget(self):
        """Start a new mean."""
        self.totals.zero_()

    def terms(self):
        """Unweighted mean of each term since :meth:`forget`, by name."""
        *totals, n_series = self.totals.tolist()
        if not n_series:
            return {}
        names = (objective.name for objective in self.objectives)
        return {name: total / n_series for name, total in zip(names, totals, strict=True)}

    def begin_epoch(self, epoch):
        """Start a new mean, and tell the objectives."""
        self.forget()
        for objective in self.objectives:
            objective.begin_epoch(epoch, self.student.network)

    def end_epoch(self, epoch):
        """Tell the objectives."""
        for objective in self.objectives:
            objective.end_epoch(epoch, self.student.network)

    def forward(self, outputs, targets):
        """Loss of a step.

        Parameters
        ----------
        outputs : Tensor, or tuple of it and others
            What the network gives for the inputs of :meth:`TransferTensors.step`.
        targets : dict of Tensor
            As that method gives them.

        Returns
        -------
        loss : Tensor, a scalar
        """
        logits, weight = self.student.logits(outputs), targets["sample_weight"]
        answers = self._answers(logits, targets)
        loss, terms = 0.0, []
        for objective in self.objectives:
            terms.append((weight * _checked_losses(objective, answers, weight)).mean())
            loss = loss + float(objective.weight) * terms[-1]
        if self.training:
            ones = torch.ones_like(terms[0])
            self.totals += torch.stack([*(term.detach() for term in terms), ones]) * len(weight)
        if torch.is_grad_enabled() and not loss.requires_grad:  # every term is constant now
            loss = loss + 0 * logits.sum()
        return loss

    def _answers(self, logits, targets):
        of_teacher = {name: value for name, value in targets.items() if name != "sample_weight"}
        n_series, perturbed = len(targets["labels"]), None
        if "teacher_perturbed" in targets:
            shape = targets["teacher_perturbed"].shape[:2]
            perturbed = logits[n_series:].view(*shape, logits.shape[-1])
        return Answers(
            student=logits[:n_series],
            student_perturbed=perturbed,
            ask=self.student.ask,
            network=self.student.network,
            **of_teacher,
        )


def _checked_losses(objective, answers, weight):
    losses = objective.losses(answers, weight)
    if getattr(losses, "shape", None) != weight.shape:  # broadcasting would hide it
        got = tuple(losses.shape) if isinstance(losses, torch.Tensor) else repr(losses)
        raise ParameterError(
            f"{type(objective).__name__}.losses gave {got} for {len(weight)} series; expected "
            f"one loss a series, a tensor of shape ({len(weight)},)."
        )
    return losses
