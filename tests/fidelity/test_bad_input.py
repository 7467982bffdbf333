"""What cannot be measured."""

import functools

import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    accuracy,
    agreement,
    area,
    auprc,
    auroc,
    betting_interval,
    bootstrap_interval,
    by_class,
    clopper_pearson,
    deletion_curve,
    expected_calibration_error,
    negative_log_likelihood,
    per_series_flips,
    predictive_js,
    predictive_kl,
    random_maps,
    saliency_correlation,
    summarise_maps,
    top_overlap,
)


def curve_of(**settings):
    given = {"panel": np.zeros((2, 1, 5)), "maps": np.zeros((2, 5)), "target": [0, 1], "fill": 0}
    given |= settings
    given["target"] = np.array(given["target"], dtype=int)
    return deletion_curve(unsure, **given)


def unsure(X):
    return np.log(np.full((len(X), 2), 0.5))


BAD_MEASURES = {
    "y of another length": (lambda: accuracy(np.zeros((3, 2)), np.zeros(2, int)), "y shape"),
    "y out of range": (lambda: accuracy(np.zeros((2, 2)), np.array([0, 2])), "indices 0 .."),
    "y below 0": (lambda: accuracy(np.zeros((2, 2)), np.array([-1, 0])), "indices 0 .."),
    "labels for columns": (lambda: accuracy(np.zeros((2, 2)), np.array(["a", "b"])), "y shape"),
    "bins": (
        lambda: expected_calibration_error(np.log([[0.5, 0.5]]), np.zeros(1, int), n_bins=0),
        "n_bins=0",
    ),
    "probabilities": (
        lambda: predictive_kl(np.array([[0.5, 0.5]]), np.log([[0.5, 0.5]])),
        "teacher has values from 0.5 to 0.5, which are not finite log-probabilities",
    ),
    "infinite": (
        lambda: predictive_js(np.log([[0.5, 0.5]]), np.array([[0, -np.inf]])),
        "student has values from -inf",
    ),
    "probabilities against y": (
        lambda: negative_log_likelihood(np.array([[0.5, 0.5]]), np.zeros(1, int)),
        "log_proba has values",
    ),
    "calibration of probabilities": (
        lambda: expected_calibration_error(np.array([[0.5, 0.5]]), np.zeros(1, int)),
        "^log_proba has values",
    ),
    "NaN of both models": (
        lambda: agreement(np.array([[np.nan, 1.0]]), np.array([[np.nan, 1.0]])),
        "^teacher has NaN in 1 places; expected none.$",
    ),
    "NaN": (lambda: saliency_correlation(np.eye(3), np.eye(3) * np.nan), "student has NaN in 9"),
    "NaN of one map": (
        lambda: top_overlap(np.eye(3), np.where(np.eye(3) > 0, np.nan, 1)),
        "^student has NaN in 3 places, where the other has values; expected none there.$",
    ),
    "a series without values": (
        lambda: saliency_correlation(*[np.where([[0], [1], [0]], np.nan, np.eye(3))] * 2),
        "^teacher and student have no value, only NaN, for 1 series",
    ),
    "NaN in maps": (lambda: auprc(np.eye(3) * np.nan, np.eye(3) > 0), "maps have NaN in 9"),
    "labels for a target": (
        lambda: deletion_curve(
            None, np.zeros((2, 1, 5)), np.zeros((2, 5)), np.array(["a", "b"]), 0
        ),
        "target",
    ),
    "a target beyond the classes": (lambda: curve_of(target=[0, 2]), "from 0 to 2; .* 2 classes"),
    "a target from the end": (lambda: curve_of(target=[0, -1]), "indices from -1 to 0"),
    "NaN in the order": (lambda: curve_of(maps=np.full((2, 5), np.nan)), "maps has NaN"),
    "an infinite panel": (
        lambda: curve_of(panel=np.full((2, 1, 5), np.inf)),
        "^panel has NaN or infinity",
    ),
    "answers that are text": (
        lambda: deletion_curve(
            lambda X: X.astype(str), np.zeros((2, 1, 5)), np.zeros((2, 5)), [0, 1], 0
        ),
        r"^log_proba\(\.\.\.\) holds values of type <U",
    ),
    "NaN in the fill": (lambda: curve_of(fill=np.nan), "fill has NaN"),
    "no series": (
        lambda: curve_of(panel=np.zeros((0, 1, 5)), maps=np.zeros((0, 5)), target=[]),
        "panel of shape",
    ),
    "values that have none": (lambda: bootstrap_interval(np.mean, [1, np.nan]), "NaN or infinity"),
    "a column that has none": (
        lambda: bootstrap_interval(np.mean, [1.0, 2.0], [np.inf, 2.0]),
        "NaN or infinity",
    ),
    "a column of text": (
        lambda: bootstrap_interval(np.mean, [1.0, 2.0], ["a", "b"]),
        r"columns hold values of type \['float64', '<U1'\]",
    ),
    "a ragged column": (
        lambda: bootstrap_interval(np.mean, [[1.0], [1.0, 2.0]]),
        "^columns is no array",
    ),
    "confidence of a bootstrap": (
        lambda: bootstrap_interval(np.mean, np.arange(3), confidence=95),
        "^confidence=95",
    ),
    "one resample": (
        lambda: bootstrap_interval(np.mean, np.arange(3), n_resamples=1),
        "n_resamples=1; expected .* 2 or more",
    ),
    "NaN of the teacher": (
        lambda: saliency_correlation(np.eye(3) * np.nan, np.eye(3)),
        "teacher has NaN in 9",
    ),
    "infinite maps": (
        lambda: saliency_correlation(np.eye(3), np.full((3, 3), np.inf)),
        "student has infinity in 9 places",
    ),
    "a channel without values": (
        lambda: auprc(np.array([[[1.0, 2.0], [np.nan, np.nan]]]), np.zeros((1, 2, 2), bool)),
        "maps have NaN in 2 places",
    ),
    "columns of two lengths": (
        lambda: bootstrap_interval(np.mean, np.ones(3), np.ones(4)),
        "same shape",
    ),
    "a seed by name": (
        lambda: bootstrap_interval(np.mean, np.arange(3), random_state="a"),
        "random_state='a'",
    ),
    "a share for a count": (lambda: clopper_pearson(0.98, 1), "n_successes=0.98"),
    "no count": (lambda: clopper_pearson(np.nan, 5), "n_successes=nan"),
    "no number of series": (lambda: clopper_pearson(3, np.inf), "n_instances=inf|of inf|=inf"),
    "a fill by name": (
        lambda: deletion_curve(
            None, np.zeros((2, 1, 5)), np.zeros((2, 5)), np.zeros(2, int), "mean"
        ),
        "fill='mean' is not an array",
    ),
    "curve of probabilities": (
        lambda: deletion_curve(
            lambda X: np.full((len(X), 2), 0.5),
            np.zeros((2, 1, 5)),
            np.zeros((2, 5)),
            np.zeros(2, int),
            0,
        ),
        r"log_proba\(...\) has values",
    ),
    "share": (lambda: top_overlap(np.eye(3), np.eye(3), share=1), "share=1"),
    "mask of numbers": (lambda: auprc(np.eye(3), np.eye(3)), "a boolean mask"),
    "a gap in a map": (
        lambda: auprc(np.array([[1.0, np.nan, 2.0], [1.0, 2.0, 3.0]]), np.eye(2, 3) > 0),
        "^maps have NaN in 1 places",
    ),
    "one map alone": (
        lambda: auprc(np.arange(3.0), np.arange(3) > 0),
        r"^maps have shape \(3,\) and mask shape \(3,\)",
    ),
    "mask of another shape": (lambda: auroc(np.eye(3), np.eye(4) > 0), r"mask shape \(4, 4\)"),
    "maps of another shape": (
        lambda: deletion_curve(None, np.zeros((2, 1, 5)), np.zeros((2, 4)), np.zeros(2, int), 0),
        r"maps have shape \(2, 4\)",
    ),
    "one point": (
        lambda: deletion_curve(
            None, np.zeros((2, 1, 5)), np.zeros((2, 5)), np.zeros(2, int), 0, n_points=1
        ),
        "n_points=1",
    ),
    "confidence": (lambda: clopper_pearson(1, 2, 95.0), "confidence=95.0"),
    "complex maps": (
        lambda: saliency_correlation(np.eye(3) + 0j, np.eye(3)),
        "^teacher holds values of type complex128; expected real numbers",
    ),
    "complex maps against the truth": (
        lambda: auroc(np.eye(3) + 0j, np.eye(3) > 0),
        "^maps holds values of type complex128; expected real numbers",
    ),
    "text": (
        lambda: agreement(np.eye(3), np.eye(3).astype(str)),
        "^student holds values of type <U.*; expected real numbers",
    ),
    "text among objects": (
        lambda: agreement(np.array([["a", 1.0]], dtype=object), np.eye(2)[:1]),
        "^teacher holds values of type object; expected real numbers",
    ),
    "points that the curves lack": (
        lambda: area(np.linspace(0, 1, 3), np.ones((2, 4))),
        r"^shares has shape \(3,\) and proba \(2, 4\); expected \(n_points,\) and",
    ),
    "one curve": (lambda: area([0, 1], [0.5, 0.5]), r"shares has shape \(2,\) and proba \(2,\)"),
    "half an instance": (
        lambda: random_maps((1.5, 2)),
        r"^shape=\(1.5, 2\); expected a tuple of whole numbers of 0 or more",
    ),
    "a shape that is a number": (lambda: random_maps(3), "^shape=3; expected a tuple"),
    "ragged groups": (lambda: by_class(agreement, [[0], [0, 1]], np.eye(2)), "^groups is no array"),
    "ragged arrays": (lambda: by_class(agreement, [0, 1], [[0], [0, 1]]), "^arrays is no array"),
    "one of the arrays": (
        lambda: by_class(agreement, [0, 1, 1], np.eye(3), np.eye(4)),
        r"shapes \[\(3, 3\), \(4, 4\)\]",
    ),
    "too many successes": (lambda: clopper_pearson(3, 2), "n_successes=3"),
}


