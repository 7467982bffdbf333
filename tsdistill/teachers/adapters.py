"""The ways to ask one model for log-probabilities: module, probabilities, decision values.

A way knows the layout (2-D or 3-D) in which its model takes series, and checks and converts
what comes back. Which labels the columns stand for is the business of ``teachers``.
"""

import contextlib
import warnings

import numpy as np
import torch
from torch import nn

from tsdistill.exceptions import TeacherError
from tsdistill.inputs.series import in_layout
from tsdistill.numerics.logits import first_output, log_softmax
from tsdistill.numerics.tensors import as_tensor

PROBABILITY_FLOOR = 1e-4
"""Smallest probability a teacher is heard to give: log-probabilities stay above -9.22."""
SUM_TOLERANCE = 1e-3


def adapter_for(model, ndim, name=None):
    """The adapter for a fitted model.

    Parameters
    ----------
    model : classifier, torch.nn.Module or callable
    ndim : {2, 3}
        Axes of the series that the model takes.
    name : str, default=None
        What errors call the model.

    Returns
    -------
    adapter : ModuleAdapter, ProbabilityAdapter or DecisionAdapter

    Raises
    ------
    TeacherError
        If nothing about the model says how to ask it.
    """
    name = f"teacher {name_of(model)}" if name is None else name
    if isinstance(model, nn.Module):
        return ModuleAdapter(model, name, ndim)
    if is_skorch_net(model) and hasattr(model, "module_"):
        criterion = getattr(model, "criterion_", None)
        plain = model.predict_nonlinearity == "auto"
        if plain and isinstance(criterion, nn.CrossEntropyLoss):
            return ModuleAdapter(model.module_, name, ndim)
        if plain and isinstance(criterion, nn.NLLLoss):
            return ModuleAdapter(model.module_, name, ndim, gives_proba=True)
    if hasattr(model, "predict_proba"):
        return ProbabilityAdapter(model.predict_proba, name, ndim)
    if hasattr(model, "decision_function"):
        return DecisionAdapter(model.decision_function, name, ndim)
    if callable(model):
        return ProbabilityAdapter(model, name, ndim)
    raise no_answers_error(model)


def no_answers_error(model):
    """The error for a model that offers no answers, to be raised by the caller."""
    return TeacherError(
        f"teacher {name_of(model)} has neither predict_proba nor decision_function; pass a "
        "classifier that has one, a torch module that gives logits, or a callable from X to "
        "probabilities."
    )


def is_skorch_net(model):
    """Whether a model is a net of skorch, fitted or not."""
    return hasattr(model, "module") and hasattr(model, "predict_nonlinearity")


class ProbabilityAdapter:
    """A black box that gives probabilities."""

    differentiable = False
    left_out = ()

    def __init__(self, ask, name, ndim):
        self.ask, self.name, self.ndim = ask, name, ndim

    def log_proba(self, panel):
        answers = self._answers(panel)
        return _log_of_proba(answers, len(panel), self.name)

    def _answers(self, panel):
        with warnings.catch_warnings():  # of models fitted on data frames, once a question
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return _as_numbers(self.ask(in_layout(panel, self.ndim)), self.name)

    def on_device(self, device):
        return contextlib.nullcontext()

    def logits(self, panel):
        raise TeacherError(
            f"{self.name} gives no gradients; use method='occlusion', which any teacher can answer."
        )


class DecisionAdapter(ProbabilityAdapter):
    """A black box that gives decision values, taken as logits."""

    def log_proba(self, panel):
        answers = self._answers(panel)
        if answers.ndim == 1:
            answers = np.column_stack([-answers, answers])
        _check_answers(answers, len(panel), self.name)
        return log_softmax(answers)


