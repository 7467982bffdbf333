"""Several objectives in one fit."""

import numpy as np
import pytest
import torch

from tests.conftest import Counted
from tests.objectives.conftest import FEW, InPlace, everything
from tsdistill.objectives import (
    ExplanationAutoencoder,
    InputNoise,
    TemporalReview,
)


@pytest.mark.parametrize("saliency", ["logit_change", "gradient"])
@pytest.mark.parametrize("saliency_weight", [0.0, 5.0])
def test_students_that_change_their_input_learn_as_others_do(
    toy, quick, network, saliency, saliency_weight
):
    fits = []
    for in_place in (True, False):
        torch.manual_seed(0)
        model = quick(
            network,
            student=InPlace(in_place),
            saliency=saliency,
            saliency_weight=saliency_weight,
            max_epochs=4,
            auxiliary=[*everything()[:1], TemporalReview(student_stages="body"), InputNoise()],
        )
        fits.append(model.fit(*toy).history_[-1])
    for name in ("train_loss", "explanation_autoencoder", "temporal_review", "input_noise"):
        assert fits[0][name] == pytest.approx(fits[1][name], rel=1e-5)


NAMES = [objective.name for objective in everything()]


def test_objectives_compose_and_each_is_in_the_history(toy, quick, network):
    model = quick(network, max_epochs=4, auxiliary=everything()).fit(*toy)
    for row in model.history_:
        assert {"label", "soft_targets", "saliency", *NAMES} <= set(row)
    last = model.history_[-1]
    total = 0.1 * last["label"] + last["soft_targets"] + 5 * last["saliency"]
    total += sum(objective.weight * last[objective.name] for objective in everything())
    assert last["train_loss"] == pytest.approx(total, rel=1e-4)


def test_objectives_of_the_user_are_left_as_they_were(toy, quick, network):
    auxiliary = everything()
    before = [dict(vars(one)) for one in auxiliary]
    model = quick(network, max_epochs=4, auxiliary=auxiliary).fit(*toy)
    assert [vars(one) for one in auxiliary] == before and model.auxiliary is auxiliary


def test_fits_with_every_objective_are_repeatable(toy, quick, network):
    one, two = (
        quick(network, max_epochs=4, auxiliary=everything(), **more).fit(*toy)
        for more in ({}, {"n_jobs": 2})
    )
    np.testing.assert_array_equal(one.predict_proba(toy[0]), two.predict_proba(toy[0]))
    maps = [model.explain(toy[0], method="autoencoder") for model in (one, two)]
    np.testing.assert_array_equal(*maps)


def test_warm_start_goes_on_without_asking_again(toy, quick):
    teacher = Counted()
    auxiliary = [ExplanationAutoencoder(**FEW), InputNoise()]
    model = quick(teacher, warm_start=True, auxiliary=auxiliary).fit(*toy)
    asked = teacher.n_asked
    model.fit(*toy)
    assert teacher.n_asked - asked <= 2  # the trial question
    assert [row["epoch"] for row in model.history_] == list(range(1, 7))


def test_bars_say_what_the_teacher_is_asked_for(toy, quick, capfd):
    quick(auxiliary=[ExplanationAutoencoder(n_questions=2000), InputNoise()], verbose=1).fit(*toy)
    shown = capfd.readouterr().err
    assert "teacher: mixtures:" in shown and "teacher: noise:" in shown


def test_memory_keeps_what_the_objectives_ask(toy, quick, tmp_path):
    def asked():
        teacher = Counted()
        auxiliary = [ExplanationAutoencoder(**FEW), InputNoise()]
        quick(teacher, memory=str(tmp_path), auxiliary=auxiliary).fit(*toy)
        return teacher.n_asked

    first = asked()
    assert asked() <= 66 < first / 5  # the probes
