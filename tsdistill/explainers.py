"""What each timestep did for a prediction, of teachers and students alike.

The score explained is the target's centred logit, ``c(z)_k = z_k - mean_k z`` (of
log-probabilities where a model gives no logits: the same number). Maps are signed:
positive means that the timestep speaks for the target.
"""

import contextlib
from dataclasses import dataclass

import numpy as np
import torch

from tsdistill.asking import as_tensor
from tsdistill.exceptions import ParameterError, TeacherError
from tsdistill.knowledge import Copies, ask
from tsdistill.students.local import is_local, window_answers
from tsdistill.windows import stand_in_donors

METHODS = ("occlusion", "gradient", "integrated_gradients", "autoencoder")
FILLS = ("opposing", "mean", "zero")
COPIES_A_BLOCK = 2**16
SERIES_A_BATCH = 256
BYTES_A_BATCH = 16 * 2**20
LAYERS_AT_ONCE = 32  # channels of activations for each of the series, roughly
STARTS_A_WINDOW = 3
KEPT_A_CLASS = 8
DONORS_A_TARGET = 8


def explain(
    model, panel, target, method, fills, width, *,
    fill=None, per_channel=False, device="cpu", **asked,
):  # fmt: skip
    """Maps by one of the methods that any model's answers allow.

    Parameters
    ----------
    model : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    target : ndarray of shape (n_instances,), int64
        Column to explain for each series.
    method : {"occlusion", "gradient", "integrated_gradients"}
    fills : Fills
    width : int
        Timesteps in a window of occlusion.
    fill : {"opposing", "mean", "zero", "not trained on"}, default=None
        What takes a window's place, or where gradients start from. None: "opposing" for
        occlusion, "mean" for gradients, which know no "opposing".
    per_channel, device
        As in :func:`occlusion`.
    **asked
        n_jobs, memory, verbose, as in :func:`occlusion`.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), or with per_channel \
            (n_instances, n_channels, n_timepoints), float32
    """
    shown = {"per_channel": per_channel, "device": device}
    if method == "occlusion":
        donors = fills.donors(fill or "opposing", len(model.classes_))
        return occlusion(model, panel, target, *donors, width, **shown, **asked)
    baseline = np.zeros_like(fills.mean) if fill == "zero" else fills.mean
    if method == "gradient":
        return gradient(model, panel, target, baseline[0, :, 0], **shown)
    return integrated_gradients(model, panel, target, baseline[0, :, 0], **shown)


