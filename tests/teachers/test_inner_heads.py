"""Decision values of classifiers that answer only 0 or 1."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from tests.teachers.conftest import ask
from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import HardTeacherWarning
from tsdistill.numerics.logits import log_softmax
from tsdistill.teachers.inner_heads import inner_decision_function


def flat(X):
    return X.reshape(len(X), -1)


class RocketClassifier:
    """Answers as aeon's: certain of the class that the ridge head in its pipeline predicts."""

    __module__ = "aeon.classification.convolution_based._rocket_classifier"

    def __init__(self, X, y, head=None):
        head = RidgeClassifierCV() if head is None else head
        self.pipeline_ = make_pipeline(FunctionTransformer(flat), StandardScaler(), head).fit(X, y)
        self.classes_ = np.unique(y)

    def predict(self, X):
        return self.pipeline_.predict(X)

    def predict_proba(self, X):
        return (self.predict(X)[:, np.newaxis] == self.classes_).astype(float)


class Arsenal:
    """Answers as those of sktime and aeon: members with ridge heads vote, with weights."""

    __module__ = "sktime.classification.kernel_based._arsenal"

    def __init__(self, X, y):
        self.estimators_ = [
            make_pipeline(FunctionTransformer(flat), RidgeClassifierCV([alpha])).fit(X, y)
            for alpha in (0.1, 10.0, 1000.0)
        ]
        self.weights_ = [1.0, 2.0, 0.5]
        self.classes_ = np.unique(y)

    def predict_proba(self, X):
        every = [member.predict(X)[:, np.newaxis] == self.classes_ for member in self.estimators_]
        return np.average(every, axis=0, weights=self.weights_)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class OwnRocketClassifier(RocketClassifier):
    """A class of that kind which is not in the table."""

    __module__ = "somewhere.else_"


def test_the_head_inside_is_asked(toy):
    X, y = toy
    rocket = RocketClassifier(X[:, np.newaxis], y)
    for series in (X, X[:, np.newaxis]):
        expected = log_softmax(rocket.pipeline_.decision_function(X[:, np.newaxis]))
        np.testing.assert_allclose(ask(rocket, series), expected, atol=1e-5)


def test_the_heads_of_an_ensemble_are_averaged_by_the_weights_of_their_votes(toy):
    X, y = toy
    arsenal = Arsenal(X[:, np.newaxis], y)
    expected = 0
    for member, weight in zip(arsenal.estimators_, arsenal.weights_, strict=True):
        expected = expected + weight * member.decision_function(X[:, np.newaxis]) / 3.5
    for series in (X, X[:, np.newaxis]):
        np.testing.assert_allclose(ask(arsenal, series), log_softmax(expected), atol=1e-5)


@pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning")
def test_an_ensemble_whose_parts_are_not_known_is_asked_for_its_votes(toy):
    X, y = toy
    few, bare = Arsenal(X[:, np.newaxis], y), Arsenal(X[:, np.newaxis], y)
    few.weights_ = [1.0]
    bare.estimators_[1] = bare.estimators_[1][-1]
    assert inner_decision_function(few) is None
    assert inner_decision_function(bare) is None


@pytest.mark.parametrize("kind", [RocketClassifier, Arsenal])
def test_what_asks_the_heads_can_be_pickled_as_a_student_has_to_be(toy, kind):
    X, y = toy
    asked = inner_decision_function(kind(X[:, np.newaxis], y))
    again = pickle.loads(pickle.dumps(asked))
    np.testing.assert_array_equal(again(X), asked(X))


def test_a_student_of_it_learns_more_than_the_predictions(toy, quick):
    X, y = toy
    with warnings.catch_warnings():
        warnings.simplefilter("error", HardTeacherWarning)
        student = quick(RocketClassifier(X[:, np.newaxis], y)).fit(X, y)
    largest = student.teacher_.predict_proba(X).max(axis=1)
    assert ((largest > 0.4) & (largest < 0.99)).all()


@pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning")
def test_what_is_not_known_is_asked_for_its_probabilities(toy):
    X, y = toy
    X = X[:, np.newaxis]
    with_proba = RocketClassifier(X, y, head=LogisticRegression())
    other_labels = RocketClassifier(X, y)
    other_labels.classes_ = np.array(["a", "b", "c"])
    without_parts = RocketClassifier(X, y)
    del without_parts.pipeline_
    for model in (OwnRocketClassifier(X, y), with_proba, other_labels, without_parts):
        assert inner_decision_function(model) is None
    assert (np.exp(ask(OwnRocketClassifier(X, y), X)).max(axis=1) > 0.999).all()


def test_ridge_at_the_end_of_a_pipeline_of_sktimes_is_asked(italy):
    from sktime.transformations.summarize import SummaryTransformer

    X, y = italy[0][:, 0], italy[1]
    X = pd.DataFrame({"series": [pd.Series(row) for row in X]})
    pipeline = (SummaryTransformer() * StandardScaler() * RidgeClassifierCV()).fit(X, y)
    assert set(np.unique(pipeline.predict_proba(X))) == {0.0, 1.0}
    asked = inner_decision_function(pipeline)
    decisions = asked(italy[0])
    assert len(np.unique(decisions)) > 20
    assert (pipeline.classes_[(decisions > 0).astype(int)] == pipeline.predict(X)).all()


def test_transformers_of_series_may_stand_before_the_ridge(motions, quick):
    from sktime.transformations.exponent import ExponentTransformer

    X, y = motions[0][:, :2], motions[1]
    pipeline = (ExponentTransformer(2) * RidgeClassifierCV()).fit(X, y)
    asked = inner_decision_function(pipeline)
    np.testing.assert_array_equal(pipeline.classes_[asked(X).argmax(axis=1)], pipeline.predict(X))
    student = quick(pipeline, n_mixtures=0).fit(X, y)
    np.testing.assert_array_equal(student.teacher_.predict(X), pipeline.predict(X))
    assert pickle.loads(pickle.dumps(asked))(X).shape == (40, 4)


def test_decision_values_that_are_not_of_the_classes_are_left_alone(motions):
    from sktime.transformations.exponent import ExponentTransformer

    X, y = motions[0][:, :1], motions[1]
    for shape, found in (("ovo", False), ("ovr", True)):
        pipeline = (ExponentTransformer(2) * SVC(decision_function_shape=shape)).fit(X, y)
        assert (inner_decision_function(pipeline) is not None) == found


@pytest.mark.slow
def test_rocket_of_sktime_is_followed_for_its_reasons(italy):
    pytest.importorskip("numba")
    from sktime.classification.kernel_based import RocketClassifier as Rocket

    X, y, X_test, _ = italy
    teacher = Rocket(num_kernels=200, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HardTeacherWarning)
        student = SaliencyDistilledClassifier(
            teacher, max_epochs=100, n_windows=16, random_state=0
        ).fit(X, y)
    assert (student.teacher_.predict(X_test[:200]) == teacher.predict(X_test[:200])).all()
    assert student.fidelity_score(X_test[:200], metric="saliency") > 0.85
