"""What an objective can use before training: models, series and queries to the teacher."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from torch import nn

from tsdistill.inputs.types import BoolArray, Device, Float32Array, IntArray
from tsdistill.perturbation.baselines import Baselines
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher

Result = TypeVar("Result")


class SlicedSeries(Protocol):
    """An array of series, or an object that makes such arrays a slice at a time."""

    def __len__(self) -> int:
        """Number of series."""

    def __getitem__(self, part: slice, /) -> Float32Array:
        """Series of shape (n_instances, n_channels, n_timepoints)."""


@dataclass(frozen=True)
class Preparation:
    """Teacher, student and series, as :meth:`Objective.prepare` receives them.

    Attributes
    ----------
    teacher : Teacher
        The teacher, bound to the classes.
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The training series; read-only, since they may be the user's own array.
    network : torch.nn.Module
        The student, not trained yet.
    device : str or torch.device
        Where the student trains.
    n_epochs : int
        Epochs of training.
    width : int
        Timesteps in a window.
    seed : int
        Seed of :meth:`rng`.
    options : QueryOptions
        How the teacher is queried.
    class_index : ndarray of shape (n_instances,), int64, or None
        Class index of each series: its label, or else the teacher's prediction. None in
        :meth:`Objective.check_models`, as are the three attributes that follow.
    clean : ndarray of shape (n_instances, n_classes), float32, or None
        The teacher's log-probabilities for the series.
    baselines : Baselines or None
        Series that replace windows in explanations.
    learnt_from : ndarray of shape (n_instances,), bool, or None
        True for the series that are trained on: not held out, with a weight above 0.
    worked_out : dict
        Results of :meth:`once` in the last fit on the same transfer set, by key.
    used : dict
        Results of :meth:`once` in this fit, by key.
    """

    teacher: Teacher
    panel: Float32Array
    network: nn.Module
    device: Device
    n_epochs: int
    width: int
    seed: int
    options: QueryOptions
    class_index: IntArray | None = None
    clean: Float32Array | None = None
    baselines: Baselines | None = None
    learnt_from: BoolArray | None = None
    worked_out: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    used: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def rng(self, name: str) -> np.random.Generator:
        """Return a numpy.random.Generator for the objective of this name."""
        return np.random.default_rng([self.seed, *name.encode()])

    def once(self, key: Hashable, work_out: Callable[[], Result]) -> Result:
        """Return the result of ``work_out()``, or with ``warm_start`` its result in the last fit.

        Parameters
        ----------
        key : tuple
            Everything that the result depends on, except the series and the teacher.
        work_out : callable () -> object
            Computes the result; called only if it is not known yet.
        """
        if key not in self.used:
            self.used[key] = self.worked_out[key] if key in self.worked_out else work_out()
        result: Result = self.used[key]
        return result

    def ask(self, series: SlicedSeries, title: str = "teacher") -> Float32Array:
        """Query the teacher for other series, or read its answers from ``memory``.

        Parameters
        ----------
        series : ndarray of shape (n_queries, n_channels, n_timepoints), float32, or an object \
                with a length and such arrays as slices
        title : str, default="teacher"
            Title of the progress bar.

        Returns
        -------
        log_proba : ndarray of shape (n_queries, n_classes), float32
            The teacher's log-probabilities.
        """
        log_proba: Float32Array = query(self.teacher, series, self.options, title=title)
        return log_proba
