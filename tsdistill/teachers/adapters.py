"""Adapters that query one model for log-probabilities.

There is one for torch modules, one for probabilities, one for decision values and one for the
average of several teachers. An adapter knows the layout (2-D or 3-D) in which its model takes
series, and checks and converts the model's answers. The labels of the columns are assigned in
:mod:`tsdistill.teachers.class_alignment`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn

from tsdistill.exceptions import TeacherError, TeacherTimeoutError
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.panel import in_layout
from tsdistill.inputs.plain import as_real
from tsdistill.inputs.types import Device, Float32Array
from tsdistill.numerics.logits import first_output, log_softmax
from tsdistill.numerics.shared import quiet
from tsdistill.numerics.tensors import as_tensor, threads_kept
from tsdistill.numerics.time_limit import TimeLimit
from tsdistill.teachers.inner_heads import inner_decision_function
from tsdistill.teachers.module_use import ask_uneven, in_use

PROBABILITY_FLOOR = 1e-4
"""Smaller probabilities of a teacher are raised to it: log-probabilities stay above -9.22."""
SUM_TOLERANCE = 1e-3


def adapter_for(
    model: Any, ndim: int | UnevenForm, name: str | None = None, floor: float = PROBABILITY_FLOOR
) -> ModuleAdapter | ProbabilityAdapter:
    """Choose the adapter for a fitted model.

    Parameters
    ----------
    model : classifier, torch.nn.Module or callable
    ndim : {2, 3}
        Number of axes of the array of series that the model takes.
    name : str, default=None
        Name of the model in error messages. Default: "teacher" and the name of its class.
    floor : float, default=PROBABILITY_FLOOR
        To which smaller probabilities of a skorch net with ``NLLLoss`` are raised.

    Returns
    -------
    adapter : ModuleAdapter, ProbabilityAdapter or DecisionAdapter

    Raises
    ------
    TeacherError
        If the model is not callable and has no method or module that gives answers.
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
            return ModuleAdapter(model.module_, name, ndim, gives_proba=True, floor=floor)
    inner = inner_decision_function(model)
    if inner is not None:
        return FoundInside(inner, name, ndim)
    if hasattr(model, "predict_proba"):
        return ProbabilityAdapter(model.predict_proba, name, ndim)
    if hasattr(model, "decision_function"):
        return DecisionAdapter(model.decision_function, name, ndim)
    if callable(model):
        return ProbabilityAdapter(model, name, ndim)
    raise no_answers_error(model)


def no_answers_error(model):
    """Build the error for a model that offers no answers; the caller raises it."""
    if model is None:
        return TeacherError(
            "teacher is None; pass the classifier to replace. A classifier that was loaded from a "
            "file takes it by load(path, teacher=...) or set_params(teacher=...)."
        )
    return TeacherError(
        f"teacher {name_of(model)} has neither predict_proba nor decision_function; pass a "
        "classifier that has one of them, a torch module that returns logits, or a callable that "
        "takes X and returns probabilities."
    )


def is_skorch_net(model: object) -> bool:
    """Whether a model is a skorch net, fitted or not."""
    return hasattr(model, "module") and hasattr(model, "predict_nonlinearity")


class AsksInTime:
    """Mixin for adapters whose model is given up when it takes too long.

    Attributes
    ----------
    timeout : float or None
        Seconds that an answer may take.
    """

    timeout: float | None = None
    name: str

    def in_time(self, ask, series, *more):
        """What ``ask(series, *more)`` returns.

        Only the model itself is called in another thread, so that a late one holds none of our
        contexts.

        Raises
        ------
        TeacherTimeoutError
            If that takes longer than :attr:`timeout`. The call runs on.
        """
        if self.timeout is None:
            return ask(series, *more)
        limit = TimeLimit(self.timeout)
        try:
            return limit(ask, series, *more)
        except TimeoutError as error:
            if not limit.gave_up:
                raise
            raise TeacherTimeoutError(
                f"{self.name} gave no answer to {len(series)} series within timeout="
                f"{self.timeout:g} seconds. Pass Teacher(model, timeout=...) with a longer one if "
                "it is slow; with memory, what it answered before is not asked again."
            ) from error


class ProbabilityAdapter(AsksInTime):
    """Adapter for a black box that returns probabilities."""

    differentiable = False
    left_out = ()

    def __init__(self, ask, name, ndim, dtype=np.float32):
        self.ask, self.name, self.ndim, self.dtype = ask, name, ndim, dtype

    def as_asked(self, panel):
        """The series of a panel as the model is given them."""
        series = in_layout(panel, self.ndim)
        return series if self.dtype == np.float32 else series.astype(self.dtype)

    def log_proba(self, panel: Float32Array) -> Float32Array:
        answers = self._answers(panel)
        return _log_of_proba(answers, len(panel), self.name)

    def _answers(self, panel):
        with quiet(), threads_kept():
            return _as_numbers(self.in_time(self.ask, self.as_asked(panel)), self.name)

    def on_device(self, device: Device | None) -> AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def logits(self, panel: torch.Tensor) -> torch.Tensor:
        raise TeacherError(
            f"{self.name} gives no gradients; use method='occlusion', which works for any teacher."
        )


