"""Decision values of classifiers that answer only 0 or 1."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

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


class OwnRocketClassifier(RocketClassifier):
    """A class of that kind which is not in the table."""

    __module__ = "somewhere.else_"


def test_the_head_inside_is_asked(toy):
    X, y = toy
    rocket = RocketClassifier(X[:, np.newaxis], y)
    for series in (X, X[:, np.newaxis]):
        expected = log_softmax(rocket.pipeline_.decision_function(X[:, np.newaxis]))
        np.testing.assert_allclose(ask(rocket, series), expected, atol=1e-5)


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
