"""What a fitted DeferringClassifier knows, as plain values and tensors, and back."""

import numpy as np

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ExportError, SavedFileError, TeacherError
from tsdistill.export.saving import (
    check_loads,
    decoded_factors,
    factors_of,
    saved,
    with_factors,
)
from tsdistill.export.series_format import decoded_format, encoded_format
from tsdistill.export.values import decoded, decoded_labels, encoded, encoded_labels
from tsdistill.inputs.checks import check_share
from tsdistill.inputs.panel import in_layout
from tsdistill.swap.model_pair import bound_teacher
from tsdistill.teachers.absent import AbsentTeacher

KIND = "DeferringClassifier"
STUDENT, CURVE = "student.", "curve."
NUMBERS = (
    "threshold_",
    "n_calibration_",
    "deferral_rate_",
    "disagreement_",
    "disagreement_bound_",
    "answered_disagreement_",
    "answered_disagreement_bound_",
    "_max_uncertainty",
)
CURVES = ("threshold", "deferral_rate", "disagreement", "bound")


def saved_swap(swap):
    """Configuration and tensors of a fitted swap, for :mod:`tsdistill.export.archive`.

    Parameters
    ----------
    swap : fitted DeferringClassifier

    Returns
    -------
    config : dict
    tensors : dict of str to ndarray

    Raises
    ------
    ExportError
        If its student is no SaliencyDistilledClassifier, nor a search over one.
    """
    student = getattr(swap.student_, "best_estimator_", swap.student_)
    if type(student) is not SaliencyDistilledClassifier:
        raise ExportError(
            f"the student of this swap is a {type(student).__name__}, and only the swap of a "
            "SaliencyDistilledClassifier can be saved; save its parts by their own means."
        )
    names = SaliencyDistilledClassifier._get_param_names()
    config, tensors = saved(student, SaliencyDistilledClassifier.__name__, names)
    check_loads(config, tensors, student.student_.module_)
    fitted = vars(swap)
    state = {
        "parameters": {
            "max_disagreement": encoded(swap.max_disagreement),
            "confidence": encoded(swap.confidence),
        },
        "guarantee": encoded(swap._guarantee),
        "classes": encoded_labels(swap.classes_),
        "teacher_is_the_students": getattr(swap.teacher_, "is_the_students", swap.teacher is None),
        "teacher_classes": encoded_labels(swap.teacher_.classes_),
        "teacher_factors": factors_of(swap.teacher_),
        "series": encoded_format(fitted),
        "numbers": {name: encoded(fitted[name]) for name in NUMBERS},
    }
    whole = {"format": config["format"], "kind": KIND, "student": config, "swap": state}
    tensors = {STUDENT + name: tensor for name, tensor in tensors.items()}
    return whole, tensors | {CURVE + name: swap.curve_[name] for name in CURVES}


def restored_swap(config, tensors, *, teacher, student, device):
    """Parameters and fitted attributes of a swap, from what :func:`saved_swap` gave.

    Parameters
    ----------
    config, tensors
        Of the file.
    teacher, student, device
        See :meth:`tsdistill.DeferringClassifier.load`.

    Returns
    -------
    parameters, fitted : dict of str to object
    """
    if config.get("kind") != KIND:
        raise SavedFileError(
            f"the file holds a {str(config.get('kind'))[:60]}; expected a {KIND}, load it with "
            "that class."
        )
    try:
        state = config["swap"]
        of_student = {
            name.removeprefix(STUDENT): tensor
            for name, tensor in tensors.items()
            if name.startswith(STUDENT)
        }
        own = state["teacher_is_the_students"] is True
        distilled = SaliencyDistilledClassifier._restored(
            config["student"], of_student,
            teacher=teacher if own else None, student=student, device=device,
        )  # fmt: skip
        parameters = {name: decoded(value) for name, value in state["parameters"].items()}
        for name in ("max_disagreement", "confidence"):
            check_share(name, parameters[name])
        fitted = _decoded_state(state, tensors)
        known = decoded_labels(state["teacher_classes"])
        factors = decoded_factors(state["teacher_factors"])
        if len(tensors) != len(of_student) + len(CURVES) or len(parameters) != 2:
            raise SavedFileError("the file holds more than a swap has.")
    except (KeyError, TypeError, AttributeError) as error:
        raise SavedFileError(
            f"the configuration is not complete: {type(error).__name__}: {str(error)[:200]}."
        ) from error
    fitted["student_"] = distilled
    fitted["teacher_"] = AbsentTeacher(known, state["teacher_factors"], own)
    if teacher is not None:
        series = in_layout(distilled._baselines.series, distilled.panel_ndim_)
        form = distilled._uneven_form
        bound = bound_teacher(None if own else teacher, distilled, series, form)
        if not np.array_equal(bound.classes_, known):
            raise TeacherError(
                f"teacher knows the classes {bound.classes_.tolist()}, and that of the swap knew "
                f"{known.tolist()}; pass the teacher with which it was fitted."
            )
        fitted["teacher_"] = with_factors(bound, factors)
    return parameters | {"student": distilled, "teacher": None if own else teacher}, fitted


def _decoded_state(state, tensors):
    numbers = {name: decoded(state["numbers"][name]) for name in NUMBERS}
    curve = {name: tensors[CURVE + name] for name in CURVES}
    lengths = {(one.ndim, len(one), one.dtype.kind) for one in curve.values()}
    if len(lengths) != 1 or next(iter(lengths))[::2] != (1, "f"):
        raise SavedFileError("the curve of the swap is damaged.")
    if not all(isinstance(value, (int, float)) for value in numbers.values()):
        raise SavedFileError("the numbers of the swap are damaged.")
    classes = decoded_labels(state["classes"])
    found = decoded_format(state["series"]).attributes()
    guarantee = decoded(state["guarantee"])
    return found | numbers | {"curve_": curve, "classes_": classes, "_guarantee": guarantee}
