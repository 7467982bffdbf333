"""The transfer set: the series on which a student learns, and what the teacher says of them.

It depends on the series, the teacher and the windows, not on the student or on the weights of
the loss. So a fit with ``warm_start`` can use the transfer set of the fit before.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from tsdistill.inputs.labels import check_two_classes
from tsdistill.inputs.weights import class_factors, scaled_to_mean_one
from tsdistill.numerics.tensors import as_tensor
from tsdistill.perturbation.baselines import Baselines
from tsdistill.perturbation.mixtures import Mixtures
from tsdistill.perturbation.plan import WindowPlan, WindowSettings, draw_plan
from tsdistill.students.building import learn_standardisation
from tsdistill.teachers.calibration import calibrated, with_members_calibrated
from tsdistill.teachers.fingerprint import TeacherSource, with_fingerprint
from tsdistill.teachers.memorised import certainty_kept, is_memorised, n_probes, warn_of_memory
from tsdistill.teachers.querying import TeacherAnswers, query, query_windows
from tsdistill.teachers.teacher import Teacher
from tsdistill.training.budget import ENOUGH_SERIES
from tsdistill.training.held_out import held_out_rows


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
        Labelled series first, then unlabelled ones, then mixtures of them.
    labels : ndarray of shape (n_labelled,), int64, or None
        Class indices of the labels; None where the teacher labels all series.
    fitted_before : bool, default=True
        Whether the user fitted the teacher, perhaps on other series.
    n_of_x : int, default=None
        Number of series passed as X, which come first. None: all.
    class_index : ndarray of shape (n_instances,), int64, or None
        The class of each series: its label, or else the teacher's answer. None until the teacher
        was queried, as ``answers``.
    answers : TeacherAnswers or None
    mixtures : Mixtures or None
        How the last series of ``panel`` are mixed from the others.
    mixed_from : tuple of (int, bytes) or None
        Number of mixtures wanted, and the rows they may be made of.
    kept : tuple of float or None
        Which part of its certainty the teacher keeps near the series of X and near those of
        X_unlabelled, see :mod:`tsdistill.teachers.memorised`. None if that was not asked.
    n_mixtures_left_out : int, default=0
        How many mixtures the teacher was asked about in vain, since they mislead.
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
    n_of_x: int | None = None
    class_index: np.ndarray | None = None
    answers: TeacherAnswers | None = None
    mixtures: Mixtures | None = None
    mixed_from: tuple | None = None
    kept: tuple | None = None
    n_mixtures_left_out: int = 0
    windows: WindowSettings | None = None
    plan: WindowPlan | None = None
    baselines: Baselines | None = None
    held_out: dict = field(default_factory=dict)
    worked_out: dict = field(default_factory=dict)

    @property
    def n_given(self):
        """Number of series that the user passed, which come before the mixtures."""
        return len(self.panel) - (0 if self.mixtures is None else len(self.mixtures))

    def n_queries(self, with_probes):
        """Number of questions to the teacher: series, mixtures, windows, and probes or not."""
        n_windows = 0 if self.plan is None else self.plan.start.size
        parts = self._parts_as_passed() if with_probes else []
        return (
            len(self.panel)
            + self.n_mixtures_left_out
            + n_windows
            + sum(n_probes(part.stop - part.start) for part in parts)
        )

    @property
    def trusted(self):
        """Series that the teacher does not know by heart, (n_instances,), bool.

        All count as such if it knows all of them by heart: there are no others then.
        """
        trusted = np.full(len(self.panel), True)
        for part, kept in zip(self._parts_as_passed(), self.kept or (), strict=False):
            trusted[part] = not is_memorised(kept)
        return trusted if trusted.any() else ~trusted

    def _parts_as_passed(self):
        """The series of X, and those of X_unlabelled if there are any, as slices."""
        n_of_x = self.n_given if self.n_of_x is None else self.n_of_x
        parts = [slice(0, n_of_x), slice(n_of_x, self.n_given)]
        return parts if n_of_x < self.n_given else parts[:1]

    def series_at(self, rows):
        """The series of some rows, for what reads only a few of them."""
        return self.panel[rows]

    def to_try(self):
        """Series on which a student is tried, a Tensor: all, since some may have NaN."""
        return as_tensor(self.panel)

    def standardise(self, network):
        """Let a student learn the mean and standard deviation of each channel."""
        learn_standardisation(network, as_tensor(self.panel[: self.n_given]))

    def for_trial(self, weight, rows):
        """The series of a trial of mixtures: transfer set, weights, and rows of given series."""
        return self, self.with_mixtures_weighed(weight), rows

    def is_of(self, series, source):
        """Whether these series and a teacher of that source would give the same transfer set."""
        if not source.is_still(self.source):
            return False
        uneven = series.form is not None
        if not np.array_equal(series.panel, self.panel[: self.n_given], equal_nan=uneven):
            return False
        if series.labels is None or self.labels is None:
            return series.labels is self.labels
        known, classes = self.teacher.classes_, series.classes
        same_classes = classes.dtype.kind == known.dtype.kind and np.array_equal(classes, known)
        return same_classes and np.array_equal(series.labels, self.labels)

    def with_answers(self, sample_weight, options):
        """Query the teacher for the series, unless that was done, and find its scale.

        Parameters
        ----------
        sample_weight : ndarray of shape (n_given,)
        options : QueryOptions

        Raises
        ------
        PanelError
            If only the teacher labels the series, and it puts all of them in one class.
        """
        if self.answers is not None:
            return self
        given = self.panel, self.labels, sample_weight, options
        teacher = with_members_calibrated(self.teacher, *given)
        teacher = with_fingerprint(teacher, self.panel, options)
        clean = query(teacher, self.panel, options, title="teacher: series")
        teacher, clean = calibrated(teacher, clean, self.labels, sample_weight)
        class_index = clean.argmax(axis=1)
        if self.labels is None:
            answered = teacher.classes_[np.unique(class_index)]
            check_two_classes(answered, "the teacher's answers hold")
        else:
            class_index[: len(self.labels)] = self.labels
        return dataclasses.replace(
            self, teacher=teacher, class_index=class_index, answers=TeacherAnswers(clean)
        )

    def with_mixtures(self, n_mixtures, rows, rng, options):
        """Mix series and query the teacher for the mixtures, unless the last ones were alike.

        Parameters
        ----------
        n_mixtures : int
            0 leaves the given series alone.
        rows : ndarray of int64
            Rows of the given series that may be mixed; fewer than two make no mixtures.
        rng : numpy.random.Generator
        options : QueryOptions
        """
        wanted = (n_mixtures, rows.tobytes())
        if wanted == self.mixed_from:
            return self
        given = self._given()
        if n_mixtures == 0 or len(rows) < 2:
            return dataclasses.replace(given, mixed_from=wanted)
        given = given._without_copies()
        mixtures = Mixtures.draw(rows, n_mixtures, rng)
        mixed = mixtures.of(given.panel)
        teacher = with_fingerprint(given.teacher, given.panel, options)
        answers = query(teacher, mixed, options, title="teacher: mixtures")
        return dataclasses.replace(
            given,
            teacher=teacher,
            panel=np.concatenate([given.panel, mixed]),
            class_index=np.concatenate([given.class_index, answers.argmax(axis=1)]),
            answers=TeacherAnswers(np.concatenate([given.answers.clean, answers])),
            mixtures=mixtures,
            mixed_from=wanted,
        )

    def _given(self):
        """The transfer set without mixtures, and so without what was worked out for them."""
        if self.mixtures is None:
            return self
        n = self.n_given
        return dataclasses.replace(
            self._without_copies(),
            panel=self.panel[:n],
            class_index=self.class_index[:n],
            answers=TeacherAnswers(self.answers.clean[:n]),
            mixtures=None,
        )

    def _without_copies(self):
        """The transfer set without windows and without what the objectives worked out."""
        return dataclasses.replace(self.without_windows(), worked_out={})

    def with_memory_checked(self, rng, options):
        """Ask, unless that was done, whether the teacher knows the given series by heart."""
        if self.kept is not None:
            return self
        teacher = with_fingerprint(self.teacher, self.panel, options)
        kept = tuple(
            certainty_kept(teacher, self.panel[part], self.answers.clean[part], rng, options)
            for part in self._parts_as_passed()
        )
        return dataclasses.replace(self, teacher=teacher, kept=kept)

    @property
    def knows_all(self):
        """Whether the teacher seems to know all series by heart, those of X_unlabelled too."""
        return bool(self.kept) and all(map(is_memorised, self.kept))

    @property
    def needs_mixtures(self):
        """Whether mixtures add to the series: these are few, or some of them known by heart."""
        if self.n_mixtures_left_out:
            return False
        return self.n_given < ENOUGH_SERIES or not self.kept or any(map(is_memorised, self.kept))

    def warn_if_all_memorised(self):
        """Warn if there are no series but those that the teacher knows by heart."""
        if self.knows_all and self.mixtures is None and not self.n_mixtures_left_out:
            warn_of_memory(self.teacher, self.kept[0])

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
        n = self.n_given
        baselines = self.baselines or Baselines.choose(self.panel[:n], self.class_index[:n], rng)
        trained_on_constants = trained_on_constants or baselines.trained_on_constants
        baselines = dataclasses.replace(baselines, trained_on_constants=trained_on_constants)
        return dataclasses.replace(self, baselines=baselines)

    def with_held_out(self, fraction, weight, rng):
        """Draw rows for validation, unless they were drawn from the same rows already.

        Parameters
        ----------
        fraction : float in (0, 1) or None
        weight : ndarray of shape (n_given,)
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
        rows = held_out_rows(self.class_index[: self.n_given], fraction, rng, weight)
        return dataclasses.replace(self, held_out=self.held_out | {key: rows}), rows

    def settled(self) -> TransferSet:
        """The transfer set to keep for a later fit."""
        return dataclasses.replace(self, source=self.source.settled())

    def weighed(self, sample_weight, class_weight):
        """Weights of the given series times those of their classes, of mean 1 in float32.

        Parameters
        ----------
        sample_weight : ndarray of shape (n_given,)
        class_weight
            As in :class:`~tsdistill.SaliencyDistilledClassifier`.
        """
        n_labelled = self.n_given if self.labels is None else len(self.labels)
        factors = class_factors(
            class_weight,
            self.teacher.classes_,
            self.class_index[:n_labelled],
            sample_weight[:n_labelled],
        )
        class_index = self.class_index[: self.n_given]
        return scaled_to_mean_one(sample_weight * factors[class_index])

    def with_mixtures_weighed(self, weight):
        """The weights of the given series, followed by those of the mixtures, of mean 1."""
        if self.mixtures is None:
            return weight
        return scaled_to_mean_one(np.concatenate([weight, self.mixtures.weights(weight)]))
