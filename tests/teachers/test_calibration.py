"""The scale of a teacher's logits: as given, or by the likelihood of labels."""

import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier

from tests.teachers.conftest import ask
from tests.teachers.test_inner_heads import RocketClassifier
from tsdistill import Teacher
from tsdistill.exceptions import ParameterError
from tsdistill.numerics.logits import log_softmax
from tsdistill.students import FCN
from tsdistill.teachers.calibration import best_scale, platt_targets


def loss(scale, logits, class_index):
    """Mean cross-entropy with Platt's targets, by loops."""
    counts, K, total = np.bincount(class_index), logits.shape[1], 0.0
    for z, k in zip(logits, class_index, strict=True):
        certain = (counts[k] + 1) / (counts[k] + 2)
        log_sum = np.log(sum(np.exp(scale * v) for v in z))
        for j in range(K):
            target = certain if j == k else (1 - certain) / (K - 1)
            total -= target * (scale * z[j] - log_sum)
    return total / len(logits)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_best_scale_has_the_lowest_loss(n_classes):
    rng = np.random.default_rng(0)
    class_index = np.arange(60) % n_classes
    logits = rng.normal(size=(60, n_classes)) + 0.7 * np.eye(n_classes)[class_index]
    scale = best_scale(logits, class_index)
    at = loss(scale, logits, class_index)
    for other in np.geomspace(1 / 30, 30, 50):
        assert loss(other, logits, class_index) >= at - 1e-9
    assert best_scale(10 * logits, class_index) == pytest.approx(scale / 10, rel=1e-4)


def test_answers_that_are_all_right_have_a_finite_scale():
    class_index = np.arange(40) % 2
    certain = 2.0 * np.eye(2)[class_index]
    scale = best_scale(certain, class_index)
    assert np.exp(log_softmax(scale * certain)).max() == pytest.approx(21 / 22, abs=1e-4)
    assert platt_targets(class_index, 2).sum(axis=1) == pytest.approx(1.0)
    # Answers that are worse than none are scaled away.
    assert best_scale(-certain, class_index) < 0.04


def test_a_given_scale_multiplies_the_logits(toy):
    X, y = toy
    ridge = RidgeClassifier().fit(X, y)
    plain = ask(ridge, X)
    for scale in (0.5, 3):
        scaled = ask(Teacher(ridge, scale=scale), X)
        np.testing.assert_allclose(scaled, log_softmax(scale * plain), atol=1e-5)
    averaged = ask(Teacher([Teacher(ridge, scale=3), Teacher(ridge, scale=3)]), X)
    np.testing.assert_allclose(averaged, log_softmax(3 * plain), atol=1e-5)


def test_a_scaled_network_gives_scaled_gradients_and_logits(toy, quick):
    X, y = toy
    torch.manual_seed(0)
    network = FCN(n_filters=4).build(1, 20, 3)
    plain, scaled = (quick(Teacher(network, scale=s)).fit(X, y) for s in (None, 4.0))
    maps = [
        model.explain(X, of="teacher", method="gradient", target=0) for model in (plain, scaled)
    ]
    np.testing.assert_allclose(maps[1], 4 * maps[0], rtol=1e-3, atol=1e-6)
    expected = log_softmax(4 * np.log(plain.teacher_.predict_proba(X)))
    np.testing.assert_allclose(scaled.teacher_.predict_proba(X), np.exp(expected), atol=1e-5)


def test_heads_found_inside_are_calibrated_on_the_labels(toy, quick):
    X, y = toy
    rocket = RocketClassifier(X[:, np.newaxis], y)
    decisions = rocket.pipeline_.decision_function(X[:, np.newaxis])
    scale = best_scale(log_softmax(decisions), np.unique(y, return_inverse=True)[1])
    student = quick(rocket).fit(X, y)
    expected = np.exp(log_softmax(scale * decisions))
    np.testing.assert_allclose(student.teacher_.predict_proba(X), expected, atol=1e-4)
    assert scale > 1.1
    as_they_are = quick(Teacher(rocket, scale=1.0)).fit(X, y)
    expected = np.exp(log_softmax(decisions))
    np.testing.assert_allclose(as_they_are.teacher_.predict_proba(X), expected, atol=1e-5)
    unlabelled = quick(Teacher(rocket)).fit(X)
    np.testing.assert_allclose(unlabelled.teacher_.predict_proba(X), expected, atol=1e-5)


