"""The loss as the weighted sum of its terms."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.conftest import tensors_of
from tsdistill.exceptions import TrainingError
from tsdistill.objectives import Label, PerturbedSoftTargets, SoftTargets, TemporalSaliency
from tsdistill.training.loss import DistillationLoss, StudentInTraining

ALL = [Label(0.5), SoftTargets(), TemporalSaliency(), PerturbedSoftTargets(2.0, temperature=4.0)]


def loss_of(material, objectives, weight=None, rows=None):
    rows = torch.arange(12) if rows is None else rows
    inputs, targets = tensors_of(material, weight).step(rows, torch.arange(4))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(20, 3))
    loss = DistillationLoss(objectives, StudentInTraining(network))
    return loss, loss(network(inputs), targets)


def test_loss_is_the_weighted_sum_of_the_terms(material):
    loss, value = loss_of(material, ALL)
    terms = loss.terms()
    assert set(terms) == {"label", "soft_targets", "saliency", "perturbed_soft_targets"}
    total = sum(objective.weight * terms[objective.name] for objective in ALL)
    assert float(value.detach()) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("objective", ALL, ids=lambda objective: objective.name)
def test_a_weight_of_two_equals_a_doubled_row(material, objective):
    weight = np.ones(12, dtype=np.float32)
    weight[4] = 2
    _, weighed = loss_of(material, [objective], weight * 12 / 13)
    _, doubled = loss_of(material, [objective], rows=torch.tensor([*range(12), 4]))
    torch.testing.assert_close(weighed, doubled)


@pytest.mark.parametrize("objective", ALL, ids=lambda objective: objective.name)
def test_a_weight_of_zero_equals_a_missing_row(material, objective):
    weight = np.ones(12, dtype=np.float32)
    weight[4] = 0
    _, weighed = loss_of(material, [objective], weight * 12 / 11)
    _, without = loss_of(material, [objective], rows=torch.tensor([*range(4), *range(5, 12)]))
    torch.testing.assert_close(weighed, without)


class Exploding(nn.Module):
    def __init__(self, n_channels, n_timepoints, n_classes):
        super().__init__()
        self.linear = nn.Linear(n_channels * n_timepoints, n_classes)
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        return self.linear(x.flatten(1)) * (float("nan") if self.calls > 2 else 1.0)


def test_nan_loss_stops_with_the_epoch_and_the_likely_cause(toy, quick):
    with pytest.raises(TrainingError, match=r"nan in epoch 3 \(term: .*learning rate.*lr=0\.02"):
        quick(student=Exploding, lr=0.02, max_epochs=5).fit(*toy)


def test_terms_and_losses_stand_in_the_history(toy, quick):
    history = quick(auxiliary=PerturbedSoftTargets()).fit(*toy).history_
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for row in history:
        total = (
            0.1 * row["label"] + row["soft_targets"] + 5 * row["saliency"]
            + row["perturbed_soft_targets"]
        )  # fmt: skip
        assert row["train_loss"] == pytest.approx(total, rel=1e-4)
        assert row["dur"] > 0
        assert "batches" not in row
