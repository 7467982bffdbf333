"""The transfer set: the series on which a student learns, and what the teacher says of them.

It depends on the series, the teacher and the windows, not on the student or on the weights of
the loss. So a fit with ``warm_start`` can use the transfer set of the fit before.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from tsdistill.exceptions import LeftOutWarning, ParameterError, warn_user
from tsdistill.inputs.labels import check_two_classes, few
from tsdistill.inputs.weights import class_factors, scaled_to_mean_one
from tsdistill.perturbation.baselines import Baselines
from tsdistill.perturbation.plan import WindowPlan, WindowSettings, draw_plan
from tsdistill.teachers.fingerprint import TeacherSource, with_fingerprint
from tsdistill.teachers.querying import TeacherAnswers, query, query_windows
from tsdistill.teachers.teacher import Teacher


@dataclass(frozen=True)
class TrainingSeries:
    """What ``fit`` was given, read and checked.

    Attributes
    ----------
    X : ndarray of shape (n_labelled, n_timepoints) or (n_labelled, n_channels, n_timepoints)
        As the user passed it, for the teacher.
    y : ndarray of shape (n_labelled,) or None
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The series of X, then those that only the teacher labels.
    classes : ndarray of shape (n_classes,) or None
        The labels of y, sorted.
    labels : ndarray of shape (n_labelled,), int64, or None
        Class indices of y. None where the teacher labels all series.
    sample_weight : ndarray of shape (n_instances,), float64
        Classes are not weighed yet.
    teacher_weight : ndarray of shape (n_labelled,), float64, or None
        With which an unfitted teacher is fitted.
    """

    X: np.ndarray
    y: np.ndarray | None
    panel: np.ndarray
    classes: np.ndarray | None
    labels: np.ndarray | None
    sample_weight: np.ndarray
    teacher_weight: np.ndarray | None


@dataclass(frozen=True)
class TransferSet:
    """Series, and what the teacher says of them. Every ``with_`` method gives a new one.

    Attributes
    ----------
    source : TeacherSource or None
        Kept with ``warm_start`` only.
    teacher : Teacher
        Fitted and bound.
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Labelled series first, then unlabelled ones.
    labels : ndarray of shape (n_labelled,), int64, or None
        Class indices of the labels; None where the teacher labels all series.
    fitted_before : bool, default=True
        Whether the user fitted the teacher, perhaps on other series.
    class_index : ndarray of shape (n_instances,), int64, or None
        The class of each series: its label, or else the teacher's answer. None until the teacher
        was queried, as ``answers``.
    answers : TeacherAnswers or None
    windows : WindowSettings or None
        Those of the plan.
    plan : WindowPlan or None
    baselines : Baselines or None
        What explanations replace windows by.
    held_out : dict of (float, bytes) to ndarray of int64, or None
        Rows held out, by ``validation_fraction`` and by which rows have a weight above 0.
    worked_out : dict
        What the objectives worked out in their preparation.
    """

    source: TeacherSource | None
    teacher: Teacher
    panel: np.ndarray
    labels: np.ndarray | None
    fitted_before: bool = True
    class_index: np.ndarray | None = None
    answers: TeacherAnswers | None = None
    windows: WindowSettings | None = None
    plan: WindowPlan | None = None
    baselines: Baselines | None = None
    held_out: dict = field(default_factory=dict)
    worked_out: dict = field(default_factory=dict)

    def is_of(self, series, source):
        """Whether these series and a teacher of that source would give the same transfer set."""
        if not source.is_still(self.source) or not np.array_equal(series.panel, self.panel):
            return False
        if series.labels is None or self.labels is None:
            return series.labels is self.labels
        known, classes = self.teacher.classes_, series.classes
        same_classes = classes.dtype.kind == known.dtype.kind and np.array_equal(classes, known)
        return same_classes and np.array_equal(series.labels, self.labels)

    def with_answers(self, options):
        """Query the teacher for the series, unless that was done.

        Parameters
        ----------
        options : QueryOptions

        Raises
        ------
        PanelError
            If only the teacher labels the series, and it puts all of them in one class.
        """
        if self.answers is not None:
            return self
        teacher = with_fingerprint(self.teacher, self.panel, options)
        clean = query(teacher, self.panel, options, title="teacher: series")
        class_index = clean.argmax(axis=1)
        if self.labels is None:
            answered = teacher.classes_[np.unique(class_index)]
            check_two_classes(answered, "the teacher's answers hold")
        else:
            class_index[: len(self.labels)] = self.labels
        return dataclasses.replace(
            self, teacher=teacher, class_index=class_index, answers=TeacherAnswers(clean)
        )

    def with_windows(self, windows, rng, options):
        """Draw a plan and query the teacher for its copies, unless the last plan was alike."""
        if self.windows == windows:
            return self
        teacher = with_fingerprint(self.teacher, self.panel, options)
        plan = draw_plan(
            self.panel,
            teacher.classes_[self.class_index],
            **windows._asdict(),
            rng=rng,
        )
        perturbed = query_windows(teacher, self.panel, plan, options)
        answers = dataclasses.replace(self.answers, perturbed=perturbed)
        return dataclasses.replace(
            self, teacher=teacher, answers=answers, windows=windows, plan=plan
        )

    def without_windows(self):
        """The series alone, for a training that needs no copies."""
        answers = dataclasses.replace(self.answers, perturbed=None)
        return dataclasses.replace(self, answers=answers, windows=None, plan=None)

    def with_baselines(self, rng, trained_on_constants):
        """Choose what explanations replace windows by, unless that was done."""
        baselines = self.baselines or Baselines.choose(self.panel, self.class_index, rng)
        trained_on_constants = trained_on_constants or baselines.trained_on_constants
        baselines = dataclasses.replace(baselines, trained_on_constants=trained_on_constants)
        return dataclasses.replace(self, baselines=baselines)

    def with_held_out(self, fraction, weight, rng):
        """Draw rows for validation, unless they were drawn from the same rows already.

        Parameters
        ----------
        fraction : float in (0, 1) or None
        weight : ndarray of shape (n_instances,)
            Rows of weight 0 are neither trained on nor held out.
        rng : numpy.random.Generator

        Returns
        -------
        transfer_set : TransferSet
        rows : ndarray of int64, or None
            The rows held out.
        """
        key = fraction, (weight > 0).tobytes()
        if key in self.held_out:
            return self, self.held_out[key]
        rows = held_out_rows(self.class_index, fraction, rng, weight)
        return dataclasses.replace(self, held_out=self.held_out | {key: rows}), rows

    def settled(self):
        """The transfer set to keep for a later fit."""
        return dataclasses.replace(self, source=self.source.settled())

    def weighed(self, sample_weight, class_weight):
        """Weights of the series times those of their classes, of mean 1 in float32.

        Parameters
        ----------
        sample_weight : ndarray of shape (n_instances,)
        class_weight
            As in :class:`~tsdistill.SaliencyDistilledClassifier`.
        """
        n_labelled = len(self.panel) if self.labels is None else len(self.labels)
        factors = class_factors(
            class_weight,
            self.teacher.classes_,
            self.class_index[:n_labelled],
            sample_weight[:n_labelled],
        )
        return scaled_to_mean_one(sample_weight * factors[self.class_index])


def start_transfer_set(teacher, series, *, previous=None, keep_source=False, seed=0):
    """The transfer set of the last fit if it is the same, else one with nothing queried yet.

    Parameters
    ----------
    teacher : Teacher
        Fitted or not; not bound.
    series : TrainingSeries
    previous : TransferSet, default=None
        That of the last fit.
    keep_source : bool, default=False
        Whether a later fit may go on with it.
    seed : int, default=0
        For an unfitted teacher.

    Returns
    -------
    transfer_set : TransferSet

    Warns
    -----
    LeftOutWarning
        If the teacher knows a class of which y has no series.
    """
    source = TeacherSource.of(teacher, series.teacher_weight) if keep_source else None
    if previous is not None and previous.is_of(series, source):
        return previous
    fitted_before = teacher.is_fitted
    if not fitted_before:
        rng = np.random.RandomState(seed)
        teacher = teacher.fit(series.X, series.y, rng, series.teacher_weight)
    teacher = teacher.bind(series.X, series.classes, series.labels)
    if teacher.left_out:
        warn_user(
            f"{teacher!r} also knows class {few(teacher.left_out)}, of which y has no series: the "
            "student will never name it, and learns the teacher's answers among the other classes. "
            "Pass such series, or leave y out: then the student learns all classes of the teacher.",
            LeftOutWarning,
        )
    return TransferSet(source, teacher, series.panel, series.labels, fitted_before)


def held_out_rows(class_index, fraction, rng, weight=None):
    """Draw a stratified share of the series, at least one in all, never all of a class.

    Parameters
    ----------
    class_index : ndarray of shape (n_instances,)
        The class of each series.
    fraction : float in (0, 1), or None for no rows
    rng : numpy.random.Generator
    weight : ndarray of shape (n_instances,), default=None
        The share is drawn from the series whose weight is above 0, since only they count in a
        loss. None draws from all.

    Returns
    -------
    rows : ndarray of int64, or None

    Raises
    ------
    ParameterError
        If the share is less than one series of every class.
    """
    if fraction is None:
        return None
    counts = np.full(len(class_index), True) if weight is None else weight > 0
    rows = []
    for k in np.unique(class_index[counts]):
        members = rng.permutation(np.flatnonzero((class_index == k) & counts))
        rows.append(members[: min(len(members) - 1, round(fraction * len(members)))])
    rows = np.concatenate(rows)
    if not len(rows):
        raise ParameterError(
            f"validation_fraction={fraction} holds out none of {counts.sum()} series (those of "
            "weight above 0); pass a larger share."
        )
    return rows
