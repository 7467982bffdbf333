"""The estimator: what it learns, from which teachers, of which series."""

import random

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from sktime.classification.interval_based import TimeSeriesForestClassifier

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import HardTeacherWarning
from tsdistill.fidelity import fidelity_scorer
from tsdistill.objectives import PerturbedSoftTargets
from tsdistill.perturbation.plan import DONORS, draw_plan
from tsdistill.students import Lite
from tsdistill.teachers.querying import query_windows
from tsdistill.training import distil, recipe, transfer_set
from tsdistill.training.steps import take_steps


def test_student_answers_as_its_teacher_and_for_its_reasons(distilled, kd, gunpoint):
    _, _, X, y = gunpoint
    assert distilled.score(X, y) > 0.85
    assert distilled.fidelity_score(X) > 0.9
    for metric in ("kl", "js", "saliency"):
        ours, theirs = (model.fidelity_score(X, metric=metric) for model in (distilled, kd))
        assert ours > theirs
    assert distilled.fidelity_score(X, metric="saliency") > 0.8


def test_kd_never_asks_about_windows(toy, quick):
    asked = []

    def teacher(X):
        asked.append(len(X))
        return np.full((len(X), 3), 1 / 3)

    quick(teacher, saliency_weight=0).fit(*toy)
    assert sum(asked) == 2 + 12
    asked.clear()
    quick(teacher).fit(*toy)
    probes, windows = 12, (12 + 400) * 4
    assert sum(asked) == 2 + 12 + 400 + probes + windows


def test_student_is_a_trained_skorch_net(distilled, gunpoint_net):
    def count(net):
        return sum(parameter.numel() for parameter in net.module_.parameters())

    assert count(distilled.student_) == 8_794 < count(gunpoint_net)
    assert distilled.student_.history.to_list()[-1]["epoch"] == 150


@pytest.mark.slow
def test_fitted_teacher_labels_series_without_labels(named_teacher, gunpoint):
    X, _, X_test, _ = gunpoint
    student = SaliencyDistilledClassifier(named_teacher, max_epochs=100, random_state=0).fit(X)
    assert student.classes_.tolist() == ["1", "2"]
    assert student.fidelity_score(X_test) > 0.85


@pytest.mark.slow
def test_unlabelled_series_help(named_teacher, gunpoint):
    X, y, X_test, _ = gunpoint
    few = np.r_[0:6, 20:26]
    rest = np.setdiff1d(np.arange(50), few)

    def kl(**more):
        student = SaliencyDistilledClassifier(named_teacher, max_epochs=100, random_state=0)
        return student.fit(X[few], y[few], **more).fidelity_score(X_test, metric="kl")

    assert kl(X_unlabelled=X[rest]) > kl()


def test_minus_one_is_a_class_like_any_other(toy, quick):
    X, y = toy
    student = quick(max_epochs=20).fit(X, y - 1)
    assert student.classes_.tolist() == [-1, 0, 1]
    assert student.score(X, y - 1) > 0.9


def test_labels_matter_where_the_teacher_is_wrong(toy, quick):
    X, y = toy
    weights = {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0}
    wrong = np.roll(np.arange(3), 1)[y]
    assert quick(max_epochs=100, **weights).fit(X, wrong).score(X, wrong) > 0.9


def test_sample_weight_reaches_the_loss(toy, quick):
    X, y = toy
    weights = {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0}
    X, y = np.r_[X, X], np.r_[y, np.roll(np.arange(3), 1)[y]]
    first = np.r_[np.full(12, 10.0), np.full(12, 0.1)]
    student = quick(max_epochs=60, **weights)
    assert student.fit(X, y, sample_weight=first).score(X[:12], y[:12]) > 0.9
    assert student.fit(X, y, sample_weight=first[::-1]).score(X[12:], y[12:]) > 0.9


