"""Teacher and student asked about the same series: answers, maps, curves, sizes, latencies."""

import contextlib
import io
import pickle
import time
from functools import cached_property
from inspect import isroutine

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.explainers import explain
from tsdistill.fidelity import area, deletion_curve, insertion_curve, random_maps, scorers
from tsdistill.knowledge import ask
from tsdistill.panels import label_positions
from tsdistill.randomness import global_states_kept

CURVE_FILLS = ("mean", "opposing")
RANDOM_ORDER = "student, random order"
N_TIMED, ENOUGH_SECONDS = 5, 2.0


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
        self._answers, self._maps = {}, {}

    @property
    def log_proba(self):
        """Log-probabilities of both, {"teacher", "student"} to (n_instances, n_classes)."""
        return {name: self.answers(name) for name in self.models}

    def answers(self, name):
        """Log-probabilities of one model, (n_instances, n_classes)."""
        if name not in self._answers:
            self._answers[name] = self.ask(name, self.panel)
        return self._answers[name]

    @cached_property
    def target(self):
        """Column that the teacher predicts for each series, (n_instances,)."""
        return self.answers("teacher").argmax(axis=1)

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
        with self._kept(model) as asked:
            return ask(model, panel, title=f"{name}: {title}", **asked)

    @contextlib.contextmanager
    def _kept(self, model):
        """How to ask a model, in a context that puts the global random states back."""
        asked = self._asked(model)
        with global_states_kept(0, asked["device"]):
            yield asked

    @property
    def maps(self):
        """Occlusion maps of both for the teacher's class, (n_instances, n_timepoints) each.

        By fills that the student was not trained on.
        """
        return {name: self.map_of(name) for name in self.models}

    def map_of(self, name):
        """Occlusion maps of one model, as :attr:`maps` has them."""
        if name not in self._maps:
            self._maps[name] = self.explain(self.models[name])
        return self._maps[name]

    def explain(self, model, per_channel=False):
        """Occlusion maps of a bound teacher, as :attr:`maps` has them, or one a channel."""
        with self._kept(model) as asked:
            return explain(
                model, self.panel, self.target, "occlusion", self.fills, self.width,
                fill="not trained on", per_channel=per_channel, **asked,
            )  # fmt: skip

    def curves(self, name, fill, *, inserted, maps=None):
        """Deletion or insertion curve of one model for the teacher's class.

        Parameters
        ----------
        name : {"teacher", "student"}
        fill : {"mean", "opposing"}
            Each channel's mean, or one series of another class.
        inserted : bool
        maps : ndarray of shape (n_instances, n_timepoints), default=None
            Whose order is followed; None takes the model's own.

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
            self.panel, self.map_of(name) if maps is None else maps, self.target, donors,
        )  # fmt: skip

    def all_curves(self, random_state=0):
        """Curves of both models by both fills, both deletion and insertion.

        Parameters
        ----------
        random_state : int, numpy.random.Generator or None, default=0
            Of the random order.

        Returns
        -------
        curves : dict of (model, fill, kind) to (shares, proba)
            The third "model" is the student with timesteps in random order.
        """
        noise = random_maps(self.map_of("student").shape, random_state)
        orders = {"teacher": None, "student": None, RANDOM_ORDER: noise}
        return {
            (order, fill, kind): self.curves(
                "teacher" if order == "teacher" else "student",
                fill, inserted=kind == "insertion", maps=maps,
            )
            for kind in ("deletion", "insertion")
            for order, maps in orders.items()
            for fill in CURVE_FILLS
        }  # fmt: skip

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
            return scorers.OF_TRUTH[metric](self.answers("student"), y)
        if metric in scorers.OF_MASKS:
            return scorers.OF_MASKS[metric](*self._map_and_mask(mask))
        inserted = metric == "insertion"
        found = area(*self.curves("student", "mean", inserted=inserted)).mean()
        return float(found if inserted else -found)

    def _map_and_mask(self, mask):
        """The student's map for the teacher's class, a channel's own where the mask is."""
        mask, (n, n_channels, n_timepoints) = np.asarray(mask), self.panel.shape
        if mask.shape not in ((n, n_timepoints), self.panel.shape) or mask.dtype != bool:
            raise ParameterError(
                f"mask has shape {mask.shape} of {mask.dtype}; expected bool of shape "
                f"{(n, n_timepoints)} or {(n, n_channels, n_timepoints)}."
            )
        if mask.ndim == 2 or n_channels == 1:
            return self.map_of("student"), mask.reshape(n, n_timepoints)
        return self.explain(self.models["student"], per_channel=True), mask

    def rows(self, rows):
        """The comparison on some of the series; what both answered is kept."""
        part = Comparison(*self.models.values(), self.panel[rows], self.fills, self.width,
                          self._asked)  # fmt: skip
        part._answers = {name: answers[rows] for name, answers in self._answers.items()}
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
        models = self.models[name].model
        each = models if isinstance(models, (list, tuple)) else [models]
        if any(not hasattr(model, "__dict__") or isroutine(model) for model in each):
            return None  # of a function a pickle holds the name alone
        counted = _Counter()
        try:
            pickle.dump(models, counted)
        except Exception:  # the model is the user's: anything can come out of it
            return None
        return counted.n_bytes

    def latency(self, name, n_series):
        """Median seconds of one question about some of the series, asked in this process.

        Asked five times, or less often where that takes seconds.

        Parameters
        ----------
        name : {"teacher", "student"}
        n_series : int
            Series in the question.
        """
        model = self.models[name]
        seconds = []
        with self._kept(model) as asked:
            asked |= {"memory": None, "n_jobs": None, "verbose": 0}
            while not seconds or (len(seconds) < N_TIMED and sum(seconds) < ENOUGH_SECONDS):
                start = time.perf_counter()
                ask(model, self.panel[:n_series], **asked)
                seconds.append(time.perf_counter() - start)
        return float(np.median(seconds))

    @cached_property
    def n_left_out(self):
        """Series for which the teacher, asked freely, names a class that the student lacks."""
        teacher = self.models["teacher"]
        if not teacher.left_out:
            return 0
        with self._kept(teacher):
            whole = teacher.whole(self.panel)
        with self._kept(whole) as asked:
            answers = ask(whole, self.panel, title="teacher: all classes", **asked)
        told = answers.argmax(axis=1)
        return int(np.isin(told, label_positions(teacher.left_out, whole.classes_)[0]).sum())


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
