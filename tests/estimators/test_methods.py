"""What the estimator's methods give, beside its predictions."""

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.exceptions import ParameterError, TeacherError
from tsdistill.fidelity import fidelity_scorer
from tsdistill.perturbation.baselines import Baselines


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decision_values_and_log_probabilities_follow_scikit_learn(toy, quick, n_classes):
    X, y = toy
    y = np.minimum(y, n_classes - 1)
    student = quick(LogisticRegression(), max_epochs=30).fit(X, y)
    proba, log_proba = student.predict_proba(X), student.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-5)
    decision = student.decision_function(X)
    if n_classes == 2:
        np.testing.assert_allclose(1 / (1 + np.exp(-decision)), proba[:, 1], rtol=1e-4)
    else:
        assert decision.shape == (12, 3)
        np.testing.assert_allclose(decision.sum(axis=1), 0, atol=1e-5)
        np.testing.assert_allclose(
            np.exp(decision) / np.exp(decision).sum(axis=1, keepdims=True), proba, rtol=1e-4
        )


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


def test_pickle_keeps_everything(distilled, gunpoint):
    X = gunpoint[2][:10]
    copied = pickle.loads(pickle.dumps(distilled))
    np.testing.assert_array_equal(copied.predict_proba(X), distilled.predict_proba(X))
    np.testing.assert_array_equal(copied.explain(X), distilled.explain(X))
    assert copied.fidelity_score(X) == distilled.fidelity_score(X)


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
