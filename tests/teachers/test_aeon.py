"""Teachers of aeon, among the most accurate that there are: Rockets, HIVE-COTE 2, LITETime."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from tsdistill import SaliencyDistilledClassifier
from tsdistill.teachers.teacher import as_teacher

pytest.importorskip("aeon")
pytestmark = pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning")


def forests():
    from aeon.classification.convolution_based import MiniRocketClassifier
    from aeon.classification.interval_based import TimeSeriesForestClassifier

    return [
        TimeSeriesForestClassifier(n_estimators=20, random_state=0),
        MiniRocketClassifier(n_kernels=200, random_state=0),
    ]


@pytest.mark.parametrize("number", range(2))
def test_aeon_teachers(italy, number):
    X, y, X_test, y_test = italy
    teacher = forests()[number]
    student = SaliencyDistilledClassifier(teacher, max_epochs=60, n_windows=8, random_state=0)
    assert student.fit(X, y).score(X_test, y_test) > 0.85
    assert not teacher.is_fitted
    teacher.fit(X, y)
    student = clone(student).set_params(teacher=teacher).fit(X, y)
    assert student.fidelity_score(X_test) > 0.85
    assert student.explain(X_test[:3], of="teacher").shape == (3, 24)
    np.testing.assert_array_equal(student.fit(X[:, 0], y).predict(X_test[:, 0][:5]).shape, (5,))


def test_a_fitted_aeon_teacher_survives_a_search(italy):
    X, y, _, _ = italy
    teacher = forests()[0].fit(X, y)
    student = SaliencyDistilledClassifier(teacher, max_epochs=20, n_windows=4, random_state=0)
    grid = {"saliency_weight": [0.0, 5.0]}
    search = GridSearchCV(student, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.teacher is teacher
    assert search.best_score_ > 0.8


def test_rockets_of_aeon_are_asked_for_their_decision_values(italy):
    from aeon.classification import convolution_based

    X, y, X_test, _ = italy
    sizes = {
        "RocketClassifier": {"n_kernels": 100},
        "MiniRocketClassifier": {"n_kernels": 100},
        "MultiRocketClassifier": {"n_kernels": 100},
        "HydraClassifier": {"n_kernels": 2, "n_groups": 8},
        "MultiRocketHydraClassifier": {"n_kernels": 2, "n_groups": 8},
    }
    for name, size in sizes.items():
        rocket = getattr(convolution_based, name)(**size, random_state=0).fit(X, y)
        assert set(np.unique(rocket.predict_proba(X_test))) == {0, 1}
        teacher = as_teacher(rocket).bind(X)
        largest = teacher.predict_proba(X_test[:200]).max(axis=1)
        assert largest.min() > 0.5 and np.median(largest) < 0.999, name
        np.testing.assert_array_equal(teacher.predict(X_test[:200]), rocket.predict(X_test[:200]))


@pytest.mark.slow
@pytest.mark.weekly
def test_hive_cote_is_distilled(italy):
    from aeon.classification.hybrid import HIVECOTEV2

    X, y, _, _ = italy
    teacher = HIVECOTEV2(
        stc_params={"transform_limit_in_minutes": 0.01, "n_shapelet_samples": 50},
        drcif_params={"n_estimators": 5},
        arsenal_params={"n_estimators": 3, "n_kernels": 100},
        tde_params={"n_parameter_samples": 5, "max_ensemble_size": 3},
        random_state=0,
    ).fit(X, y)
    assert_followed(teacher, italy)


@pytest.mark.slow
@pytest.mark.weekly
def test_lite_time_is_distilled(italy, tmp_path):
    pytest.importorskip("tensorflow")
    from aeon.classification.deep_learning import LITETimeClassifier

    X, y, _, _ = italy
    teacher = LITETimeClassifier(
        n_classifiers=1, n_epochs=30, batch_size=16, n_filters=8, random_state=0,
        file_path=f"{tmp_path}/",
    )  # fmt: skip
    assert_followed(teacher.fit(X, y), italy)


def assert_followed(teacher, italy):
    """A student agrees with this fitted teacher, for largely the same reasons."""
    X, y, X_test, _ = italy
    student = SaliencyDistilledClassifier(
        teacher, max_epochs=60, n_queries=600, random_state=0
    ).fit(X, y)
    X_test = X_test[:100]
    assert student.fidelity_score(X_test) > 0.85
    assert student.fidelity_score(X_test[:20], metric="saliency") > 0.4
    np.testing.assert_array_equal(student.teacher_.predict(X_test), teacher.predict(X_test))
