"""Measures of answers against slow loops."""

import math

import numpy as np
import pytest
import torch

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    accuracy,
    agreement,
    by_class,
    negative_flips,
    per_series_flips,
    positive_flips,
    predictive_js,
    predictive_kl,
    saliency_correlation,
)


def test_agreement_counts_equal_predictions(answers):
    teacher, student = answers
    same = sum(
        max(range(4), key=lambda k: t[k]) == max(range(4), key=lambda k: s[k])
        for t, s in zip(teacher, student, strict=True)
    )
    assert agreement(teacher, student) == pytest.approx(same / 30)


def test_flips_are_where_one_model_alone_is_right(answers):
    teacher, student = answers
    y = np.arange(30) % 4
    only = {"teacher": 0, "student": 0}
    for t, s, k in zip(teacher, student, y, strict=True):
        right = {"teacher": t[k] == max(t), "student": s[k] == max(s)}
        if sum(right.values()) == 1:
            only[max(right, key=right.get)] += 1
    assert only["teacher"] and only["student"]
    assert negative_flips(teacher, student, y) == pytest.approx(only["teacher"] / 30)
    assert positive_flips(teacher, student, y) == pytest.approx(only["student"] / 30)
    assert accuracy(student, y) == pytest.approx(
        accuracy(teacher, y) + (only["student"] - only["teacher"]) / 30
    )
    assert not np.any(per_series_flips(teacher, teacher, y))
    with pytest.raises(ParameterError, match="class indices"):
        negative_flips(teacher, student, y + 1)


def test_divergences_equal_slow_loops(answers):
    teacher, student = answers
    kl = js = 0.0
    for t, s in zip(np.exp(teacher), np.exp(student), strict=True):
        kl += sum(t[k] * math.log(t[k] / s[k]) for k in range(4)) / 30
        middle = (t + s) / 2
        js += sum(t[k] * math.log(t[k] / middle[k]) for k in range(4)) / 60
        js += sum(s[k] * math.log(s[k] / middle[k]) for k in range(4)) / 60
    assert predictive_kl(teacher, student) == pytest.approx(kl)
    assert predictive_js(teacher, student) == pytest.approx(js)
    assert predictive_kl(teacher, teacher) == 0
    assert predictive_js(teacher, teacher) == pytest.approx(0, abs=1e-12)


def test_js_of_opposites_is_log_2():
    sure = np.log(np.array([[1 - 1e-12, 1e-12]]))
    assert predictive_js(sure, sure[:, ::-1]) == pytest.approx(math.log(2), abs=1e-9)


def test_by_class_measures_the_rows_of_each():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 9, 12))
    groups = np.array(list("abcabcabc"))
    found = by_class(saliency_correlation, groups, teacher, student)
    assert list(found) == ["a", "b", "c"]
    assert found["b"] == pytest.approx(saliency_correlation(teacher[1::3], student[1::3]))
    with pytest.raises(ParameterError, match="groups has shape"):
        by_class(agreement, groups[:3], teacher, student)


@pytest.mark.parametrize("labels", [["a", "b"], [False, True], [1, 2]], ids=str)
def test_groups_may_be_objects(answers, labels):
    teacher, student = answers
    groups = np.array(labels)[np.arange(30) % 2]
    expected = by_class(agreement, groups, teacher, student)
    assert list(expected) == labels
    assert by_class(agreement, groups.astype(object), teacher, student) == expected


@pytest.mark.parametrize("measure", [agreement, predictive_kl, predictive_js])
def test_tensors_that_need_gradients_are_measured(answers, measure):
    tensors = [torch.tensor(one, requires_grad=True) for one in answers]
    assert measure(*tensors) == measure(*answers)
