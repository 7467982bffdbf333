"""Teachers that are not fitted yet."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from sktime.classification.feature_based import SummaryClassifier
from torch import nn

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import TeacherError
from tsdistill.inputs.series import as_panel
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
