"""The model card of a student: what it is, learnt from whom, how faithful, and for what."""

import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from tsdistill._version import __version__
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import shown
from tsdistill.reporting.html import NAMES, number
from tsdistill.reporting.markdown import table_of, text_of, yaml_of
from tsdistill.reporting.report import FidelityReport

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
FILE = "student.tsdistill"
OF_MODEL = tuple(name for name in NAMES if not name.startswith("teacher_"))
OF_REASONS = {
    "saliency", "gradient_saliency", "attribution_matching", "explanation_autoencoder",
}  # fmt: skip
"""Objectives whose students learn how much each timestep matters to the teacher."""
PACKAGES = ("torch", "skorch", "scikit-learn", "numpy")


@dataclass(frozen=True)
class StudentFacts:
    """What a card says of a fitted student.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    n_channels, n_timepoints : int
        Of the longest series of ``fit``.
    lengths : tuple of int, or None
        Timesteps of the shortest and the longest series of ``fit``, if series may differ.
    gaps : bool
        Whether values may be missing.
    ndim : int
        Axes of the series of ``fit``, 2 or 3.
    terms : frozenset of str
        Names of the objectives from which the student has learnt.
    network : str
        Name of the student's module.
    of_users : bool
        Whether the module is the user's own, which ``load`` has to be given.
    n_weights, n_bytes, bits : int
        Size of the student; bits of each weight.
    teacher : str
        Name of the teacher.
    n_queries : int
        Questions to the teacher.
    window : int or float
        Timesteps that a window of an explanation takes, or their share of a series.
    epochs : int
        0 if they are not known.
    seconds : float
        That these epochs took.
    settings : dict of str to str
        Parameters that differ from their defaults.
    class_counts : ndarray of shape (n_classes,), int64, or None
        Number of training series of each class, if it is known.
    """

    classes: np.ndarray
    n_channels: int
    n_timepoints: int
    lengths: tuple[int, int] | None
    gaps: bool
    ndim: int
    terms: frozenset[str]
    network: str
    of_users: bool
    n_weights: int
    n_bytes: int
    bits: int
    teacher: str
    n_queries: int
    window: int | float
    epochs: int
    seconds: float
    settings: Mapping[str, str]
    class_counts: np.ndarray | None


@dataclass(frozen=True)
class CardFields:
    """What a user adds to a card, see :meth:`tsdistill.SaliencyDistilledClassifier.model_card`.

    Attributes
    ----------
    name : str or None
    data : str or None
    license : str or None
    repo_id : str or None

    Raises
    ------
    ParameterError
        If one of them is no str, or ``repo_id`` is not of the form "owner/name".
    """

    name: str | None = None
    data: str | None = None
    license: str | None = None
    repo_id: str | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise ParameterError(f"{name}={shown(value)}; expected a str, or None.")
        if self.repo_id is not None and not REPO_ID.fullmatch(self.repo_id):
            raise ParameterError(
                f"repo_id={shown(self.repo_id)}; expected the name of a repository, such as "
                "'owner/name'."
            )

    @property
    def title(self) -> str:
        """Name of the model."""
        return self.name or (self.repo_id or "tsdistill student").rpartition("/")[2]


