"""What one fit has to teach: the series, the teacher's answers, the windows it was asked about.

A lesson depends on the series, the teacher and the probing alone, not on the student or the
weights of the loss; so a fit with ``warm_start`` can go on with the lesson of the last.
"""

import dataclasses
import warnings
from dataclasses import dataclass, field

import joblib
import numpy as np
from torch import nn

from tsdistill.columns import few
from tsdistill.digest import digest_of
from tsdistill.exceptions import LeftOutWarning, PanelError, ParameterError, TeacherError
from tsdistill.explainers import Fills
from tsdistill.knowledge import Knowledge, ask, ask_perturbed, take_fingerprint
from tsdistill.panels import (
    as_panel,
    check_resolution,
    check_sample_weight,
    check_two_classes,
    class_factors,
    encode_labels,
    held_out_rows,
    scaled_to_mean_one,
    validate_series,
)
from tsdistill.teachers import Teacher, as_teacher
from tsdistill.windows import WindowPlan, draw_plan, window_width


@dataclass
class Lesson:
    """Series, and what the teacher says about them.

    Attributes
    ----------
    source : tuple
        What the teacher comes from, by :func:`source_of`.
    teacher : Teacher
        Fitted and bound.
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Labelled series first, then unlabelled ones.
    labels : ndarray of shape (n_labelled,), int64, or None
        Positions in the teacher's ``classes_``; None where the teacher labels all.
    clean : ndarray of shape (n_instances, n_classes), float32, or None
        The teacher's log-probabilities, once asked.
    groups : ndarray of shape (n_instances,), int64, or None
        The class of each series: its label, or else the teacher's answer.
    probing : tuple or None
        Width, number of windows and kind of donors of the plan.
    plan : WindowPlan or None
    perturbed : ndarray of shape (n_instances, n_windows, n_classes), float32, or None
        The teacher's log-probabilities for the copies of the plan.
    fills : Fills or None
        What explanations replace windows by, once chosen.
    """

    source: tuple
    teacher: Teacher
    panel: np.ndarray
    labels: np.ndarray | None
    clean: np.ndarray | None = None
    groups: np.ndarray | None = None
    probing: tuple | None = None
    plan: WindowPlan | None = None
    perturbed: np.ndarray | None = None
    fills: Fills | None = None
    _held_out: dict = field(default_factory=dict)
    _worked_out: dict = field(default_factory=dict)

    def is_about(self, source, classes, panel, labels):
        """Whether a fit with these would draw up the same lesson, but for the probing."""
        if not _same(source, self.source) or not np.array_equal(panel, self.panel):
            return False
        if labels is None or self.labels is None:
            return labels is self.labels
        known = self.teacher.classes_
        same_classes = classes.dtype.kind == known.dtype.kind and np.array_equal(classes, known)
        return same_classes and np.array_equal(labels, self.labels)

    def settled(self):
        """The lesson to keep after a fit: without the digest of a teacher that asking changed."""
        models, digest, weights = self.source
        digest = digest if digest == digest_of(list(models)) else None
        return dataclasses.replace(self, source=(models, digest, weights))

    def ask(self, **asked):
        """Ask about the series, unless that was done.

        Parameters
        ----------
        **asked
            device, n_jobs, memory, verbose, as in :func:`tsdistill.knowledge.ask`.

        Raises
        ------
        PanelError
            If nothing but the teacher labels the series, and it puts all in one class.
        """
        if self.clean is not None:
            return
        take_fingerprint(self.teacher, self.panel, asked["memory"], asked["device"])
        self.clean = ask(self.teacher, self.panel, title="teacher: series", **asked)
        self.groups = self.clean.argmax(axis=1)
        if self.labels is None:
            answered = self.teacher.classes_[np.unique(self.groups)]
            check_two_classes(answered, "the teacher's answers hold")
        else:
            self.groups[: len(self.labels)] = self.labels

    def weighed(self, weight, class_weight):
        """Weights of the series times those of their classes, of mean 1 in float32.

        Parameters
        ----------
        weight : ndarray of shape (n_instances,)
        class_weight
            As in :class:`~tsdistill.SaliencyDistilledClassifier`.
        """
        n_labelled = len(self.groups) if self.labels is None else len(self.labels)
        factors = class_factors(
            class_weight, self.teacher.classes_, self.groups[:n_labelled], weight[:n_labelled]
        )
        return scaled_to_mean_one(weight * factors[self.groups])

    def ask_about_windows(self, width, n_windows, donors, rng, **asked):
        """Draw a plan and ask about its copies, unless the last plan was of the same kind."""
        if self.probing == (width, n_windows, donors):
            return
        take_fingerprint(self.teacher, self.panel, asked["memory"], asked["device"])
        self.plan = draw_plan(
            self.panel,
            self.teacher.classes_[self.groups],
            width=width,
            n_windows=n_windows,
            donors=donors,
            rng=rng,
        )
        self.perturbed = ask_perturbed(self.teacher, self.panel, self.plan, **asked)
        self.probing = (width, n_windows, donors)

    def choose_fills(self, rng, trained_on_fills):
        """What explanations replace windows by: chosen once, and kept."""
        if self.fills is None:
            self.fills = Fills.choose(self.panel, self.groups, rng)
        trained_on_fills = trained_on_fills or self.fills.trained_on_fills
        self.fills = dataclasses.replace(self.fills, trained_on_fills=trained_on_fills)
        return self.fills

    def held_out(self, fraction, rng):
        """Rows for validation, the same ones whenever the fraction is the same."""
        if fraction not in self._held_out:
            self._held_out[fraction] = held_out_rows(self.groups, fraction, rng)
        return self._held_out[fraction]

    def knowledge(self, with_copies):
        """The answers to train on, those about copies only where they are needed."""
        return Knowledge(self.clean, self.perturbed if with_copies else None)


