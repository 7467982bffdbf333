"""Steps in which only some series have perturbed copies."""

import dataclasses

import pytest
import torch

from tests.objectives.conftest import N, with_copies_of
from tsdistill.objectives import Answers, PerturbedSoftTargets, TemporalSaliency
from tsdistill.objectives.saliency import MEASURES

OBJECTIVES = [
    *(TemporalSaliency(measure=measure) for measure in MEASURES),
    PerturbedSoftTargets(temperature=4.0),
]
OF_COPIES = pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)


def test_losses_are_spread_over_the_batch_with_the_same_mean():
    answers = Answers(None, None, torch.zeros(6).long(), copied=torch.tensor([4, 1]))
    assert answers.spread(torch.tensor([1.0, 3.0])).tolist() == [0, 9, 0, 0, 3, 0]
    assert answers.of_copied(torch.arange(6)).tolist() == [4, 1]


def test_where_all_series_have_copies_nothing_is_spread():
    answers, losses = Answers(None, None, torch.zeros(3).long()), torch.arange(3.0)
    assert answers.spread(losses) is losses and answers.of_copied(losses) is losses


@OF_COPIES
def test_without_any_copy_the_losses_are_zero_and_have_a_way_back(answers, objective):
    none = with_copies_of(answers, [])
    losses = objective.losses(none, torch.ones(N))
    assert losses.shape == (N,) and losses.tolist() == [0] * N
    losses.sum().backward()
    assert (answers.student_perturbed.grad == 0).all()


@OF_COPIES
def test_weights_of_zero_on_all_series_with_copies_give_finite_losses(answers, objective):
    weight = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    losses = objective.losses(with_copies_of(answers, [3, 1]), weight)
    losses.sum().backward()
    assert losses.isfinite().all() and answers.student_perturbed.grad.isfinite().all()


@OF_COPIES
def test_gradients_reach_the_series_with_copies_and_no_others(answers, objective):
    objective.losses(with_copies_of(answers, [2, 0]), torch.ones(N)).sum().backward()
    reached = answers.student_perturbed.grad.abs().sum(dim=(1, 2)) > 0
    assert reached.tolist() == [True, False, True, False]
    if objective.name == "saliency":
        reached = answers.student.grad.abs().sum(dim=1) > 0
        assert reached.tolist() == [True, False, True, False]


@OF_COPIES
@pytest.mark.parametrize("copied", [[], [2, 0]], ids=str)
def test_all_is_computed_on_the_device_of_the_answers(answers, objective, copied):
    some = with_copies_of(answers, copied)
    some = {
        name: value.to("meta")
        for name, value in vars(some).items()
        if isinstance(value, torch.Tensor)
    }
    losses = objective.losses(dataclasses.replace(answers, **some), torch.ones(N, device="meta"))
    assert losses.device.type == "meta" and losses.shape == (N,)
