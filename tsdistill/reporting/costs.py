"""Costs of a model: its size, and the latency of its answers."""

import io
import pickle
import time
from dataclasses import replace
from inspect import isroutine
from typing import Any

import numpy as np
import pandas as pd

from tsdistill.inputs.checks import as_list
from tsdistill.inputs.types import Float32Array
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.students.rounding import rounding_of
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher

N_TIMED_SERIES = 256
N_TIMED, ENOUGH_SECONDS = 5, 2.0


def costs_of(models, panel, options):
    """Sizes and latencies of models, and their ratio.

    Parameters
    ----------
    models : dict of str to bound Teacher
        "teacher" and "student".
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The first 256 series, at most, are used.
    options : QueryOptions

    Returns
    -------
    frame : pandas.DataFrame
        The attribute ``models`` of a :class:`~tsdistill.reporting.report.FidelityReport`.
    """
    n = min(N_TIMED_SERIES, len(panel))
    rows = {
        name: {
            "weights": n_weights(model),
            "megabytes": None if (size := n_bytes(model)) is None else size / 1e6,
            "ms_one_series": 1e3 * latency(model, panel[:1], options),
            "ms_per_series": 1e3 * latency(model, panel[:n], options) / n,
        }
        for name, model in models.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").astype(float)
    frame.loc["teacher / student"] = frame.loc["teacher"] / frame.loc["student"]
    frame.index.name = "model"
    return frame


def n_weights(model: Any) -> int | None:
    """Number of weights of a torch model; None for any other model."""
    return None if model.module is None else sum(p.numel() for p in model.module.parameters())


def n_bytes(model: Any) -> int | None:
    """Size of a model in bytes: a torch model's weights, or the pickled model; None if unknown."""
    if model.module is not None:
        rounding = rounding_of(model.module)
        if rounding is not None:
            others = [t for k, t in model.module.state_dict().items() if k not in rounding.codes]
            return rounding.n_bytes + sum(t.numel() * t.element_size() for t in others)
        tensors = [*model.module.parameters(), *model.module.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    models = as_list(model.model)
    if any(not hasattr(one, "__dict__") or isroutine(one) for one in models):
        return None  # a pickled function is only its name
    counted = _Counter()
    try:
        pickle.dump(model.model, counted)
    except Exception:  # a user's model may raise anything
        return None
    return counted.n_bytes


def latency(model: Teacher, series: Float32Array, options: QueryOptions) -> float:
    """Median duration of a query for some series in this process, in seconds.

    The query is repeated five times, or fewer times if it takes seconds.

    Parameters
    ----------
    model, series, options
        See :func:`durations`.
    """
    return float(np.median(durations(model, series, options, N_TIMED)))


def durations(model, series, options, n_timed):
    """Durations of queries for some series in this process, in seconds.

    Parameters
    ----------
    model : bound Teacher
    series : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    options : QueryOptions
    n_timed : int
        Number of queries; fewer if they take seconds.

    Returns
    -------
    seconds : list of float
    """
    uncached = replace(options, memory=None, n_jobs=1, verbose=0)
    seconds = []
    with global_states_kept(0, options.device):
        while not seconds or (len(seconds) < n_timed and sum(seconds) < ENOUGH_SECONDS):
            start = time.perf_counter()
            query(model, series, uncached)
            seconds.append(time.perf_counter() - start)
    return seconds


class _Counter(io.RawIOBase):
    """A file that counts the bytes written to it, and keeps none."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def writable(self):
        return True

    def write(self, data):
        n = memoryview(data).nbytes
        self.n_bytes += n
        return n
