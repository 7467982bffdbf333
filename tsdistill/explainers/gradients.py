"""Explanations by gradients, and by gradients integrated from a baseline."""

import contextlib

import numpy as np
import torch

from tsdistill.exceptions import TeacherError
from tsdistill.explainers.base import Explainer
from tsdistill.numerics.batches import batches_of_series
from tsdistill.numerics.logits import centred
from tsdistill.numerics.tensors import as_tensor


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
    }


GRADIENT = Explainer("gradient", explain_by_gradient, fills=("mean", "zero"), needs_gradients=True)
INTEGRATED_GRADIENTS = Explainer(
    "integrated_gradients",
    explain_by_integrated_gradients,
    fills=("mean", "zero"),
    needs_gradients=True,
)


def gradient(model, panel, target, baseline, *, per_channel=False, device="cpu"):
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
    """Gradient of a model's centred logit of the target, with respect to the series.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel, target
        As in :func:`~tsdistill.explainers.occlusion.occlusion`.
    device : str or torch.device, default="cpu"
        Where the model runs.

    Returns
    -------
    slopes : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    """
    slopes = np.empty(panel.shape, dtype=np.float32)
    with _differentiable(model, device):
        for part, series, k in _batches(panel, target, device):
            answers = model.logits(series.clone())  # the module may change its input in place
            slopes[part] = score_gradients(answers, k, series).cpu().numpy()
    return slopes


def check_gradients(model, panel, device="cpu"):
    """Check that a model's answers can be differentiated with respect to the series.

    Parameters
    ----------
    model : bound Teacher, differentiable
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The first two series are tried.
    device : str or torch.device, default="cpu"

    Raises
    ------
    TeacherError
        If no gradient reaches the series.
    """
    try:
        input_gradients(model, panel[:2], np.zeros(len(panel[:2]), dtype=np.int64), device=device)
    except RuntimeError as error:
        raise TeacherError(
            f"{model!r} gives no gradients with respect to the series: {error}. Check that no part "
            "of it runs under no_grad or detaches; or use occlusion, which works for any model."
        ) from error


def score_gradients(answers, target, series, *, create_graph=False):
    """Gradient of the target's centred logit, with respect to each series.

    Parameters
    ----------
    answers : Tensor of shape (n_instances, n_classes)
        Logits or log-probabilities for ``series``, with their graph.
    target : Tensor of shape (n_instances,), int64
        Class indices.
    series : Tensor of shape (n_instances, n_channels, n_timepoints)
    create_graph : bool, default=False
        Whether the gradient can be differentiated again.

    Returns
    -------
    slopes : Tensor, shaped as series
    """
    score = _score(answers, target).sum()
    return torch.autograd.grad(score, series, create_graph=create_graph)[0]


def integrated_gradients(
    model, panel, target, baseline, *, n_steps=50, per_channel=False, device="cpu"
):
    """Gradients integrated along the line from a baseline to the series, by captum.

    ::

        E[c, t] = (x[c, t] - b[c]) * int_0^1 d c(z(b + a (x - b)))_k / d x[c, t] da

    A map adds up to the score of the series minus the score of the baseline, up to the error of
    integration in ``n_steps``. Memory use does not grow with the number of series or steps.

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
            "integrated gradients need captum: pip install captum, or pip install "
            "'tsdistill[explain]'."
        ) from error
    maps = np.empty(panel.shape, dtype=np.float32)
    start = torch.as_tensor(np.asarray(baseline, dtype=np.float32)[:, np.newaxis], device=device)
    with _differentiable(model, device):
        method = IntegratedGradients(lambda series, k: _score(model.logits(series.clone()), k))
        for part, series, k in _batches(panel, target, device):
            attributions = method.attribute(
                series,
                baselines=start.expand_as(series),
                additional_forward_args=(k,),
                n_steps=n_steps,
                internal_batch_size=len(series),
            )
            maps[part] = attributions.detach().cpu().numpy()
    return maps if per_channel else maps.sum(axis=1)


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


def _batches(panel, target, device):
    """Each batch as a slice, its series (which require gradients) and its targets on the device."""
    for part in batches_of_series(panel):
        series = as_tensor(panel[part]).to(device, copy=True).requires_grad_()
        yield part, series, torch.as_tensor(target[part], device=device)
