"""What a fitted SaliencyDistilledClassifier knows, as plain values and tensors, and back."""

import platform
import types
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from torch import nn

from tsdistill import objectives
from tsdistill._version import __version__
from tsdistill.exceptions import ExportError, PanelError, SavedFileError, StudentError, TeacherError
from tsdistill.export.archive import FORMAT_VERSIONS, archive_bytes, content_of
from tsdistill.export.networks import (
    decoded_student,
    described,
    encoded_student,
    rebuilt,
    state_of,
)
from tsdistill.export.series_format import decoded_format, encoded_format
from tsdistill.export.values import (
    DEEPEST,
    decoded,
    decoded_labels,
    encoded,
    encoded_labels,
    is_plain,
)
from tsdistill.inputs.checks import as_list, check_positive, is_whole
from tsdistill.inputs.lengths import check_ends
from tsdistill.inputs.panel import in_layout
from tsdistill.inputs.types import Device
from tsdistill.objectives import Objective
from tsdistill.perturbation.baselines import Baselines
from tsdistill.students import STUDENTS
from tsdistill.students.extension import student_inside
from tsdistill.teachers.absent import AbsentTeacher
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import Teacher, as_teacher

NOT_SAVED = ("teacher", "device", "callbacks", "memory", "memory_size", "n_jobs")
"""Parameters of the machine, or with objects of the user's; they have their defaults after."""
WEIGHT = "network."
TOLERANCE = 1e-3
"""In logits: how far the answers after loading may be from those before, by rounding."""