@dataclass(frozen=True)
class Preparation:
    """What an objective may look at, and ask, before training.

    Attributes
    ----------
    lesson : Lesson
    network : torch.nn.Module
        The student, not trained yet.
    device : str or torch.device
        Where it trains.
    n_epochs : int
    width : int
        Timesteps in a window.
    seed : int
    asked : dict
        device, n_jobs, memory, verbose, as in :func:`tsdistill.knowledge.ask`.
    learnt_from : ndarray of shape (n_instances,), bool, or None
        Series that are trained on: not held out, and of a weight above 0. None in
        ``check_models``, as ``clean`` and ``fills``.
    """

    lesson: Lesson
    network: nn.Module
    device: object
    n_epochs: int
    width: int
    seed: int
    asked: dict
    learnt_from: np.ndarray | None = None
    _used: set = field(default_factory=set)

    @property
    def teacher(self):
        """The bound teacher."""
        return self.lesson.teacher

    @property
    def panel(self):
        """The training series, (n_instances, n_channels, n_timepoints), float32, read-only."""
        panel = self.lesson.panel.view()
        panel.flags.writeable = False  # it may be the user's own array
        return panel

    @property
    def clean(self):
        """The teacher's log-probabilities for the series, (n_instances, n_classes)."""
        return self.lesson.clean

    @property
    def fills(self):
        """What explanations replace windows by, a :class:`~tsdistill.explainers.Fills`."""
        return self.lesson.fills

    def rng(self, name):
        """A random generator of an objective's own, a numpy.random.Generator."""
        return np.random.default_rng([self.seed, *name.encode()])

    def once(self, key, work_out):
        """What ``work_out()`` gives; with ``warm_start`` that of the first fit of a lesson.

        Parameters
        ----------
        key : tuple
            What the result depends on, besides series and teacher.
        work_out : callable () -> anything
        """
        self._used.add(key)
        if key not in self.lesson._worked_out:
            self.lesson._worked_out[key] = work_out()
        return self.lesson._worked_out[key]

    def forget_the_rest(self):
        """Drop what earlier fits of the lesson had worked out and this one did not use."""
        kept = {key: self.lesson._worked_out[key] for key in self._used}
        self.lesson._worked_out = kept

    def ask(self, series, title="teacher"):
        """The teacher's log-probabilities for other series, asked or recalled from ``memory``.

        Parameters
        ----------
        series : ndarray of shape (n_questions, n_channels, n_timepoints), float32, or an \
                object with that length that gives slices of it
        title : str, default="teacher"
            Of the progress bar.

        Returns
        -------
        log_proba : ndarray of shape (n_questions, n_classes), float32
        """
        return ask(self.teacher, series, title=title, **self.asked)


