"""What ``fit`` reads, learns and sets."""

import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier
from tsdistill.estimators.fit_inputs import read_fit_inputs
from tsdistill.explainers.occlusion import sliding_starts
from tsdistill.objectives import InputNoise
from tsdistill.teachers.teacher import as_teacher
from tsdistill.training.transfer_set import TransferSet

FITTED = {
    *("teacher_", "classes_", "student_", "history_", "n_queries_"),
    *("n_features_in_", "n_channels_in_", "n_timepoints_in_", "panel_ndim_"),
    *(
        "_channel_names",
        "_series_lengths",
        "_uneven_form",
        "_baselines",
        "_window_width",
        "_terms",
        "_transfer_set",
    ),
}


def test_fit_sets_these_attributes_and_no_others(toy, quick):
    X, y = toy
    model = quick()
    before = set(vars(model))
    model.fit(X, y)
    assert set(vars(model)) - before == FITTED
    named = pd.DataFrame(X, columns=[f"t{i}" for i in range(20)])
    model.fit(named, y)
    assert set(vars(model)) - before == FITTED | {"feature_names_in_"}
    model.fit(X, y)
    assert set(vars(model)) - before == FITTED


def test_reading_sets_nothing_on_the_estimator(toy):
    X, y = toy
    model = SaliencyDistilledClassifier(bump_teacher)
    before = dict(vars(model))
    series, series_format = read_fit_inputs(
        model, as_teacher(bump_teacher), X, y, None, X[:4], continues=False
    )
    assert vars(model) == before
    assert series.panel.shape == (16, 1, 20) and series.sample_weight.tolist() == [1.0] * 16
    np.testing.assert_array_equal(series.labels, y)
    assert (series_format.n_channels, series_format.n_timepoints, series_format.ndim) == (1, 20, 2)


def test_unlabelled_series_have_to_match_those_of_this_fit_not_of_an_earlier_one(toy, quick):
    X, y = toy
    named = pd.DataFrame(X, columns=[f"t{i}" for i in range(20)])
    model = quick().fit(named, y)
    model.fit(X[:, :15], y, X_unlabelled=X[:4, :15])
    with pytest.raises(ValueError, match="X_unlabelled does not fit X"):
        model.fit(X[:, :15], y, X_unlabelled=X[:4])


def test_the_users_objectives_are_never_changed(toy, quick):
    objective = InputNoise(n_draws=2)
    before = dict(vars(objective))
    model = quick(auxiliary=objective).fit(*toy)
    assert vars(objective) == before and objective.temperature is None
    assert "input_noise" in model.history_[-1]


@pytest.mark.parametrize("target", [None, 1])
def test_an_explanation_asks_about_each_series_once(toy, quick, target):
    X, y = toy
    asked = []

    def counted(series):
        asked.append(len(series))
        return bump_teacher(series)

    model = quick(counted).fit(X, y)
    asked.clear()
    model.explain(X[:5], of="teacher", target=target)
    n_windows = len(sliding_starts(20, 2))
    n_donors = model._baselines.opposing(3)[1].shape[1]
    assert sum(asked) == 5 * (1 + n_windows * n_donors)


def test_an_interrupt_at_the_very_end_changes_nothing(toy, quick, monkeypatch):
    model = quick(warm_start=True).fit(*toy)
    before = dict(vars(model))

    def interrupted(transfer_set):
        raise KeyboardInterrupt

    monkeypatch.setattr(TransferSet, "settled", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*toy)
    assert vars(model) == before


class RandomState:
    """A teacher that draws a random number whenever it is pickled."""

    def __call__(self, X):
        return bump_teacher(X)

    def __getstate__(self):
        np.random.random()
        return {}


def test_a_teacher_that_draws_when_it_is_pickled_moves_no_global_state(toy, quick):
    state = np.random.get_state()[1].copy()
    quick(RandomState(), warm_start=True).fit(*toy).fit(*toy)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


class Asks(SaliencyDistilledClassifier):
    """Predicts whenever one of its attributes is set, as another thread may."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if hasattr(self, "student_"):
            self.seen.append(self.predict(self.series).tolist())


def turned_teacher(X):
    return bump_teacher(X)[:, ::-1]


def test_no_prediction_mixes_two_fits(toy):
    X, y = toy
    names = np.array(["a", "b", "c"])
    model = Asks(bump_teacher, max_epochs=30, n_windows=4, random_state=0)
    model.seen, model.series = [], X
    first = model.fit(X, y).predict(X)
    model.teacher = turned_teacher
    last = model.fit(X, names[2 - y]).predict(X)
    model.lr = model.lr
    assert not np.array_equal(last, names[first]), "the test needs two students that differ"
    assert all(seen in (first.tolist(), last.tolist()) for seen in model.seen)
    assert last.tolist() in model.seen


@pytest.mark.parametrize("ask", ["predict_proba", "predict"])
def test_a_thread_that_predicts_during_fits_sees_one_of_them(toy, quick, ask):
    X, y = toy
    names, done, seen = np.array(["a", "b", "c"]), threading.Event(), []
    model = quick(max_epochs=20, saliency_weight=0).fit(X, y)
    possible = [getattr(model, ask)(X).tolist()]
    other = clone(model).set_params(teacher=turned_teacher)
    possible.append(getattr(other.fit(X, names[2 - y]), ask)(X).tolist())

    def predict():
        while not done.is_set():
            seen.append(getattr(model, ask)(X).tolist())

    thread = threading.Thread(target=predict)
    thread.start()
    try:
        for _ in range(3):
            model.set_params(teacher=turned_teacher).fit(X, names[2 - y])
            model.set_params(teacher=bump_teacher).fit(X, y)
    finally:
        done.set()
        thread.join()
    assert seen and all(one in possible for one in seen)
