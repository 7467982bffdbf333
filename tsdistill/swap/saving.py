"""What a fitted DeferringClassifier knows, as plain values and tensors, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from tsdistill.inputs.checks import is_number, is_whole
from tsdistill.inputs.panel import in_layout
from tsdistill.inputs.types import Device
from tsdistill.swap.model_pair import bound_teacher
from tsdistill.swap.promises import ALL, ANSWERED, CLASS, SALIENCY, Promises
from tsdistill.swap.reference import Reference
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
PARAMETERS = ("max_disagreement", "confidence", "promise", "min_saliency", "max_unlike")
BEFORE_PROMISES = {"promise": ALL, "min_saliency": None, "max_unlike": 0.05}
"""Parameters that a file may lack, because it was written before swaps had them."""


def saved_swap(swap: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
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
        "parameters": {name: encoded(getattr(swap, name)) for name in PARAMETERS},
        "guarantee": encoded(swap._guarantee),
        "classes": encoded_labels(swap.classes_),
        "teacher_is_the_students": getattr(swap.teacher_, "is_the_students", swap.teacher is None),
        "teacher_classes": encoded_labels(swap.teacher_.classes_),
        "teacher_factors": factors_of(swap.teacher_),
        "series": encoded_format(fitted),
        "numbers": {name: encoded(fitted[name]) for name in NUMBERS},
        "promises": encoded(swap.promises_),
        "class_disagreement": encoded(list(swap.class_disagreement_.values())),
    }
    whole = {"format": config["format"], "kind": KIND, "student": config, "swap": state}
    tensors = {STUDENT + name: tensor for name, tensor in tensors.items()}
    if fitted.get("_reference") is not None:
        tensors |= fitted["_reference"].tensors()
    return whole, tensors | {CURVE + name: swap.curve_[name] for name in CURVES}


def restored_swap(
    config: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
    *,
    teacher: Any,
    student: Any,
    device: Device,
) -> tuple[dict[str, Any], dict[str, Any]]:
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
        parameters = BEFORE_PROMISES | parameters
        Promises.of(parameters)
        known = decoded_labels(state["teacher_classes"])
        fitted = _decoded_state(state, tensors, known)
        factors = decoded_factors(state["teacher_factors"])
        reference = Reference.from_tensors(tensors, fitted["n_channels_in_"])
        of_reference = 0 if reference is None else len(reference.tensors())
        n_tensors = len(of_student) + len(CURVES) + of_reference
        if len(tensors) != n_tensors or set(parameters) != set(PARAMETERS):
            raise SavedFileError("the file holds more than a swap has.")
    except (KeyError, TypeError, AttributeError) as error:
        raise SavedFileError(
            f"the configuration is not complete: {type(error).__name__}: {str(error)[:200]}."
        ) from error
    fitted["student_"], fitted["_reference"] = distilled, reference
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


def _decoded_state(state, tensors, known):
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
    if not (
        isinstance(guarantee, tuple) and len(guarantee) == 2 and all(map(is_number, guarantee))
    ):
        raise SavedFileError("the guarantee of the swap is damaged.")
    found |= numbers | {"curve_": curve, "classes_": classes, "_guarantee": guarantee}
    return found | _decoded_shares(state, found, known.tolist())


def _decoded_shares(state, found, labels):
    """``promises_`` and ``class_disagreement_``; of a file without them, what it does say."""
    if "promises" not in state:
        of_all = {
            "share": found["disagreement_"],
            "bound": found["disagreement_bound_"],
            "n": found["n_calibration_"],
            "limit": found["_guarantee"][0],
        }
        return {"promises_": {ALL: of_all}, "class_disagreement_": {}}
    promises, classes = decoded(state["promises"]), decoded(state["class_disagreement"])
    names = {ALL, ANSWERED, CLASS, SALIENCY}
    whole = isinstance(promises, dict) and set(promises) <= names and isinstance(classes, list)
    whole = whole and len(classes) in (0, len(labels))
    whole = whole and all(_is_share(one, "limit") for one in promises.values())
    if not (whole and all(_is_share(one) for one in classes)):
        raise SavedFileError("the shares that the swap promises are damaged.")
    of_classes = dict(zip(labels, classes, strict=True)) if classes else {}
    return {"promises_": promises, "class_disagreement_": of_classes}


def _is_share(value, *more):
    keys = ("share", "bound", "n", *more)
    return (
        isinstance(value, dict)
        and set(value) == set(keys)
        and all(is_number(one) for one in value.values())
        and is_whole(value["n"])
    )
