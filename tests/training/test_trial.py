"""Mixtures that mislead are found on held-out series, and left out."""

import copy
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from tsdistill import SaliencyDistilledClassifier, fidelity
from tsdistill.exceptions import MemorisedWarning, MixturesLeftOutWarning
from tsdistill.objectives.label import Label
from tsdistill.training import trial
from tsdistill.training.trial import trial_epochs

MISLEADS = pytest.warns(MixturesLeftOutWarning, match="takes mixtures of series for something else")


def square_waves(n, rng, n_timepoints=24):
    """Series of two levels; the second half is high or low, by class."""
    y = np.arange(n) % 2
    X = np.where(rng.random((n, n_timepoints)) < 0.5, -1.0, 1.0)
    X[:, 12:] = np.where(rng.random((n, 12)) < 0.85, 1.0, -1.0) * (2 * y - 1)[:, np.newaxis]
    return X, y


class EdgesTeacher:
    """Knows series of two levels, up to a flat or straight window; says the opposite of others."""

    classes_ = np.array([0, 1])

    def __init__(self):
        self.asked = 0

    def predict_proba(self, X):
        self.asked += len(X)
        score = np.tanh(X[:, 12:].mean(axis=1) * 2) * 0.45
        between = np.abs(np.abs(X) - 1) > 0.02
        sign = np.where(between.mean(axis=1) > 0.2, -1, 1)
        return np.column_stack([0.5 - sign * score, 0.5 + sign * score])


def small_network(n_channels, n_timepoints, n_classes):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(n_channels * n_timepoints, 8), nn.ReLU(),
                         nn.Linear(8, n_classes))  # fmt: skip


def distilled(teacher, X, y, **settings):
    """A student of a training just long enough for a trial."""
    settings = {"student": small_network, "max_epochs": 560, "random_state": 0} | settings
    return SaliencyDistilledClassifier(teacher, **settings).fit(X, y)


class Counts(Callback):
    """Keeps max_epochs of the net, once an epoch."""

    epochs = []

    def on_epoch_end(self, net, **_):
        self.epochs.append(net.max_epochs)


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    return *square_waves(80, rng), *square_waves(300, rng)


@pytest.fixture(scope="module")
def tried(waves):
    """A student of which mixtures were tried and left out."""
    X, y, *_ = waves
    with MISLEADS:
        return distilled(EdgesTeacher(), X, y, warm_start=True, callbacks=[("counts", Counts())])


def test_mixtures_that_a_teacher_takes_for_something_else_are_left_out(waves, tried):
    X, y, X_new, _ = waves
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixturesLeftOutWarning)  # as set: no trial
        misled = distilled(EdgesTeacher(), X, y, n_mixtures=400)
    answers = EdgesTeacher().predict_proba(X_new)
    scores = [fidelity.agreement(answers, one.predict_proba(X_new)) for one in (tried, misled)]
    assert scores[0] > scores[1] + 0.1


def test_they_count_among_the_questions_and_windows_take_their_place(tried):
    # series, mixtures, probes, and the 4,000 windows of a fit without mixtures
    assert tried.n_queries_ == 80 + 400 + 64 + 80 * 50
    # up to 36 more tell the form of the answers
    assert 0 <= tried.teacher.asked - tried.n_queries_ <= 36


def test_a_budget_holds_with_mixtures_that_are_left_out(waves):
    X, y, *_ = waves
    teacher = EdgesTeacher()
    with MISLEADS:
        student = distilled(teacher, X, y, n_queries=2000)
    assert student.n_queries_ <= 2000
    assert teacher.asked <= 2000 + 36


def test_a_forest_that_knows_its_series_by_heart_keeps_its_mixtures(italy):
    X, y = italy[0][:, 0], italy[1]
    forest = ExtraTreesClassifier(100, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixturesLeftOutWarning)
        student = distilled(forest, X, y)
    assert student.n_queries_ >= len(X) + 400


def test_the_trial_leaves_the_training_as_it_would_be_without(waves, tried):
    X, y, X_new, _ = waves
    with pytest.warns(MemorisedWarning):
        unmixed = distilled(EdgesTeacher(), X, y, n_mixtures=0)
    np.testing.assert_array_equal(tried.predict_proba(X_new), unmixed.predict_proba(X_new))


def test_callbacks_of_the_user_hear_nothing_of_the_trial(tried):
    assert Counts.epochs[:560] == [560] * 560
    assert set(Counts.epochs[560:]) <= {1}  # of the warm start below


def test_a_warm_start_holds_no_second_trial(waves, tried, monkeypatch):
    X, y, *_ = waves
    monkeypatch.setattr(trial, "_trained", None)  # a trial would fail
    asked, student = tried.teacher.asked, copy.copy(tried)
    student.set_params(max_epochs=1).fit(X, y)
    assert tried.teacher.asked <= asked + 36
    assert student.n_queries_ == tried.n_queries_


