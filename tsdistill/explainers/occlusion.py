"""Occlusion: the loss of the score when a window is replaced by a baseline."""

from __future__ import annotations

import dataclasses

import numpy as np

from tsdistill.exceptions import TeacherError
from tsdistill.explainers.base import Explainer
from tsdistill.inputs.lengths import lengths_of
from tsdistill.inputs.types import Float32Array, IntArray
from tsdistill.numerics.batches import batches, rows_that_fit
from tsdistill.numerics.logits import centred
from tsdistill.numerics.tensors import as_tensor
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.perturbation.uneven import stretched, widths_of
from tsdistill.students.receptive_field import is_local, window_answers
from tsdistill.teachers.bound import BoundTeacher, failures_named
from tsdistill.teachers.querying import QueryOptions, is_cached, query

COPIES_A_BLOCK = 2**16
LAYERS_AT_ONCE = 32  # rough size of a series' activations, in series
STARTS_A_WINDOW = 3


def explain_by_occlusion(model, panel, target, settings):
    """The ``explain`` function of the occlusion :class:`~tsdistill.explainers.base.Explainer`."""
    donors = settings.baselines.donors(settings.fill or "opposing", len(model.classes_))
    return occlusion(
        model, panel, target, *donors, settings.width, per_channel=settings.per_channel,
        options=settings.options, log_proba=settings.log_proba,
    )  # fmt: skip


OCCLUSION = Explainer(
    "occlusion", explain_by_occlusion, fills=("opposing", "mean", "zero"), takes_uneven=True
)


def occlusion(
    model: BoundTeacher,
    panel: Float32Array,
    target: IntArray,
    donors: Float32Array,
    donor_rows: IntArray,
    width: float,
    *,
    per_channel: bool = False,
    options: QueryOptions | None = None,
    log_proba: Float32Array | None = None,
) -> Float32Array:
    """Loss of the target's centred logit when a window is replaced by the same window of donors.

    Windows of one width slide over the series, a third of their width at a time, from the first
    timestep to the last. The value of a timestep is the mean loss over all windows that cover it
    and over all donors of the target::

        E[t] = mean_{m covers t} mean_d ( c(z(x))_k - c(z(x~_{m,d}))_k )

    Parameters
    ----------
    model : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    target : ndarray of shape (n_instances,), int64
        Class index to explain for each series.
    donors : ndarray of shape (n_series, n_channels, n_timepoints), float32
    donor_rows : ndarray of shape (n_classes, n_donors), int64
        Rows of ``donors`` that replace windows, for each target.
    width : int or float
        Timesteps in a window; a float is a share of each series' own length, for series of
        unequal length.
    per_channel : bool, default=False
        Replace one channel at a time, and give one map per channel.
    options : QueryOptions, default=None
    log_proba : ndarray of shape (n_instances, n_classes), default=None
        The model's answers for the panel; None queries the model.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), or with per_channel \
            (n_instances, n_channels, n_timepoints), float32
        NaN after the end of each series.
    """
    options = QueryOptions() if options is None else options
    settings = {"per_channel": per_channel, "options": options, "log_proba": log_proba}
    if isinstance(width, float) or np.isnan(panel).any() or np.isnan(donors).any():
        return _of_each_length(model, panel, target, donors, donor_rows, width, **settings)
    return _of_one_length(model, panel, target, donors, donor_rows, width, **settings)


def _of_one_length(
    model, panel, target, donors, donor_rows, width, *, per_channel, options, log_proba
):
    """Occlusion of series that all end at the last timestep of the panel."""
    silent = dataclasses.replace(options, verbose=0)
    n_instances, n_channels, n_timepoints = panel.shape
    starts = sliding_starts(n_timepoints, width)
    grid = (n_channels if per_channel else 1, len(starts), donor_rows.shape[1])
    maps = np.empty((n_instances, grid[0], n_timepoints), dtype=np.float32)
    with model.on_device(options.device):
        for part in batches(n_instances, max(1, COPIES_A_BLOCK // np.prod(grid))):
            series, k = panel[part], target[part]
            row, channel, start, donor = (
                axis.ravel() for axis in np.indices((len(series), *grid), sparse=False)
            )
            copies = PerturbedCopies(
                series, donors, row, donor_rows[k[row], donor], starts[start], width,
                channel if per_channel else None,
            )  # fmt: skip
            without = centred(_query_copies(model, copies, options))[np.arange(len(row)), k[row]]
            answers = log_proba[part] if log_proba is not None else query(model, series, silent)
            score = centred(answers)[np.arange(len(series)), k].reshape(-1, 1, 1)
            lost = score - without.reshape(len(series), *grid).mean(axis=-1)
            maps[part] = _spread(lost, starts, width, n_timepoints)
    return maps if per_channel else maps[:, 0]


def _of_each_length(model, panel, target, donors, donor_rows, width, *, log_proba, **settings):
    """Occlusion of series of unequal length: of those of one length at a time."""
    lengths = lengths_of(panel)
    n_maps = panel.shape[1] if settings["per_channel"] else 1
    maps = np.full((len(panel), n_maps, panel.shape[-1]), np.nan, dtype=np.float32)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        of_rows = _of_one_length(
            model, panel[rows, :, :length], target[rows], stretched(donors, length), donor_rows,
            int(widths_of(width, length)),
            log_proba=None if log_proba is None else log_proba[rows], **settings,
        )  # fmt: skip
        maps[rows, :, :length] = of_rows.reshape(len(rows), n_maps, length)
    return maps if settings["per_channel"] else maps[:, 0]


def _query_copies(model, copies, options):
    """Log-probabilities or logits for copies, which are sorted by the rows of their series."""
    network = model.logits_module
    if network is None or is_cached(model, options) or not is_local(network):
        return query(model, copies, options, title="occlusion")
    series, device = copies.panel, options.device

    def answers_of(part):
        chosen = slice(*np.searchsorted(copies.row, [part.start, part.stop]))
        places = [copies.row[chosen] - part.start, copies.donor[chosen], copies.start[chosen]]
        channel = None if copies.channel is None else as_tensor(copies.channel[chosen], device)
        return window_answers(
            network, as_tensor(series[part], device),
            as_tensor(copies.donors, device), *(as_tensor(p, device) for p in places),
            copies.width, channel,
        ).cpu().numpy()  # fmt: skip

    answers = []
    with failures_named(model, series):
        for batch in batches(len(series), rows_that_fit(LAYERS_AT_ONCE * series[0].nbytes)):
            answers += [found for _, found in options.halving.results(answers_of, batch, model)]
    answers = np.concatenate(answers)
    if not np.isfinite(answers).all():
        raise TeacherError(
            f"{model!r} answered NaN or infinity for {(~np.isfinite(answers)).any(axis=1).sum()} "
            "perturbed copies; check that the values of the series are of moderate size."
        )
    return answers


def sliding_starts(n_timepoints: int, width: int) -> IntArray:
    """Starts of windows at most a third of ``width`` apart, that cover both ends of the series."""
    last = n_timepoints - width
    stride = max(1, width // STARTS_A_WINDOW)
    return np.unique(np.round(np.linspace(0, last, -(-last // stride) + 1)).astype(np.int64))


def _spread(lost, starts, width, n_timepoints):
    """Average the windows (last axis) that cover each timestep; the last axis becomes time."""
    since_start = np.arange(n_timepoints) - starts[:, None]
    covers = ((since_start >= 0) & (since_start < width)).astype(np.float32)
    return (lost @ covers) / covers.sum(axis=0)