class ModuleAdapter:
    """A torch module that gives logits, or probabilities (skorch's convention for NLLLoss)."""

    differentiable = True
    left_out = ()

    def __init__(self, module, name, ndim, gives_proba=False):
        self.module, self.name, self.ndim, self.gives_proba = module, name, ndim, gives_proba

    def logits(self, panel):
        kinds = {p.dtype for p in self.module.parameters() if p.is_floating_point()}
        if len(kinds) == 1:
            panel = panel.to(kinds.pop())
        answers = first_output(self.module(in_layout(panel, self.ndim)))
        if self.gives_proba:
            return torch.log(answers.clamp_min(PROBABILITY_FLOOR))
        return answers

    def log_proba(self, panel):
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        with self.on_device(device), torch.no_grad():
            answers = self.logits(as_tensor(panel, device)).float().cpu().numpy()
        _check_answers(answers, len(panel), self.name)
        return log_softmax(answers)

    @contextlib.contextmanager
    def on_device(self, device):
        tensors = [*self.module.parameters(), *self.module.buffers()]
        devices = [tensor.device for tensor in tensors]
        modes = [(module, module.training) for module in self.module.modules()]
        try:
            if any(mode for _, mode in modes):
                self.module.eval()
            if any(d != torch.device(device) for d in devices):
                self.module.to(device)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            if devices and len(set(devices)) == 1:
                self.module.to(devices[0])


class AverageAdapter:
    """Several teachers, their probabilities averaged."""

    def __init__(self, teachers):
        self.teachers = teachers
        self.ndim = teachers[0]._adapter.ndim
        self.differentiable = all(teacher.differentiable for teacher in teachers)
        every = [teacher.left_out for teacher in teachers]
        self.left_out = [label for label in every[0] if all(label in one for one in every[1:])]

    def log_proba(self, panel):
        answers = [teacher.log_proba(panel) for teacher in self.teachers]
        return np.logaddexp.reduce(answers, axis=0) - np.float32(np.log(len(answers)))

    def logits(self, panel):
        answers = torch.stack([teacher.logits(panel) for teacher in self.teachers])
        return torch.logsumexp(answers, dim=0)

    @contextlib.contextmanager
    def on_device(self, device):
        with contextlib.ExitStack() as stack:
            for teacher in self.teachers:
                stack.enter_context(teacher.on_device(device))
            yield


def _as_numbers(answers, name):
    try:
        if isinstance(answers, torch.Tensor):
            answers = answers.detach().cpu().numpy()
        return np.asarray(answers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TeacherError(f"{name} answered with something that is no array: {error}") from error


def _check_answers(answers, n_instances, name):
    if answers.ndim != 2 or len(answers) != n_instances or answers.shape[1] < 2:
        raise TeacherError(
            f"{name} answered {n_instances} series in shape {answers.shape}; expected "
            f"({n_instances}, n_classes) with at least two classes."
        )
    bad = ~np.isfinite(answers).all(axis=1)
    if bad.any():
        raise TeacherError(
            f"{name} answered NaN or infinity for {bad.sum()} of {n_instances} series; "
            "check what it does with series like these, perturbed ones included."
        )


def _log_of_proba(proba, n_instances, name):
    """Floored, renormalised log-probabilities."""
    _check_answers(proba, n_instances, name)
    total = proba.sum(axis=1)
    if (proba < -SUM_TOLERANCE).any() or (np.abs(total - 1) > SUM_TOLERANCE).any():
        worst = total[np.abs(total - 1).argmax()]
        raise TeacherError(
            f"{name} answered rows that are no probabilities (smallest entry "
            f"{proba.min():.3g}, a row sums to {worst:.4g}); expected rows that sum to 1. Pass "
            "logits as a torch module, or apply a softmax first."
        )
    floored = np.maximum(proba, PROBABILITY_FLOOR)
    return np.log(floored / floored.sum(axis=1, keepdims=True)).astype(np.float32)


def name_of(model):
    """What errors call a model."""
    if isinstance(model, (list, tuple)):
        return "[" + ", ".join(name_of(member) for member in model) + "]"
    return getattr(model, "__name__", type(model).__name__)
