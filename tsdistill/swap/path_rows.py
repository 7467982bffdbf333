"""What the size path measures of a student: fidelity on held-out series, and costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ExportError
from tsdistill.fidelity.answers import per_series_kl
from tsdistill.fidelity.betting import mean_bounds
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.reporting.comparison import Comparison
from tsdistill.reporting.costs import latency, n_bytes, n_weights
from tsdistill.swap.demands import MOST_NATS
from tsdistill.swap.risk import upper_bound
from tsdistill.teachers.teacher import Teacher


def measured(
    student: SaliencyDistilledClassifier,
    comparison: Comparison,
    explained: Comparison,
    level: float,
) -> dict[str, float]:
    """The row of one student, from all series and from those with maps."""
    model, panel = comparison.models["student"], comparison.panel
    agrees = comparison.answers("student").argmax(axis=1) == comparison.target
    kl = per_series_kl(*comparison.log_proba.values())
    correlation = per_series_correlation(explained.maps["teacher"], explained.maps["student"])
    return {
        **_costs(student, model),
        "microseconds": 1e6 * latency(model, panel[:1], comparison.options),
        "agreement": agrees.mean(),
        "agreement_bound": 1 - float(upper_bound((~agrees).sum(), len(agrees), level)),
        "saliency": correlation.mean(),
        "saliency_bound": mean_bounds(correlation, -1.0, 1.0, level)[0],
        "kl": kl.mean(),
        "kl_bound": mean_bounds(np.minimum(kl, MOST_NATS), 0.0, MOST_NATS, level)[1],
        "seconds": sum(row["dur"] for row in student.history_),
    }


def _costs(student: SaliencyDistilledClassifier, model: Teacher) -> dict[str, float]:
    """Weights, bytes and multiplications."""
    try:
        costs = student.student_costs()
    except ExportError:  # a network of the user's
        return {
            "weights": _or_nan(n_weights(model)),
            "bytes": _or_nan(n_bytes(model)),
            "memory": np.nan,
            "multiplications": np.nan,
        }
    return {
        "weights": costs["weights"],
        "bytes": costs["constant_bytes"],
        "memory": costs["memory_bytes"],
        "multiplications": costs["multiplications"],
    }


def on_front(frame: pd.DataFrame) -> pd.Series[bool]:
    """Whether no student with at most as many weights agrees more often; rows by weights."""
    best = frame["agreement"].cummax()
    return (frame["agreement"] == best) & (best > best.shift(fill_value=-1.0))


def _or_nan(number: int | None) -> float:
    return np.nan if number is None else number
