"""Students that also learn from mixtures of the training series."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.conftest import Counted, bump_teacher, transfer_set_of
from tsdistill.estimators import settings as estimators_settings
from tsdistill.objectives import ExplanationAutoencoder, InputNoise, PerturbedSoftTargets
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.perturbation.mixtures import Mixtures
from tsdistill.perturbation.plan import DONORS
from tsdistill.perturbation.uneven import FLAT, STRAIGHT
from tsdistill.students import FCN
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.training.recipe import SALIENCY_WEIGHTS


def weights_of(student):
    return torch.nn.utils.parameters_to_vector(student.student_.module_.parameters()).detach()


def learnt(quick, *args, **settings):
    """The transfer set of a fit."""
    student = quick(**{"max_epochs": 1, "warm_start": True} | settings).fit(*args)
    return student._transfer_set


def test_mixtures_are_further_series_that_the_teacher_answers(toy, quick):
    X, y = toy
    kept = learnt(quick, X, y, n_mixtures=30)
    mixed = kept.mixtures.of(X[:, np.newaxis].astype(np.float32))
    np.testing.assert_array_equal(kept.panel[:12, 0], X.astype(np.float32))
    np.testing.assert_array_equal(kept.panel[12:], mixed)
    proba = bump_teacher(kept.panel)
    np.testing.assert_allclose(kept.answers.clean, np.log(proba), atol=1e-3)
    np.testing.assert_array_equal(kept.class_index[:12], y)
    np.testing.assert_array_equal(kept.class_index[12:], proba[12:].argmax(axis=1))
    assert kept.answers.perturbed.shape == (42, 4, 3)
    for row in (0, 11, 12, 41):
        plan = kept.plan
        place = ([row], plan.donor[[row], 1], plan.start[[row], 1])
        copy = PerturbedCopies(kept.panel, plan.donors, *map(np.array, place), plan.width)
        answer = np.log(bump_teacher(copy[:]))[0]
        np.testing.assert_allclose(kept.answers.perturbed[row, 1], answer, atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        *({"saliency": measure} for measure in ("class", "sum", "decoupled")),
        {"saliency_weight": 0},
        {"saliency_weight": 0, "auxiliary": PerturbedSoftTargets()},
        {"n_mixtures": 0},
    ],
    ids=str,
)
def test_published_methods_and_plain_distillation_use_none_unless_told_to(toy, quick, settings):
    assert learnt(quick, *toy, **settings).mixtures is None
    told = learnt(quick, *toy, **{"n_mixtures": 7} | settings)
    assert told.n_given == 12 and len(told.panel) == 12 + settings.get("n_mixtures", 7)


def test_gradients_are_learnt_without_mixtures_unless_told_to(toy, quick):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    settings = {"teacher": module, "saliency": "gradient"}
    assert learnt(quick, *toy, **settings).mixtures is None
    assert len(learnt(quick, *toy, n_mixtures=7, **settings).panel) == 19


@pytest.mark.parametrize("measure", [*SALIENCY_WEIGHTS])
def test_no_weight_is_the_default_weight_of_the_measure(toy, quick, measure):
    settings = {"saliency": measure, "max_epochs": 2}
    if measure == "gradient":
        settings["teacher"] = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    weight = {"logit_change": 5.0, "gradient": 5.0}.get(measure, 1.0)
    none, default, other = (
        weights_of(quick(saliency_weight=one, **settings).fit(*toy))
        for one in (None, weight, weight + 1)
    )
    assert torch.equal(none, default) and not torch.equal(none, other)


def test_another_number_of_mixtures_asks_for_nothing_that_is_known(toy, quick):
    teacher = Counted()
    student = quick(teacher, warm_start=True, n_mixtures=0, max_epochs=1).fit(*toy)
    for n_mixtures in (5, 5, 9, 0, 5):
        teacher.n_asked, known = 0, student._transfer_set
        student.set_params(n_mixtures=n_mixtures).fit(*toy)
        kept = student._transfer_set
        new = n_mixtures + (12 + n_mixtures) * 4  # all windows are drawn again
        assert teacher.n_asked == (0 if len(kept.panel) == len(known.panel) else new)
        assert (
            len(kept.panel) == len(kept.answers.clean) == len(kept.class_index) == 12 + n_mixtures
        )
        assert len(kept.answers.perturbed) == len(kept.plan.start) == 12 + n_mixtures
        np.testing.assert_array_equal(kept.answers.clean[:12], known.answers.clean[:12])
        np.testing.assert_array_equal(kept.panel[:12], known.panel[:12])


def test_a_fit_that_goes_on_with_mixtures_learns_from_them(toy, quick):
    student = quick(warm_start=True, n_mixtures=0, saliency_weight=0).fit(*toy)
    student.set_params(n_mixtures=6, saliency_weight=None).fit(*toy)
    assert len(student.history_) == 6 and "saliency" in student.history_[-1]
    expected = np.log(bump_teacher(student._transfer_set.panel))
    np.testing.assert_allclose(student._transfer_set.answers.clean, expected, atol=1e-3)


@pytest.mark.parametrize("auxiliary", [ExplanationAutoencoder(n_questions=1000), InputNoise()])
@pytest.mark.parametrize("saliency_weight", [None, 0])
def test_what_auxiliaries_worked_out_is_worked_out_again_for_other_mixtures(
    toy, quick, auxiliary, saliency_weight
):
    settings = {"auxiliary": auxiliary, "saliency_weight": saliency_weight, "max_epochs": 1}
    student = quick(warm_start=True, n_mixtures=0, **settings).fit(*toy)
    for n_mixtures in (5, 9, 0):
        student.set_params(n_mixtures=n_mixtures).fit(*toy)
        assert np.isfinite(student.history_[-1]["train_loss"])


@pytest.mark.parametrize("fraction", [0.25, 0.5])
def test_no_mixture_is_made_of_a_series_that_is_held_out(toy, quick, fraction):
    X, y = np.tile(toy[0], (2, 1)), np.tile(toy[1], 2)
    kept = learnt(quick, X, y, validation_fraction=fraction)
    (held_out,) = kept.held_out.values()
    mixed = np.union1d(kept.mixtures.first, kept.mixtures.second)
    np.testing.assert_array_equal(mixed, np.setdiff1d(np.arange(24), held_out))


def test_series_that_weigh_nothing_are_in_no_mixture(toy, quick):
    X, y = toy
    weight = (np.arange(12) >= 3).astype(float)
    kept = quick(warm_start=True).fit(X, y, sample_weight=weight)._transfer_set
    mixed = np.union1d(kept.mixtures.first, kept.mixtures.second)
    np.testing.assert_array_equal(mixed, np.arange(3, 12))
    kept = learnt(quick, X, y, class_weight={0: 1.0, 1: 0.0, 2: 1.0})
    assert not np.isin(kept.mixtures.first, np.flatnonzero(y == 1)).any()
    assert not np.isin(kept.mixtures.second, np.flatnonzero(y == 1)).any()


def test_weights_are_of_mean_one_over_series_and_mixtures(toy):
    panel = toy[0][:, np.newaxis].astype(np.float32)
    answers = TeacherAnswers(np.zeros((12, 3), dtype=np.float32))
    transfer_set = transfer_set_of(panel, toy[1].astype(np.int64), answers)
    mixtures = Mixtures.draw(np.arange(3), 40, np.random.default_rng(0))
    mixed = np.concatenate([panel, mixtures.of(panel)])
    transfer_set = dataclasses.replace(transfer_set, panel=mixed, mixtures=mixtures)
    weight = transfer_set.with_mixtures_weighed((np.arange(12) < 3).astype(np.float32))
    assert weight.mean() == pytest.approx(1)
    assert (weight[3:12] == 0).all() and np.ptp(weight[12:]) < 1e-6


def test_other_weights_make_other_mixtures_where_training_goes_on(toy, quick):
    X, y = toy
    student = quick(warm_start=True, max_epochs=1).fit(X, y)
    kept = student.fit(X, y, sample_weight=np.arange(12) < 9)._transfer_set
    assert max(kept.mixtures.first.max(), kept.mixtures.second.max()) == 8
    assert len(kept.panel) == 412 and kept.answers.perturbed.shape == (412, 4, 3)


def test_standardisation_and_baselines_come_from_the_given_series_alone(toy, quick):
    X, y = toy[0] + 3, toy[1]
    with_mixtures, without = (
        quick(n_mixtures=n, max_epochs=1, lr=1e-12).fit(X, y) for n in (50, 0)
    )
    for name in ("mean", "std"):
        ours, theirs = (
            getattr(one.student_.module_.standardise, name) for one in (with_mixtures, without)
        )
        assert torch.equal(ours, theirs)
    panel = X[:, np.newaxis].astype(np.float32)
    for baselines in (with_mixtures._baselines, without._baselines):
        assert (baselines.series[:, np.newaxis] == panel).all(axis=(2, 3)).any(axis=1).all()


def test_the_student_does_not_depend_on_workers_or_memory(toy, quick, tmp_path):
    settings = {"n_mixtures": 600, "n_windows": 2}
    expected = weights_of(quick(**settings).fit(*toy))
    for more in ({"n_jobs": 2}, {"memory": tmp_path}, {"memory": tmp_path}):
        assert torch.equal(weights_of(quick(**settings, **more).fit(*toy)), expected)


@pytest.mark.parametrize("donors", DONORS)
def test_all_kinds_of_donors_go_with_mixtures(toy, quick, donors):
    kept = learnt(quick, *toy, donors=donors)
    assert kept.plan.start.shape == (412, 4)
    if donors in ("opposing", "same"):
        own, of_donor = kept.class_index[:, np.newaxis], kept.class_index[kept.plan.donor]
        assert ((own == of_donor) == (donors == "same")).all()
    if donors == "mean":
        np.testing.assert_allclose(kept.plan.donors.mean(), toy[0].mean(), atol=0.05)


@pytest.mark.parametrize(
    ("settings", "varied"),
    [
        ({}, True),
        ({"saliency_weight": 0, "auxiliary": PerturbedSoftTargets()}, True),
        ({"saliency": "gradient", "auxiliary": PerturbedSoftTargets()}, True),
        ({"donors": "opposing"}, False),
        ({"saliency": "class"}, False),
        ({"saliency": "sum"}, False),
        ({"saliency": "decoupled"}, False),
        ({"saliency": "class", "donors": "varied"}, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("short", [False, True])
def test_published_measures_and_short_trainings_take_windows_of_other_classes_alone(
    toy, quick, monkeypatch, settings, varied, short
):
    monkeypatch.setattr(estimators_settings, "SHORT", 2 if short else 1)  # one step in all
    varied = varied and not (short and "donors" not in settings)
    teacher = FCN(n_filters=2).build(1, 20, 3) if "gradient" in settings.values() else bump_teacher
    kept = learnt(quick, *toy, teacher=teacher, **settings)
    kinds = set(kept.plan.donor[kept.plan.donor < 0].tolist())
    assert kinds == ({FLAT, STRAIGHT} if varied else set())


def test_series_of_many_channels_and_their_labels(motions, quick):
    X, y = motions[:2]
    teacher = LogisticRegression(max_iter=200).fit(X.reshape(len(X), -1), y)

    def flat(X):
        return teacher.predict_proba(np.asarray(X).reshape(len(X), -1))

    kept = learnt(quick, X, y, teacher=flat)
    assert kept.panel.shape == (440, 6, 100) and kept.answers.perturbed.shape == (440, 4, 4)
    np.testing.assert_allclose(np.exp(kept.answers.clean), flat(kept.panel), atol=1e-3)


def test_unlabelled_series_are_mixed_too(toy, quick):
    X, y = toy
    more = X[:7] + 0.05
    kept = quick(n_mixtures=60, warm_start=True).fit(X, y, X_unlabelled=more)._transfer_set
    assert kept.n_given == 19 and len(kept.panel) == 79
    np.testing.assert_array_equal(
        np.union1d(kept.mixtures.first, kept.mixtures.second), np.arange(19)
    )
    np.testing.assert_array_equal(kept.panel[12:19, 0], more.astype(np.float32))


def two_classes(X):
    proba = bump_teacher(X)[:, :2]
    return proba / proba.sum(axis=1, keepdims=True)


def test_two_series_are_enough(toy, quick):
    X, y = toy[0][:2], toy[1][:2]
    kept = learnt(quick, X, y, teacher=two_classes)
    assert len(kept.panel) == 402
    assert (np.sort([kept.mixtures.first, kept.mixtures.second], axis=0).T == [0, 1]).all()
    student = quick(two_classes, max_epochs=60).fit(X, y)
    assert student.predict(X).tolist() == [0, 1]


def test_a_single_series_that_counts_cannot_be_mixed(toy, quick):
    X, y = toy
    student = quick(warm_start=True).fit(X, y, sample_weight=np.arange(12) == 4)
    assert student._transfer_set.mixtures is None
    assert np.isfinite(student.history_[-1]["train_loss"])


def test_a_fitted_teacher_labels_series_and_mixtures(toy, quick):
    X, y = toy
    for teacher in (bump_teacher, LogisticRegression().fit(X, y)):
        kept = learnt(quick, X, teacher=teacher)
        assert kept.labels is None and len(kept.panel) == 412
        np.testing.assert_array_equal(kept.class_index, kept.answers.clean.argmax(axis=1))


def test_the_same_random_state_makes_the_same_mixtures(toy, quick):
    one, same, other = (
        learnt(quick, *toy, random_state=seed, n_mixtures=20).panel for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert (one[12:] != other[12:]).any()


def test_the_users_series_are_left_as_they_are(toy, quick):
    X = toy[0][:, np.newaxis].astype(np.float32)
    X.flags.writeable = False
    before = X.copy()
    quick(n_mixtures=20).fit(X, toy[1])
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_share_of_the_series_may_have_copies(toy, quick, share):
    student = quick(windows_per_step=share, validation_fraction=0.3, batch_size=5).fit(*toy)
    assert all(np.isfinite(list(row.values())).all() for row in student.history_)
    assert student.history_[-1]["saliency"] > 0