def occlusion(
    model, panel, target, donors, donor_rows, width, *,
    per_channel=False, device="cpu", n_jobs=None, memory=None, verbose=0,
):  # fmt: skip
    """Map of what is lost when a window is replaced by the same window of donors.

    Windows of one width slide over the series, a third of their width at a time, first and
    last position included. A timestep's value is the mean loss of the target's centred logit
    over all windows that cover it, and over the donors of the target::

        E[t] = mean_{m covers t} mean_d ( c(z(x))_k - c(z(x~_{m,d}))_k )

    Parameters
    ----------
    model : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    target : ndarray of shape (n_instances,), int64
        Column to explain for each series.
    donors : ndarray of shape (n_series, n_channels, n_timepoints), float32
    donor_rows : ndarray of shape (n_classes, n_donors), int64
        Which rows of donors fill in for each target.
    width : int
        Timesteps in a window.
    per_channel : bool, default=False
        Replace one channel at a time.
    device, n_jobs, verbose
        As in :class:`~tsdistill.SaliencyDistilledClassifier`.
    memory : joblib.Memory, default=None
        As in :func:`tsdistill.knowledge.ask`.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), or with per_channel \
            (n_instances, n_channels, n_timepoints), float32
    """
    n_instances, n_channels, n_timepoints = panel.shape
    starts = sliding_starts(n_timepoints, width)
    grid = (n_channels if per_channel else 1, len(starts), donor_rows.shape[1])
    asked = {"device": device, "n_jobs": n_jobs, "memory": memory, "verbose": verbose}
    asked["title"] = "occlusion"
    maps = np.empty((n_instances, grid[0], n_timepoints), dtype=np.float32)
    block = max(1, COPIES_A_BLOCK // np.prod(grid))
    with model.on_device(device):
        for a in range(0, n_instances, block):
            series, k = panel[a : a + block], target[a : a + block]
            row, channel, start, donor = (
                axis.ravel() for axis in np.indices((len(series), *grid), sparse=False)
            )
            copies = Copies(
                series, donors, row, donor_rows[k[row], donor], starts[start], width,
                channel if per_channel else None,
            )  # fmt: skip
            without = _centred(_answers(model, copies, asked))[np.arange(len(row)), k[row]]
            score = _centred(ask(model, series, **asked | {"verbose": 0}))
            score = score[np.arange(len(series)), k].reshape(-1, 1, 1)
            lost = score - without.reshape(len(series), *grid).mean(axis=-1)
            maps[a : a + block] = _spread(lost, starts, width, n_timepoints)
    return maps if per_channel else maps[:, 0]


def _answers(model, copies, asked):
    """Log-probabilities (or logits) for copies in the order of their series."""
    network = model.logits_module
    if network is None or asked["memory"] is not None or not is_local(network):
        return ask(model, copies, **asked)
    device = asked["device"]
    size = max(1, BYTES_A_BATCH // (LAYERS_AT_ONCE * copies.panel[0].nbytes))
    answers = []
    for first in range(0, len(copies.panel), size):
        part = slice(*np.searchsorted(copies.row, [first, first + size]))
        places = [copies.row[part] - first, copies.donor[part], copies.start[part]]
        channel = None if copies.channel is None else as_tensor(copies.channel[part], device)
        answers.append(
            window_answers(
                network, as_tensor(copies.panel[first : first + size], device),
                as_tensor(copies.donors, device), *(as_tensor(p, device) for p in places),
                copies.width, channel,
            ).cpu().numpy()
        )  # fmt: skip
    answers = np.concatenate(answers)
    if not np.isfinite(answers).all():
        raise TeacherError(
            f"{model!r} answered NaN or infinity for {(~np.isfinite(answers)).any(axis=1).sum()} "
            "perturbed copies; check the size of the series' values."
        )
    return answers


def sliding_starts(n_timepoints, width):
    """Starts of overlapping windows, at most a third of a width apart, both ends included."""
    last = n_timepoints - width
    stride = max(1, width // STARTS_A_WINDOW)
    return np.unique(np.round(np.linspace(0, last, -(-last // stride) + 1)).astype(np.int64))


def _spread(lost, starts, width, n_timepoints):
    """Mean over the windows that cover a timestep, from the last axis to time."""
    since_start = np.arange(n_timepoints) - starts[:, None]
    covers = ((since_start >= 0) & (since_start < width)).astype(np.float32)
    return (lost @ covers) / covers.sum(axis=0)


def _centred(log_proba):
    return log_proba - log_proba.mean(axis=1, keepdims=True)


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
    _check_differentiable(model, "gradient")
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
        for part, series, columns in _batches(panel, target, device):
            answers = model.logits(series.clone())  # a clone may be changed in place
            slopes[part] = score_gradients(answers, columns, series).cpu().numpy()
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


def score_gradients(answers, columns, series, *, create_graph=False):
    """Gradient of each series' centred logit of its target, with respect to that series.

    Parameters
    ----------
    answers : Tensor of shape (n_instances, n_classes)
        Logits or log-probabilities that series led to.
    columns : Tensor of shape (n_instances,), int64
    series : Tensor of shape (n_instances, n_channels, n_timepoints)
    create_graph : bool, default=False
        Whether the gradient is to be differentiated again.

    Returns
    -------
    slopes : Tensor, shaped as series
    """
    score = _score(answers, columns).sum()
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
    _check_differentiable(model, "integrated_gradients")
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ImportError(
            "integrated gradients need captum: pip install captum, or tsdistill[explain]."
        ) from error
    maps = np.empty(panel.shape, dtype=np.float32)
    away = torch.as_tensor(np.asarray(baseline, dtype=np.float32)[:, np.newaxis], device=device)
    with _differentiated(model, device):
        method = IntegratedGradients(
            lambda series, columns: _score(model.logits(series.clone()), columns)
        )
        for part, series, columns in _batches(panel, target, device):
            found = method.attribute(
                series,
                baselines=away.expand_as(series),
                additional_forward_args=(columns,),
                n_steps=n_steps,
                internal_batch_size=len(series),
            )
            maps[part] = found.detach().cpu().numpy()
    return maps if per_channel else maps.sum(axis=1)


def _score(answers, columns):
    centred = answers - answers.mean(dim=1, keepdim=True)
    return centred.gather(1, columns[:, None])[:, 0]


@contextlib.contextmanager
def _differentiated(model, device):
    # cuDNN has no backward for recurrent layers in eval mode; only our call goes without it.
    with model.on_device(device), torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        yield


def _batches(panel, target, device):
    size = max(1, min(SERIES_A_BATCH, BYTES_A_BATCH // panel[0].nbytes))
    for a in range(0, len(panel), size):
        part = slice(a, a + size)
        series = as_tensor(panel[part]).to(device, copy=True).requires_grad_()
        yield part, series, torch.as_tensor(target[part], device=device)


def _check_differentiable(model, method):
    if not model.differentiable:
        raise TeacherError(
            f"method={method!r} needs a model made of torch modules, and {model!r} is a black "
            "box; use method='occlusion', which any teacher can answer."
        )


@dataclass(frozen=True)
class Fills:
    """What takes the place of a window in explanations.

    Attributes
    ----------
    series : ndarray of shape (n_kept, n_channels, n_timepoints), float32
        A few training series of each class.
    groups : ndarray of shape (n_kept,), int64
        The class of each.
    mean : ndarray of shape (1, n_channels, n_timepoints), float32
        Each channel's mean over the training series.
    trained_on_fills : bool, default=False
        Whether the student learnt from windows replaced by means or zeros, and not by series.
    """

    series: np.ndarray
    groups: np.ndarray
    mean: np.ndarray
    trained_on_fills: bool = False

    @classmethod
    def choose(cls, panel, groups, rng, n_a_class=KEPT_A_CLASS):
        """Keep a few series of each class of a panel, and its mean."""
        rows = [rng.permutation(np.flatnonzero(groups == k))[:n_a_class] for k in np.unique(groups)]
        rows = np.concatenate(rows)
        return cls(panel[rows].copy(), groups[rows], stand_in_donors(panel, "mean"))

    def opposing(self, n_classes):
        """Donors for each target: series of the other classes.

        Classes take turns, so that no other class is left out before its second series is used.

        Returns
        -------
        donors : ndarray of shape (n_kept, n_channels, n_timepoints)
        donor_rows : ndarray of shape (n_classes, n_donors), int64
        """
        groups = self.groups
        turn = np.array([np.sum(groups[:i] == group) for i, group in enumerate(groups)])
        order = np.argsort(turn, kind="stable")
        others = [order[groups[order] != target] for target in range(n_classes)]
        n_donors = min(DONORS_A_TARGET, *map(len, others))
        return self.series, np.stack([rows[:n_donors] for rows in others])

    def donors(self, fill, n_classes):
        """Donors of a kind, as :meth:`opposing` gives them.

        Parameters
        ----------
        fill : {"opposing", "mean", "zero", "not trained on"}
            The last: "mean", or "opposing" where the student learnt from windows of means.
        n_classes : int
        """
        if fill == "opposing" or (fill == "not trained on" and self.trained_on_fills):
            return self.opposing(n_classes)
        series = np.zeros_like(self.mean) if fill == "zero" else self.mean
        return series, np.zeros((n_classes, 1), dtype=np.int64)


def check_method(method, fill=None):
    """Refuse an unknown ``method``, and a ``fill`` that it does not know."""
    if method not in METHODS:
        raise ParameterError(f"method={method!r}; expected one of {', '.join(map(repr, METHODS))}.")
    known = {"occlusion": FILLS, "autoencoder": ()}.get(method, ("mean", "zero"))
    if fill is not None and fill not in known:
        raise ParameterError(
            f"fill={fill!r}; with method={method!r} expected "
            f"{', '.join([*map(repr, known), 'None'])}."
        )
