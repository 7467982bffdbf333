import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
import sklearn
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
from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.exceptions import HardTeacherWarning, ParameterError, TeacherError
from tsdistill.fidelity import fidelity_scorer
from tsdistill.objectives import PerturbedSoftTargets
from tsdistill.perturbation.baselines import Baselines
from tsdistill.perturbation.plan import draw_plan
from tsdistill.students import Lite
from tsdistill.teachers.querying import query_windows
from tsdistill.training import distil, transfer_set
from tsdistill.training.steps import take_steps


@pytest.fixture(scope="module")
def named_teacher(gunpoint_net):
    """The GunPoint network with the names of its classes."""
    return Teacher(gunpoint_net, classes=["1", "2"])


def fit_gunpoint(teacher, gunpoint, **settings):
    settings = {"max_epochs": 150, "random_state": 0} | settings
    return SaliencyDistilledClassifier(teacher, **settings).fit(*gunpoint[:2])


@pytest.fixture(scope="module")
def distilled(named_teacher, gunpoint):
    return fit_gunpoint(named_teacher, gunpoint)


@pytest.fixture(scope="module")
def kd(named_teacher, gunpoint):
    return fit_gunpoint(named_teacher, gunpoint, saliency_weight=0)


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
    assert sum(asked) == 2 + 12 + 12 * 4


def test_student_is_a_trained_skorch_net(distilled, gunpoint_net):
    def count(net):
        return sum(parameter.numel() for parameter in net.module_.parameters())

    assert count(distilled.student_) == 8_794 < count(gunpoint_net)
    assert distilled.student_.history.to_list()[-1]["epoch"] == 150


