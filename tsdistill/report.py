"""FidelityReport: what to show before a teacher is replaced."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tsdistill.asking import name_of
from tsdistill.checks import check_count, check_share
from tsdistill.columns import few
from tsdistill.display import FidelityDisplay
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    accuracy,
    agreement,
    area,
    bootstrap_interval,
    by_class,
    clopper_pearson,
    expected_calibration_error,
    negative_log_likelihood,
    predictive_js,
    predictive_kl,
    random_maps,
)
from tsdistill.fidelity.answers import (
    calibration_error,
    confidence_and_success,
    per_series_js,
    per_series_kl,
)
from tsdistill.fidelity.maps import per_series_correlation, per_series_overlap
from tsdistill.page import NAMES, check_folder, number, page_of, write_whole
from tsdistill.seeds import generator

N_WORST = 10
N_DRAWN = 4
N_TIMED_SERIES = 256


@dataclass(frozen=True, eq=False, repr=False)
class FidelityReport:
    """How far a student answers as its teacher does, for the same reasons, and at what cost.

    Made by :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

    Attributes
    ----------
    n_instances, n_explained : int
        Series in all, and those, drawn at random, that maps and curves were asked for.
    left_out : list
        Classes that the teacher knows and the student does not, since the y of its ``fit`` had
        none; all measures are of the teacher's answers among the others.
    n_left_out : int
        Series for which the teacher, asked freely, names one of those.
    about : str
        Which models were compared.
    confidence : float
        Level of the intervals. Those of calibration errors are of a statistic that resampling
        raises, and lie high.
    agreement, kl, js : float
        Of the answers, see :mod:`tsdistill.fidelity`.
    saliency, top_overlap : float
        Of the maps, by fills that the student was not trained on, for the teacher's class.
    accuracy, nll, ece, teacher_accuracy, teacher_nll, teacher_ece : float or None
        Of student and teacher against y; None without y.
    intervals : dict of str to (low, high)
        Of each of the above: Clopper-Pearson of shares, bootstrap percentiles of the others.
    beside : dict of str to dict of str to float
        What "saliency" and "top_overlap" are of a random map, and of a student trained on labels
        alone where one was given; of that student also the measures of its answers.
    per_class : pandas.DataFrame
        One row for each class that the teacher predicts: series, agreement with the bounds of
        its interval, mean KL, and the measures of the maps; beside them those of a random map
        (``_random``) and of the student trained on labels alone (``_labels``).
    worst : pandas.DataFrame
        The ten series on which the two differ most, by their row in X: other predictions first,
        then by KL. Columns: y where it was given, what either predicts and with which
        probability, KL, and the correlation of their maps.
    n_differ : int
        Series with another prediction.
    models : pandas.DataFrame
        Of teacher and student, and their ratio: weights (of torch modules), megabytes (of their
        tensors, else pickled), milliseconds for one series, and for each of up to 256 at once.
    curves : dict of (model, fill, kind) to (shares, proba)
        See :func:`tsdistill.fidelity.deletion_curve`.
    examples : dict of str to list of dict
        "typical" and "worst" series with both maps, for the pictures.
    answers : tuple of ndarray
        The student's confidence, and whether it agrees, for each series.
    """

    n_instances: int
    n_explained: int
    n_differ: int
    left_out: list
    n_left_out: int
    about: str
    confidence: float
    agreement: float
    kl: float
    js: float
    saliency: float
    top_overlap: float
    intervals: dict
    beside: dict
    per_class: pd.DataFrame
    worst: pd.DataFrame
    models: pd.DataFrame
    curves: dict = field(repr=False)
    examples: dict = field(repr=False)
    answers: tuple = field(repr=False)
    accuracy: float | None = None
    nll: float | None = None
    ece: float | None = None
    teacher_accuracy: float | None = None
    teacher_nll: float | None = None
    teacher_ece: float | None = None

    def to_frame(self):
        """All measures with their intervals, and what stands beside them.

        Returns
        -------
        frame : pandas.DataFrame
            One row a measure; columns ``value``, ``low``, ``high``, ``n_series``,
            ``random_map`` and, where such a student was given, ``label_only``. NaN where a
            measure has no such value.
        """
        rows = {}
        for name in self.intervals:
            low, high = self.intervals[name]
            of_maps = name in ("saliency", "top_overlap")
            n_series = self.n_explained if of_maps else self.n_instances
            row = {"value": getattr(self, name), "low": low, "high": high, "n_series": n_series}
            rows[name] = row | {"random_map": np.nan} | self.beside.get(name, {})
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "measure"
        return frame

    def areas(self):
        """Areas under the deletion and insertion curves.

        Returns
        -------
        frame : pandas.DataFrame
            One row a kind and fill; a column each for teacher, student, and the student with
            timesteps in random order. Deletion: lower is better; insertion: higher.
        """
        found = pd.Series({key: area(*curve).mean() for key, curve in self.curves.items()})
        found.index.names = ["model", "fill", "kind"]
        models = list(dict.fromkeys(model for model, _, _ in self.curves))
        return found.unstack("model").swaplevel().sort_index()[models]

    @property
    def warnings(self):
        """Sentences that belong beside every figure; none where nothing has to be said."""
        if not self.left_out:
            return []
        return [
            f"The teacher also knows class {few(self.left_out)}, which the student does not: it "
            f"was left out of every measure, and is the teacher's own answer for {self.n_left_out} "
            f"of the {self.n_instances} series."
        ]

    def __repr__(self):
        return (
            f"<FidelityReport: {self.n_instances} series, agreement {self.agreement:.3f}, saliency "
            f"{self.saliency:.3f}; print it, or write it by to_html(path)>"
        )

    def __str__(self):
        percent = f"{100 * self.confidence:g} %"
        lines = [
            f"Fidelity of a student to its teacher: {self.n_instances} series, {self.n_explained} "
            f"explained; {percent} intervals",
            self.about,
            *self.warnings,
            "",
        ]
        table = self.to_frame()
        for name, row in table.iterrows():
            beside = [f"random map {row['random_map']:.3f}"] * (not np.isnan(row["random_map"]))
            if not np.isnan(row.get("label_only", np.nan)):
                beside.append(f"labels only {row['label_only']:.3f}")
            interval = f"[{row['low']:.3f}, {row['high']:.3f}]"
            interval = "" if np.isnan(row["low"]) else interval
            text = f"  {NAMES[name]:<40}{row['value']:>8.3f}  {interval:<16} "
            lines.append((text + "; ".join(beside)).rstrip())
        for title, frame in (
            ("By the class that the teacher predicts", self.per_class),
            (f"Where they differ most ({self.n_differ} predictions differ)", self.worst),
            ("Areas under the curves (deletion: lower is better)", self.areas()),
            ("Models", self.models),
        ):
            shown = frame.to_string(float_format=number, na_rep="", line_width=120)
            lines += ["", title, shown]
        return "\n".join(lines)

    def _repr_html_(self):
        return page_of(self)

    def plot(self, *, figure=None):
        """Draw agreement against confidence, and the curves.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None

        Returns
        -------
        display : FidelityDisplay
        """
        return FidelityDisplay(*self.answers, self.curves).plot(figure=figure)

    def to_html(self, path, *, title="Fidelity report"):
        """Write one page with all tables and pictures, which needs nothing else to be read.

        Parameters
        ----------
        path : str or path
            Replaced if it exists, whole or not at all; its folder has to exist.
        title : str, default="Fidelity report"
            What stands on top, such as the name of the data.
        """
        if not isinstance(title, str):
            raise ParameterError(f"title={title!r}; expected text.")
        check_folder(path)
        write_whole(path, page_of(self, title=title))


def as_reference(label_only, classes, X):
    """The comparison of a student trained on labels alone, after a look at its classes."""
    if not hasattr(label_only, "_compare"):
        raise ParameterError(
            f"label_only={type(label_only).__name__}; expected a fitted SaliencyDistilledClassifier"
        )
    if label_only.soft_target_weight or label_only.saliency_weight or label_only.auxiliary:
        raise ParameterError(
            "label_only was trained with more than labels; expected a student with "
            "soft_target_weight=0, saliency_weight=0 and no auxiliary."
        )
    try:
        comparison = label_only._compare(X)
    except ValueError as error:
        raise ParameterError(f"label_only cannot be asked about X: {error}") from error
    if not np.array_equal(label_only.classes_, classes):
        raise ParameterError(
            f"label_only knows the classes {label_only.classes_.tolist()}, this student "
            f"{classes.tolist()}; expected the same."
        )
    return comparison


def make_report(comparison, y=None, label_only=None, *, n_explained, confidence, random_state):
    """Ask both models, measure, and report.

    Parameters
    ----------
    comparison : Comparison
    y : ndarray of shape (n_instances,), int64, or None
    label_only : Comparison or None
    n_explained, confidence, random_state
        As in :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

    Returns
    -------
    report : FidelityReport
    """
    check_share("confidence", confidence)
    check_count("n_explained", n_explained)
    rng = generator(random_state)
    level = {"confidence": confidence, "random_state": int(rng.integers(2**32))}
    n = len(comparison.panel)
    drawn = np.sort(rng.permutation(n)[:n_explained])
    explained = comparison.rows(drawn)
    kl = per_series_kl(*comparison.log_proba.values())
    agrees = comparison.answers("student").argmax(axis=1) == comparison.target
    worst = np.lexsort((-kl, agrees))[:N_WORST]
    differ = comparison.rows(worst)
    noise = random_maps(explained.maps["teacher"].shape, rng)

    values, intervals = _of_answers(comparison, level)
    found = [_of_maps(explained.maps["teacher"], m) for m in (explained.maps["student"], noise)]
    reasons, of_noise = found
    for name, measured in reasons.items():
        values[name] = measured.mean()
        intervals[name] = bootstrap_interval(np.mean, measured, **level)
    if y is not None:
        _add_truth(values, intervals, comparison, y, level)
    beside = {name: {"random_map": measured.mean()} for name, measured in of_noise.items()}
    if label_only is not None:
        maps = explained.explain(label_only.models["student"])
        of_labels = _of_maps(explained.maps["teacher"], maps)
        found = _of_answers_alone(label_only, comparison, y)
        found |= {name: measured.mean() for name, measured in of_labels.items()}
        for name, value in found.items():
            beside.setdefault(name, {})["label_only"] = float(value)
    per_class = _by_class(comparison, agrees, kl, explained, reasons, of_noise, confidence)
    if label_only is not None:
        others = label_only.answers("student").argmax(axis=1) == comparison.target
        found = by_class(np.mean, comparison.target, others)
        per_class["agreement_labels"] = list(found.values())
        for name, measured in of_labels.items():
            found = by_class(np.mean, explained.target, measured)
            found = [found.get(k, np.nan) for k in np.unique(comparison.target)]
            per_class[f"{name}_labels"] = found
    typical = drawn[_typical(kl[drawn], explained.target)]
    return FidelityReport(
        n_instances=n,
        n_explained=len(drawn),
        n_differ=int(n - agrees.sum()),
        left_out=list(comparison.models["teacher"].left_out),
        n_left_out=comparison.n_left_out,
        about=_about(comparison),
        confidence=confidence,
        **{name: float(value) for name, value in values.items()},
        intervals=intervals,
        beside=beside,
        per_class=per_class,
        worst=_table_of_series(differ, worst, y),
        models=_costs(comparison),
        curves=explained.all_curves(rng),
        examples={
            "typical": _examples(comparison.rows(typical), typical),
            "worst": _examples(differ, worst)[:N_DRAWN],
        },
        answers=(np.exp(comparison.log_proba["student"].max(axis=1)), agrees),
    )


def _of_answers(comparison, level):
    answers = comparison.log_proba.values()
    agrees = np.equal(*(log_proba.argmax(axis=1) for log_proba in answers))
    values = {"agreement": agrees.mean()}
    intervals = {"agreement": clopper_pearson(agrees.sum(), len(agrees), level["confidence"])}
    for name, measure in (("kl", per_series_kl), ("js", per_series_js)):
        measured = measure(*answers)
        values[name] = measured.mean()
        intervals[name] = bootstrap_interval(np.mean, measured, **level)
    return values, intervals


def _of_maps(teacher, student):
    return {
        "saliency": per_series_correlation(teacher, student),
        "top_overlap": per_series_overlap(teacher, student),
    }


def _add_truth(values, intervals, comparison, y, level):
    """Accuracy, likelihood and calibration of both models, with intervals."""
    for name, prefix in (("student", ""), ("teacher", "teacher_")):
        log_proba = comparison.log_proba[name].astype(np.float64)
        sure, right = confidence_and_success(log_proba, y)
        minus_log = -log_proba[np.arange(len(y)), y]
        values[f"{prefix}accuracy"] = right.mean()
        values[f"{prefix}nll"] = minus_log.mean()
        values[f"{prefix}ece"] = calibration_error(sure, right)
        intervals[f"{prefix}accuracy"] = clopper_pearson(
            right.sum(), len(right), level["confidence"]
        )
        intervals[f"{prefix}nll"] = bootstrap_interval(np.mean, minus_log, **level)
        intervals[f"{prefix}ece"] = bootstrap_interval(calibration_error, sure, right, **level)


def _of_answers_alone(label_only, comparison, y):
    """What the answers of a student trained on labels alone reach, by the same measures."""
    teacher, other = comparison.answers("teacher"), label_only.answers("student")
    found = {
        "agreement": agreement(teacher, other),
        "kl": predictive_kl(teacher, other),
        "js": predictive_js(teacher, other),
    }
    if y is not None:
        found["accuracy"] = accuracy(other, y)
        found["nll"] = negative_log_likelihood(other, y)
        found["ece"] = expected_calibration_error(other, y)
    return found


def _by_class(comparison, agrees, kl, explained, reasons, of_noise, confidence):
    rows = {}
    for k in np.unique(comparison.target):
        members, seen = comparison.target == k, explained.target == k
        low, high = clopper_pearson(agrees[members].sum(), members.sum(), confidence)
        row = {"n_series": members.sum(), "agreement": agrees[members].mean()}
        row |= {"low": low, "high": high, "kl": kl[members].mean()}
        for name in reasons:
            for title, measured in ((name, reasons), (f"{name}_random", of_noise)):
                row[title] = measured[name][seen].mean() if seen.any() else np.nan
        rows[comparison.models["teacher"].classes_[k]] = row
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index.name = "class"
    return frame.astype({"n_series": int})


def _table_of_series(comparison, rows, y=None):
    """Both answers to some series, and how far apart they are; rows are those of X."""
    classes = comparison.models["teacher"].classes_
    columns = {} if y is None else {"y": classes[y[rows]]}
    for name, log_proba in comparison.log_proba.items():
        columns[name] = classes[log_proba.argmax(axis=1)]
        columns[f"p_{name}"] = np.exp(log_proba.max(axis=1))
    columns["kl"] = per_series_kl(*comparison.log_proba.values())
    columns["saliency"] = per_series_correlation(*comparison.maps.values())
    return pd.DataFrame(columns, index=pd.Index(rows, name="series"))


def _typical(kl, target):
    """Positions of series with a middling KL, the classes taking turns."""
    order = np.argsort(np.abs(kl - np.median(kl)), kind="stable")
    turn = np.empty(len(order), dtype=int)
    for k in np.unique(target):
        turn[target[order] == k] = np.arange(np.sum(target == k))
    return order[np.argsort(turn, kind="stable")][:N_DRAWN]


def _examples(comparison, rows):
    """Series with both maps and both answers, for pictures."""
    table = _table_of_series(comparison, rows)
    return [
        {
            "series": series,
            "maps": {name: comparison.maps[name][i] for name in ("student", "teacher")},
        }
        | {"row": int(rows[i]), **{column: table[column].iloc[i] for column in table}}
        for i, series in enumerate(comparison.panel)
    ]


def _about(comparison):
    told = []
    for name, model in comparison.models.items():
        n_weights = comparison.n_weights(name)
        size = "" if n_weights is None else f" of {n_weights:,} weights"
        what = type(model.module).__name__.lstrip("_") if model.module is not None else None
        told.append(f"{name}: {what or name_of(model.model)}{size}")
    _, n_channels, n_timepoints = comparison.panel.shape
    return f"{'; '.join(told)}; series of {n_channels} x {n_timepoints}"


def _costs(comparison):
    n = min(N_TIMED_SERIES, len(comparison.panel))
    rows = {
        name: {
            "weights": comparison.n_weights(name),
            "megabytes": None if (size := comparison.n_bytes(name)) is None else size / 1e6,
            "ms_one_series": 1e3 * comparison.latency(name, 1),
            "ms_per_series": 1e3 * comparison.latency(name, n) / n,
        }
        for name in comparison.models
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").astype(float)
    frame.loc["teacher / student"] = frame.loc["teacher"] / frame.loc["student"]
    frame.index.name = "model"
    return frame