class DecisionAdapter(ProbabilityAdapter):
    """Adapter for a black box that returns decision values, which are taken as logits."""

    def log_proba(self, panel: Float32Array) -> Float32Array:
        answers = self._answers(panel)
        if answers.ndim == 1:
            answers = np.column_stack([-answers, answers])
        _check_answers(answers, len(panel), self.name)
        return log_softmax(answers)


class FoundInside(DecisionAdapter):
    """Adapter for the decision values of a head inside a black box."""


class ModuleAdapter(AsksInTime):
    """Adapter for a torch module that returns logits, or probabilities (as skorch with NLLLoss)."""

    differentiable = True
    left_out = ()

    def __init__(self, module, name, ndim, gives_proba=False, floor=PROBABILITY_FLOOR):
        self.module, self.name, self.ndim = module, name, ndim
        self.gives_proba, self.floor = gives_proba, floor

    def logits(self, panel: torch.Tensor) -> torch.Tensor:
        with self.on_device(None) as place:
            return self._logits(panel, place)

    def _logits(self, panel, place):
        if place.dtype is not None:
            panel = panel.to(place.dtype)
        if isinstance(self.ndim, UnevenForm):
            answers = first_output(ask_uneven(self.module, panel))
        else:
            answers = first_output(self.module(in_layout(panel, self.ndim)))
        if self.gives_proba:
            return torch.log(answers.clamp_min(self.floor))
        return answers

    def _logits_on_cpu(self, panel, place):
        with torch.no_grad():  # which is a mode of the thread
            return self._logits(as_tensor(panel, place.device), place).float().cpu().numpy()

    def log_proba(self, panel: Float32Array) -> Float32Array:
        with self.on_device(None) as place:
            answers = self.in_time(self._logits_on_cpu, panel, place)
        _check_answers(answers, len(panel), self.name)
        return log_softmax(answers)

    def on_device(self, device: Device | None) -> AbstractContextManager[Any]:
        return in_use(self.module, device)


class AverageAdapter:
    """Adapter that averages the probabilities of several teachers."""

    def __init__(self, teachers: Sequence[Any]) -> None:
        self.teachers = teachers
        self.ndim = teachers[0]._adapter.ndim
        self.differentiable = all(teacher.differentiable for teacher in teachers)
        every = [teacher.left_out for teacher in teachers]
        self.left_out = [label for label in every[0] if all(label in one for one in every[1:])]

    def log_proba(self, panel: Float32Array) -> Float32Array:
        answers = [teacher.log_proba(panel) for teacher in self.teachers]
        return np.logaddexp.reduce(answers, axis=0) - np.float32(np.log(len(answers)))

    def logits(self, panel: torch.Tensor) -> torch.Tensor:
        answers = torch.stack([teacher.logits(panel) for teacher in self.teachers])
        return torch.logsumexp(answers, dim=0)

    @contextlib.contextmanager
    def on_device(self, device: Device | None) -> AbstractContextManager[Any]:
        with contextlib.ExitStack() as stack:
            for teacher in self.teachers:
                stack.enter_context(teacher.on_device(device))
            yield


def _as_numbers(answers, name):
    try:
        return as_real(answers, "the answer")
    except ValueError as error:
        raise TeacherError(
            f"{name} answered with a value that is not a numeric array: {error} Expected an array "
            "of shape (n_instances, n_classes)."
        ) from error


def _check_answers(answers, n_instances, name):
    if answers.ndim != 2 or len(answers) != n_instances or answers.shape[1] < 2:
        raise TeacherError(
            f"{name} answered {n_instances} series in shape {answers.shape}; expected shape "
            f"({n_instances}, n_classes) with at least two classes."
        )
    bad = ~np.isfinite(answers).all(axis=1)
    if bad.any():
        raise TeacherError(
            f"{name} answered NaN or infinity for {bad.sum()} of {n_instances} series; "
            "check its answers to such series and to their perturbed copies."
        )


def _log_of_proba(proba, n_instances, name):
    """Log of the probabilities, raised to PROBABILITY_FLOOR and normalised again."""
    _check_answers(proba, n_instances, name)
    total = proba.sum(axis=1)
    if (proba < -SUM_TOLERANCE).any() or (np.abs(total - 1) > SUM_TOLERANCE).any():
        worst = total[np.abs(total - 1).argmax()]
        raise TeacherError(
            f"{name} answered rows that are not probabilities (the smallest entry is "
            f"{proba.min():.3g}, a row sums to {worst:.4g}); expected non-negative rows that sum "
            "to 1. Apply a softmax, or pass a torch module, whose answers are taken as logits."
        )
    return floored_log(proba)


def floored_log(proba):
    """Log-probabilities, float32, of probabilities that are raised to PROBABILITY_FLOOR."""
    floored = np.maximum(proba, PROBABILITY_FLOOR)
    return np.log(floored / floored.sum(axis=1, keepdims=True)).astype(np.float32)


def name_of(model: object) -> str:
    """Name of a model in error messages."""
    if isinstance(model, (list, tuple)):
        return "[" + ", ".join(name_of(member) for member in model) + "]"
    return getattr(model, "__name__", type(model).__name__)
