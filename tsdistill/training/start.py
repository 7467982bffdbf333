"""The beginning of a fit: what it was given becomes a transfer set."""

from dataclasses import dataclass

import numpy as np

from tsdistill.exceptions import LeftOutWarning, warn_user
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.labels import few
from tsdistill.inputs.stored_series import Statistics
from tsdistill.teachers.fingerprint import TeacherSource
from tsdistill.teachers.teacher import Teacher
from tsdistill.training.stored_set import StoredTransferSet
from tsdistill.training.transfer_set import TransferSet


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
    form : UnevenForm or None
        In which the teacher is asked about series of unequal length.
    statistics : Statistics or None
        Of the channels, for series that are not in memory: X is then an AsPassed, and panel a
        StoredPanel.
    """

    X: np.ndarray
    y: np.ndarray | None
    panel: np.ndarray
    classes: np.ndarray | None
    labels: np.ndarray | None
    sample_weight: np.ndarray
    teacher_weight: np.ndarray | None
    form: UnevenForm | None = None
    statistics: Statistics | None = None


def start_transfer_set(
    teacher: Teacher,
    series: TrainingSeries,
    *,
    previous: TransferSet | None = None,
    keep_source: bool = False,
    seed: int = 0,
) -> TransferSet:
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
        teacher = teacher.fit(series.X, series.y, rng, series.teacher_weight, series.form)
    teacher = teacher.bind(series.X, series.classes, series.labels, series.form)
    if teacher.left_out:
        warn_user(
            f"{teacher!r} also knows class {few(teacher.left_out)}, of which y has no series: the "
            "student will never name it, and learns the teacher's answers among the other classes. "
            "Pass such series, or leave y out: then the student learns all classes of the teacher.",
            LeftOutWarning,
        )
    given = source, teacher, series.panel, series.labels, fitted_before, len(series.X)
    if series.statistics is None:
        return TransferSet(*given)
    return StoredTransferSet(*given, statistics=series.statistics)
