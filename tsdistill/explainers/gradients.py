"""Explanations by gradients, and by gradients integrated from a baseline.

Both are functions of the values that a series has. NaN, after its end and in gaps, stays where it
is, in the baseline too: what a model makes of the gap, such as a line between the values beside it,
counts as an effect of these values. So the map is 0 in a gap, and NaN after the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tsdistill.exceptions import TeacherError
from tsdistill.explainers.base import Explainer
from tsdistill.inputs.lengths import hardest, lengths_of
from tsdistill.inputs.types import Device, Float32Array, IntArray
from tsdistill.numerics.batches import batches_of_series
from tsdistill.numerics.halving import Halving
from tsdistill.numerics.logits import centred, first_output
from tsdistill.numerics.tensors import as_tensor
from tsdistill.teachers.bound import BoundTeacher, failures_named

NAN_IN_GRADIENTS = (
    "torch.where passes NaN back from the side that it does not take: let forward replace NaN, as "
    "by torch.nan_to_num, before it computes with the series"
)


def explain_by_gradient(model, panel, target, settings):
    """The ``explain`` function of the gradient :class:`~tsdistill.explainers.base.Explainer`."""
    return gradient(model, panel, target, **_arguments_from(settings))


def explain_by_integrated_gradients(model, panel, target, settings):
    """The ``explain`` function of the integrated gradients Explainer."""
    return integrated_gradients(model, panel, target, **_arguments_from(settings))


def _arguments_from(settings):
    """Keyword arguments of the functions below."""
    mean = settings.baselines.channel_means
    return {
        "baseline": np.zeros_like(mean) if settings.fill == "zero" else mean,
        "per_channel": settings.per_channel,
        "device": settings.options.device,
        "halving": settings.options.halving,
    }


GRADIENT = Explainer(
    "gradient",
    explain_by_gradient,
    fills=("mean", "zero"),
    needs_gradients=True,
    takes_uneven=True,
)
INTEGRATED_GRADIENTS = Explainer(
    "integrated_gradients",
    explain_by_integrated_gradients,
    fills=("mean", "zero"),
    needs_gradients=True,
    takes_uneven=True,
)


def gradient(
    model: BoundTeacher,
    panel: Float32Array,
    target: IntArray,
    baseline: Float32Array,
    *,
    per_channel: bool = False,
    device: Device = "cpu",
    halving: Halving | None = None,
) -> Float32Array:
    """First-order estimate of a timestep's effect: gradient times difference to a baseline.

    ::

        E[c, t] = (x[c, t] - baseline[c]) * d c(z(x))_k / d x[c, t]

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target, per_channel
        As in :func:`~tsdistill.explainers.occlusion.occlusion`.
    device : str or torch.device, default="cpu"
        Where the model runs.
    baseline : ndarray of shape (n_channels,)
        Baseline of each channel, for example its training mean.
    halving : Halving, default=None
        Of the user's call; None makes one.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), summed over channels, or with \
            per_channel (n_instances, n_channels, n_timepoints), float32
        0 in gaps, and NaN after the end of each series.

    Raises
    ------
    TeacherError
        If the model is a black box or fails, or NaN in the series spoils its gradients.
    """
    maps = input_gradients(model, panel, target, device=device, halving=halving)
    maps *= panel - np.asarray(baseline, dtype=np.float32)[:, np.newaxis]
    maps[np.isnan(panel)] = 0.0
    return _ended(maps if per_channel else maps.sum(axis=1), panel)


def input_gradients(
    model: BoundTeacher,
    panel: Float32Array,
    target: IntArray,
    *,
    device: Device = "cpu",
    halving: Halving | None = None,
) -> Float32Array:
    """Gradient of a model's centred logit of the target, with respect to the series.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target
        As in :func:`~tsdistill.explainers.occlusion.occlusion`.
    device : str or torch.device, default="cpu"
        Where the model runs.
    halving : Halving, default=None
        Of the user's call; None makes one.

    Returns
    -------
    slopes : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        0 where a series has no value.

    Raises
    ------
    TeacherError
        If the model is a black box or fails, or NaN in the series spoils its gradients.
    """
    with failures_named(model, panel):
        slopes = _input_gradients(model, panel, target, device, halving)
    _check_unspoilt(model, slopes, panel)
    return slopes


def _input_gradients(model, panel, target, device, halving=None):
    """As :func:`input_gradients`, with the errors that the model raises."""
    slopes = np.empty(panel.shape, dtype=np.float32)

    def slopes_of(series: Tensor, k: Tensor) -> Tensor:
        return score_gradients(model.logits, k, series)

    with _differentiable(model, device):
        for part, found in _in_batches(slopes_of, model, panel, target, device, halving):
            slopes[part] = found
    return slopes


def check_gradients(model: BoundTeacher, panel: Float32Array, device: Device = "cpu") -> None:
    """Check that a model's answers can be differentiated with respect to the series.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The two series are tried that are the :func:`~tsdistill.inputs.lengths.hardest`.
    device : str or torch.device, default="cpu"

    Raises
    ------
    TeacherError
        If no gradient reaches the series, or NaN in them spoils it.
    """
    tried = hardest(panel)
    try:
        slopes = _input_gradients(model, tried, np.zeros(len(tried), dtype=np.int64), device)
    except RuntimeError as error:
        raise TeacherError(
            f"{model!r} gives no gradients with respect to the series: {error}. Check that no part "
            "of it runs under no_grad or detaches; or use occlusion, which works for any model."
        ) from error
    _check_unspoilt(model, slopes, tried)


def score_gradients(
    ask: Callable[[Tensor], Tensor],
    target: Tensor,
    series: Tensor,
    *,
    create_graph: bool = False,
) -> Tensor:
    """Gradient of the target's centred logit, with respect to each value of the series.

    Parameters
    ----------
    ask : callable
        Takes series, which it may change in place, and returns logits or log-probabilities,
        (n_instances, n_classes), with their graph; or a tuple of them and other outputs.
    target : Tensor of shape (n_instances,), int64
        Class indices.
    series : Tensor of shape (n_instances, n_channels, n_timepoints)
    create_graph : bool, default=False
        Whether the gradient can be differentiated again.

    Returns
    -------
    slopes : Tensor, shaped as series
        0 where a series has no value, whatever the graph gives for NaN.
    """
    values, missing = _values_of(series)
    answers = first_output(ask(_series_of(values, missing)))
    score = _score(answers, target).sum()
    return torch.autograd.grad(score, values, create_graph=create_graph)[0]


def _values_of(series):
    """A leaf of the graph without NaN, which holds 0 instead, and where NaN was."""
    missing = torch.isnan(series)
    return series.masked_fill(missing, 0.0).requires_grad_(), missing


def _series_of(values, missing):
    """The series of :func:`_values_of` as a new tensor, NaN included."""
    return values.masked_fill(missing, torch.nan)


def integrated_gradients(
    model: BoundTeacher,
    panel: Float32Array,
    target: IntArray,
    baseline: Float32Array,
    *,
    n_steps: int = 50,
    per_channel: bool = False,
    device: Device = "cpu",
    halving: Halving | None = None,
) -> Float32Array:
    """Gradients integrated along the line from a baseline to the series, by captum.

    ::

        E[c, t] = (x[c, t] - b[c]) * int_0^1 d c(z(b + a (x - b)))_k / d x[c, t] da

    A map adds up to the score of the series minus the score of the baseline, up to the error of
    integration in ``n_steps``; the baseline has NaN where the series has. Memory use does not grow
    with the number of series or steps.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target, per_channel
        As in :func:`~tsdistill.explainers.occlusion.occlusion`.
    device : str or torch.device, default="cpu"
        Where the model runs.
    baseline : ndarray of shape (n_channels,)
        Baseline of each channel, for example its training mean.
    n_steps : int, default=50
        Number of steps of the integral.
    halving : Halving, default=None
        Of the user's call; None makes one.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), summed over channels, or with \
            per_channel (n_instances, n_channels, n_timepoints), float32
        0 in gaps, and NaN after the end of each series.

    Raises
    ------
    TeacherError
        If the model is a black box or fails, or NaN in the series spoils its gradients.
    ImportError
        If captum is not installed.

    References
    ----------
    Sundararajan, Taly, Yan: Axiomatic attribution for deep networks. ICML 2017,
    arXiv 1703.01365.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ImportError(
            "integrated gradients need captum: pip install captum, or pip install "
            "'tsdistill[explain]'."
        ) from error
    maps = np.empty(panel.shape, dtype=np.float32)
    start = torch.as_tensor(np.asarray(baseline, dtype=np.float32)[:, np.newaxis], device=device)
    with failures_named(model, panel), _differentiable(model, device):
        method = IntegratedGradients(
            lambda values, missing, k: _score(model.logits(_series_of(values, missing)), k)
        )

        def attributions_of(series: Tensor, k: Tensor) -> Tensor:
            values, missing = _values_of(series)
            attributions: Tensor = method.attribute(
                values,
                baselines=start.expand_as(values),  # where NaN was, no gradient is left
                additional_forward_args=(missing, k),
                n_steps=n_steps,
                internal_batch_size=len(values),
            )
            return attributions

        for part, found in _in_batches(attributions_of, model, panel, target, device, halving):
            maps[part] = found
    _check_unspoilt(model, maps, panel)
    return _ended(maps if per_channel else maps.sum(axis=1), panel)


