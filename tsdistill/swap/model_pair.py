"""Student and teacher of a swap: the answers of each, and the classes that they know."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.formats import channel_names, own_copy
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.labels import class_indices, few
from tsdistill.inputs.panel import as_panel
from tsdistill.inputs.types import BoolArray, FloatArray, LabelArray
from tsdistill.numerics.logits import proba_of
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.teachers.absent import AbsentTeacher
from tsdistill.teachers.adapters import SUM_TOLERANCE
from tsdistill.teachers.fingerprint import with_fingerprint
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher, as_teacher


@dataclass(frozen=True)
class ModelPair:
    """Queries a student and a teacher, which may know different classes.

    Attributes
    ----------
    student : fitted classifier
    teacher : bound Teacher
    """

    student: object
    teacher: Teacher

    def __post_init__(self):
        known = np.asarray(self.student.classes_), self.teacher.classes_
        if not len(class_indices(*known)[0]):
            raise ParameterError(
                f"student knows the classes {few(known[0])} and teacher {few(known[1])}, which "
                "have none in common; if the teacher's classes have other names, pass "
                "Teacher(model, classes=[...])."
            )
        try:
            np.union1d(*known)
        except TypeError as error:
            raise ParameterError(
                f"the classes of student, {few(known[0])}, and of teacher, {few(known[1])}, cannot "
                "be sorted together; pass Teacher(model, classes=[...]) with classes of one type."
            ) from error

    @cached_property
    def classes(self) -> LabelArray:
        """Labels that at least one of the models knows, sorted."""
        return np.union1d(self.student.classes_, self.teacher.classes_)

    def over_all_classes(self, proba, known):
        """Probabilities over :attr:`classes`, with 0 for classes that a model does not know.

        Parameters
        ----------
        proba : ndarray of shape (n_instances, n_known)
        known : ndarray of shape (n_known,)
            The classes of the columns of ``proba``.

        Returns
        -------
        proba : ndarray of shape (n_instances, n_classes), float64
        """
        proba_of_all = np.zeros((len(proba), len(self.classes)))
        proba_of_all[:, np.searchsorted(self.classes, known)] = proba
        return proba_of_all

    def student_answers(
        self, as_given: Any, X: NDArray[Any]
    ) -> tuple[FloatArray, LabelArray, FloatArray]:
        """The student's probabilities of its own classes, its labels, and its uncertainty.

        Parameters
        ----------
        as_given : array-like
            What the user passed. The student takes it if it checks the names of columns or
            channels itself.
        X : ndarray
            The same series as an array, which any other student takes.

        Returns
        -------
        proba : ndarray of shape (n_instances, n_student_classes), float64
            May be NaN or infinite.
        labels : ndarray of shape (n_instances,)
        uncertainty : ndarray of shape (n_instances,)
            Sum of the probabilities of the other classes; infinite where proba is not finite.
        """
        proba = self._student_proba(as_given, X)
        top = np.nan_to_num(proba).argmax(axis=1)
        others = proba.copy()
        np.put_along_axis(others, top[:, np.newaxis], 0.0, axis=1)
        # A probability may lie a rounding error below 0.
        uncertainty = np.maximum(others.sum(axis=1), 0.0)
        uncertainty = np.where(np.isfinite(proba).all(axis=1), uncertainty, np.inf)
        return proba, np.asarray(self.student.classes_)[top], uncertainty

    def _student_proba(self, as_given, X):
        student, name = self.student, type(self.student).__name__
        series = as_given if _checks_names(student, as_given) else X
        # A copy, since the student may write to what it is given.
        proba = student.predict_proba(series if _copies_series(student) else own_copy(series))
        proba = np.array(proba, dtype=np.float64)
        n_instances, n_classes = len(X), len(student.classes_)
        if proba.shape != (n_instances, n_classes):
            raise ParameterError(
                f"student={name} answered {n_instances} series in shape {proba.shape}; expected "
                f"({n_instances}, {n_classes}), a column for each of its classes."
            )
        usable = np.isfinite(proba).all(axis=1)
        wrong = usable & (
            (np.abs(proba.sum(axis=1) - 1) > SUM_TOLERANCE) | (proba.min(axis=1) < -SUM_TOLERANCE)
        )
        if wrong.any():
            raise ParameterError(
                f"student={name} answered {wrong.sum()} of {n_instances} series with rows that do "
                "not sum to 1; expected probabilities."
            )
        return proba

    def proba_of_both(
        self, X: NDArray[Any], student_proba: FloatArray, deferred: BoolArray
    ) -> FloatArray:
        """Probabilities of :attr:`classes`, from the model that answers each series.

        Parameters
        ----------
        X : ndarray
        student_proba : ndarray of shape (n_instances, n_student_classes)
        deferred : ndarray of shape (n_instances,), bool
            Whether the teacher answers.

        Returns
        -------
        proba : ndarray of shape (n_instances, n_classes), float64
        """
        proba = self.over_all_classes(student_proba, self.student.classes_)
        if deferred.any():
            teacher_proba = proba_of(self.teacher_log_proba(X[deferred]))
            proba[deferred] = self.over_all_classes(teacher_proba, self.teacher.classes_)
        return proba

    def teacher_labels(
        self, X: NDArray[Any], use_cache: bool = False, call: Callable[..., Any] | None = None
    ) -> LabelArray:
        """Labels that the teacher predicts, see :meth:`teacher_log_proba`."""
        return self.teacher.classes_[self.teacher_log_proba(X, use_cache, call).argmax(axis=1)]

    def teacher_log_proba(self, X, use_cache=False, call=None):
        """The teacher's log-probabilities of its own classes.

        Parameters
        ----------
        X : ndarray
        use_cache : bool, default=False
            Whether to query it with ``memory`` and ``n_jobs`` of the student, if the student is
            a SaliencyDistilledClassifier.
        call : callable (function, *arguments), default=None
            Calls the function that queries it, and may give up. None calls it directly.

        Returns
        -------
        log_proba : ndarray of shape (n_instances, n_teacher_classes), float32
        """
        holder, panel = holder_of(self.student), as_panel(X)
        ours = isinstance(holder, SaliencyDistilledClassifier)
        # Beside a student of another make, a torch teacher is asked where it lies.
        device = holder.student_.device if ours else None
        teacher, options = self.teacher, QueryOptions(device)
        with global_states_kept(0, device):
            if ours and use_cache:
                options = holder._teacher_options()
                teacher = with_fingerprint(teacher, holder._baselines.series, options)
            if call is None:
                return query(teacher, panel, options)
            return call(query, teacher, panel, options)


def bound_teacher(
    teacher: Any, student: Any, X: NDArray[Any], form: UnevenForm | None = None
) -> Teacher:
    """The teacher of a swap, bound to its classes; the student's own if None is given.

    Parameters
    ----------
    teacher : as :class:`~tsdistill.DeferringClassifier` takes it, or None
    student : fitted classifier
    X : ndarray in the user's shape
    form : UnevenForm, default=None
        How series of unequal length were passed; X is then padded with NaN.

    Raises
    ------
    ParameterError
        If there is no teacher, or it is not fitted.
    """
    own = getattr(holder_of(student), "teacher_", None)
    if teacher is None:
        if not isinstance(own, Teacher) or isinstance(own, AbsentTeacher):
            raise ParameterError(
                f"teacher=None, but a {type(student).__name__} has no teacher of its own "
                "that takes the same series; pass a fitted teacher."
            )
        return own.whole(as_panel(X))
    teacher = as_teacher(teacher)
    if not teacher.is_fitted:
        raise ParameterError(f"teacher={teacher!r} is not fitted; fit it first.")
    bound = teacher.bind(X, None if teacher.is_named else np.asarray(student.classes_), form=form)
    same = isinstance(own, Teacher) and own.model is teacher.model
    return bound.with_factors_of(own) if same and own.scale == teacher.scale else bound


def check_fitted(student: Any) -> None:
    """Raise ParameterError if a student cannot be asked for probabilities."""
    if not (hasattr(student, "predict_proba") and Teacher(student).is_fitted):
        raise ParameterError(
            f"student={type(student).__name__} is not fitted, or has no predict_proba; fit it "
            "first."
        )


def copy_of(student: Any) -> Any:
    """A copy of the student, so that the guarantee holds if the original changes."""
    try:
        copied = copy.deepcopy(student)
    except Exception:  # a user's model may hold sessions or locks, which cannot be copied
        return student
    holder = holder_of(copied)
    if isinstance(holder, SaliencyDistilledClassifier):
        holder._forget_transfer_set()  # a copy that is never fitted again
    return copied


def _copies_series(student):
    """Whether a student is known to leave what it is given unchanged."""
    return type(student) is SaliencyDistilledClassifier


def _checks_names(student, X):
    """Whether a student takes series in the format of X, and checks their names itself."""
    student = getattr(student, "best_estimator_", student)
    if channel_names(X) is not None:  # one of sktime's panel formats
        return hasattr(student, "_channel_names") or hasattr(student, "get_class_tag")
    return hasattr(X, "columns") and hasattr(student, "feature_names_in_")


def holder_of(student: Any) -> Any:
    """The classifier inside a search or a wrapper, which holds the teacher of a student."""
    holder = getattr(student, "best_estimator_", student)
    if hasattr(holder, "transformers_"):  # sktime's Pipeline: its teacher takes other series
        return holder
    return getattr(holder, "classifier_", holder)