def test_predictions_are_labels_and_probabilities(distilled, gunpoint):
    X = gunpoint[2]
    proba = distilled.predict_proba(X)
    assert proba.shape == (150, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(distilled.predict(X), np.array(["1", "2"])[proba.argmax(axis=1)])


def test_prediction_of_one_series_equals_that_among_many(distilled, gunpoint):
    X = gunpoint[2][:40]
    one_by_one = np.concatenate([distilled.predict_proba(X[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(one_by_one, distilled.predict_proba(X), atol=1e-5)


def test_explanations_of_both_models(distilled, gunpoint):
    X = gunpoint[2][:6]
    for of in ("student", "teacher"):
        for method in ("occlusion", "gradient"):
            maps = distilled.explain(X, of=of, method=method)
            assert maps.shape == (6, 150) and maps.dtype == np.float32
            assert np.isfinite(maps).all() and maps.std() > 0
            assert distilled.explain(X, of=of, method=method, per_channel=True).shape == (6, 1, 150)


def test_default_target_is_the_explained_models_own_prediction(distilled, gunpoint):
    X = gunpoint[2][:20]
    own = distilled.explain(X, target=distilled.predict(X))
    np.testing.assert_array_equal(distilled.explain(X), own)
    teachers = distilled.classes_[distilled.teacher_.log_proba(X.astype(np.float32)).argmax(1)]
    np.testing.assert_array_equal(
        distilled.explain(X, of="teacher"), distilled.explain(X, of="teacher", target=teachers)
    )


def test_two_classes_speak_against_each_other(distilled, gunpoint):
    X = gunpoint[2][:5]
    for_one = distilled.explain(X, target="1", method="gradient")
    np.testing.assert_allclose(
        for_one, -distilled.explain(X, target="2", method="gradient"), atol=1e-4
    )


def test_fitted_teacher_labels_series_without_labels(named_teacher, gunpoint):
    X, _, X_test, _ = gunpoint
    student = SaliencyDistilledClassifier(named_teacher, max_epochs=100, random_state=0).fit(X)
    assert student.classes_.tolist() == ["1", "2"]
    assert student.fidelity_score(X_test) > 0.85


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
    student = quick(max_epochs=60).fit(X, y - 1)
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
    student = quick(members if isinstance(teacher, list) else members[0], max_epochs=80)
    student.fit(X, y)
    assert student.score(X, y) > 0.9
    assert student.explain(X, of="teacher").shape == X.shape
    for member in members:
        assert hasattr(member, "n_features_in_") == fitted or type(member) is Pipeline


def test_sktime_teacher_unfitted_and_fitted(italy):
    X, y, X_test, y_test = italy
    forest = TimeSeriesForestClassifier(n_estimators=20, random_state=0)
    student = SaliencyDistilledClassifier(forest, max_epochs=60, n_windows=8, random_state=0)
    assert student.fit(X, y).score(X_test, y_test) > 0.85
    assert not forest.is_fitted
    forest.fit(X, y)
    assert clone(student).set_params(teacher=forest).fit(X, y).fidelity_score(X_test) > 0.85


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
def test_every_student_learns_the_toy(toy, quick, student):
    assert quick(student=student, max_epochs=80).fit(*toy).score(*toy) > 0.9


@pytest.mark.parametrize("saliency", ["logit_change", "class", "sum"])
@pytest.mark.parametrize("donors", ["opposing", "same", "any", "mean", "zero", "noise"])
def test_measures_and_donors_all_train(toy, quick, saliency, donors):
    student = quick(saliency=saliency, donors=donors, saliency_weight=1).fit(*toy)
    assert np.isfinite([row["saliency"] for row in student.history_]).all()
    assert -1 <= student.fidelity_score(toy[0], metric="saliency") <= 1


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
    assert any(tmp_path.rglob("*.pkl"))


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


@pytest.mark.parametrize(("donors", "measured_with"), [("opposing", 1), ("mean", 8)])
def test_saliency_fidelity_uses_fills_that_were_not_trained_on(
    toy, quick, monkeypatch, donors, measured_with
):
    student = quick(donors=donors).fit(*toy)
    used = []
    donors_of = Baselines.donors

    def watched(baselines, kind, n_classes):
        series, rows = donors_of(baselines, kind, n_classes)
        used.append(rows.shape[1])
        return series, rows

    monkeypatch.setattr(Baselines, "donors", watched)
    student.fidelity_score(toy[0], metric="saliency")
    assert used == [measured_with] * 2


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


def test_clone_keeps_a_fitted_teacher_by_identity_and_clones_an_unfitted_one(toy, gunpoint_net):
    forest = RandomForestClassifier(5)
    assert clone(SaliencyDistilledClassifier(forest)).teacher is not forest
    forest.fit(*toy)
    module = Lite().build(1, 20, 3)
    for teacher in (forest, module, gunpoint_net, [forest, module], Teacher(module)):
        student = SaliencyDistilledClassifier(teacher, student=Lite(n_filters=3), lr=0.5)
        copied = clone(student)
        assert copied.teacher is teacher
        assert copied.student is not student.student and copied.student.n_filters == 3
        assert copied.lr == 0.5


def test_clone_keeps_metadata_requests(quick):
    with sklearn.config_context(enable_metadata_routing=True):
        copied = clone(quick().set_fit_request(sample_weight=True))
        assert copied.get_metadata_routing().fit.requests["sample_weight"] is True


def test_a_fitted_teacher_is_never_introspected(toy, quick):
    class Private(RandomForestClassifier):
        def get_params(self, deep=True):
            assert not hasattr(self, "classes_"), "introspected after fit"
            return super().get_params(deep)

    student = quick(Private(5).fit(*toy))
    assert "saliency_weight" in student.get_params(deep=True)
    clone(student).set_params(lr=0.1).fit(*toy)
    assert quick(RandomForestClassifier(5)).get_params()["teacher__n_estimators"] == 5


def test_wrapped_fitted_teacher_can_be_a_value_of_a_grid(toy, quick):
    forest = RandomForestClassifier(5, random_state=0).fit(*toy)
    search = GridSearchCV(quick(), {"teacher": [Teacher(forest)]}, cv=2).fit(*toy)
    assert search.best_estimator_.teacher.model is forest
    assert fidelity_scorer("kl")(search, toy[0]) < 0


def test_clone_of_a_mixed_list_keeps_the_fitted_members(toy):
    fitted, unfitted = RandomForestClassifier(5).fit(*toy), RandomForestClassifier(5)
    copied = clone(SaliencyDistilledClassifier([fitted, unfitted])).teacher
    assert copied[0] is fitted and copied[1] is not unfitted


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


def test_pickle_keeps_everything(distilled, gunpoint):
    X = gunpoint[2][:10]
    copied = pickle.loads(pickle.dumps(distilled))
    np.testing.assert_array_equal(copied.predict_proba(X), distilled.predict_proba(X))
    np.testing.assert_array_equal(copied.explain(X), distilled.explain(X))
    assert copied.fidelity_score(X) == distilled.fidelity_score(X)


def test_control_trains_on_copies_without_saliency(toy, quick):
    row = quick(saliency_weight=0, auxiliary=PerturbedSoftTargets()).fit(*toy).history_[0]
    assert "perturbed_soft_targets" in row and "saliency" not in row


def test_import_adds_nothing_heavy_to_its_dependencies():
    code = """
import sys, torch, skorch, sklearn.base
before = set(sys.modules)
import tsdistill
added = {name.split(".")[0] for name in set(sys.modules) - before}
print(added & {"sktime", "captum", "matplotlib", "pandas", "numba"})
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_fills_of_an_explanation(distilled, gunpoint):
    X = gunpoint[2][:4]
    opposing = distilled.explain(X)
    np.testing.assert_array_equal(distilled.explain(X, fill="opposing"), opposing)
    mean, zero = (distilled.explain(X, fill=fill) for fill in ("mean", "zero"))
    assert not np.allclose(mean, opposing)
    shifted = SaliencyDistilledClassifier(
        distilled.teacher, max_epochs=3, n_windows=4, random_state=0
    ).fit(gunpoint[0] + 3, gunpoint[1])
    by = {fill: shifted.explain(X + 3, fill=fill) for fill in ("mean", "zero")}
    assert not np.allclose(by["mean"], by["zero"])
    np.testing.assert_allclose(mean, zero, atol=1e-3)  # GunPoint's series have mean 0
    for method in ("gradient", "integrated_gradients"):
        away = [shifted.explain(X + 3, method=method, fill=fill) for fill in (None, "mean", "zero")]
        np.testing.assert_array_equal(away[0], away[1])
        assert not np.allclose(away[0], away[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill": "noise"}, "fill='noise'; with method='occlusion' expected 'opposing', 'mean'"),
        (
            {"fill": "opposing", "method": "gradient"},
            "fill='opposing'; with method='gradient' expected 'mean', 'zero', None",
        ),
        ({"fill": "mean", "method": "autoencoder"}, "with method='autoencoder' expected None"),
    ],
)
def test_fills_that_a_method_does_not_know(distilled, gunpoint, options, message):
    with pytest.raises(ParameterError, match=message):
        distilled.explain(gunpoint[2][:2], **options)


def test_every_metric_scores_and_higher_is_better(distilled, kd, gunpoint):
    X, y = gunpoint[2][:40], gunpoint[3][:40]
    mask = np.zeros((40, 150), dtype=bool)
    mask[:, 40:60] = True
    for metric in fidelity.scorers.METRICS:
        truth = {"y": y} if metric in ("accuracy", "nll", "ece") else {}
        truth |= {"mask": mask} if metric in ("auprc", "auroc") else {}
        score = distilled.fidelity_score(X, **truth, metric=metric)
        assert isinstance(score, float)
        given = {"mask": mask} if "mask" in truth else {}
        assert fidelity_scorer(metric)(distilled, X, y, **given) == score
        if metric in ("kl", "js", "saliency", "top_overlap"):
            assert score > kd.fidelity_score(X, metric=metric)
    np.testing.assert_array_equal(
        distilled.teacher_.predict(X),
        distilled.classes_[distilled.teacher_.predict_proba(X).argmax(axis=1)],
    )
    with pytest.raises(TeacherError, match="has not been bound"):
        Teacher(bump_teacher).predict(X)
    in_channels = distilled.fidelity_score(X, metric="auprc", mask=mask[:, None])
    assert in_channels == distilled.fidelity_score(X, metric="auprc", mask=mask)
    log_proba, columns = distilled.predict_log_proba(X), (y == "2").astype(int)
    found = distilled.fidelity_score(X, y, metric="nll")
    assert found == pytest.approx(-fidelity.negative_log_likelihood(log_proba, columns))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "nll"}, "metric='nll' needs y"),
        ({"metric": "auprc"}, "metric='auprc' needs mask"),
        ({"mask": np.ones((2, 150), dtype=bool)}, "metric='agreement' makes no use of mask"),
        ({"metric": "auroc", "mask": np.ones((2, 9), dtype=bool)}, r"mask has shape \(2, 9\)"),
        ({"metric": "nll", "y": ["3", "1"]}, "y holds unknown labels"),
        ({"metric": "nll", "y": "1"}, r"y has shape \(1,\)"),
    ],
)
def test_scores_without_what_they_compare_with(distilled, gunpoint, options, message):
    with pytest.raises(ParameterError, match=message):
        distilled.fidelity_score(gunpoint[2][:2], **options)


def test_scores_ask_no_more_than_they_need(quick, toy):
    X, y = toy
    asked = []

    def teacher(series):
        asked.append(len(series))
        return bump_teacher(series)

    student = quick(teacher).fit(X, y)
    mask = np.zeros(X.shape, dtype=bool)
    mask[:, :5] = True
    needed = {"agreement": 12, "kl": 12, "nll": 0, "auprc": 12, "deletion": 12}
    for metric, n in needed.items():
        asked.clear()
        more = {"mask": mask} if metric == "auprc" else {}
        student.fidelity_score(X, y, metric=metric, **more)
        assert sum(asked) == n
    student.fidelity_score(X, metric="insertion")
    assert (
        student.fidelity_score(X, metric="deletion")
        < 0
        < student.fidelity_score(X, metric="insertion")
    )


def test_a_mask_of_channels_is_compared_with_maps_of_channels(quick):
    rng = np.random.default_rng(0)
    X = rng.normal(scale=0.1, size=(30, 2, 20))
    y = np.arange(30) % 3
    mask = np.zeros(X.shape, dtype=bool)
    for i, k in enumerate(y):
        X[i, 0, 2 + 6 * k : 6 + 6 * k] += 1.0
        mask[i, 0, 2 + 6 * k : 6 + 6 * k] = True
    student = quick(lambda X: bump_teacher(X[:, 0]), max_epochs=40).fit(X, y)
    found, elsewhere = (
        student.fidelity_score(X, metric="auprc", mask=m) for m in (mask, mask[:, ::-1])
    )
    assert found > elsewhere + 0.3
