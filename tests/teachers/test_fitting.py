"""Teachers that are not fitted yet."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from sktime.classification.feature_based import SummaryClassifier
from torch import nn

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import TeacherError
from tsdistill.inputs.panel import as_panel
from tsdistill.teachers.fitting import fit_clone
from tsdistill.teachers.teacher import as_teacher


def test_unfitted_estimator_is_cloned_and_seeded(toy):
    X, y = toy
    forest = RandomForestClassifier(5)
    fitted = [
        as_teacher(forest).fit(X, y, np.random.RandomState(0)).bind(X).log_proba(as_panel(X))
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*fitted)
    assert not hasattr(forest, "classes_") and forest.random_state is None


def test_an_unfitted_teacher_is_fitted_in_the_layout_that_it_takes(italy):
    X, y, X_test, y_test = italy
    settings = {"max_epochs": 60, "n_windows": 8, "random_state": 0}
    flat = SaliencyDistilledClassifier(RandomForestClassifier(20, random_state=0), **settings)
    assert flat.fit(X, y).score(X_test, y_test) > 0.85
    with pytest.raises(TeacherError, match=r"fitting it on X of shape \(67, 2, 24\) failed"):
        flat.fit(np.tile(X, (1, 2, 1)), y)


def test_an_unfitted_skorch_net_takes_any_numbers_and_labels(italy):
    X, y, X_test, y_test = italy
    net = NeuralNetClassifier(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(24, 2)),
        criterion=nn.CrossEntropyLoss,
        train_split=None,
        max_epochs=60,
        lr=0.05,
        verbose=0,
    )
    settings = {"max_epochs": 60, "n_windows": 8, "random_state": 0}
    student = SaliencyDistilledClassifier(net, **settings).fit(X.astype(np.float64), y)
    assert student.classes_.tolist() == ["1", "2"]
    assert student.score(X_test, y_test) > 0.85


def test_signs_of_being_fitted():
    class Boosted:
        """Says so by a method, as CatBoost's classifiers do."""

        def __init__(self):
            self._trees = None

        def get_params(self, deep=True):
            return {}

        def fit(self, X, y):
            self._trees = []
            return self

        def is_fitted(self):
            return self._trees is not None

    assert not Teacher(Boosted()).is_fitted
    assert Teacher(Boosted().fit(None, None)).is_fitted
    pipeline = make_pipeline(StandardScaler(), SummaryClassifier())
    assert not Teacher(pipeline).is_fitted
    assert repr(SaliencyDistilledClassifier(pipeline)).startswith("SaliencyDistilledClassifier(")


class WritesToAll(LogisticRegression):
    """Overwrites all arrays that it is given, and refuses series of three axes after that."""

    def fit(self, X, y, sample_weight=None):
        given = [np.array(values) for values in (X, y, sample_weight)]
        for values in (X, y, sample_weight):
            values[:] = 0
        if X.ndim == 3:
            raise ValueError("flat series only")
        return super().fit(*given)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_model_that_writes_to_what_it_is_given_does_not_reach_the_users_arrays(toy, ndim):
    X, y = toy
    flat, weight = X.astype(np.float32), np.arange(1.0, 13)
    given = flat if ndim == 2 else flat[:, np.newaxis].copy(), y.copy(), weight.copy()
    fitted = fit_clone(WritesToAll(), *given[:2], None, given[2])
    np.testing.assert_array_equal(given[0].reshape(flat.shape), flat)
    np.testing.assert_array_equal(given[1], y)
    np.testing.assert_array_equal(given[2], weight)
    expected = LogisticRegression().fit(flat, y, weight)
    np.testing.assert_array_equal(fitted.predict_proba(flat), expected.predict_proba(flat))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_teacher_that_scales_in_place_leaves_the_series_of_the_student_alone(toy, quick, ndim):
    X = (100 + 50 * toy[0]).astype(np.float32)  # fit would share its memory
    X = X if ndim == 2 else X[:, np.newaxis].copy()
    before, y = X.copy(), toy[1]

    def student(scaler):
        scaler = make_pipeline(scaler, LogisticRegression())
        return quick(scaler, max_epochs=2).fit(X, y)

    scaled_in_place = student(StandardScaler(copy=False))
    np.testing.assert_array_equal(X, before)
    expected = student(StandardScaler())
    np.testing.assert_array_equal(scaled_in_place.predict_proba(X), expected.predict_proba(X))
    assert float(scaled_in_place.student_.module_.standardise.mean) == pytest.approx(
        X.mean(), rel=1e-5
    )


def test_a_teacher_that_fails_in_one_layout_after_writing_leaves_the_series_alone(toy, quick):
    X, y = toy[0].astype(np.float32)[:, np.newaxis].copy(), toy[1].copy()
    weight = np.arange(1.0, 13)
    before = X.copy()
    student = quick(WritesToAll(), max_epochs=2).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(y, toy[1])
    np.testing.assert_array_equal(weight, np.arange(1.0, 13))
    teacher = LogisticRegression().fit(before[:, 0], y, weight)
    expected = quick(teacher, max_epochs=2).fit(before, y, sample_weight=weight)
    np.testing.assert_allclose(
        student.predict_proba(before), expected.predict_proba(before), atol=1e-4
    )
