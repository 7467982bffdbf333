"""Parameters of objectives, set and searched through the estimator."""

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError
from tsdistill.objectives import (
    InputNoise,
    Label,
    PerturbedSoftTargets,
    SoftTargets,
    TemporalReview,
    TemporalSaliency,
)
from tsdistill.sktime import SaliencyDistilledTSC


@pytest.mark.parametrize(
    ("auxiliary", "key"),
    [
        (PerturbedSoftTargets(), "auxiliary__weight"),
        ([PerturbedSoftTargets()], "auxiliary__weight"),
        ([InputNoise(), PerturbedSoftTargets()], "auxiliary__perturbed_soft_targets__weight"),
    ],
)
@pytest.mark.parametrize("kind", [SaliencyDistilledClassifier, SaliencyDistilledTSC])
def test_weights_of_objectives_can_be_searched(toy, auxiliary, key, kind):
    X, y = toy
    model = kind(bump_teacher, max_epochs=2, n_windows=4, auxiliary=auxiliary, random_state=0)
    search = GridSearchCV(model, {key: [0.5, 2.0]}, cv=2).fit(X[:, None], y)
    best = search.best_estimator_.get_params()
    assert best[key if key in best else "auxiliary__perturbed_soft_targets__weight"] in (0.5, 2.0)
    weights = [p[key] for p in search.cv_results_["params"]]
    assert weights == [0.5, 2.0]
    tried = clone(model).set_params(**{key: 7.0}).auxiliary
    changed = tried[-1] if isinstance(tried, list) else tried
    original = auxiliary[-1] if isinstance(auxiliary, list) else auxiliary
    assert changed.weight == 7.0 and original.weight == 1.0


def test_an_objective_in_a_list_can_be_replaced_by_name(quick):
    model = quick(auxiliary=[InputNoise(), TemporalReview()])
    model.set_params(auxiliary__input_noise=InputNoise(3.0), auxiliary__temporal_review__weight=2)
    assert [one.weight for one in model.auxiliary] == [3.0, 2]
    with pytest.raises(ParameterError, match="auxiliary__weight names none of.*input_noise"):
        model.set_params(auxiliary__weight=1.0)
    with pytest.raises(ParameterError, match="auxiliary=None; pass an objective"):
        quick().set_params(auxiliary__weight=1.0)


@pytest.mark.parametrize(
    "bad",
    [
        {"auxiliary__input_noise__scale": 0.7, "bogus": 1},
        {"auxiliary__input_noise__scale": 0.7, "auxiliary__input_noise__loudness": 1},
        {"auxiliary": [TemporalReview()], "auxiliary__loudness": 1},
        {"auxiliary": [TemporalReview()], "student__loudness": 1},
    ],
)
def test_refused_parameters_leave_the_objectives_as_they_were(quick, bad):
    auxiliary = [InputNoise()]
    model = quick(auxiliary=auxiliary)
    with pytest.raises(ValueError):
        model.set_params(**bad)
    assert model.auxiliary is auxiliary and auxiliary[0].scale == 0.1


def test_a_single_objective_goes_by_its_name_too(quick):
    model = quick(auxiliary=InputNoise()).set_params(auxiliary__input_noise__scale=0.7)
    assert model.auxiliary.scale == 0.7 and model.set_params(auxiliary__scale=1.0) is model
    assert model.auxiliary.scale == 1.0


def test_none_in_a_list_is_no_objective(toy, quick):
    model = quick(auxiliary=[InputNoise(), TemporalReview()])
    model.set_params(auxiliary__temporal_review=None).fit(*toy)
    assert "input_noise" in model.history_[-1] and "temporal_review" not in model.history_[-1]


@pytest.mark.parametrize("objective", [InputNoise, PerturbedSoftTargets])
def test_the_temperature_is_the_estimators_unless_told(toy, quick, objective):
    def last(temperature, own=None):
        auxiliary = objective(temperature=own)
        model = quick(temperature=temperature, soft_target_weight=0, auxiliary=auxiliary)
        return model.fit(*toy).history_[-1][objective.name]

    assert last(2.0) == last(7.0, own=2.0) != last(7.0)


@pytest.mark.parametrize(
    ("objective", "named"),
    [
        (Label(-1), "Label.weight=-1"),
        (Label(float("nan")), "Label.weight=nan"),
        (Label("1"), "Label.weight='1'"),
        (SoftTargets(temperature=0), "temperature=0"),
        (
            TemporalSaliency(measure="logits"),
            "TemporalSaliency.measure='logits'.*'class', 'sum', 'decoupled'",
        ),
    ],
)
def test_parameters_that_cannot_be_are_named(objective, named):
    with pytest.raises(ParameterError, match=named):
        objective.check()
