"""Fidelity of a student: measures of answers and maps, summaries, curves, intervals, scorers."""

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
from tsdistill.fidelity.betting import betting_interval
from tsdistill.fidelity.calibration import expected_calibration_error
from tsdistill.fidelity.curves import area, deletion_curve, insertion_curve
from tsdistill.fidelity.intervals import bootstrap_interval, clopper_pearson
from tsdistill.fidelity.maps import (
    by_class,
    per_series_correlation,
    per_series_overlap,
    random_maps,
    saliency_correlation,
    top_overlap,
)
from tsdistill.fidelity.scorers import fidelity_scorer
from tsdistill.fidelity.summaries import MapSummary, summarise_maps
from tsdistill.fidelity.truth import auprc, auroc, per_series_auprc, per_series_auroc

__all__ = [
    "MapSummary",
    "accuracy",
    "agreement",
    "area",
    "auprc",
    "auroc",
    "betting_interval",
    "bootstrap_interval",
    "by_class",
    "clopper_pearson",
    "deletion_curve",
    "expected_calibration_error",
    "fidelity_scorer",
    "insertion_curve",
    "negative_flips",
    "negative_log_likelihood",
    "per_series_auprc",
    "per_series_auroc",
    "per_series_correlation",
    "per_series_flips",
    "per_series_js",
    "per_series_kl",
    "per_series_overlap",
    "positive_flips",
    "predictive_js",
    "predictive_kl",
    "random_maps",
    "saliency_correlation",
    "summarise_maps",
    "top_overlap",
]
