"""The scale of a teacher's logits: as given, or by the likelihood of labels."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier

from tests.conftest import bump_teacher
from tests.teachers.conftest import ask
from tests.teachers.test_inner_heads import RocketClassifier
from tsdistill import DeferringClassifier, Teacher
from tsdistill.exceptions import HardTeacherWarning, LeftOutWarning, ParameterError
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


def test_a_weight_of_2_counts_as_two_series():
    rng = np.random.default_rng(0)
    class_index, weight = np.arange(30) % 3, rng.integers(0, 4, size=30)
    logits = rng.normal(size=(30, 3)) + np.eye(3)[class_index]
    rows = np.repeat(np.arange(30), weight)
    repeated = best_scale(logits[rows], class_index[rows])
    assert best_scale(logits, class_index, weight.astype(float)) == pytest.approx(repeated)


def test_answers_that_are_all_right_have_a_finite_scale():
    class_index = np.arange(40) % 2
    certain = 2.0 * np.eye(2)[class_index]
    scale = best_scale(certain, class_index)
    assert np.exp(log_softmax(scale * certain)).max() == pytest.approx(21 / 22, abs=1e-4)
    assert platt_targets(class_index, 2).sum(axis=1) == pytest.approx(1.0)
    # Answers that are worse than none are scaled away.
    assert best_scale(-certain, class_index) < 0.01
    assert best_scale(0 * certain, class_index) == 1.0
    # Whatever the unit of the decision values.
    for unit in (1e-4, 400.0):
        assert best_scale(unit * certain, class_index) == pytest.approx(scale / unit, rel=1e-5)


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


@pytest.mark.parametrize("scale", [0, -1.0, 1e-9, 1e9, np.inf, np.nan, "platt", True, [2.0]])
def test_other_scales_are_refused(toy, quick, scale):
    X, y = toy
    teacher = Teacher(RidgeClassifier().fit(X, y), scale=scale)
    with pytest.raises(ParameterError, match="Teacher.scale=.*expected a number from"):
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
    for scale in (3.0, 1.0, "calibrated", 3.0):
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


def test_classes_that_y_lacks_do_not_undo_the_scale(toy, quick):
    X, y = toy
    some = y < 2
    for teacher in (RidgeClassifier(alpha=1e-3), RocketClassifier(X[:, np.newaxis], y)):
        teacher = teacher.fit(X, y) if hasattr(teacher, "fit") else teacher
        for model in (teacher, [teacher, teacher]):
            asked = Teacher(model, scale="calibrated")
            with pytest.warns(LeftOutWarning):
                bound = quick(asked).fit(X[some], y[some]).teacher_
            whole = bound.whole(X[:, np.newaxis].astype(np.float32))
            assert len(whole.classes_) == 3 and whole.factor == bound.factor != 1.0
            if isinstance(model, list):
                assert [m.factor for m in whole.inner] == [m.factor for m in bound.inner]


def test_members_of_a_list_have_scales_of_their_own(toy, quick):
    X, y = toy
    rocket, ridge = RocketClassifier(X[:, np.newaxis], y), RidgeClassifier(alpha=1e-3).fit(X, y)
    alone = quick(rocket).fit(X, y).teacher_.factor
    of_ridge = quick(Teacher(ridge, scale="calibrated")).fit(X, y).teacher_.factor
    given = [rocket, ridge, Teacher(ridge, scale="calibrated"), Teacher(rocket, scale=3.0)]
    factors = [alone, 1.0, of_ridge, 3.0]
    student = quick(given).fit(X, y)
    assert [member.factor for member in student.teacher_.inner] == pytest.approx(factors)
    assert student.teacher_.factor == 1.0
    mean = 0
    for member, factor in zip(given, factors, strict=True):
        model = member.model if isinstance(member, Teacher) else member
        mean = mean + np.exp(ask(Teacher(model, scale=factor), X)) / 4
    np.testing.assert_allclose(student.teacher_.predict_proba(X), mean, atol=1e-5)
    nested = quick([[rocket, rocket], ridge]).fit(X, y).teacher_
    assert [one.factor for one in nested.members] == pytest.approx([alone, alone, 1.0])
    both = quick(Teacher([rocket, ridge], scale="calibrated")).fit(X, y).teacher_
    assert both.factor != 1.0 and both.inner[0].factor == pytest.approx(alone)
    with pytest.raises(ParameterError, match="labels of y, but y=None"):
        quick([ridge, Teacher(ridge, scale="calibrated")]).fit(X)


def test_series_of_weight_0_do_not_count(toy, quick):
    X, y = np.tile(toy[0], (3, 1)), np.tile(toy[1], 3)
    weight = np.repeat([1.0, 0.0], [24, 12])
    wrong = np.where(weight > 0, y, (y + 1) % 3)
    rocket = RocketClassifier(X[:, np.newaxis], y)
    expected = quick(rocket).fit(X[:24], y[:24]).teacher_.factor
    got = quick(rocket).fit(X, wrong, sample_weight=weight).teacher_.factor
    assert got == pytest.approx(expected, rel=1e-4)
    assert quick(rocket).fit(X, wrong).teacher_.factor < 0.7 * expected


def test_the_teacher_of_a_fit_is_calibrated_with_its_weights(toy, quick):
    rng = np.random.default_rng(0)
    X, y = np.tile(toy[0], (2, 1)) + rng.normal(scale=0.5, size=(24, 20)), np.tile(toy[1], 2)
    rocket = RocketClassifier(X[:12, np.newaxis], y[:12])
    weight = rng.integers(1, 4, size=24)
    rows = np.repeat(np.arange(24), weight)
    expected = quick(rocket).fit(X[rows], y[rows]).teacher_.factor
    got = quick(rocket).fit(X, y, sample_weight=weight).teacher_.factor
    assert got == pytest.approx(expected, rel=1e-4)
    assert quick(rocket).fit(X, y).teacher_.factor != pytest.approx(expected, rel=1e-3)


def test_another_scale_asks_nothing_that_the_cache_knows(toy, quick, tmp_path):
    X, y = toy
    ridge, asked = RidgeClassifier().fit(X, y), []

    class Asked:
        classes_ = ridge.classes_

        def decision_function(self, X):
            asked.append(len(X))
            return ridge.decision_function(X)

        def __reduce__(self):
            return (str, ("the same whatever was asked",))

    n_asked = []
    for scale in (None, 3.0, "calibrated"):
        asked.clear()
        quick(Teacher(Asked(), scale=scale), memory=tmp_path).fit(X, y)
        n_asked.append(sum(asked))
    assert n_asked[0] > 2000
    assert max(n_asked[1:]) < 120  # probes of the cache, and the form of the answers


def test_unlabelled_series_do_not_count(toy, quick):
    X, y = toy
    rocket = RocketClassifier(X[:, np.newaxis], y)
    more = np.random.default_rng(0).normal(size=(30, 20))
    expected = quick(rocket).fit(X, y).teacher_.factor
    got = quick(rocket).fit(X, y, X_unlabelled=more).teacher_.factor
    assert got == pytest.approx(expected, rel=1e-5)


def test_a_bound_teacher_keeps_its_scale(toy, quick):
    X, y = toy
    rocket = RocketClassifier(X[:, np.newaxis], y)
    first = quick(rocket).fit(X, y).teacher_
    expected = first.predict_proba(X)
    for second in (quick(first).fit(X).teacher_, quick(first).fit(X, y).teacher_):
        np.testing.assert_allclose(second.predict_proba(X), expected, atol=1e-4)


def test_a_swap_has_the_scale_of_the_student(toy, quick):
    X, y = np.tile(toy[0], (20, 1)), np.tile(toy[1], 20)
    X = X + np.random.default_rng(0).normal(scale=0.3, size=X.shape)
    rocket = RocketClassifier(X[:, np.newaxis], y)
    student = quick(rocket, n_mixtures=0).fit(X, y)
    expected = student.teacher_.predict_proba(X)
    for teacher in (None, rocket, student.teacher_, Teacher(rocket)):
        swap = DeferringClassifier(student, teacher, 0.5, 0.9).fit(X)
        np.testing.assert_allclose(swap.teacher_.predict_proba(X), expected, atol=1e-5)
    plain = DeferringClassifier(student, Teacher(rocket, scale=1.0), 0.5, 0.9).fit(X)
    assert np.abs(plain.teacher_.predict_proba(X) - expected).max() > 0.01


@pytest.mark.parametrize("scale", [None, 0.5, 2.0, "calibrated"])
def test_answers_of_0_and_1_are_warned_of_whatever_their_scale(toy, quick, scale):
    X, y = toy

    def hard(X):
        return np.eye(3)[bump_teacher(X).argmax(axis=1)]

    with pytest.warns(HardTeacherWarning):
        quick(Teacher(hard, scale=scale)).fit(X, y)


def test_a_scaled_network_is_explained_by_its_scaled_answers(toy, quick):
    X, y = toy
    torch.manual_seed(0)
    network = FCN(n_filters=4).build(1, 20, 3)
    maps = [
        quick(Teacher(network, scale=scale)).fit(X, y).explain(X, of="teacher", target=0)
        for scale in (None, 4.0)
    ]
    np.testing.assert_allclose(maps[1], 4 * maps[0], rtol=1e-3, atol=1e-5)


def test_scale_is_shown_and_copied(toy):
    teacher = Teacher(RidgeClassifier(), scale="calibrated")
    assert repr(teacher) == "Teacher(RidgeClassifier, scale='calibrated')"
    assert copy.deepcopy(teacher).scale == "calibrated"
    assert repr(Teacher(RidgeClassifier())) == "Teacher(RidgeClassifier)"
