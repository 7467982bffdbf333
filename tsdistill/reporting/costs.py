"""What a model costs: its size, and the time it takes to answer."""

import io
import pickle
import time
from dataclasses import replace
from inspect import isroutine

import numpy as np
import pandas as pd

from tsdistill.numerics.random_states import global_states_kept
from tsdistill.teachers.querying import query

N_TIMED_SERIES = 256
N_TIMED, ENOUGH_SECONDS = 5, 2.0


def costs_of(models, panel, options):
    """Sizes and latencies of models, and their ratio.

    Parameters
    ----------
    models : dict of str to bound Teacher
        "teacher" and "student".
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Up to 256 of its series are asked about.
    options : QueryOptions

    Returns
    -------
    frame : pandas.DataFrame
        As the attribute ``models`` of a :class:`~tsdistill.reporting.report.FidelityReport`.
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


def n_weights(model):
    """Weights of a model made of torch modules; None of any other."""
    return None if model.module is None else sum(p.numel() for p in model.module.parameters())


def n_bytes(model):
    """Size of a model in bytes: of a torch module that of its weights, else pickled, or None."""
    if model.module is not None:
        tensors = [*model.module.parameters(), *model.module.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    models = model.model if isinstance(model.model, (list, tuple)) else [model.model]
    if any(not hasattr(one, "__dict__") or isroutine(one) for one in models):
        return None  # a pickle of a function holds its name alone
    counted = _Counter()
    try:
        pickle.dump(model.model, counted)
    except Exception:  # the model is the user's: any exception can come out of it
        return None
    return counted.n_bytes


def latency(model, series, options):
    """Median seconds of one query about some series, made in this process.

    The query is made five times, or fewer times where that takes seconds.

    Parameters
    ----------
    model : bound Teacher
    series : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    options : QueryOptions
    """
    alone = replace(options, memory=None, n_jobs=None, verbose=0)
    seconds = []
    with global_states_kept(0, options.device):
        while not seconds or (len(seconds) < N_TIMED and sum(seconds) < ENOUGH_SECONDS):
            start = time.perf_counter()
            query(model, series, alone)
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


class _Counter(io.RawIOBase):
    """Counts what is written, and keeps none of it."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def writable(self):
        return True

    def write(self, data):
        n = memoryview(data).nbytes
        self.n_bytes += n
        return n