def test_decision_values_of_the_users_model_are_taken_as_they_are_unless_asked(toy, quick):
    X, y = toy
    ridge = RidgeClassifier(alpha=1e-3).fit(X, y)
    decisions = ridge.decision_function(X)
    plain = quick(ridge).fit(X, y).teacher_.predict_proba(X)
    np.testing.assert_allclose(plain, np.exp(log_softmax(decisions)), atol=1e-5)
    sure = quick(Teacher(ridge, scale="calibrated")).fit(X, y).teacher_.predict_proba(X)
    # Four series of each class, all right: five of six.
    assert sure.max(axis=1) == pytest.approx(5 / 6, abs=0.002)
    assert plain.max(axis=1).mean() < 0.8
    with pytest.raises(ParameterError, match="labels of y, but y=None"):
        quick(Teacher(ridge, scale="calibrated")).fit(X)


@pytest.mark.parametrize("scale", [0, -1.0, np.inf, np.nan, "platt", True, [2.0]])
def test_other_scales_are_refused(toy, quick, scale):
    X, y = toy
    teacher = Teacher(RidgeClassifier().fit(X, y), scale=scale)
    with pytest.raises(ParameterError, match="Teacher.scale=.*expected a number above 0"):
        quick(teacher).fit(X, y)


def test_scale_is_kept_by_clones_copies_fits_and_reports(toy, quick, tmp_path):
    X, y = toy
    unfitted = Teacher(RidgeClassifier(), scale=3.0)
    assert clone(unfitted).scale == 3.0
    student = quick(unfitted).fit(X, y)
    ridge = RidgeClassifier().fit(X, y)
    expected = np.exp(log_softmax(3 * ridge.decision_function(X)))
    for one in (student, pickle.loads(pickle.dumps(student)), clone(student).fit(X, y)):
        np.testing.assert_allclose(one.teacher_.predict_proba(X), expected, atol=1e-5)


def test_the_cache_does_not_mix_scales(toy, quick, tmp_path):
    X, y = toy
    ridge = RidgeClassifier().fit(X, y)
    answers = {}
    for scale in (1.0, 3.0, "calibrated", 3.0):
        for memory in (None, joblib.Memory(tmp_path, verbose=0)):
            student = quick(Teacher(ridge, scale=scale), memory=memory).fit(X, y)
            answers.setdefault(scale, []).append(
                (student.predict_proba(X), student.score(X, y), student.fidelity_score(X))
            )
    for of_scale in answers.values():
        for other in of_scale[1:]:
            np.testing.assert_array_equal(of_scale[0][0], other[0])
            assert of_scale[0][1:] == other[1:]
    assert not np.array_equal(answers[1.0][0][0], answers[3.0][0][0])


def test_warm_start_asks_again_where_the_scale_was_changed(toy, quick):
    X, y = toy
    teacher = Teacher(RidgeClassifier().fit(X, y))
    student = quick(teacher, warm_start=True).fit(X, y)
    before = student.teacher_.predict_proba(X)
    teacher.scale = 3.0
    after = student.fit(X, y).teacher_.predict_proba(X)
    np.testing.assert_allclose(after, np.exp(log_softmax(3 * np.log(before))), atol=1e-5)


def test_classes_that_y_lacks_do_not_undo_the_scale(toy):
    X, y = toy
    bound = Teacher(RidgeClassifier().fit(X, y), scale=3.0).bind(X, np.unique(y)[:2])
    whole = bound.whole(X[:, np.newaxis].astype(np.float32))
    assert len(whole.classes_) == 3 and whole.factor == bound.factor == 3.0
