"""Teacher and student asked about the same series: answers, maps, curves, sizes, latencies."""

import io
import pickle
import time
from functools import cached_property

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.explainers import explain
from tsdistill.fidelity import area, deletion_curve, insertion_curve, scorers
from tsdistill.knowledge import ask

CURVE_FILLS = ("mean", "opposing")
N_TIMED = 5


class Comparison:
    """A teacher and its student on one panel. Neither is asked the same thing twice.

    Parameters
    ----------
    teacher, student : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    fills : Fills
        What takes the place of windows.
    width : int
        Timesteps in a window.
    asked : callable Teacher -> dict
        device, n_jobs, memory, verbose for :func:`tsdistill.knowledge.ask`.
    """

    def __init__(self, teacher, student, panel, fills, width, asked):
        self.models = {"teacher": teacher, "student": student}
        self.panel = panel
        self.fills = fills
        self.width = width
        self._asked = asked

    @cached_property
    def log_proba(self):
        """Log-probabilities of both, {"teacher", "student"} to (n_instances, n_classes)."""
        return {name: self.ask(name, self.panel) for name in self.models}

    @cached_property
    def target(self):
        """Column that the teacher predicts for each series, (n_instances,)."""
        return self.log_proba["teacher"].argmax(axis=1)

    def ask(self, name, panel, title="series"):
        """Log-probabilities of one model, (n_instances, n_classes).

        Parameters
        ----------
        name : {"teacher", "student"}
        panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        title : str
            Of the progress bar.
        """
        model = self.models[name]
        return ask(model, panel, title=f"{name}: {title}", **self._asked(model))

    @cached_property
    def maps(self):
        """Occlusion maps of both for the teacher's class, (n_instances, n_timepoints) each.

        By fills that the student was not trained on.
        """
        return {name: self.explain(model) for name, model in self.models.items()}

    def explain(self, model):
        """Occlusion maps of a bound teacher, as :attr:`maps` has them."""
        return explain(
            model, self.panel, self.target, "occlusion", self.fills, self.width,
            fill="not trained on", **self._asked(model),
        )  # fmt: skip

    def curves(self, name, fill, *, inserted):
        """Deletion or insertion curve of one model, by its own map for the teacher's class.

        Parameters
        ----------
        name : {"teacher", "student"}
        fill : {"mean", "opposing"}
            Each channel's mean, or one series of another class.
        inserted : bool

        Returns
        -------
        shares : ndarray of shape (n_points,)
        proba : ndarray of shape (n_instances, n_points)
        """
        donors = self.fills.mean
        if fill == "opposing":
            series, rows = self.fills.opposing(len(self.models[name].classes_))
            donors = series[rows[self.target, 0]]
        curve = insertion_curve if inserted else deletion_curve
        return curve(
            lambda panel: self.ask(name, panel, "curve"),
            self.panel, self.maps[name], self.target, donors,
        )  # fmt: skip

    def all_curves(self):
        """Curves of both models by both fills, both deletion and insertion.

        Returns
        -------
        curves : dict of (model, fill, kind) to (shares, proba)
        """
        return {
            (name, fill, kind): self.curves(name, fill, inserted=kind == "insertion")
            for kind in ("deletion", "insertion")
            for name in self.models
            for fill in CURVE_FILLS
        }

    def score(self, metric, y=None, mask=None):
        """One metric of :data:`tsdistill.fidelity.scorers.METRICS`; higher is better.

        Parameters
        ----------
        metric : str
        y : ndarray of shape (n_instances,), int64, or None
            Columns of the true classes.
        mask : ndarray, shaped as the panel or (n_instances, n_timepoints), bool, or None
            Where the truth lies.
        """
        if metric in scorers.OF_ANSWERS:
            return scorers.OF_ANSWERS[metric](*self.log_proba.values())
        if metric in scorers.OF_MAPS:
            return scorers.OF_MAPS[metric](*self.maps.values())
        if metric in scorers.OF_TRUTH:
            return scorers.OF_TRUTH[metric](self.log_proba["student"], y)
        if metric in scorers.OF_MASKS:
            return scorers.OF_MASKS[metric](self.maps["student"], self._mask_of_time(mask))
        inserted = metric == "insertion"
        found = area(*self.curves("student", "mean", inserted=inserted)).mean()
        return float(found if inserted else -found)

    def _mask_of_time(self, mask):
        mask, (n, n_channels, n_timepoints) = np.asarray(mask), self.panel.shape
        if mask.shape not in ((n, n_timepoints), self.panel.shape) or mask.dtype != bool:
            raise ParameterError(
                f"mask has shape {mask.shape} of {mask.dtype}; expected bool of shape "
                f"{(n, n_timepoints)} or {(n, n_channels, n_timepoints)}."
            )
        return mask.any(axis=1) if mask.ndim == 3 else mask

    def rows(self, rows):
        """The comparison on some of the series; what both answered is kept."""
        part = Comparison(*self.models.values(), self.panel[rows], self.fills, self.width,
                          self._asked)  # fmt: skip
        part.log_proba = {name: answers[rows] for name, answers in self.log_proba.items()}
        return part

    def n_weights(self, name):
        """Weights of a model made of torch modules; None of any other."""
        module = self.models[name].module
        return None if module is None else sum(p.numel() for p in module.parameters())

    def n_bytes(self, name):
        """Size of a model in bytes: of a torch module its weights, else pickled, or None."""
        module = self.models[name].module
        if module is not None:
            tensors = [*module.parameters(), *module.buffers()]
            return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        counted = _Counter()
        try:
            pickle.dump(self.models[name].model, counted)
        except Exception:  # the model is the user's: anything can come out of it
            return None
        return counted.n_bytes

    def latency(self, name, n_series):
        """Median seconds of one question about some of the series, asked in this process.

        Parameters
        ----------
        name : {"teacher", "student"}
        n_series : int
            Series in the question.
        """
        model = self.models[name]
        asked = self._asked(model) | {"memory": None, "n_jobs": None, "verbose": 0}
        seconds = []
        for _ in range(N_TIMED):
            start = time.perf_counter()
            ask(model, self.panel[:n_series], **asked)
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
