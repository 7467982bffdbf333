"""Student and teacher of a swap: what either answers, and for which classes."""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.formats import channel_names
from tsdistill.inputs.labels import class_indices, few
from tsdistill.inputs.series import as_panel
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.teachers.fingerprint import with_fingerprint
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher


@dataclass(frozen=True)
class ModelPair:
    """Student and teacher of a swap, and the class indices of their columns.

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
                "have none in common; name the teacher's columns with Teacher(model, "
                "classes=[...])."
            )
        try:
            np.union1d(*known)
        except TypeError as error:
            raise ParameterError(
                f"the classes of student, {few(known[0])}, and of teacher, {few(known[1])}, cannot "
                "be sorted together; name the teacher's columns with Teacher(model, classes=[...])."
            ) from error

    @cached_property
    def classes(self):
        """Labels that either model knows, sorted."""
        return np.union1d(self.student.classes_, self.teacher.classes_)

    @property
    def student_index(self):
        """Class index of each column of the student."""
        return np.searchsorted(self.classes, self.student.classes_)

    @property
    def teacher_index(self):
        """Class index of each column of the teacher."""
        return np.searchsorted(self.classes, self.teacher.classes_)

    def student_proba(self, as_given, X):
        """The student's probabilities over its own classes, float64; may be NaN.

        The student is given X, or what the user passed where the student knows the names of
        columns or channels from its own fit.
        """
        student, name = self.student, type(self.student).__name__
        proba = student.predict_proba(as_given if _checks_names(student, as_given) else X)
        proba = np.array(proba, dtype=np.float64)
        n_instances, n_classes = len(X), len(student.classes_)
        if proba.shape != (n_instances, n_classes):
            raise ParameterError(
                f"student={name} answered {n_instances} series in shape "
                f"{proba.shape}; expected ({n_instances}, {n_classes}), a column for each of its "
                "classes."
            )
        usable = np.isfinite(proba).all(axis=1)
        wrong = usable & ((np.abs(proba.sum(axis=1) - 1) > 1e-3) | (proba.min(axis=1) < -1e-3))
        if wrong.any():
            raise ParameterError(
                f"student={name} answered {wrong.sum()} of {n_instances} "
                "series with rows that do not sum to 1; expected probabilities."
            )
        return proba

    def read(self, proba):
        """Label and uncertainty of each row; infinite uncertainty where a row is no number."""
        top = np.nan_to_num(proba).argmax(axis=1)
        others = proba.copy()
        np.put_along_axis(others, top[:, np.newaxis], 0.0, axis=1)
        uncertainty = np.where(np.isfinite(proba).all(axis=1), others.sum(axis=1), np.inf)
        return np.asarray(self.student.classes_)[top], uncertainty

    def teacher_labels(self, X, recall=False):
        """What the teacher predicts."""
        return self.teacher.classes_[self.ask_teacher(X, recall).argmax(axis=1)]

    def ask_teacher(self, X, recall=False):
        """The teacher's log-probabilities, (n_instances, n_teacher_classes).

        With recall the teacher is asked with the workers and the cache of a student of this
        library.
        """
        holder, panel = holder_of(self.student), as_panel(X)
        ours = isinstance(holder, SaliencyDistilledClassifier)
        device = holder.student_.device if ours else "cpu"
        teacher, options = self.teacher, QueryOptions(device)
        with global_states_kept(0, device):
            if ours and recall:
                options = holder._teacher_options()
                teacher = with_fingerprint(teacher, holder._baselines.series, options)
            return query(teacher, panel, options)


def copy_of(student):
    """The student as it is now: what is promised of it must not change with it."""
    try:
        copied = copy.deepcopy(student)
    except Exception:  # the model is the user's: sessions and locks cannot be copied
        return student
    holder = holder_of(copied)
    if isinstance(holder, SaliencyDistilledClassifier):
        holder._transfer_set = None  # of no use in a copy that is never fitted again
    return copied


def _checks_names(student, X):
    """Whether a student takes series in that format, and checks their names by its own fit."""
    student = getattr(student, "best_estimator_", student)
    if channel_names(X) is not None:  # a panel of sktime's
        return hasattr(student, "_channel_names") or hasattr(student, "get_class_tag")
    return hasattr(X, "columns") and hasattr(student, "feature_names_in_")


def holder_of(student):
    """The classifier that has the teacher of a student, inside a search or a wrapper."""
    holder = getattr(student, "best_estimator_", student)
    if hasattr(holder, "transformers_"):  # of a Pipeline of sktime: asked in other series
        return holder
    return getattr(holder, "classifier_", holder)