def _check_unspoilt(model, slopes, panel):
    """Raise TeacherError if series with NaN have gradients that are not finite."""
    if not np.isnan(panel).any():
        return
    spoilt = ~np.isfinite(slopes).all(axis=(1, 2))
    if spoilt.any():
        raise TeacherError(
            f"{model!r} has NaN or infinite gradients for {spoilt.sum()} of {len(panel)} series, "
            f"which are of unequal length or have missing values. {NAN_IN_GRADIENTS}, or use "
            "occlusion, which needs no gradients."
        )


def _ended(maps, panel):
    """Maps with NaN after the end of each series."""
    if not np.isnan(panel).any():
        return maps
    after_end = np.arange(panel.shape[-1]) >= lengths_of(panel)[:, np.newaxis]
    return np.where(
        after_end if maps.ndim == 2 else after_end[:, np.newaxis], np.float32("nan"), maps
    )


def _score(answers, target):
    """Centred logit of each series' target."""
    return centred(answers).gather(1, target[:, None])[:, 0]


@contextlib.contextmanager
def _differentiable(model, device):
    """Context in which a model's answers can be differentiated on a device."""
    # cuDNN has no backward for recurrent layers in eval mode, so it is off for this call only.
    no_cudnn = torch.backends.cudnn.flags(enabled=False)
    with model.on_device(device), no_cudnn, torch.inference_mode(False), torch.enable_grad():
        yield


def _in_batches(compute, model, panel, target, device, halving):
    """Each batch, or part of one that memory holds, as a slice, and what is computed of it.

    ``compute`` takes series and targets on the device, and returns a tensor.
    """
    halving = Halving() if halving is None else halving

    def computed(part):
        series, k = as_tensor(panel[part], device), torch.as_tensor(target[part], device=device)
        return compute(series, k).detach().cpu().numpy()

    for batch in batches_of_series(panel):
        yield from halving.results(computed, batch, model)
