"""Measures of maps against slow loops."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    accuracy,
    auprc,
    auroc,
    expected_calibration_error,
    negative_log_likelihood,
    random_maps,
    saliency_correlation,
    top_overlap,
)
from tsdistill.fidelity.truth import per_series_auprc, per_series_auroc


def test_correlation_is_pearson_a_series():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 5, 40))
    slow = np.mean([np.corrcoef(t, s)[0, 1] for t, s in zip(teacher, student, strict=True)])
    assert saliency_correlation(teacher, student) == pytest.approx(slow)
    assert saliency_correlation(teacher, 3 * teacher + 1) == pytest.approx(1)
    assert saliency_correlation(teacher, -teacher) == pytest.approx(-1)


def test_constant_map_counts_as_uncorrelated():
    teacher = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    student = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    assert saliency_correlation(teacher, student) == pytest.approx(0.5)
    flat = np.full((1, 12), 0.7)  # whose mean rounds to something else
    assert saliency_correlation(flat, 3 * flat) == 0


def test_measures_against_the_truth_equal_slow_loops(answers):
    log_proba, y = answers[0], np.arange(30) % 4
    proba = np.exp(log_proba)
    right = nll = 0.0
    bins = [[] for _ in range(10)]
    for p, k in zip(proba, y, strict=True):
        right += (int(np.argmax(p)) == k) / 30
        nll -= math.log(p[k]) / 30
        b = next(b for b in range(10) if p.max() <= (b + 1) / 10)
        bins[b].append((p.max(), int(np.argmax(p)) == k))
    ece = sum(
        len(found) / 30 * abs(np.mean([c for c, _ in found]) - np.mean([hit for _, hit in found]))
        for found in bins
        if found
    )
    assert accuracy(log_proba, y) == pytest.approx(right)
    assert negative_log_likelihood(log_proba, y) == pytest.approx(nll)
    assert expected_calibration_error(log_proba, y) == pytest.approx(ece)
    at_an_edge = np.log([[0.5, 0.5], [0.1, 0.9]])  # 0.5 is the last of the lower bin
    edge = expected_calibration_error(at_an_edge, np.array([1, 1]), n_bins=2)
    assert edge == pytest.approx((0.5 + 0.1) / 2)
    one_bin = abs(proba.max(axis=1).mean() - right)
    assert expected_calibration_error(log_proba, y, n_bins=1) == pytest.approx(one_bin)


@pytest.mark.parametrize("decimals", [8, 0])  # the second with many ties
def test_top_overlap_equals_a_slow_loop(decimals):
    teacher, student = np.random.default_rng(0).normal(size=(2, 6, 2, 34)).round(decimals)
    overlap = 0.0
    for t, s in zip(teacher.reshape(6, -1), student.reshape(6, -1), strict=True):
        tops = [set(sorted(range(68), key=lambda i: -m[i])[:7]) for m in (t, s)]
        overlap += len(tops[0] & tops[1]) / len(tops[0] | tops[1]) / 6
    assert top_overlap(teacher, student) == pytest.approx(overlap)
    assert top_overlap(teacher, teacher) == 1
    assert top_overlap(teacher, 0 * teacher) == 0  # a constant map has no top


def test_random_maps_know_nothing():
    assert random_maps((0, 5)).shape == (0, 5)
    maps = random_maps((400, 50), 0)
    np.testing.assert_array_equal(maps, random_maps((400, 50), 0))
    teacher = np.random.default_rng(1).normal(size=(400, 50)).cumsum(axis=1)
    assert abs(saliency_correlation(teacher, maps)) < 0.03
    assert top_overlap(teacher, maps) == pytest.approx(0.055, abs=0.02)


@pytest.mark.parametrize("decimals", [8, 1])  # the second with many ties
def test_areas_against_masks_are_those_of_scikit_learn(decimals):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(20, 3, 10)).round(decimals)
    mask = rng.random((20, 3, 10)) < 0.2
    flat = zip(mask.reshape(20, -1), maps.reshape(20, -1), strict=True)
    slow = [(average_precision_score(m, s), roc_auc_score(m, s)) for m, s in flat]
    np.testing.assert_allclose(per_series_auprc(maps, mask), [a for a, _ in slow])
    np.testing.assert_allclose(per_series_auroc(maps, mask), [b for _, b in slow])
    assert auprc(maps, mask) == pytest.approx(np.mean([a for a, _ in slow]))
    assert auprc(maps[:, 0], mask[:, :1]) == auprc(maps[:, :1], mask[:, :1])


@pytest.mark.filterwarnings("error")
def test_series_without_truth_are_left_out():
    maps = np.array([[1.0, 3.0], [2.0, 4.0], [0.0, 1.0]])
    mask = np.array([[True, False], [False, False], [True, True]])
    assert auprc(maps, mask) == 0.5 and auroc(maps, mask) == 0
    with pytest.raises(ParameterError, match="in none of the 2 series"):
        auroc(maps[1:], mask[1:])


@pytest.mark.parametrize("scale", [1e300, 1e-300, 2.0**1000])
def test_correlation_does_not_depend_on_the_size_of_the_values(scale):
    teacher, student = np.random.default_rng(0).normal(size=(2, 9, 12))
    expected = saliency_correlation(teacher, student * 1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert saliency_correlation(teacher, student * scale) == pytest.approx(expected)
        assert saliency_correlation(teacher * scale, student * scale) == pytest.approx(expected)


def test_maps_and_masks_may_be_tensors(answers):
    maps, mask = answers[0], answers[1] > answers[1].mean()
    given = torch.tensor(maps, requires_grad=True), torch.tensor(mask)
    assert auprc(*given) == auprc(maps, mask) and auroc(*given) == auroc(maps, mask)
    assert saliency_correlation(given[0], maps) == pytest.approx(1)
