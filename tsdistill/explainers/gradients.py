"""Gradients, and gradients integrated from a baseline."""

import contextlib

import numpy as np
import torch

from tsdistill.exceptions import TeacherError
from tsdistill.explainers.base import Explainer
from tsdistill.numerics.batches import batches_of_series
from tsdistill.numerics.logits import centred
from tsdistill.numerics.tensors import as_tensor


def explain_by_gradient(model, panel, target, settings):
    """Maps by the gradient, as an :class:`~tsdistill.explainers.base.Explainer` gives them."""
    return gradient(model, panel, target, **_from(settings))


def explain_by_integrated_gradients(model, panel, target, settings):
    """Maps by integrated gradients, as an Explainer gives them."""
    return integrated_gradients(model, panel, target, **_from(settings))


def _from(settings):
    """Baseline of each channel, and how maps are shown, as the functions below take them."""
    mean = settings.baselines.mean[0, :, 0]
    return {
        "baseline": np.zeros_like(mean) if settings.fill == "zero" else mean,
        "per_channel": settings.per_channel,
        "device": settings.options.device,
    }


GRADIENT = Explainer("gradient", explain_by_gradient, fills=("mean", "zero"), needs_gradients=True)
INTEGRATED_GRADIENTS = Explainer(
    "integrated_gradients",
    explain_by_integrated_gradients,
    fills=("mean", "zero"),
    needs_gradients=True,
)


def gradient(model, panel, target, baseline, *, per_channel=False, device="cpu"):
    """First-order estimate of what a timestep does: gradient times distance to a baseline.

    ::

        E[c, t] = (x[c, t] - baseline[c]) * d c(z(x))_k / d x[c, t]

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target, per_channel, device
        As in :func:`occlusion`.
    baseline : ndarray of shape (n_channels,)
        The training mean of each channel.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), summed over channels, or with \
            per_channel (n_instances, n_channels, n_timepoints), float32

    Raises
    ------
    TeacherError
        If the model is a black box.
    """
    maps = input_gradients(model, panel, target, device=device)
    maps *= panel - np.asarray(baseline, dtype=np.float32)[:, np.newaxis]
    return maps if per_channel else maps.sum(axis=1)


def input_gradients(model, panel, target, *, device="cpu"):
    """Gradient of the target's centred logit with respect to the series.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target, device
        As in :func:`occlusion`.

    Returns
    -------
    slopes : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    """
    slopes = np.empty(panel.shape, dtype=np.float32)
    with _differentiated(model, device):
        for part, series, k in _batches(panel, target, device):
            answers = model.logits(series.clone())  # a clone may be changed in place
            slopes[part] = score_gradients(answers, k, series).cpu().numpy()
    return slopes


def check_gradients(model, panel, device="cpu"):
    """Refuse a model of torch modules that cuts the way from its answers to the series.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Two series are tried.
    device : str or torch.device, default="cpu"

    Raises
    ------
    TeacherError
    """
    try:
        input_gradients(model, panel[:2], np.zeros(len(panel[:2]), dtype=np.int64), device=device)
    except RuntimeError as error:
        raise TeacherError(
            f"{model!r} gives no gradients by the series, as if parts of it ran under no_grad or "
            f"detached: {error}. Occlusion explains any model."
        ) from error


def score_gradients(answers, target, series, *, create_graph=False):
    """Gradient of each series' centred logit of its target, with respect to that series.

    Parameters
    ----------
    answers : Tensor of shape (n_instances, n_classes)
        Logits or log-probabilities that series led to.
    target : Tensor of shape (n_instances,), int64
        Class indices.
    series : Tensor of shape (n_instances, n_channels, n_timepoints)
    create_graph : bool, default=False
        Whether the gradient is to be differentiated again.

    Returns
    -------
    slopes : Tensor, shaped as series
    """
    score = _score(answers, target).sum()
    return torch.autograd.grad(score, series, create_graph=create_graph)[0]


def integrated_gradients(
    model, panel, target, baseline, *, n_steps=50, per_channel=False, device="cpu"
):
    """Gradients gathered on the way from a baseline to the series, by captum.

    ::

        E[c, t] = (x[c, t] - b[c]) * int_0^1 d c(z(b + a (x - b)))_k / d x[c, t] da

    A map adds up to the difference that the series makes to the baseline, but for the error of
    the ``n_steps`` of the integral. Memory does not grow with the number of series or steps.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target, per_channel, device
        As in :func:`occlusion`.
    baseline : ndarray of shape (n_channels,)
        The training mean of each channel.
    n_steps : int, default=50

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), summed over channels, or with \
            per_channel (n_instances, n_channels, n_timepoints), float32

    Raises
    ------
    TeacherError
        If the model is a black box.
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
            "integrated gradients need captum: pip install captum, or tsdistill[explain]."
        ) from error
    maps = np.empty(panel.shape, dtype=np.float32)
    away = torch.as_tensor(np.asarray(baseline, dtype=np.float32)[:, np.newaxis], device=device)
    with _differentiated(model, device):
        method = IntegratedGradients(lambda series, k: _score(model.logits(series.clone()), k))
        for part, series, k in _batches(panel, target, device):
            found = method.attribute(
                series,
                baselines=away.expand_as(series),
                additional_forward_args=(k,),
                n_steps=n_steps,
                internal_batch_size=len(series),
            )
            maps[part] = found.detach().cpu().numpy()
    return maps if per_channel else maps.sum(axis=1)


def _score(answers, target):
    return centred(answers).gather(1, target[:, None])[:, 0]


@contextlib.contextmanager
def _differentiated(model, device):
    # cuDNN has no backward for recurrent layers in eval mode; only our call goes without it.
    with model.on_device(device), torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        yield


def _batches(panel, target, device):
    """Batches as slices, with the series and targets of each on the device."""
    for part in batches_of_series(panel):
        series = as_tensor(panel[part]).to(device, copy=True).requires_grad_()
        yield part, series, torch.as_tensor(target[part], device=device)
