"""Slopes of every objective agree with central differences, in double precision."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill import objectives
from tsdistill.objectives import (
    AttributionMatching,
    ExplanationAutoencoder,
    GradientSaliency,
    InputNoise,
    Label,
    Objective,
    PerturbedSoftTargets,
    SoftTargets,
    TemporalReview,
    TemporalSaliency,
)

STEP, MOST_ENTRIES = 1e-6, 60

CASES = {
    "label": Label(),
    "soft targets": SoftTargets(temperature=3.0),
    "soft targets of copies": PerturbedSoftTargets(temperature=2.0),
    "logit change": TemporalSaliency(),
    "class saliency": TemporalSaliency(measure="class"),
    "sum saliency": TemporalSaliency(measure="sum", temperature=1.0),
    "decoupled saliency": TemporalSaliency(measure="decoupled", temperature=2.0),
    "gradients": GradientSaliency(),
    "attributions": AttributionMatching(student_stage="maps", teacher_stage="maps"),
    "autoencoder": ExplanationAutoencoder(n_questions=1000, n_filters=3),
    "noise": InputNoise(temperature=2.0),
    "review": TemporalReview(
        interval=1, student_stages=["maps"], teacher_stages=["maps"], hidden_size=2
    ),
}


class Smooth(nn.Module):
    """A network without kinks, whose feature maps have a name."""

    def __init__(self, n_features):
        super().__init__()
        self.maps, self.head = nn.Conv1d(1, n_features, 3, padding=1), nn.Linear(n_features, 3)

    def forward(self, x):
        features = torch.tanh(self.maps(x))
        weight = torch.linspace(1, 2, x.shape[-1], dtype=x.dtype)
        return 3 * self.head((features * weight).mean(dim=-1))


def in_double(value):
    if isinstance(value, torch.Tensor):
        return value.detach().double() if value.is_floating_point() else value
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).double()
    return [in_double(one) for one in value] if isinstance(value, list) else value


def last_step(objective, toy, quick):
    """An objective and its answers in the last step of a fit, both in double precision."""
    seen = {}

    class Spy(type(objective)):
        def losses(self, answers, sample_weight):
            fitted = copy.copy(self)
            fitted.__dict__ = {name: in_double(value) for name, value in vars(self).items()}
            seen["objective"] = fitted
            fields = {field.name for field in dataclasses.fields(answers)} - {"ask"}
            seen["answers"] = {name: in_double(getattr(answers, name)) for name in fields}
            return super().losses(answers, sample_weight)

    Spy.name = "spied"  # so that it may stand beside the terms of the default loss
    torch.manual_seed(0)
    quick(
        Smooth(4), student=Smooth(2), auxiliary=Spy(**objective.get_params()), label_weight=0,
        soft_target_weight=0, saliency_weight=0, max_epochs=4, batch_size=4,
    ).fit(*toy)  # fmt: skip
    network = seen["answers"]["network"]
    return seen["objective"], objectives.Answers(**seen["answers"], ask=network)


@pytest.mark.parametrize("case", CASES)
def test_slopes_agree_with_differences(case, toy, quick):
    objective, answers = last_step(CASES[case], toy, quick)
    leaves = [answers.student, answers.student_perturbed, *answers.network.parameters()]
    leaves += [weight for module in objective.own_modules() for weight in module.parameters()]
    leaves = [leaf.requires_grad_() for leaf in leaves if leaf is not None]
    weight = torch.linspace(0.5, 2, len(answers.labels), dtype=torch.float64)

    def loss():
        torch.manual_seed(0)  # some objectives draw copies
        return (weight * objective.losses(answers, weight)).sum()

    slopes = torch.autograd.grad(loss(), leaves, allow_unused=True)
    entries = [(i, j) for i, leaf in enumerate(leaves) for j in range(leaf.numel())]
    chosen = np.random.default_rng(0).permutation(entries)[:MOST_ENTRIES]
    theirs, differences = [], []
    for i, j in chosen:
        flat, values = leaves[i].data.view(-1), []
        before = float(flat[j])
        for sign in (1, -1):
            flat[j] = before + sign * STEP
            values.append(float(loss().detach()))
        flat[j] = before
        differences.append((values[0] - values[1]) / (2 * STEP))
        theirs.append(0.0 if slopes[i] is None else float(slopes[i].view(-1)[j]))
    assert np.abs(theirs).max() > 1e-4
    np.testing.assert_allclose(theirs, differences, rtol=1e-5, atol=1e-7)


def test_no_public_objective_is_left_out():
    public = [getattr(objectives, name) for name in objectives.__all__]
    public = {one for one in public if isinstance(one, type) and issubclass(one, Objective)}
    assert public - {Objective} == {type(objective) for objective in CASES.values()}
    measures = {one.measure for one in CASES.values() if isinstance(one, TemporalSaliency)}
    assert measures == set(objectives.saliency.MEASURES)