def test_short_trainings_have_no_trial(waves, monkeypatch):
    X, y, *_ = waves
    monkeypatch.setattr(trial, "_trained", None)  # a trial would fail
    distilled(EdgesTeacher(), X, y, max_epochs=20)


def test_interrupting_the_trial_ends_the_fit(waves, monkeypatch):
    X, y, *_ = waves
    train = trial.train

    class Interrupt(Callback):
        def on_epoch_end(self, net, **_):
            raise KeyboardInterrupt

    def interrupted(net, *arguments, **settings):
        net.callbacks_.append(("interrupt", Interrupt().initialize()))
        return train(net, *arguments, **settings)

    monkeypatch.setattr(trial, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        distilled(EdgesTeacher(), X, y)


@pytest.mark.parametrize(
    ("n_worse", "n_better", "misleads"),
    [(0, 0, False), (4, 0, False), (5, 0, True), (5, 1, False), (21, 12, False), (23, 11, True)],
)
def test_the_sign_test_decides(n_worse, n_better, misleads):
    without = np.array([True] * n_worse + [False] * n_better + [True] * 9)
    with_mixtures = np.array([False] * n_worse + [True] * n_better + [True] * 9)
    assert trial.are_worse(with_mixtures, without) == misleads
    if n_worse + n_better:
        test = binomtest(n_worse, n_worse + n_better, alternative="greater")
        assert misleads == (test.pvalue <= 0.05)


def test_every_fold_has_its_share_of_each_class():
    class_index = np.repeat([0, 1, 2], [30, 7, 1])
    fold = trial._folds(class_index, np.random.default_rng(0))
    counts = np.array([np.bincount(fold[class_index == k], minlength=3) for k in range(3)])
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert np.ptp(np.bincount(fold)) <= 1


def test_trials_have_a_tenth_of_the_steps():
    assert trial_epochs(250, 32, 250) * 6 == pytest.approx(0.1 * 250 * 8, abs=6)
    assert trial_epochs(50, -1, 2000) == 200
    assert trial_epochs(250, 32, 180) == 0


@pytest.fixture
def many(italy):
    """1,000 series and more."""
    X = np.concatenate([italy[0], italy[2]])[:, 0]
    return X, np.concatenate([italy[1], italy[3]])


QUICK = {"student": small_network, "max_epochs": 1, "random_state": 0}


def test_many_series_need_no_mixtures(many):
    X, y = many
    teacher = LogisticRegression(max_iter=1000).fit(X, y)
    few = SaliencyDistilledClassifier(teacher, **QUICK).fit(X[:999], y[:999])
    assert few.n_queries_ == 999 + 999 + 64 + 3 * 2 * 999
    student = SaliencyDistilledClassifier(teacher, **QUICK).fit(X, y)
    assert student.n_queries_ == len(X) + 64 + 8 * len(X)
    asked_for = SaliencyDistilledClassifier(teacher, n_mixtures=50, **QUICK).fit(X, y)
    assert asked_for.n_queries_ == len(X) + 50 + 64 + 3 * (len(X) + 50)


def test_many_series_that_the_teacher_knows_by_heart_have_mixtures(many):
    X, y = many
    forest = ExtraTreesClassifier(30, random_state=0).fit(X, y)
    student = SaliencyDistilledClassifier(forest, **QUICK).fit(X, y)
    assert student.n_queries_ == 2 * len(X) + 64 + 3 * 2 * len(X)


def test_held_out_series_are_in_no_mixture_that_is_learnt(mixed_material, monkeypatch):
    mixtures, n_given = mixed_material.mixtures, mixed_material.n_given
    seen = []

    def recorded(net, gives_proba, objectives, tensors, rows, epochs):
        seen.append(rows)

    def asked(student, tensors, rows):
        learnt, series = seen[-1], seen[-1][seen[-1] < n_given]
        assert not np.isin(rows, series).any()
        mixed = learnt[learnt >= n_given] - n_given
        parents = np.concatenate([mixtures.first[mixed], mixtures.second[mixed]])
        assert np.isin(parents, series).all()
        return np.ones(len(rows), dtype=bool)

    monkeypatch.setattr(trial, "_trained", recorded)
    monkeypatch.setattr(trial, "_agrees", asked)
    net = NeuralNetClassifier(small_network, max_epochs=2000, batch_size=4)
    weight = np.ones(len(mixed_material.panel), dtype=np.float32)
    given = mixed_material, net, False, [Label()], weight, np.arange(n_given), 0
    assert not trial.mixtures_mislead(*given)
    assert [len(rows) > n_given * 2 / 3 for rows in seen] == [False, True] * 3