def make_model_card(
    student: StudentFacts, report: FidelityReport | None, fields: CardFields
) -> str:
    """Write the model card of a fitted student.

    Parameters
    ----------
    student : StudentFacts
    report : FidelityReport or None
        Its evaluation.
    fields : CardFields

    Returns
    -------
    card : str
        YAML between two lines of hyphens, and Markdown.

    Raises
    ------
    ParameterError
        If ``report`` is no FidelityReport, or names classes that the student does not know.
    """
    if not (report is None or isinstance(report, FidelityReport)):
        raise ParameterError(
            f"report={shown(report)}; expected a FidelityReport, as fidelity_report gives it, or "
            "None."
        )
    if report is not None and not set(report.per_class.index) <= set(student.classes.tolist()):
        raise ParameterError("report has classes that are not the student's; pass its own report.")
    sections = {
        "Model description": _description(student),
        "Intended use and limits": _use(student, report),
        "How to use": _how(student, fields),
        "Training data": _data(student, fields),
        "Teacher": _teacher(student),
        "Training procedure": _procedure(student),
        "Evaluation": _evaluation(report, fields),
        "Explanations": _explanations(student, report),
        "Costs": _costs(student, report),
        "Citation": _citation(),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    head = yaml_of(_metadata(report, fields))
    return f"---\n{head}\n---\n\n# {text_of(fields.title)}\n\n{body}\n"


def _metadata(report: FidelityReport | None, fields: CardFields) -> dict[str, Any]:
    found: dict[str, Any] = {} if fields.license is None else {"license": fields.license}
    found |= {
        "library_name": "tsdistill",
        "pipeline_tag": "tabular-classification",
        "tags": ["time-series-classification", "knowledge-distillation", "explainability"],
    }
    if report is None:
        return found
    measured = [
        {"type": name, "name": NAMES[name], "value": round(getattr(report, name), 6)}
        for name in OF_MODEL
        if name in report.intervals and math.isfinite(getattr(report, name))
    ]
    task = {"type": "time-series-classification", "name": "Time series classification"}
    data = fields.data or "held-out series"
    slug = re.sub(r"[^a-z0-9]+", "-", data.lower()).strip("-") or "series"
    result = {"task": task, "dataset": {"type": slug, "name": data}, "metrics": measured}
    return found | {"model-index": [{"name": fields.title, "results": [result]}]}


def _description(student: StudentFacts) -> str:
    classes = ", ".join(text_of(label) for label in student.classes.tolist())
    learnt = "trained on labels alone, beside a larger model that is called its teacher here."
    if student.terms & OF_REASONS:
        learnt = (
            "trained to give the answers of a larger model, its teacher, for the teacher's "
            "reasons: besides the probabilities of the classes, it learnt how much each timestep "
            "matters to them (temporal saliency)."
        )
    elif student.terms - {"label"}:
        learnt = (
            "trained to give the answers of a larger model, its teacher (knowledge distillation). "
            "How much each timestep matters to the teacher was not part of its training."
        )
    return (
        f"A classifier of time series: a network ({text_of(student.network)}) of "
        f"{student.n_weights:,} weights that was {learnt}\n\n"
        f"* **Input:** {_series(student)}.\n"
        f"* **Output:** the probabilities of {len(student.classes)} classes: {classes}.\n"
        f"* **Library:** tsdistill {__version__}, a scikit-learn estimator on torch."
    )


def _series(student: StudentFacts) -> str:
    channels = f"{student.n_channels} channel" + "s" * (student.n_channels > 1)
    timesteps = f"{student.n_timepoints}"
    if student.lengths is not None and student.lengths[0] < student.lengths[1]:
        timesteps = f"{student.lengths[0]} to {student.lengths[1]}"
    gaps = "; values may be missing" if student.gaps else ""
    return f"series of {channels} and {timesteps} timesteps{gaps}"


def _use(student: StudentFacts, report: FidelityReport | None) -> str:
    lines = [
        "The model is meant to stand in for its teacher where the teacher is too large or too "
        "slow, for series that are drawn as those of its training were.",
        "",
        "* It learnt what the teacher does near the training series. For series of another "
        "source, scale or sampling rate nothing is known about it.",
        "* It repeats the teacher's errors and biases, as far as it is faithful.",
        "* It always names one of its classes, even for a series of none of them.",
        "* A map of saliency says what changes the model's answer. It does not say what causes "
        "the class.",
    ]
    lines += [f"* {text_of(warning)}" for warning in ([] if report is None else report.warnings)]
    return "\n".join(lines)


def _how(student: StudentFacts, fields: CardFields) -> str:
    lines = ["from tsdistill import SaliencyDistilledClassifier", ""]
    path = f'"{FILE}"'
    if fields.repo_id is not None:
        lines.insert(0, "from huggingface_hub import hf_hub_download")
        lines.append(f'path = hf_hub_download("{fields.repo_id}", "{FILE}")')
        path = "path"
    more = ", student=MyNetwork" * student.of_users
    lines += [
        f"student = SaliencyDistilledClassifier.load({path}{more})",
        f"proba = student.predict_proba(X)  # X: {_shape(student)}",
        "maps = student.explain(X)  # positive: the timestep speaks for the prediction",
    ]
    code = "\n".join(lines)
    own = "`MyNetwork` is the class, or a factory, of the network.\n\n" * student.of_users
    return (
        f'It takes tsdistill with its extra `save`, and the file that `save("{FILE}")` wrote:\n\n'
        f"```python\n{code}\n```\n\n{own}Nothing in the file is run when it is loaded."
    )


def _shape(student: StudentFacts) -> str:
    if student.lengths is not None:
        return "series of several lengths, in the form of those of fit"
    channels = "" if student.ndim == 2 else f"{student.n_channels}, "
    return f"(n_instances, {channels}{student.n_timepoints})"


def _data(student: StudentFacts, fields: CardFields) -> str:
    source = "Where they come from is not stated."
    if fields.data is not None:
        source = f"They come from {text_of(fields.data)}."
    text = f"It was trained on {_series(student)}. {source}"
    if student.class_counts is None:
        return f"{text} The number of series of each class was not recorded."
    n = int(student.class_counts.sum())
    rows = [
        [text_of(label), f"{count:,}", f"{count / n:.3f}"]
        for label, count in zip(student.classes.tolist(), student.class_counts, strict=True)
    ]
    table = table_of(["class", "series", "share"], rows)
    return f"{text} There were {n:,}, by their labels.\n\n{table}"


def _teacher(student: StudentFacts) -> str:
    return (
        f"{text_of(student.teacher)}. The student rests on {student.n_queries:,} answers of it, "
        "about the training series and about copies and mixtures of them. The teacher is not part "
        "of the file."
    )


def _procedure(student: StudentFacts) -> str:
    rounded = ""
    if student.bits < 32:
        rounded = f" Afterwards, the weights were rounded to {student.bits} bits."
    epochs = "The number of epochs was not recorded."
    if student.epochs:
        epochs = f"{student.epochs:,} epochs, which took {student.seconds:,.0f} seconds."
    terms = ", ".join(f"{text_of(name)}" for name in sorted(student.terms))
    text = f"{epochs}{rounded} Terms of the loss: {terms}. "
    if not student.settings:
        text += "All settings are the defaults."
    else:
        rows = [[f"`{name}`", text_of(value)] for name, value in student.settings.items()]
        text += "Settings that differ from the defaults:\n\n" + _left(["setting", "value"], rows)
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return (
        f"{text}\n\nThis card was written by tsdistill {__version__} with "
        f"{', '.join(versions)} and Python {platform.python_version()}."
    )


def _left(columns: list[str], rows: list[list[str]]) -> str:
    """A table without numbers."""
    return table_of(columns, rows).replace("|---:", "|---")


def _evaluation(report: FidelityReport | None, fields: CardFields) -> str:
    if report is None:
        return "The student was not compared with its teacher for this card."
    on = "" if fields.data is None else f" of {text_of(fields.data)}"
    table = report.to_frame()
    rows = [
        [
            text_of(NAMES[name]), _number(row["value"]), _number(row["low"]), _number(row["high"]),
            f"{row['n_series']:,.0f}", _number(row["random_map"]),
        ]
        for name, row in zip(table.index, table.to_dict("records"), strict=True)
    ]  # fmt: skip
    titles = ["measure", "value", "interval from", "to", "series", "random map"]
    per_class = report.per_class
    classes = [
        [
            text_of(label), f"{row['n_series']:,}",
            *(_number(row[name]) for name in ("agreement", "low", "high", "saliency")),
        ]
        for label, row in zip(per_class.index, per_class.to_dict("records"), strict=True)
    ]  # fmt: skip
    no_labels = " Without labels, accuracy was not measured." * (report.accuracy is None)
    return (
        f"On {report.n_instances:,} series{on} that were passed for evaluation; "
        f"{100 * report.confidence:g} % intervals.{no_labels}\n\n{table_of(titles, rows)}\n\n"
        "By the class that the teacher predicts:\n\n"
        + table_of(
            ["class", "series", "same prediction", "interval from", "to", "correlation of maps"],
            classes,
        )
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else number(value)


def _explanations(student: StudentFacts, report: FidelityReport | None) -> str:
    width = student.window
    window = f"{width} timesteps"
    if isinstance(width, float):
        window = f"{100 * width:g} % of a series"
    how = "How closely these maps follow the teacher's was not measured."
    if report is not None:
        how = (
            "On the series of the evaluation, with a baseline on which the student was not "
            f"trained, its maps correlate with the teacher's by {_number(report.saliency)} "
            f"(random maps: {_number(report.beside['saliency']['random_map'])})."
        )
    return (
        f"`explain` slides a window of {window} over a series, replaces it by the same window of "
        "training series of other classes, and says by how much the centred logit of the "
        f"prediction falls. {how}"
    )


def _costs(student: StudentFacts, report: FidelityReport | None) -> str:
    size = f"{student.n_weights:,} weights of {student.bits} bits, {student.n_bytes:,} bytes."
    if report is None:
        return size
    models = report.models.loc[["teacher", "student"]]
    titles = ["model", "weights", "megabytes", "ms, one series", "ms a series, many at once"]
    rows = [
        [text_of(model), *map(_number, row)]
        for model, row in zip(models.index, models.to_numpy(dtype=float), strict=True)
    ]
    return (
        f"{size} Latencies are medians of up to five queries in one process; the size of a "
        f"model that is not a torch module is that of its pickle.\n\n{table_of(titles, rows)}"
    )


def _citation() -> str:
    return (
        "The method is Temporal Saliency Distillation (ECAI 2025, "
        "[10.3233/FAIA251144](https://doi.org/10.3233/FAIA251144), "
        "[arXiv 2601.04263](https://arxiv.org/abs/2601.04263)); the code is tsdistill "
        f"{__version__}."
    )
