"""Measures of teacher and student on the same series, collected in a FidelityReport."""

from typing import Any

import numpy as np
import pandas as pd

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import (
    accuracy,
    agreement,
    negative_flips,
    negative_log_likelihood,
    per_series_flips,
    per_series_js,
    per_series_kl,
    positive_flips,
    predictive_js,
    predictive_kl,
)
from tsdistill.fidelity.calibration import (
    calibration_error,
    confidence_and_success,
    expected_calibration_error,
)
from tsdistill.fidelity.intervals import bootstrap_interval, clopper_pearson
from tsdistill.fidelity.maps import per_series_correlation, per_series_overlap
from tsdistill.inputs.checks import check_count, check_share, quoted
from tsdistill.inputs.random_state import generator
from tsdistill.inputs.types import IntArray, LabelArray, RandomSource
from tsdistill.objectives.label import Label
from tsdistill.reporting.comparison import Comparison, noise_like
from tsdistill.reporting.costs import costs_of, n_weights
from tsdistill.reporting.report import FidelityReport
from tsdistill.students.rounding import rounding_of
from tsdistill.teachers.adapters import name_of

N_WORST = 10
N_DRAWN = 4


def as_reference(label_only: Any, classes: LabelArray, X: Any) -> Comparison:
    """The comparison of a student trained on labels alone; any other student is refused."""
    label_only = getattr(label_only, "classifier_", label_only)  # of sktime's class
    if not hasattr(label_only, "_compare"):
        raise ParameterError(
            f"label_only={type(label_only).__name__}; expected a fitted "
            "SaliencyDistilledClassifier."
        )
    others = sorted(getattr(label_only, "_terms", frozenset()) - {Label.name})
    if others:
        raise ParameterError(
            f"label_only was trained with more than labels, with {quoted(others)}; expected a "
            "student that was fitted with soft_target_weight=0, saliency_weight=0 and no "
            "auxiliary."
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


def make_report(
    comparison: Comparison,
    y: IntArray | None = None,
    label_only: Comparison | None = None,
    *,
    n_explained: int,
    confidence: float,
    random_state: RandomSource,
) -> FidelityReport:
    """Query both models, measure their fidelity, and report it.

    Parameters
    ----------
    comparison : Comparison
    y : ndarray of shape (n_instances,), int64, or None
        Class indices of the true classes.
    label_only : Comparison or None
        The comparison of a student trained on labels alone.
    n_explained, confidence, random_state
        See :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

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
    kl = per_series_kl(*comparison.log_proba.values())
    explained = comparison.rows(drawn)  # with the answers, which are known now
    agrees = comparison.answers("student").argmax(axis=1) == comparison.target
    worst = np.lexsort((-kl, agrees))[:N_WORST]
    differ = comparison.rows(worst)
    noise = noise_like(explained.maps["teacher"], rng)

    values, intervals = _of_answers(comparison, level)
    of_student = _of_maps(explained.maps["teacher"], explained.maps["student"])
    of_noise = _of_maps(explained.maps["teacher"], noise)
    for name, measured in of_student.items():
        values[name] = measured.mean()
        intervals[name] = bootstrap_interval(np.mean, measured, **level)
    if y is not None:
        _add_truth(values, intervals, comparison, y, level)
    beside = {name: {"random_map": measured.mean()} for name, measured in of_noise.items()}
    of_answers = {"agreement": agrees, "kl": kl}
    of_maps = {"": of_student, "_random": of_noise}
    if label_only is not None:
        maps = explained.explain(label_only.models["student"])
        of_maps["_labels"] = _of_maps(explained.maps["teacher"], maps)
        of_labels = _of_answers_alone(label_only, comparison, y)
        of_labels |= {name: measured.mean() for name, measured in of_maps["_labels"].items()}
        for name, value in of_labels.items():
            beside.setdefault(name, {})["label_only"] = float(value)
        predicted = label_only.answers("student").argmax(axis=1)
        of_answers["agreement_labels"] = predicted == comparison.target
    of_maps = {f"{name}{of}": found[name] for name in of_student for of, found in of_maps.items()}
    per_class = _by_class(comparison, explained, of_answers, of_maps, confidence)
    alike = drawn[agrees[drawn]]
    typical = alike[_typical(kl[alike], comparison.target[alike])] if len(alike) else alike
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
        models=costs_of(comparison.models, comparison.panel, comparison.options),
        curves=explained.all_curves(rng),
        examples={
            "typical": _examples(comparison.rows(typical), typical) if len(typical) else [],
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
    """Accuracy, likelihood and calibration of both models, and flips, with intervals."""
    for name, prefix in (("student", ""), ("teacher", "teacher_")):
        log_proba = comparison.log_proba[name].astype(np.float64)
        sure, right = confidence_and_success(log_proba, y)
        nll = -log_proba[np.arange(len(y)), y]
        values[f"{prefix}accuracy"] = right.mean()
        values[f"{prefix}nll"] = nll.mean()
        values[f"{prefix}ece"] = calibration_error(sure, right)
        intervals[f"{prefix}accuracy"] = clopper_pearson(
            right.sum(), len(right), level["confidence"]
        )
        intervals[f"{prefix}nll"] = bootstrap_interval(np.mean, nll, **level)
        intervals[f"{prefix}ece"] = bootstrap_interval(calibration_error, sure, right, **level)
    flips = per_series_flips(*comparison.log_proba.values(), y)
    for name, flipped in zip(("negative_flips", "positive_flips"), flips, strict=True):
        values[name] = flipped.mean()
        intervals[name] = clopper_pearson(flipped.sum(), len(flipped), level["confidence"])


def _of_answers_alone(label_only, comparison, y):
    """The measures of the answers, for a student trained on labels alone."""
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
        found["negative_flips"] = negative_flips(teacher, other, y)
        found["positive_flips"] = positive_flips(teacher, other, y)
    return found


def _by_class(comparison, explained, of_answers, of_maps, confidence):
    """Mean measures for each class: of answers on all series, of maps on the explained series."""
    rows = {}
    for k in np.unique(comparison.target):
        members, with_maps = comparison.target == k, explained.target == k
        agrees = of_answers["agreement"][members]
        low, high = clopper_pearson(agrees.sum(), len(agrees), confidence)
        row = {"n_series": len(agrees), "agreement": agrees.mean(), "low": low, "high": high}
        row |= {name: measured[members].mean() for name, measured in of_answers.items()}
        for name, measured in of_maps.items():
            row[name] = measured[with_maps].mean() if with_maps.any() else np.nan
        rows[comparison.models["teacher"].classes_[k]] = row
    frame = pd.DataFrame(list(rows.values()), index=_labels(list(rows)))
    frame.index.name = "class"
    return frame.astype({"n_series": int})


def _labels(labels):
    """Labels for a frame; pyarrow, which pandas takes for strings, refuses some of them."""
    labels = np.asarray(labels)
    if labels.dtype == np.float16:  # of which pandas makes no index
        labels = labels.astype(np.float64)
    return pd.Index(labels, dtype=object if labels.dtype.kind in "OUS" else None)


def _table_of_series(comparison, rows, y=None):
    """Both answers to some series, and how far they differ; the index holds their rows in X."""
    classes = comparison.models["teacher"].classes_
    columns = {} if y is None else {"y": _labels(classes[y[rows]])}
    for name, log_proba in comparison.log_proba.items():
        columns[name] = _labels(classes[log_proba.argmax(axis=1)])
        columns[f"p_{name}"] = np.exp(log_proba.max(axis=1))
    columns["kl"] = per_series_kl(*comparison.log_proba.values())
    columns["saliency"] = per_series_correlation(*comparison.maps.values())
    return pd.DataFrame(columns, index=pd.Index(rows, name="series"))


def _typical(kl, target):
    """Positions of the series whose KL is closest to the median; the classes take turns."""
    order = np.argsort(np.abs(kl - np.median(kl)), kind="stable")
    turn = np.empty(len(order), dtype=int)
    for k in np.unique(target):
        turn[target[order] == k] = np.arange(np.sum(target == k))
    return order[np.argsort(turn, kind="stable")][:N_DRAWN]


def _examples(comparison, rows):
    """Series with the maps and answers of both models, for the pictures."""
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
    """One line that names the models, their sizes, and the shape of the series."""
    parts = []
    for name, model in comparison.models.items():
        count = n_weights(model)
        rounding = None if count is None else rounding_of(model.module)
        size = "" if count is None else f" of {count:,} weights"
        size += "" if rounding is None else f", rounded to {rounding.bits} bits"
        what = type(model.module).__name__.lstrip("_") if model.module is not None else None
        parts.append(f"{name}: {what or name_of(model.model)}{size}")
    _, n_channels, n_timepoints = comparison.panel.shape
    return f"{'; '.join(parts)}; series of {n_channels} x {n_timepoints}"
