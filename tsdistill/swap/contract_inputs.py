"""What may be passed to the check of a contract, and what is refused."""

import copy
from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError
from tsdistill.export.saving import decoded_factors, with_factors
from tsdistill.fidelity.scorers import holder_of_student
from tsdistill.inputs.labels import few
from tsdistill.inputs.lengths import lengths_of
from tsdistill.inputs.panel import in_layout
from tsdistill.inputs.plain import as_real
from tsdistill.swap.deferring import DeferringClassifier
from tsdistill.teachers.absent import AbsentTeacher
from tsdistill.teachers.adapters import SUM_TOLERANCE, floored_log
from tsdistill.teachers.teacher import as_teacher


@dataclass(frozen=True)
class GivenAnswers:
    """A teacher's answers, and perhaps its maps, from a file: instead of a teacher.

    Attributes
    ----------
    proba : array-like of shape (n_instances, n_classes), or None
    maps : array-like of shape (n_instances, n_timepoints), or None
    """

    proba: object = None
    maps: object = None


def given_log_proba(proba, shape):
    """Log-probabilities of a teacher's answers that were given as probabilities.

    Parameters
    ----------
    proba : array-like of shape (n_instances, n_classes)
    shape : tuple of int
        What is expected.

    Returns
    -------
    log_proba : ndarray of shape (n_instances, n_classes), float32
        Of probabilities raised to 1e-4, as those of any teacher.
    """
    proba = as_real(proba, "teacher_proba")
    if proba.shape != shape:
        raise ParameterError(
            f"teacher_proba has shape {proba.shape}; expected {shape}, a row for each series and "
            "a column for each of the student's classes_, in their order."
        )
    bad = ~np.isfinite(proba).all(axis=1)
    if bad.any():
        raise ParameterError(
            f"teacher_proba has NaN or infinity in {bad.sum()} of {len(proba)} rows; expected "
            "probabilities."
        )
    wrong = (np.abs(proba.sum(axis=1) - 1) > SUM_TOLERANCE) | (proba.min(axis=1) < -SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise ParameterError(
            f"teacher_proba has {wrong.sum()} of {len(proba)} rows that are no probabilities (row "
            f"{row} sums to {proba[row].sum():.4g}, its smallest value is {proba[row].min():.3g}); "
            "expected rows of 0 or more that sum to 1. Apply a softmax to logits."
        )
    return floored_log(proba)


def given_maps(maps, panel):
    """A teacher's maps that were given, checked; None if there are none.

    Parameters
    ----------
    maps : array-like of shape (n_instances, n_timepoints), or None
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), float64, or None
    """
    if maps is None:
        return None
    maps = as_real(maps, "teacher_maps")
    n, _, n_timepoints = panel.shape
    if maps.shape != (n, n_timepoints):
        raise ParameterError(
            f"teacher_maps has shape {maps.shape}; expected {(n, n_timepoints)}, one map for each "
            "series, as explain gives."
        )
    ended = np.arange(n_timepoints) >= lengths_of(panel)[:, np.newaxis]
    bad = np.where(ended, ~np.isnan(maps), ~np.isfinite(maps)).any(axis=1)
    if bad.any():
        raise ParameterError(
            f"teacher_maps has NaN or infinity, or values after the end of a series, in "
            f"{bad.sum()} of {n} maps; expected finite values, and NaN after the end."
        )
    return maps


def student_inside(student, X):
    """The fitted SaliencyDistilledClassifier in what was passed, and X as it takes it."""
    if isinstance(student, DeferringClassifier):
        raise ParameterError(
            "student=DeferringClassifier; its fit bounds by itself how often it differs from its "
            "teacher. Pass the student alone, swap.student_."
        )
    holder, X = holder_of_student(student, X, "fidelity_report", "a contract cannot check")
    if hasattr(holder, "_classifier_and_series"):  # sktime's
        holder, X = holder._classifier_and_series(X)
    if not isinstance(holder, SaliencyDistilledClassifier):
        raise ParameterError(
            f"student={type(holder).__name__}; expected a fitted SaliencyDistilledClassifier."
        )
    check_is_fitted(holder, "student_")
    return holder, X


def with_teacher(student, teacher, given):
    """A student with another teacher, or with that which was not in its file."""
    if given.proba is not None:
        raise ParameterError(
            "teacher and teacher_proba were both given; pass the teacher, or its answers."
        )
    teacher = as_teacher(teacher)
    if not teacher.is_fitted:
        raise ParameterError(f"teacher={teacher!r} is not fitted; fit it first.")
    series, own = student._baselines, student.teacher_
    bound = teacher.bind(
        in_layout(series.series, student.panel_ndim_), student.classes_, series.class_index,
        student._uneven_form,
    )  # fmt: skip
    if isinstance(own, AbsentTeacher):
        bound = with_factors(bound, decoded_factors(own.factors))
    elif own.model is teacher.model and own.scale == teacher.scale:
        bound = bound.with_factors_of(own)
    other = copy.copy(student)
    other.teacher_ = bound
    return other


def check_can_answer(teacher, demand):
    """Refuse a teacher that cannot be asked, or that knows more classes than the student."""
    if isinstance(teacher, AbsentTeacher):
        raise ParameterError(
            f"{demand} needs the teacher's answers, and the student was loaded without its "
            "teacher; pass teacher=..., or its answers as teacher_proba=..."
        )
    if len(teacher.left_out):
        raise ParameterError(
            f"teacher also knows class {few(teacher.left_out)}, which the student, with the "
            f"classes {few(teacher.classes_)}, never answers, so it cannot replace it; fit a "
            "student on series of all classes, or leave y out of fit."
        )
