"""What an objective may look at, and ask the teacher, before training."""

from dataclasses import dataclass, field

import numpy as np
from torch import nn

from tsdistill.perturbation.baselines import Baselines
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher


@dataclass(frozen=True)
class Preparation:
    """Teacher, student and series, as :meth:`Objective.prepare` sees them.

    Attributes
    ----------
    teacher : Teacher
        Bound to the classes.
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The training series, read-only: they may be the user's own array.
    network : torch.nn.Module
        The student, not trained yet.
    device : str or torch.device
        Where the student trains.
    n_epochs : int
    width : int
        Timesteps in a window.
    seed : int
    options : QueryOptions
        How the teacher is queried.
    class_index : ndarray of shape (n_instances,), int64, or None
        The class of each series: its label, or else the teacher's answer. None in
        ``check_models``, as all that follow.
    clean : ndarray of shape (n_instances, n_classes), float32, or None
        The teacher's log-probabilities for the series.
    baselines : Baselines or None
        What explanations replace windows by.
    learnt_from : ndarray of shape (n_instances,), bool, or None
        The series that are trained on: not held out, and of a weight above 0.
    worked_out : dict
        What :meth:`once` gave in the last fit on the same transfer set.
    used : dict
        What :meth:`once` has given in this fit.
    """

    teacher: Teacher
    panel: np.ndarray
    network: nn.Module
    device: object
    n_epochs: int
    width: int
    seed: int
    options: QueryOptions
    class_index: np.ndarray | None = None
    clean: np.ndarray | None = None
    baselines: Baselines | None = None
    learnt_from: np.ndarray | None = None
    worked_out: dict = field(default_factory=dict, repr=False)
    used: dict = field(default_factory=dict, repr=False)

    def rng(self, name):
        """A random generator for the objective of that name, a numpy.random.Generator."""
        return np.random.default_rng([self.seed, *name.encode()])

    def once(self, key, work_out):
        """The result of ``work_out()``, or with ``warm_start`` that of the last fit.

        Parameters
        ----------
        key : tuple
            What the result depends on, besides the series and the teacher.
        work_out : callable () -> anything
        """
        if key not in self.used:
            self.used[key] = self.worked_out[key] if key in self.worked_out else work_out()
        return self.used[key]

    def ask(self, series, title="teacher"):
        """The teacher's log-probabilities for other series, by a query or from ``memory``.

        Parameters
        ----------
        series : ndarray of shape (n_queries, n_channels, n_timepoints), float32, or an object \
                with that length that gives slices of it
        title : str, default="teacher"
            Of the progress bar.

        Returns
        -------
        log_proba : ndarray of shape (n_queries, n_classes), float32
        """
        return query(self.teacher, series, self.options, title=title)
