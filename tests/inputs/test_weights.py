"""Weights of series and of classes."""

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.conftest import bump_teacher, transfer_set_of
from tsdistill.inputs.weights import check_sample_weight, class_factors, scaled_to_mean_one
from tsdistill.objectives import Label, PerturbedSoftTargets, SoftTargets, TemporalSaliency
from tsdistill.perturbation.plan import WindowPlan, draw_plan
from tsdistill.students import Lite
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.teachers.teacher import as_teacher
from tsdistill.training.loss import DistillationLoss, StudentInTraining
from tsdistill.training.steps import TransferTensors

OBJECTIVES = [
    Label(),
    SoftTargets(),
    PerturbedSoftTargets(temperature=4.0),
    TemporalSaliency(),
    TemporalSaliency(measure="class"),
    TemporalSaliency(measure="sum"),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: getattr(o, "measure", o.name))
def test_a_weight_of_two_equals_a_doubled_row_in_every_objective(toy, objective):
    X, y = toy
    panel = X[:, np.newaxis].astype(np.float32)
    rng = np.random.default_rng(0)
    plan = draw_plan(panel, y, width=4, n_windows=6, donors="opposing", rng=rng)
    teacher = as_teacher(bump_teacher).bind(X, np.arange(3))
    clean = teacher.log_proba(panel)
    perturbed = np.log(rng.dirichlet(np.ones(3), size=(12, 6))).astype(np.float32)
    times = rng.integers(0, 4, size=12)

    def loss(rows, weight):
        part = WindowPlan(plan.start[rows], plan.donor[rows], plan.width, panel)
        answers = TeacherAnswers(clean[rows], perturbed[rows])
        data = TransferTensors(transfer_set_of(panel[rows], y[rows], answers, part), weight, "cpu")
        inputs, targets = data.step(torch.arange(len(rows)), torch.arange(6))
        torch.manual_seed(0)
        with torch.no_grad():
            network = Lite().build(1, 20, 3).eval()
            distillation_loss = DistillationLoss([objective], StudentInTraining(network))
            return float(distillation_loss(network(inputs), targets))

    weighted = loss(np.arange(12), scaled_to_mean_one(check_sample_weight(times, 12)))
    doubled = loss(np.repeat(np.arange(12), times), np.ones(times.sum(), dtype=np.float32))
    plain = loss(np.arange(12), np.ones(12, dtype=np.float32))
    assert weighted == pytest.approx(doubled, rel=1e-5)
    assert weighted != pytest.approx(plain, rel=1e-3)


def test_weights_count_beside_unlabelled_series(toy, quick):
    X, y = toy
    few, rest = slice(0, 6), X[6:]
    even = quick().fit(X[few], y[few], X_unlabelled=rest)
    heavy = quick().fit(X[few], y[few], X_unlabelled=rest, sample_weight=np.full(6, 100.0))
    assert not np.allclose(even.predict_proba(X), heavy.predict_proba(X), atol=1e-4)


def test_weights_reach_the_last_step_of_a_pipeline(toy, quick):
    X, y = toy
    teacher = make_pipeline(StandardScaler(), LogisticRegression())
    weight = np.where(y == 0, 100.0, 0.01)
    fitted = quick(teacher).fit(X, y, sample_weight=weight).teacher_.model
    expected = clone(teacher).fit(X, y, logisticregression__sample_weight=weight)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X))


def test_class_weight_may_name_a_class_that_a_fold_lacks(toy, quick):
    X, y = toy
    some = y != 2
    quick(LogisticRegression(), class_weight={0: 2.0, 1: 1.0, 2: 5.0}).fit(X[some], y[some])
    with pytest.raises(ValueError, match="class_weight names"):
        quick(LogisticRegression(), class_weight={0: 2.0, 2: 5.0}).fit(X[some], y[some])


def test_series_of_weight_zero_teach_nothing(toy, quick):
    X, y = toy
    wrong = np.concatenate([y, np.roll(np.arange(3), 1)[y]])
    weight = np.repeat([1.0, 0.0], 12)
    student = quick(max_epochs=60, label_weight=5.0, soft_target_weight=0.0, saliency_weight=0.0)
    assert student.fit(np.tile(X, (2, 1)), wrong, sample_weight=weight).score(X, y) == 1.0


def test_an_unfitted_teacher_gets_the_weights(toy, quick):
    X, y = toy
    seen = []

    class Watched(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight)

    quick(Watched()).fit(X, y)
    quick(Watched()).fit(X, y, sample_weight=np.arange(1, 13))
    quick(Watched(), class_weight={0: 3.0}).fit(X, y, sample_weight=np.arange(1, 13))
    assert seen[0] is None
    np.testing.assert_array_equal(seen[1], np.arange(1, 13))
    np.testing.assert_array_equal(seen[2], np.arange(1, 13) * np.where(y == 0, 3.0, 1.0))


def test_class_weight_moves_the_student_and_balanced_evens_classes_out(toy, quick):
    X, y = np.tile(toy[0], (2, 1)), np.tile(toy[1], 2)

    def uncertain(X):
        return np.full((len(X), 2), 0.5)

    settings = {"max_epochs": 40, "label_weight": 1.0, "saliency_weight": 0.0, "student": "gru"}
    X = np.zeros_like(X)  # nothing to go by but how often classes occur
    y[y == 0] = 1
    rare_one = quick(uncertain, class_weight={1: 0.1}, **settings).fit(X, y)
    assert set(quick(uncertain, **settings).fit(X, y).predict(X)) == {1}
    assert set(rare_one.predict(X)) == {2}
    balanced = quick(uncertain, class_weight="balanced", **settings).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), 0.5, atol=0.05)


def test_class_factors():
    groups, classes = np.array([0, 0, 0, 1]), np.array(["a", "b"])
    weight = np.ones(4)
    np.testing.assert_allclose(class_factors("balanced", classes, groups, weight), [2 / 3, 2])
    np.testing.assert_array_equal(class_factors({"b": 3}, classes, groups, weight), [1, 3])
    np.testing.assert_array_equal(class_factors(None, classes, groups, weight), [1, 1])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "expected None, 'balanced' or a dict"),
        ({7: 1.0}, r"names \[7\], but the classes are \[0, 1, 2\]"),
        ({0: -1.0}, "0 or more"),
        ({0: np.nan}, "0 or more"),
        ({0: "much"}, "0 or more"),
        ({0: 0, 1: 0, 2: 0}, "not all 0"),
        ([1, 2, 3], "expected None, 'balanced' or a dict"),
    ],
)
def test_bad_class_weights(toy, quick, class_weight, message):
    with pytest.raises(ValueError, match=f"class_weight.*{message}"):
        quick(class_weight=class_weight).fit(*toy)


def test_class_weight_counts_what_the_teacher_says_where_there_are_no_labels(toy, quick):
    X, _ = toy
    plain = quick().fit(X).predict_proba(X)
    assert not np.array_equal(quick(class_weight={0: 5.0}).fit(X).predict_proba(X), plain)


def test_sample_weight_is_routed_where_it_is_requested(toy, quick):
    X, y = toy
    weight = np.linspace(0.1, 5, 12)
    with sklearn.config_context(enable_metadata_routing=True):
        student = quick().set_fit_request(sample_weight=True)
        pipeline = Pipeline([("student", clone(student))]).fit(X, y, sample_weight=weight)
        scores = cross_val_score(
            student.set_score_request(sample_weight=True), X, y, cv=2,
            params={"sample_weight": weight}, error_score="raise",
        )  # fmt: skip
    expected = quick().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected.predict_proba(X))
    assert len(scores) == 2