@pytest.mark.parametrize(
    "teacher",
    [
        RandomForestClassifier(20, random_state=0),
        RidgeClassifier(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        [RidgeClassifier(), RandomForestClassifier(20, random_state=0)],
    ],
    ids=lambda teacher: type(teacher).__name__,
)
@pytest.mark.parametrize("fitted", [True, False])
def test_sklearn_teachers_in_2d(toy, quick, teacher, fitted):
    X, y = toy
    members = teacher if isinstance(teacher, list) else [teacher]
    members = [clone(member) for member in members]
    if fitted:
        for member in members:
            member.fit(X, y)
    student = quick(members if isinstance(teacher, list) else members[0], max_epochs=25)
    student.fit(X, y)
    assert student.score(X, y) > 0.9
    assert student.explain(X, of="teacher").shape == X.shape
    for member in members:
        assert hasattr(member, "n_features_in_") == fitted or type(member) is Pipeline


@pytest.mark.slow
def test_sktime_teacher_unfitted_and_fitted(italy):
    X, y, X_test, y_test = italy
    forest = TimeSeriesForestClassifier(n_estimators=20, random_state=0)
    student = SaliencyDistilledClassifier(forest, max_epochs=60, n_windows=8, random_state=0)
    assert student.fit(X, y).score(X_test, y_test) > 0.85
    assert not forest.is_fitted
    forest.fit(X, y)
    assert clone(student).set_params(teacher=forest).fit(X, y).fidelity_score(X_test) > 0.85


@pytest.mark.slow
def test_several_channels_and_classes(motions):
    X, y, X_test, y_test = motions
    forest = RandomForestClassifier(50, random_state=0).fit(X.reshape(40, -1), y)
    teacher = Teacher(
        lambda X: forest.predict_proba(X.reshape(len(X), -1)), classes=forest.classes_
    )
    student = SaliencyDistilledClassifier(teacher, max_epochs=40, n_windows=8, random_state=0)
    student.fit(X, y)
    assert student.n_channels_in_ == 6 and student.n_timepoints_in_ == 100
    assert student.score(X_test, y_test) > 0.8
    assert student.explain(X_test[:3], per_channel=True).shape == (3, 6, 100)


@pytest.mark.parametrize("student", ["inception", "fcn", "resnet", "gru", Lite(n_filters=4)])
@pytest.mark.slow
def test_every_student_learns_the_toy(toy, quick, student):
    assert quick(student=student, max_epochs=80).fit(*toy).score(*toy) > 0.9


@pytest.mark.parametrize("saliency", ["logit_change", "class", "sum"])
@pytest.mark.parametrize("donors", DONORS)
def test_measures_and_donors_all_train(toy, quick, saliency, donors):
    student = quick(saliency=saliency, donors=donors, saliency_weight=1).fit(*toy)
    assert np.isfinite([row["saliency"] for row in student.history_]).all()
    assert -1 <= student.fidelity_score(toy[0], metric="saliency") <= 1


def test_more_classes_are_trained_for_longer(toy, quick, monkeypatch):
    monkeypatch.setattr(recipe, "STEPS", 40)
    monkeypatch.setattr(recipe, "FEWEST_EPOCHS", 1)
    X, y = toy
    two = RandomForestClassifier(5, random_state=0).fit(X, y % 2)
    assert len(quick(two, max_epochs=None).fit(X, y % 2).history_) == 40
    for labels in (y, None):  # 40 times the root of 3 / 2, in one step an epoch or in three
        assert len(quick(max_epochs=None).fit(X, labels).history_) == 48
    assert len(quick(max_epochs=None, batch_size=5).fit(X, y).history_) == 16


def test_same_random_state_same_student_whatever_the_workers(toy, quick):
    X, y = toy
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    first = quick(forest).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(quick(forest, n_jobs=2).fit(X, y).predict_proba(X), first)
    assert not np.array_equal(quick(forest, random_state=1).fit(X, y).predict_proba(X), first)
    fresh = [quick(forest, random_state=None).fit(X, y).predict_proba(X) for _ in range(2)]
    assert not np.array_equal(*fresh)


def test_inputs_and_global_random_states_stay_as_they_were(toy, quick):
    X, y = toy
    kept = X.copy(), y.copy()
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    student = quick(RandomForestClassifier(5)).fit(X, y)
    student.explain(X)
    student.fidelity_score(X, metric="saliency")
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def test_models_that_write_to_their_input_or_draw_numbers_do_no_harm(toy, quick):
    X, y = toy[0].astype(np.float32), toy[1]
    X.flags.writeable = False
    kept = X.copy()

    def rude(X):
        np.random.random()
        answers = bump_teacher(X)
        X -= 5
        return answers

    network = torch.nn.Sequential(
        torch.nn.ReLU(inplace=True), torch.nn.Flatten(), torch.nn.Linear(20, 3)
    )
    np.random.seed(3)
    state = np.random.get_state()[1].copy()
    for teacher, student in ((rude, "lite"), (network, network)):
        model = quick(teacher, student=student).fit(X, y)
        model.predict(X)
        for of in ("student", "teacher"):
            model.explain(X, of=of)
        model.explain(X, method="gradient")
        model.fidelity_score(X, metric="saliency")
        np.testing.assert_array_equal(X, kept)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.testing.assert_array_equal(
        quick(rude).fit(X, y).predict_proba(X), quick().fit(X, y).predict_proba(X)
    )


def test_settings_reach_what_they_set(toy, quick, tmp_path, monkeypatch):
    X, y = toy
    plans, steps, workers = [], [], []
    monkeypatch.setattr(
        transfer_set, "draw_plan", lambda *a, **k: plans.append(k) or draw_plan(*a, **k)
    )
    monkeypatch.setattr(distil, "take_steps", lambda net, m: steps.append(m) or take_steps(net, m))
    monkeypatch.setattr(
        transfer_set, "query_windows", lambda *a: workers.append(a[-1]) or query_windows(*a)
    )
    quick(donors="noise", windows_per_step=3, n_windows=7, window_size=0.25, n_jobs=2,
          memory=str(tmp_path)).fit(X, y)  # fmt: skip
    assert (plans[0]["donors"], plans[0]["n_windows"], plans[0]["width"]) == ("noise", 7, 5)
    assert steps == [3]
    assert workers[0].n_jobs == 2 and workers[0].memory.location == str(tmp_path)
    assert any(tmp_path.rglob("*.answers"))


def test_temperature_and_measure_reach_the_saliency_term(toy, quick):
    def first_epoch(**settings):
        return quick(saliency_weight=1e-9, max_epochs=1, **settings).fit(*toy).history_[0]

    values = {
        (measure, tau): first_epoch(saliency=measure, temperature=tau)["saliency"]
        for measure in ("logit_change", "class", "sum")
        for tau in (1.0, 8.0)
    }
    assert values["logit_change", 1.0] == pytest.approx(values["logit_change", 8.0], rel=1e-3)
    assert values["class", 1.0] != pytest.approx(values["class", 8.0], rel=1e-2)
    assert values["sum", 1.0] != pytest.approx(values["sum", 8.0], rel=1e-2)
    assert values["class", 8.0] != pytest.approx(values["sum", 8.0], rel=1e-2)


def test_gradients_are_clipped(toy, quick):
    norms = []

    class Watch(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            norms.append(sum(float(p.grad.norm()) ** 2 for _, p in named_parameters) ** 0.5)

    quick(callbacks=[Watch()], saliency_weight=1000.0, max_epochs=5).fit(*toy)
    assert max(norms) == pytest.approx(1, abs=1e-3)


def test_hard_teacher_is_warned_of_in_fit(toy, quick):
    X, y = toy
    with pytest.warns(HardTeacherWarning, match="decision values"):
        quick(lambda X: np.eye(3)[bump_teacher(X).argmax(axis=1)]).fit(X, y)


@pytest.mark.slow
def test_a_teacher_that_hardly_reacts_does_not_drown_the_rest(toy, quick):
    X, y = toy
    nearest = KNeighborsClassifier(1).fit(X, y)
    with pytest.warns(HardTeacherWarning):
        student = quick(nearest, max_epochs=150, n_windows=16).fit(X, y)
    assert student.score(X, y) > 0.9
    assert max(row["saliency"] for row in student.history_) < 30


def test_float32_that_cannot_tell_the_series_apart_is_refused(toy, quick):
    with pytest.raises(ValueError, match=r"channel 0 around values of 1e\+08.*subtract the mean"):
        quick().fit(toy[0] + 1e8, toy[1])
    assert quick(RidgeClassifier(), max_epochs=80).fit(toy[0] + 1e4, toy[1]).score(
        toy[0] + 1e4, toy[1]
    ) > 0.9  # fmt: skip


def test_all_kinds_of_arrays_give_the_same_student(toy, quick, tmp_path):
    X, y = toy
    X = np.round(5 * X)
    expected = quick().fit(X, y).predict_proba(X)
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.zeros((12, 40))
    wide[:, ::2] = X
    for same in (
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        read_only,
        wide[:, ::2],
        np.asfortranarray(X),
        X.astype(np.int32),
        X.astype(np.int8).astype(object),
        X.tolist(),
    ):
        student = quick().fit(same, y)
        np.testing.assert_array_equal(student.predict_proba(same), expected)
        student.explain(same)


def test_failed_fit_leaves_the_fitted_student_usable(toy, quick):
    X, y = toy
    student = quick().fit(X, y)
    expected = student.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        student.fit(np.full((12, 30), np.nan), y)
    student.set_params(teacher=lambda X: np.full((len(X), 7), 1 / 7))
    with pytest.raises(ValueError, match="7 columns"):
        student.fit(np.zeros((12, 30)), y)
    np.testing.assert_array_equal(student.predict_proba(X), expected)
    assert student.n_timepoints_in_ == 20


def test_failed_first_fit_leaves_the_estimator_unfitted(toy, quick):
    student = quick(lambda X: np.full((len(X), 7), 1 / 7))
    before = set(vars(student))
    with pytest.raises(ValueError, match="7 columns"):
        student.fit(*toy)
    assert set(vars(student)) == before


def test_fitted_teacher_survives_grid_search_in_a_pipeline(toy, quick):
    X, y = toy
    forest = RandomForestClassifier(10, random_state=0).fit(StandardScaler().fit_transform(X), y)
    pipeline = make_pipeline(StandardScaler(), quick(forest, student=Lite()))
    name = "saliencydistilledclassifier"
    search = GridSearchCV(
        pipeline,
        {f"{name}__saliency_weight": [0, 5.0], f"{name}__student__n_filters": [2, 4]},
        scoring=fidelity_scorer("kl"),
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert search.best_estimator_[-1].teacher is forest
    assert search.best_score_ < 0


def test_unfitted_teacher_is_refitted_by_every_fit(toy, quick):
    X, y = toy
    student = quick(RandomForestClassifier(5))
    first = student.fit(X, y).teacher_.model
    assert student.fit(X[:9], y[:9]).teacher_.model is not first


def test_control_trains_on_copies_without_saliency(toy, quick):
    row = quick(saliency_weight=0, auxiliary=PerturbedSoftTargets()).fit(*toy).history_[0]
    assert "perturbed_soft_targets" in row and "saliency" not in row


@pytest.mark.parametrize(
    ("counts", "settings"),
    [
        ([1, 1], {}),
        ([1, 1, 1], {}),
        ([1, 30], {}),
        ([1] * 60, {}),
        ([2] * 60, {"class_weight": "balanced"}),
        ([1000, 1], {"max_epochs": 1}),
        ([1000, 1], {"max_epochs": 1, "validation_fraction": 0.2}),
    ],
    ids=lambda value: f"{len(value)} classes" if isinstance(value, list) else "",
)
@pytest.mark.filterwarnings("ignore")
def test_classes_of_a_single_series_are_learnt(counts, settings):
    rng, n_classes = np.random.default_rng(0), len(counts)
    y = np.repeat(np.arange(n_classes), counts)
    shapes = rng.normal(size=(n_classes, 20)).cumsum(axis=1)
    X = shapes[y] + 0.1 * rng.normal(size=(len(y), 20))

    def nearest(X):
        z = -((X[:, None] - shapes) ** 2).sum(axis=2)
        return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))

    settings = {"max_epochs": 2, "n_windows": 2, "random_state": 0} | settings
    student = SaliencyDistilledClassifier(nearest, **settings).fit(X, y)
    assert student.predict_proba(X).shape == (len(y), n_classes)
    assert np.isfinite(student.explain(X[:3], target=n_classes - 1)).all()
    report = student.fidelity_report(X[:200], y[:200], n_explained=3)
    assert 0 <= report.agreement <= 1
