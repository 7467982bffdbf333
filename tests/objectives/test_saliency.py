"""Measures of temporal saliency against slow loops."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from tests.conftest import Counted
from tests.objectives.conftest import (
    TAU,
    K,
    M,
    N,
    check_against,
    check_parameters,
    softmax,
    with_copies_of,
)
from tsdistill.exceptions import ParameterError
from tsdistill.objectives import (
    PerturbedSoftTargets,
    TemporalSaliency,
    class_saliency,
    logit_change,
    sum_saliency,
)
from tsdistill.objectives.saliency import MEASURES, own_scale, teacher_scale


def smooth_l1(d):
    return 0.5 * d * d if abs(d) < 1 else abs(d) - 0.5


def slow_class_saliency(clean, perturbed):
    s = np.zeros((len(clean), M, K))
    for i in range(len(clean)):
        p = softmax(clean[i], TAU)
        for m in range(M):
            q = softmax(perturbed[i][m], TAU)
            for k in range(K):
                s[i, m, k] = TAU**2 * p[k] * (math.log(p[k]) - math.log(q[k]))
    return s


def slow_logit_change(clean, perturbed):
    d = np.zeros((len(clean), M, K))
    for i in range(len(clean)):
        for m in range(M):
            z, z_m = clean[i].tolist(), perturbed[i][m].tolist()
            for k in range(K):
                d[i, m, k] = (z[k] - sum(z) / K) - (z_m[k] - sum(z_m) / K)
    return d


def slow_own_scale(s):
    positive = [v for v in s.ravel() if v > 0]
    return sum(positive) / len(positive) + 1e-8


def slow_saliency_loss(s_student, s_teacher, scale_student, scale_teacher):
    """One scale for all series, or one for each."""
    losses, one = [], np.ones(len(s_student))
    scale_student, scale_teacher = scale_student * one, scale_teacher * one
    for i in range(len(s_student)):
        terms = [
            smooth_l1(a / scale_student[i] - b / scale_teacher[i])
            for a, b in zip(s_student[i].ravel(), s_teacher[i].ravel(), strict=True)
        ]
        losses.append(sum(terms) / len(terms))
    return losses


def slow_losses(measure, student, teacher, labels):
    """Losses of a measure; ``student`` and ``teacher`` are pairs of series and copies."""
    if measure == "logit_change":
        d_student, d_teacher = slow_logit_change(*student), slow_logit_change(*teacher)
        scale = np.abs(d_teacher).mean(axis=(1, 2))
        return slow_saliency_loss(d_student, d_teacher, scale, scale)
    networks = [slow_class_saliency(*network) for network in (student, teacher)]
    if measure == "class":
        parts = [networks]
    elif measure == "sum":
        parts = [[s.sum(axis=2) for s in networks]]
    else:
        of_label = [
            np.array([[s[i, m, y] for m in range(M)] for i, y in enumerate(labels)])
            for s in networks
        ]
        others = [s.sum(axis=2) - own for s, own in zip(networks, of_label, strict=True)]
        parts = [of_label, others]
    losses = [slow_saliency_loss(s, t, slow_own_scale(s), slow_own_scale(t)) for s, t in parts]
    return np.mean(losses, axis=0)


@pytest.mark.filterwarnings("error")
def test_class_measure_follows_the_paper(answers):
    s_student = slow_class_saliency(answers.student, answers.student_perturbed)
    s_teacher = slow_class_saliency(answers.teacher, answers.teacher_perturbed)
    check_against(class_saliency(answers.student, answers.student_perturbed, TAU), s_student)
    slow = slow_saliency_loss(
        s_student, s_teacher, slow_own_scale(s_student), slow_own_scale(s_teacher)
    )
    objective = TemporalSaliency(measure="class", temperature=TAU)
    check_against(objective.losses(answers, torch.ones(N)), slow)


def test_sum_measure_is_the_kl_of_the_change(answers):
    s_student = slow_class_saliency(answers.student, answers.student_perturbed).sum(axis=2)
    s_teacher = slow_class_saliency(answers.teacher, answers.teacher_perturbed).sum(axis=2)
    assert (s_student >= 0).all()
    check_against(sum_saliency(answers.student, answers.student_perturbed, TAU), s_student)
    slow = slow_saliency_loss(
        s_student, s_teacher, slow_own_scale(s_student), slow_own_scale(s_teacher)
    )
    objective = TemporalSaliency(measure="sum", temperature=TAU)
    check_against(objective.losses(answers, torch.ones(N)), slow)


def test_decoupled_measure_has_the_label_and_the_others_apart(answers):
    students = slow_class_saliency(answers.student, answers.student_perturbed)
    teachers = slow_class_saliency(answers.teacher, answers.teacher_perturbed)
    parts = {"label": [], "others": []}
    for s in (students, teachers):
        of_label = np.array([[s[i, m, y] for m in range(M)] for i, y in enumerate([0, 2, 1, 1])])
        parts["label"].append(of_label)
        parts["others"].append(s.sum(axis=2) - of_label)
    slow = np.zeros(N)
    for s, t in parts.values():
        slow += np.array(slow_saliency_loss(s, t, slow_own_scale(s), slow_own_scale(t))) / 2
    objective = TemporalSaliency(measure="decoupled", temperature=TAU)
    check_against(objective.losses(answers, torch.ones(N)), slow)


def test_logit_change_scales_both_by_what_the_teacher_does_to_the_series(answers):
    d_student = slow_logit_change(answers.student, answers.student_perturbed)
    d_teacher = slow_logit_change(answers.teacher, answers.teacher_perturbed)
    check_against(logit_change(answers.student, answers.student_perturbed), d_student)
    scale = np.abs(d_teacher).mean(axis=(1, 2))
    slow = slow_saliency_loss(d_student, d_teacher, scale, scale)
    check_against(TemporalSaliency().losses(answers, torch.ones(N)), slow)
    weak = dataclasses.replace(
        answers, teacher=answers.teacher / 20, teacher_perturbed=answers.teacher_perturbed / 20
    )
    slow = slow_saliency_loss(d_student, d_teacher / 20, scale / 20, scale / 20)
    check_against(TemporalSaliency().losses(weak, torch.ones(N)), slow)
    answers.teacher_change = torch.tensor([2.0, 0.5, 0.1, 4.0])  # over windows of other steps
    answers.mean_change = 2.0
    scale = np.array([2.0, 1.0, 1.0, 4.0])
    slow = slow_saliency_loss(d_student, d_teacher, scale, scale)
    check_against(TemporalSaliency().losses(answers, torch.ones(N)), slow)


def test_logit_change_is_blind_to_a_constant_added_to_the_logits(answers):
    shifted = logit_change(answers.student + 5, answers.student_perturbed - 3)
    torch.testing.assert_close(shifted, logit_change(answers.student, answers.student_perturbed))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_student_like_its_teacher_has_no_saliency_loss(answers, measure):
    answers.student, answers.student_perturbed = answers.teacher, answers.teacher_perturbed
    losses = TemporalSaliency(measure=measure).losses(answers, torch.ones(N))
    assert losses.abs().max() < 1e-12


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("silent", ["student", "teacher", "both"])
def test_networks_that_do_not_react_give_finite_losses_and_gradients(answers, measure, silent):
    if silent != "teacher":
        with torch.no_grad():
            answers.student_perturbed.copy_(answers.student[:, None].expand(N, M, K))
    if silent != "student":
        answers.teacher_perturbed = answers.teacher[:, None].expand(N, M, K)
    losses = TemporalSaliency(measure=measure).losses(answers, torch.ones(N))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert answers.student.grad.isfinite().all()
    assert answers.student_perturbed.grad.isfinite().all()


def test_scales_have_a_floor_and_one_where_nothing_is_positive():
    assert own_scale(-torch.ones(2, 3)) == 1
    assert own_scale(torch.full((2, 3), 1e-9)) == pytest.approx(1e-4)
    assert own_scale(torch.tensor([[-1.0, 5.0]])) == own_scale(torch.tensor([[0.0, 5.0]])) == 5
    assert own_scale(torch.tensor([[0.0], [5.0]]), torch.tensor([1.0, 0.25])) == 5
    assert teacher_scale(torch.zeros(2, 3, 2)).flatten().tolist() == pytest.approx([0.01] * 2)
    scale = teacher_scale(torch.zeros(2, 3, 2), overall=2.0)
    assert scale.shape == (2, 1, 1) and scale.flatten().tolist() == pytest.approx([1.0] * 2)


def test_a_weight_of_two_counts_as_two_rows_in_the_own_scale(answers):
    change = logit_change(answers.teacher, answers.teacher_perturbed)
    weight = torch.tensor([1.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    doubled = torch.cat([change, change[1:2]])
    torch.testing.assert_close(own_scale(change, weight), own_scale(doubled))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("copied", [[1], [3, 0], [2, 3, 1], [0, 1, 2, 3]], ids=str)
def test_series_with_copies_have_the_loss_and_the_others_none(answers, measure, copied):
    labels = answers.labels[copied].tolist()
    slow = slow_losses(
        measure,
        (answers.student[copied], answers.student_perturbed[copied]),
        (answers.teacher[copied], answers.teacher_perturbed[copied]),
        labels,
    )
    expected = np.zeros(N)
    for i, loss in zip(copied, slow, strict=True):
        expected[i] = loss * N / len(copied)
    losses = TemporalSaliency(measure=measure, temperature=TAU).losses(
        with_copies_of(answers, copied), torch.ones(N)
    )
    check_against(losses, expected)
    assert float(losses.detach().mean()) == pytest.approx(np.mean(slow))


def test_series_with_copies_have_their_own_scales(answers):
    answers.teacher_change = torch.tensor([2.0, 0.5, 0.1, 4.0])
    whole = TemporalSaliency().losses(answers, torch.ones(N))
    copied = [3, 1]
    some = TemporalSaliency().losses(with_copies_of(answers, copied), torch.ones(N))
    torch.testing.assert_close(some[copied], whole[copied] * N / len(copied))


@pytest.mark.parametrize("measure", MEASURES)
def test_weights_of_series_with_copies_count_as_in_a_batch_of_them_alone(answers, measure):
    copied, weight = [3, 0, 2], torch.tensor([0.5, 3.0, 2.0, 1.0], dtype=torch.float64)
    objective = TemporalSaliency(measure=measure, temperature=TAU)
    some = with_copies_of(answers, copied)
    alone = dataclasses.replace(
        some,
        student=answers.student[copied],
        teacher=answers.teacher[copied],
        labels=answers.labels[copied],
        copied=None,
    )
    term = (weight * objective.losses(some, weight)).mean()
    of_these = (weight[copied] * objective.losses(alone, weight[copied])).mean()
    torch.testing.assert_close(term, of_these)


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(TemporalSaliency)


@pytest.mark.parametrize(
    ("objective", "named"),
    [
        (TemporalSaliency(weight=-1), "TemporalSaliency.weight=-1"),
        (TemporalSaliency(temperature=0), "TemporalSaliency.temperature=0"),
    ],
)
def test_parameters_that_cannot_be_are_named(objective, named):
    with pytest.raises(ParameterError, match=named):
        objective.check()


def test_a_teacher_whose_saliency_is_learnt_is_asked_how_well_it_knows_its_series(toy, quick):
    def n_asked(**settings):
        teacher = Counted()
        quick(teacher, n_mixtures=0, max_epochs=1, **settings).fit(*toy)
        return teacher.n_asked

    of_copies = n_asked(saliency_weight=0, auxiliary=PerturbedSoftTargets())
    assert of_copies == 2 + 12 + 12 * 4  # a trial, the series and their copies
    assert n_asked() > of_copies


def test_series_of_unequal_length_have_a_saliency(uneven, quick):
    teacher, *series = uneven
    model = quick(teacher, label_weight=0, soft_target_weight=0).fit(*series)
    assert np.isfinite([row["saliency"] for row in model.history_]).all()