@pytest.mark.parametrize("case", BAD_MEASURES)
def test_what_cannot_be_measured(case):
    call, message = BAD_MEASURES[case]
    with pytest.raises(ParameterError, match=message):
        call()


LOG_PROBA, MAPS, Y = np.log(np.full((2, 2), 0.5)), np.eye(2), [0, 1]
NAMED = [
    (agreement, {"teacher": LOG_PROBA, "student": LOG_PROBA}),
    (predictive_kl, {"teacher": LOG_PROBA, "student": LOG_PROBA}),
    (per_series_flips, {"teacher": LOG_PROBA, "student": LOG_PROBA, "y": Y}),
    (accuracy, {"log_proba": LOG_PROBA, "y": Y}),
    (saliency_correlation, {"teacher": MAPS, "student": MAPS}),
    (auprc, {"maps": MAPS, "mask": MAPS > 0}),
    (area, {"shares": [0, 1], "proba": MAPS}),
    (betting_interval, {"values": [0.5, 0.5]}),
    (
        functools.partial(deletion_curve, unsure, fill=0),
        {"panel": MAPS[:, np.newaxis], "maps": MAPS, "target": Y},
    ),
    (summarise_maps, {"maps": MAPS, "groups": Y, "X": MAPS}),
]


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [(function, arguments, name) for function, arguments in NAMED for name in arguments],
)
def test_an_argument_that_is_no_array_is_named(function, arguments, name):
    function(**arguments)
    with pytest.raises(ParameterError, match=f"^{name} is no array"):
        function(**arguments | {name: [[0.0], [0.0, 1.0]]})