def source_of(teacher, weights):
    """What a lesson's teacher comes from: the model or models, and what else makes it.

    Parameters
    ----------
    teacher : Teacher
    weights : ndarray or None
        With which an unfitted teacher is fitted.

    Returns
    -------
    source : tuple
        Models, and digests: of fitted ones that of their content, where asking them does not
        change it; of unfitted ones that of their parameters and the weights.
    """
    models = teacher.model if isinstance(teacher.model, (list, tuple)) else [teacher.model]
    return (
        tuple(models),
        digest_of(list(models)),
        None if teacher.is_fitted else joblib.hash(weights),
    )


def _same(one, other):
    (models, digest, weights), (before, last_digest, last_weights) = one, other
    return (
        len(models) == len(before)
        and all(model is last for model, last in zip(models, before, strict=True))
        and (last_digest is None or digest == last_digest)
        and weights == last_weights
    )


def read_lesson(estimator, X, y, sample_weight, X_unlabelled, *, goes_on, seed):
    """Validate what ``fit`` was given, and fit or bind the teacher.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier
        With checked settings. Gets the shape of the series, and the width of a window.
    X, y, sample_weight, X_unlabelled
        As given to ``fit``.
    goes_on : bool
        Whether a student is trained further, so that series and classes have to fit it.
    seed : int
        For an unfitted teacher.

    Returns
    -------
    lesson : Lesson
        Not asked yet, unless it is that of the last fit.
    weight : ndarray of shape (n_instances,), float64
        That of each series, classes not yet weighed.
    """
    teacher, labels, classes = as_teacher(estimator.teacher), None, None
    if y is None and not teacher.is_fitted:
        raise TeacherError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None: its teacher is not fitted, so nothing can label X. Pass y, or a fitted "
            "teacher."
        )
    if y is None:
        X = validate_series(estimator, X, reset=not goes_on)
    else:
        X, y = validate_series(estimator, X, y, reset=not goes_on)
        classes, labels = encode_labels(y)
    estimator._width = window_width(estimator.window_size, estimator.n_timepoints_in_)
    weight = check_sample_weight(sample_weight, len(X))
    given = None  # to an unfitted teacher: as they are, since some models heed their scale
    if y is not None:
        factors = class_factors(estimator.class_weight, classes, labels, weight)
        if not (teacher.is_fitted or (sample_weight is None and estimator.class_weight is None)):
            given = weight * factors[labels]
    panel = as_panel(X)
    check_resolution(X, panel)
    if estimator.warm_start and np.may_share_memory(panel, X):
        panel = panel.copy()  # kept beyond this fit, while the user may change X
    if X_unlabelled is not None:
        more = _unlabelled_panel(estimator, X_unlabelled)
        panel = np.concatenate([panel, more])
        weight = np.concatenate([weight, np.ones(len(more))])
    source = source_of(teacher, given) if estimator.warm_start else None
    last = estimator._lesson if goes_on else None
    if last is not None and last.is_about(source, classes, panel, labels):
        return dataclasses.replace(last), weight
    if not teacher.is_fitted:
        teacher = teacher.fit(X, y, np.random.RandomState(seed), given)
    teacher = teacher.bind(X, classes, labels)
    if goes_on and not np.array_equal(teacher.classes_, estimator.classes_):
        raise ParameterError(
            f"warm_start=True goes on with a student of classes {estimator.classes_.tolist()}, but "
            f"these series have {teacher.classes_.tolist()}; pass series of the same classes, or "
            "warm_start=False."
        )
    if teacher.left_out:
        warnings.warn(
            f"{teacher!r} also knows class {few(teacher.left_out)}, of which y has no series: the "
            "student will never name it, and hears the teacher's answers among the other classes. "
            "Pass such series, or leave y out: then the student learns all classes of the teacher.",
            LeftOutWarning,
            stacklevel=4,
        )
    return Lesson(source, teacher, panel, labels), weight


def _unlabelled_panel(estimator, X_unlabelled):
    try:
        return as_panel(validate_series(estimator, X_unlabelled, reset=False))
    except ValueError as error:
        raise PanelError(f"X_unlabelled does not fit X: {error}") from error