def saved(
    classifier: Any, kind: str, names: Sequence[str]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Configuration and tensors of a fitted classifier, for :mod:`tsdistill.export.archive`.

    Parameters
    ----------
    classifier : fitted SaliencyDistilledClassifier
    kind : str
        Name of the class that reads them.
    names : sequence of str
        Names of the parameters to save.

    Returns
    -------
    config : dict
    tensors : dict of str to ndarray

    Raises
    ------
    ExportError
        If labels, names or weights are of types that cannot be saved.
    """
    fitted = dict(vars(classifier))  # of one fit, though another thread may end the next one
    net, baselines = fitted["student_"], fitted["_baselines"]
    uneven, width = fitted["_uneven_form"] is not None, fitted["_window_width"]
    parameters, left_out = _encoded_parameters(classifier, names)
    if "missing" in parameters:  # as it was in fit
        gaps = uneven and fitted["_uneven_form"].gaps
        parameters["missing"] = "mask" if gaps else "refuse"
    config = {
        "format": FORMAT_VERSIONS[uneven],
        "kind": kind,
        "versions": _versions(),
        "parameters": parameters,
        "parameters_left_out": left_out,
        "classes": encoded_labels(fitted["classes_"]),
        "series": encoded_format(fitted),
        "window_width": width if isinstance(width, float) else int(width),
        "n_queries": int(fitted["n_queries_"]),
        "terms": sorted(fitted["_terms"]),
        "trained_on_constants": bool(baselines.trained_on_constants),
        "network": described(net.module_) | {"gives_proba": gives_proba(net)},
        "teacher_factors": factors_of(fitted["teacher_"]),
    }
    missing = np.isnan(baselines.series)
    of_ends = {"baselines.missing": missing} if uneven else {}
    tensors = (
        {WEIGHT + name: value for name, value in state_of(net.module_).items()}
        | of_ends
        | {
            "baselines.series": np.where(missing, np.float32(0), baselines.series),
            "baselines.class_index": baselines.class_index,
            "baselines.mean": baselines.channel_means,
            "answers": _answers(net, fitted["classes_"], baselines.series),
        }
    )
    return config, tensors


def check_loads(
    config: dict[str, Any], tensors: dict[str, NDArray[Any]], network: nn.Module
) -> None:
    """Raise ExportError unless a file with this content can be loaded again."""
    own = config["network"]["student"] is None
    inner = network if config["network"]["layers"] is None else student_inside(network)[0]
    parameters = config["parameters"]
    try:
        _, read = content_of(archive_bytes(config, tensors))
        restored(
            config, read, kind=config["kind"], known=[*parameters, *NOT_SAVED],
            student=inner if own else None,
        )  # fmt: skip
    except (SavedFileError, StudentError) as error:
        raise ExportError(
            f"the student {type(network).__name__} cannot be saved so that it loads again: {error}"
        ) from error


def gives_proba(net: NeuralNetClassifier) -> bool:
    """Whether the network of a fitted student answers with probabilities."""
    return bool(Teacher.of_student(net, None)._adapter.gives_proba)


def restored(
    config: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
    *,
    kind: str,
    known: Sequence[str],
    teacher: Any = None,
    student: Any = None,
    device: Device = "cpu",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and fitted attributes of a classifier, from what :func:`saved` gave.

    Parameters
    ----------
    config : dict
    tensors : dict of str to ndarray
    kind : str
        What the file has to hold.
    known : sequence of str
        Names of the parameters that the class has.
    teacher : as SaliencyDistilledClassifier takes it, default=None
        The fitted teacher, which is not in the file.
    student : as SaliencyDistilledClassifier takes it, default=None
        Needed for a module that is not built in.
    device : str or torch.device, default="cpu"

    Returns
    -------
    parameters, fitted : dict of str to object

    Raises
    ------
    SavedFileError, StudentError, TeacherError, ParameterError
    """
    try:
        if config["kind"] != kind:
            raise SavedFileError(
                f"the file holds a {str(config['kind'])[:60]}; expected a {kind}, load it with "
                "that class."
            )
        parameters = _decoded_parameters(config["parameters"])
        if unknown := sorted(parameters.keys() - (set(known) - set(NOT_SAVED))):
            raise SavedFileError(f"a file holds no parameters {str(unknown)[:200]} of a {kind}.")
        decoded_factors(config["teacher_factors"])  # before anything is built
        fitted = _decoded_state(config, tensors, student, device)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise SavedFileError(
            f"the configuration is not complete: {type(error).__name__}: {str(error)[:200]}."
        ) from error
    if student is not None:
        parameters["student"] = student
    fitted["teacher_"] = _bound(teacher, config, fitted)
    return parameters | {"teacher": teacher, "device": device}, fitted


def _decoded_state(config, tensors, student, device):
    classes = decoded_labels(config["classes"])
    if len(classes) < 2 or not np.array_equal(classes, np.unique(classes)):
        raise SavedFileError("the classes are not sorted, or fewer than two.")
    if not all(isinstance(term, str) for term in config["terms"]) or isinstance(
        config["terms"], str
    ):
        raise SavedFileError("the names of the objectives that were learnt are damaged.")
    series_format = decoded_format(config["series"])
    baselines = _decoded_baselines(config, tensors, series_format, len(classes))
    state = {k.removeprefix(WEIGHT): v for k, v in tensors.items() if k.startswith(WEIGHT)}
    form = series_format.uneven
    if config["format"] != FORMAT_VERSIONS[form is not None]:
        raise SavedFileError(f"format {config['format']} does not go with the form of the series.")
    if len(tensors) != len(state) + (4 if form is None else 5):
        raise SavedFileError(f"the file holds other tensors: {sorted(tensors)[:4]}, ...")
    network, width = config["network"], config["window_width"]
    most = 1 if isinstance(width, float) and form is not None else series_format.n_timepoints
    if not (is_whole(width) or (most == 1 and isinstance(width, float))) or not 0 < width <= most:
        raise SavedFileError(f"windows of {str(width)[:50]} timesteps do not fit the series.")
    if not (is_whole(config["n_queries"]) and config["n_queries"] >= 0):
        raise SavedFileError(f"n_queries={str(config['n_queries'])[:50]} is no number of queries.")
    net = rebuilt(
        network, state, (series_format.n_channels, series_format.n_timepoints, len(classes)),
        student=student, gives_proba=network["gives_proba"] is True, device=device,
        uneven=form is not None, gaps=series_format.gaps,
    )  # fmt: skip
    _check_answers(net, classes, baselines.series, tensors["answers"], student)
    return series_format.attributes() | {
        "classes_": classes,
        "student_": net,
        "history_": [],
        "n_queries_": config["n_queries"],
        "_baselines": baselines,
        "_window_width": width,
        "_terms": frozenset(config["terms"]),
        "_transfer_set": None,
    }


def _check_answers(net, classes, series, expected, student):
    """Compare the answers to the baselines with those given before the file was written."""
    try:
        answers = _answers(net, classes, series)
    except ValueError as error:
        kind = SavedFileError if student is None else StudentError
        raise kind(f"the student that was loaded cannot answer: {error}") from error
    same = (expected.shape, expected.dtype) == (answers.shape, answers.dtype)
    if not same or not np.abs(answers - expected).max() <= TOLERANCE:
        if student is not None:
            raise StudentError(
                f"student={type(net.module_).__name__} with the saved weights gives other answers "
                "than the student that was saved; pass the same module, with the same settings."
            )
        raise SavedFileError("the student that was loaded gives other answers than it gave before.")


def _answers(net, classes, series):
    return query(Teacher.of_student(net, classes), series, QueryOptions(net.device))


def _encoded_parameters(classifier, names):
    """Parameters that are plain values, and the names of the others."""
    parameters, left_out = {}, []
    for name in sorted(names):
        value = getattr(classifier, name)
        if name in NOT_SAVED:
            left_out += [name] * (name in ("teacher", "callbacks") and value is not None)
        elif type(value) in STUDENTS.values():
            parameters[name] = {"student": encoded_student(value)}
        elif name == "auxiliary" and value is not None and all(map(_is_known, as_list(value))):
            parameters[name] = {"objectives": [_encoded_objective(one) for one in as_list(value)]}
        elif is_plain(value):
            parameters[name] = encoded(value)
        else:
            left_out.append(name)
    return parameters, left_out


def _decoded_parameters(values):
    parameters = {}
    for name, value in values.items():
        if isinstance(value, dict) and "student" in value:
            parameters[name] = decoded_student(value["student"])
        elif isinstance(value, dict) and "objectives" in value:
            parameters[name] = [_decoded_objective(one) for one in value["objectives"]]
        else:
            parameters[name] = decoded(value)
    return parameters


def _is_known(objective):
    kind = type(objective)
    return (
        isinstance(objective, Objective)
        and getattr(objectives, kind.__name__, None) is kind
        and all(map(is_plain, objective.get_params().values()))
    )


def _encoded_objective(objective):
    parameters = objective.get_params()
    return {
        "name": type(objective).__name__,
        "parameters": {name: encoded(value) for name, value in parameters.items()},
    }


def _decoded_objective(value):
    kind = getattr(objectives, value["name"], None)
    if not (isinstance(kind, type) and issubclass(kind, Objective)):
        raise SavedFileError(f"{str(value['name'])[:60]} is no objective of tsdistill.")
    return kind(**{name: decoded(one) for name, one in value["parameters"].items()})


def _decoded_baselines(config, tensors, series_format, n_classes):
    series, class_index = tensors["baselines.series"], tensors["baselines.class_index"]
    means = tensors["baselines.mean"]
    shape = series_format.n_channels, series_format.n_timepoints
    known = np.unique(class_index) if class_index.dtype == np.int64 else []
    if not (
        series.dtype == means.dtype == np.float32
        and class_index.ndim == 1
        and series.shape == (len(class_index), *shape)
        and means.shape == shape[:1]
        and np.array_equal(known, np.arange(n_classes)[np.isin(np.arange(n_classes), known)])
        and len(known) >= 2
    ):
        raise SavedFileError("the baselines of the explanations do not fit series and classes.")
    if series_format.form is not None:
        missing = tensors["baselines.missing"]
        if missing.dtype != bool or missing.shape != series.shape:
            raise SavedFileError("where the baselines have no values does not fit them.")
        series = np.where(missing, np.float32(np.nan), series)
        try:
            check_ends(series, "baselines.series", gaps=series_format.gaps)
        except PanelError as error:
            raise SavedFileError(str(error)) from error
    mean = np.repeat(means[:, np.newaxis], shape[1], axis=1)[np.newaxis]
    return Baselines(series, class_index, mean, config["trained_on_constants"] is True)


def factors_of(teacher):
    """The scales of a bound teacher and of its members, as JSON."""
    if isinstance(teacher, AbsentTeacher):
        return teacher.factors
    inner = None if teacher.inner is None else [factors_of(one) for one in teacher.inner]
    return {"factor": float(teacher.factor), "inner": inner}


def decoded_factors(value, depth=0):
    """The scales of :func:`factors_of`, to be given to :func:`with_factors`."""
    factor, inner = value["factor"], value["inner"]
    check_positive("teacher_factors", factor)
    if depth == DEEPEST or not (inner is None or isinstance(inner, list)):
        raise SavedFileError(f"the scales of the teacher cannot be: {str(value)[:100]}.")
    members = None if inner is None else [decoded_factors(one, depth + 1) for one in inner]
    return types.SimpleNamespace(factor=factor, inner=members)


def with_factors(teacher, factors):
    """A bound teacher with the scales of :func:`decoded_factors`."""
    if not _of_one_structure(teacher, factors):
        raise TeacherError(
            f"teacher={teacher!r} is not built as the teacher that the student was distilled from: "
            "that one was a list of other models, or no list. Pass that teacher."
        )
    return teacher.with_factors_of(factors)


def _of_one_structure(teacher, factors):
    """Whether a teacher is a list of as many models as scales were saved of, or none of both."""
    mine, theirs = teacher.inner, factors.inner
    if mine is None or theirs is None:
        return mine is theirs
    return len(mine) == len(theirs) and all(map(_of_one_structure, mine, theirs))


def _bound(teacher, config, fitted):
    """The teacher, bound to the classes as it was in ``fit``; a stand-in where there is none."""
    if teacher is None:
        return AbsentTeacher(fitted["classes_"], config["teacher_factors"])
    teacher, baselines = as_teacher(teacher), fitted["_baselines"]
    if not teacher.is_fitted:
        raise TeacherError(
            f"teacher={teacher!r} is not fitted; pass the fitted teacher of the student."
        )
    bound = teacher.bind(
        in_layout(baselines.series, fitted["panel_ndim_"]),
        fitted["classes_"],
        baselines.class_index,
        fitted["_uneven_form"],
    )
    return with_factors(bound, decoded_factors(config["teacher_factors"]))


def _versions():
    packages = ("torch", "skorch", "scikit-learn", "numpy")
    installed = {name: metadata.version(name) for name in packages}
    return {"tsdistill": __version__, "python": platform.python_version(), **installed}