@pytest.mark.parametrize(
    ("measure", "axes"),
    [
        (agreement, "n_instances, n_classes"),
        (predictive_kl, "n_instances, n_classes"),
        (predictive_js, "n_instances, n_classes"),
        (lambda *pair: per_series_flips(*pair, [0, 1, 1]), "n_instances, n_classes"),
        (saliency_correlation, "n_instances, n_timepoints"),
    ],
)
def test_shapes_that_do_not_match_are_shown(measure, axes):
    with pytest.raises(ParameterError, match=rf"\(3, 2\) and student \(3, 4\).* \({axes}\),"):
        measure(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ParameterError, match="none of them 0"):
        measure(np.zeros((0, 2)), np.zeros((0, 2)))


@pytest.mark.parametrize("total", [0.989, 0.991, 1.009, 1.011])
def test_probabilities_may_add_up_to_1_within_a_hundredth(total):
    log_proba, y = np.log([[0.5, 0.5], [0.9 * total, 0.1 * total]]), [0, 0]
    if abs(total - 1) < 0.01:
        assert negative_log_likelihood(log_proba, y) == pytest.approx(-log_proba[:, 0].mean())
        return
    with pytest.raises(ParameterError, match="log_proba has values"):
        negative_log_likelihood(log_proba, y)
