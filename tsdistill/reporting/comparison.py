"""Answers, saliency maps and curves of teacher and student on the same series."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tsdistill.exceptions import ParameterError
from tsdistill.explainers.base import ExplainerSettings
from tsdistill.explainers.occlusion import OCCLUSION
from tsdistill.fidelity.curves import area, deletion_curve, insertion_curve
from tsdistill.fidelity.maps import random_maps
from tsdistill.fidelity.scorers import OF_ANSWERS, OF_MAPS, OF_MASKS, OF_TRUTH
from tsdistill.inputs.labels import class_indices
from tsdistill.inputs.lengths import lengths_of, to_length
from tsdistill.inputs.stored import StoredPanel
from tsdistill.inputs.types import Float32Array, IntArray, Metric
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.perturbation.baselines import Baselines
from tsdistill.perturbation.uneven import stretched
from tsdistill.teachers.chunks import in_parts
from tsdistill.teachers.fingerprint import with_fingerprint
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher

CURVE_FILLS = ("mean", "opposing")
RANDOM_ORDER = "student, random order"


def noise_like(maps, random_state):
    """Maps of normal noise, NaN where the maps are: after the end of series."""
    return np.where(np.isnan(maps), np.nan, random_maps(maps.shape, random_state))


class Comparison:
    """A teacher and its student on one panel. Answers and maps are computed once, and kept.

    Parameters
    ----------
    teacher, student : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    baselines : Baselines
        What replaces windows.
    width : int
        Length of a window, in timesteps.
    options : QueryOptions
        How both models are queried.
    """

    def __init__(
        self,
        teacher: Teacher,
        student: Teacher,
        panel: Float32Array | StoredPanel,
        baselines: Baselines,
        width: float,
        options: QueryOptions,
    ) -> None:
        self.models = {"teacher": teacher, "student": student}
        self.panel = panel
        self.baselines = baselines
        self.width = width
        self.options = options
        self._answers, self._maps = {}, {}

    @property
    def log_proba(self) -> dict[str, Float32Array]:
        """Log-probabilities of both models by name, (n_instances, n_classes) each."""
        return {name: self.answers(name) for name in self.models}

    def answers(self, name: str) -> Float32Array:
        """Log-probabilities of one model, (n_instances, n_classes)."""
        if name not in self._answers:
            self._answers[name] = self.ask(name, self.panel)
        return self._answers[name]

    @cached_property
    def target(self) -> IntArray:
        """Class index that the teacher predicts for each series, (n_instances,)."""
        return self.answers("teacher").argmax(axis=1)

    def ask(self, name, panel, title="series"):
        """Log-probabilities of one model for any panel, (n_instances, n_classes).

        Parameters
        ----------
        name : {"teacher", "student"}
        panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        title : str, default="series"
            Title of the progress bar.
        """
        with self._random_states_kept():
            return query(self.models[name], panel, self.options, title=f"{name}: {title}")

    def _random_states_kept(self):
        return global_states_kept(0, self.options.device)

    @property
    def maps(self) -> dict[str, Float32Array]:
        """Occlusion maps of both models by name, (n_instances, n_timepoints) each.

        They explain the class that the teacher predicts, with a baseline on which the student
        was not trained.
        """
        return {name: self.map_of(name) for name in self.models}

    def map_of(self, name: str) -> Float32Array:
        """Occlusion maps of one model, see :attr:`maps`."""
        if name not in self._maps:
            self._maps[name] = self.explain(self.models[name], log_proba=self.answers(name))
        return self._maps[name]

    def explain(self, model, *, per_channel=False, log_proba=None):
        """Occlusion maps of any bound teacher, see :attr:`maps`.

        Parameters
        ----------
        model : bound Teacher
        per_channel : bool, default=False
            Whether to give one map for each channel.
        log_proba : ndarray of shape (n_instances, n_classes), default=None
            The model's answers, if they are known.
        """

        def explained(series, part):
            settings = ExplainerSettings(
                self.baselines, self.width, self.baselines.untrained, per_channel, self.options,
                None if log_proba is None else log_proba[part],
            )  # fmt: skip
            return OCCLUSION.explain(model, series, self.target[part], settings)

        shape = self.panel.shape[1:] if per_channel else self.panel.shape[2:]
        with self._random_states_kept():
            return in_parts(explained, self.panel, shape)

    def curves(self, name, fill, *, inserted, maps=None):
        """Deletion or insertion curve of one model for the class that the teacher predicts.

        Parameters
        ----------
        name : {"teacher", "student"}
        fill : {"mean", "opposing"}
            The baseline: each channel's mean, or one series of another class.
        inserted : bool
            Whether to insert timesteps, instead of deleting them.
        maps : ndarray of shape (n_instances, n_timepoints), default=None
            The maps that rank the timesteps. None takes the model's own.

        Returns
        -------
        shares : ndarray of shape (n_points,)
        proba : ndarray of shape (n_instances, n_points)
        """
        if isinstance(self.panel, StoredPanel):
            maps = self.map_of(name) if maps is None else maps
            parts = [
                self.rows(np.arange(part.start, part.stop)).curves(
                    name, fill, inserted=inserted, maps=maps[part]
                )
                for part in self.panel.chunks()
            ]
            return parts[0][0], np.concatenate([proba for _, proba in parts])
        baseline = self.baselines.mean[..., :1]  # series may be longer than those of fit
        if fill == "opposing":
            series, rows = self.baselines.opposing(len(self.models[name].classes_))
            baseline = series[rows[self.target, 0]]
            if np.isnan(self.panel).any():
                baseline = stretched(baseline, lengths_of(self.panel))
                baseline = to_length(baseline, self.panel.shape[-1])
        curve = insertion_curve if inserted else deletion_curve
        return curve(
            lambda panel: self.ask(name, panel, "curve"),
            self.panel, self.map_of(name) if maps is None else maps, self.target, baseline,
        )  # fmt: skip

    def all_curves(self, random_state=0):
        """Deletion and insertion curves of both models with both baselines.

        Parameters
        ----------
        random_state : int, numpy.random.Generator or None, default=0
            For the random order.

        Returns
        -------
        curves : dict of (model, fill, kind) to (shares, proba)
            The third "model" is the student with its timesteps in random order.
        """
        noise = noise_like(self.map_of("student"), random_state)
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

    def score(
        self, metric: Metric, y: IntArray | None = None, mask: ArrayLike | None = None
    ) -> float:
        """One metric of :data:`tsdistill.fidelity.scorers.METRICS`; higher is better.

        Parameters
        ----------
        metric : str
        y : ndarray of shape (n_instances,), int64, or None
            Class indices of the true classes.
        mask : ndarray, shaped as the panel or (n_instances, n_timepoints), bool, or None
            The timesteps that show the class.
        """
        if metric in OF_ANSWERS:
            return OF_ANSWERS[metric](*self.log_proba.values())
        if metric in OF_MAPS:
            return OF_MAPS[metric](*self.maps.values())
        if metric in OF_TRUTH:
            return OF_TRUTH[metric](self.answers("student"), y)
        if metric in OF_MASKS:
            return OF_MASKS[metric](*self._map_and_mask(mask))
        inserted = metric == "insertion"
        mean_area = area(*self.curves("student", "mean", inserted=inserted)).mean()
        return float(mean_area if inserted else -mean_area)

    def _map_and_mask(self, mask):
        """The student's maps and the mask; a map for each channel if the mask has several."""
        mask, (n, n_channels, n_timepoints) = np.asarray(mask), self.panel.shape
        if mask.shape not in ((n, n_timepoints), self.panel.shape) or mask.dtype != bool:
            raise ParameterError(
                f"mask has shape {mask.shape} of {mask.dtype}; expected a boolean array of shape "
                f"{(n, n_timepoints)} or {(n, n_channels, n_timepoints)}."
            )
        if mask.ndim == 2 or n_channels == 1:
            return self.map_of("student"), mask.reshape(n, n_timepoints)
        maps = self.explain(
            self.models["student"], per_channel=True, log_proba=self.answers("student")
        )
        return maps, mask

    def knowing(
        self, name: str, answers: Float32Array, maps: Float32Array | None = None
    ) -> Comparison:
        """The comparison with answers, and perhaps maps, of one model that are known already.

        Parameters
        ----------
        name : {"teacher", "student"}
        answers : ndarray of shape (n_instances, n_classes)
            Log-probabilities.
        maps : ndarray of shape (n_instances, n_timepoints), default=None
            See :attr:`maps`.
        """
        known = self.rows(slice(None))
        known._answers[name] = answers
        if maps is not None:
            known._maps[name] = maps
        return known

    def rows(self, rows: IntArray) -> Comparison:
        """The comparison on some of the series, with answers and maps that are known already."""
        lazy = isinstance(self.panel, StoredPanel) and isinstance(rows, slice)
        panel = self.panel.part(rows) if lazy else self.panel[rows]
        part = Comparison(*self.models.values(), panel, self.baselines, self.width, self.options)
        part._answers = {name: answers[rows] for name, answers in self._answers.items()}
        part._maps = {name: maps[rows] for name, maps in self._maps.items()}
        return part

    @cached_property
    def n_left_out(self) -> int:
        """Number of series for which the teacher predicts a class that the student lacks."""
        teacher = self.models["teacher"]
        if not teacher.left_out:
            return 0
        some = self.panel[:16] if isinstance(self.panel, StoredPanel) else self.panel
        with self._random_states_kept():
            teacher_of_all = teacher.whole(some)
            teacher_of_all = with_fingerprint(teacher_of_all, self.baselines.series, self.options)
            answers = query(teacher_of_all, self.panel, self.options, title="teacher: all classes")
        left_out, _ = class_indices(teacher.left_out, teacher_of_all.classes_)
        return int(np.isin(answers.argmax(axis=1), left_out).sum())
