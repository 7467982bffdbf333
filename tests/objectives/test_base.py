"""Objectives of third parties, and what an objective must have."""

import numpy as np
import pytest
from torch import nn

from tests.conftest import Counted
from tests.objectives.conftest import FEW, Cut, OwnObjective, check_parameters, hard_teacher
from tsdistill.exceptions import (
    HardTeacherWarning,
    ParameterError,
    TeacherError,
    TsdistillError,
)
from tsdistill.objectives import (
    ExplanationAutoencoder,
    GradientSaliency,
    InputNoise,
    Objective,
    TemporalReview,
)


def test_objectives_of_third_parties_take_part(toy, quick):
    X, y = toy
    plain = quick(max_epochs=30).fit(X, y)
    model = quick(max_epochs=30, auxiliary=OwnObjective(weight=5.0)).fit(X, y)
    assert model.predict_proba(X).max() < plain.predict_proba(X).max()


def test_an_objective_is_taken_not_to_need_what_it_does_not_ask_for(toy, quick, fit_stored):
    def n_asked(**settings):
        teacher = Counted()
        quick(teacher, saliency_weight=0, n_mixtures=0, **settings).fit(*toy)
        return teacher.n_asked

    assert n_asked(auxiliary=OwnObjective()) == n_asked() == 2 + 12  # a trial, and the series
    model = fit_stored(auxiliary=OwnObjective())
    assert np.isfinite(model.history_[-1]["confidence"])


def test_an_objective_that_does_not_take_unequal_lengths_is_named(uneven, quick):
    teacher, *series = uneven
    with pytest.raises(ParameterError, match="unequal length, which OwnObjective cannot take"):
        quick(teacher, auxiliary=OwnObjective()).fit(*series)


def test_an_objective_is_taken_to_learn_from_what_the_teacher_says(toy, quick):
    settings = {"label_weight": 0, "soft_target_weight": 0, "saliency_weight": 0}
    with pytest.warns(HardTeacherWarning):
        quick(hard_teacher, auxiliary=OwnObjective(), **settings).fit(*toy)


def test_an_objective_without_a_name_or_a_weight_counts_once(toy, quick):
    class Plain(Objective):
        def __init__(self):
            pass

        def losses(self, answers, sample_weight):
            return answers.student.square().mean(dim=1)

    settings = {"label_weight": 0, "soft_target_weight": 0, "saliency_weight": 0}
    last = quick(auxiliary=Plain(), **settings).fit(*toy).history_[-1]
    assert last["train_loss"] == pytest.approx(last["objective"], rel=1e-5)


def test_an_objective_of_weight_0_is_left_out(toy, quick):
    model = quick(auxiliary=OwnObjective(weight=0.0)).fit(*toy)
    assert "confidence" not in model.history_[-1]


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(Objective)


class Weighed(OwnObjective):
    """Losses of a wrong shape, in one of several ways."""

    def __init__(self, weight=1.0, way="column"):
        super().__init__(weight)
        self.way = way

    def losses(self, answers, sample_weight):
        losses = super().losses(answers, sample_weight)
        ways = {"column": losses[:, None], "mean": losses.mean(), "none": None}
        return ways[self.way]


@pytest.mark.parametrize("way", ["column", "mean", "none"])
def test_losses_that_are_not_one_a_series_are_refused(toy, quick, way):
    with pytest.raises(ParameterError, match=r"Weighed.losses gave .* shape \(12,\)"):
        quick(auxiliary=Weighed(way=way)).fit(*toy)


@pytest.mark.parametrize("name", ["epoch", "train_loss", "batches", "a__b", "is_best", "", 3])
def test_names_that_history_cannot_keep_are_refused(toy, quick, name):
    objective = type("Named", (OwnObjective,), {"name": name})()
    with pytest.raises(ParameterError, match="Named.name="):
        quick(auxiliary=objective).fit(*toy)


@pytest.mark.parametrize(
    "settings",
    [
        {"saliency": "gradient"},
        {"auxiliary": ExplanationAutoencoder(explanation="integrated_gradients")},
    ],
)
def test_a_teacher_without_gradients_is_refused(toy, quick, settings):
    with pytest.raises(TeacherError, match="gives no gradients with respect to the series"):
        quick(Cut(), **settings).fit(*toy)


class Wrapper(nn.Module):
    holds = "inner"

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class Wrapping(OwnObjective):
    name = "wrapping"

    def extension(self, n_channels, n_timepoints, n_classes):
        return Wrapper


def test_extensions_of_third_parties_compose(toy, quick, network):
    auxiliary = [Wrapping(), ExplanationAutoencoder(**FEW), TemporalReview()]
    for order in (auxiliary, auxiliary[::-1]):
        model = quick(network, max_epochs=4, auxiliary=order).fit(*toy)
        assert model.history_[-1]["temporal_review"] > 0
        assert model.explain(toy[0], method="autoencoder").shape == toy[0].shape


BAD = {
    "gradients of a black box": (
        {"saliency": "gradient"}, TeacherError, "saliency='gradient'.*black box",
    ),
    "gradient term of a black box": (
        {"auxiliary": GradientSaliency()}, TeacherError, "torch modules",
    ),
    "gradient maps of a black box": (
        {"auxiliary": ExplanationAutoencoder(explanation="integrated_gradients")},
        TeacherError, "explanation='occlusion', which works for any teacher",
    ),
    "unknown maps": (
        {"auxiliary": ExplanationAutoencoder(explanation="lime")},
        ParameterError, "explanation='lime'; expected one of 'occlusion'",
    ),
    "no questions": (
        {"auxiliary": ExplanationAutoencoder(n_questions=0)}, ParameterError, "n_questions=0",
    ),
    "half a filter": (
        {"auxiliary": ExplanationAutoencoder(n_filters=0.5)}, ParameterError, "n_filters=0.5",
    ),
    "no noise": ({"auxiliary": InputNoise(scale=0)}, ParameterError, "InputNoise.scale=0"),
    "no draws": ({"auxiliary": InputNoise(n_draws=0)}, ParameterError, "InputNoise.n_draws=0"),
    "no objective": ({"auxiliary": "review"}, ParameterError, "auxiliary='review'"),
    "a class": ({"auxiliary": [TemporalReview]}, ParameterError, "expected an Objective"),
    "twice": ({"auxiliary": [InputNoise(), InputNoise(2.0)]}, ParameterError, "input_noise"),
    **{
        f"{kind.__name__} of negative weight": (
            {"auxiliary": kind(weight=-0.5)}, ParameterError, f"{kind.__name__}.weight=-0.5",
        )
        for kind in (ExplanationAutoencoder, TemporalReview, GradientSaliency, InputNoise)
    },
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_an_objective_lacks_is_said_before_the_teacher_is_asked(case, toy, quick):
    settings, error, message = BAD[case]
    teacher = Counted()
    with pytest.raises(error, match=message):
        quick(teacher, **settings).fit(*toy)
    assert teacher.n_asked <= 2


def test_an_objective_without_losses_is_said(toy, quick):
    class Empty(Objective):
        name = "empty"

    with pytest.raises((TypeError, TsdistillError), match="Empty defines no losses"):
        quick(auxiliary=Empty()).fit(*toy)
