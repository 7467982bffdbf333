"""For which calibration series a student and its teacher have unlike saliency maps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.labels import class_indices, few
from tsdistill.inputs.panel import as_panel
from tsdistill.inputs.types import BoolArray, LabelArray
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.reporting.comparison import Comparison
from tsdistill.swap.model_pair import ModelPair, holder_of
from tsdistill.teachers.fingerprint import with_fingerprint
from tsdistill.teachers.teacher import Teacher


def check_has_maps(student: Any) -> None:
    """Raise ParameterError if a student is not, and does not search for, a distilled classifier."""
    if not isinstance(holder_of(student), SaliencyDistilledClassifier):
        raise ParameterError(
            f"min_saliency needs the saliency maps of the student, and a {type(student).__name__} "
            "has none that can be compared with the teacher's; expected a "
            "SaliencyDistilledClassifier, or a search over one. Pass another student, or "
            "min_saliency=None."
        )


def check_knows_classes(student: Any, teacher: Teacher) -> None:
    """Raise ParameterError if a teacher lacks a class of the student, whose maps it changes."""
    lacking = class_indices(student.classes_, teacher.classes_)[1]
    if lacking:
        raise ParameterError(
            f"min_saliency compares maps for classes that both models know, but the teacher does "
            f"not know the classes {few(lacking)} of the student. Pass a teacher that knows them, "
            "or min_saliency=None."
        )


def unlike_maps(
    models: ModelPair,
    X: NDArray[Any],
    teacher_labels: LabelArray,
    rows: BoolArray,
    min_saliency: float,
    form: UnevenForm | None = None,
) -> BoolArray:
    """Tell for which series the maps of both models correlate too little.

    Both maps are by occlusion, for the class that the teacher names, with a baseline on which the
    student was not trained, as for ``fidelity_score(metric="saliency")``. They cost the teacher
    one query for each window and donor: some 30 for each series with the default window.

    Parameters
    ----------
    models : ModelPair
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
    teacher_labels : ndarray of shape (n_instances,)
        The classes to explain.
    rows : ndarray of shape (n_instances,), bool
        The series to explain. All others are False in the result.
    min_saliency : float in (-1, 1)
        The smallest correlation of two maps that are alike.
    form : UnevenForm, default=None
        How series of unequal length were passed; X is then padded with NaN.

    Returns
    -------
    unlike : ndarray of shape (n_instances,), bool
        Also True, to be on the safe side, where there is no correlation: a map is constant, or the
        student does not know the class that the teacher names.
    """
    holder = holder_of(models.student)
    classes = set(holder.classes_.tolist())
    known = np.array([label in classes for label in teacher_labels.tolist()], dtype=bool)
    unlike, explained = rows & ~known, np.flatnonzero(rows & known)
    if not len(explained):
        return unlike
    teacher, options = models.teacher, holder._teacher_options()
    if not np.array_equal(teacher.classes_, holder.classes_):
        teacher = teacher.bind(X, np.asarray(holder.classes_), form=form)
    with global_states_kept(0, options.device):
        teacher = with_fingerprint(teacher, holder._baselines.series, options)
    maps = Comparison(
        teacher, holder._student_model, as_panel(X)[explained],
        holder._baselines, holder._window_width, options,
    ).maps  # fmt: skip
    correlation = per_series_correlation(maps["teacher"], maps["student"], undefined=np.nan)
    unlike[explained] = ~(correlation >= min_saliency)
    return unlike
