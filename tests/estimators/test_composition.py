"""Fitted teachers in scikit-learn's searches, ensembles and workers, and in pickles."""

import copy
import io
import pickle
import threading

import cloudpickle
import joblib
import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sktime.classification.interval_based import TimeSeriesForestClassifier

from tests.conftest import train_network
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.fidelity import fidelity_scorer
from tsdistill.students import Lite

pytestmark = pytest.mark.filterwarnings(  # forests are certain of a few dozen toy series
    "ignore::tsdistill.exceptions.HardTeacherWarning"
)


@pytest.fixture(scope="module")
def series():
    """Thirty-six series (36, 1, 20) in three classes that have names."""
    rng = np.random.default_rng(0)
    codes = np.arange(36) % 3
    X = rng.normal(scale=0.4, size=(36, 1, 20))
    for row, k in enumerate(codes):
        X[row, 0, 2 + 6 * k : 6 + 6 * k] += 1.0
    return X, np.array(["up", "down", "flat"])[codes]


KINDS = ["sklearn", "sktime", "skorch", "torch"]


@pytest.fixture(scope="module")
def teachers(series):
    """A fitted teacher of each kind; that of skorch and the module know no names of classes."""
    X, y = series
    net = train_network(X, y, n_filters=4, epochs=30)
    return {
        "sklearn": RandomForestClassifier(10, random_state=0).fit(X[:, 0], y),
        "sktime": TimeSeriesForestClassifier(n_estimators=30, random_state=0).fit(X, y),
        "skorch": Teacher(net, classes=np.unique(y)),
        "torch": net.module_,
    }


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


def student_of(teacher, max_epochs=15):
    return SaliencyDistilledClassifier(teacher, max_epochs=max_epochs, n_windows=4, random_state=0)


@pytest.fixture
def student(kind, teachers):
    return student_of(teachers[kind])


@pytest.fixture(scope="module")
def fitted(kind, teachers, series):
    """A student that copies are compared with, hardly trained; the tests change none."""
    return student_of(teachers[kind], max_epochs=5).fit(*series)


def bare(teacher):
    return teacher.model if isinstance(teacher, Teacher) else teacher


def answers(estimator, X):
    return estimator.teacher_.log_proba(X.astype(np.float32))


def expected_answers(student, X, y):
    teacher = Teacher(student.teacher) if not isinstance(student.teacher, Teacher) else None
    return (teacher or student.teacher).bind(X, np.unique(y)).log_proba(X.astype(np.float32))


GRID = {"saliency_weight": [0.0, 5.0]}
SEARCHES = {
    "grid": lambda student: GridSearchCV(student, GRID, cv=2, n_jobs=2, error_score="raise"),
    "randomized": lambda student: RandomizedSearchCV(
        student, GRID, n_iter=2, cv=2, n_jobs=2, random_state=0, error_score="raise"
    ),
    "halving": lambda student: HalvingGridSearchCV(
        student, GRID, cv=2, n_jobs=2, random_state=0, error_score="raise"
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.slow
def test_fitted_teacher_survives_searches(student, series, search):
    X, y = series
    search = SEARCHES[search](student).fit(X, y)
    best = search.best_estimator_
    assert bare(best.teacher) is bare(student.teacher)
    np.testing.assert_allclose(answers(best, X), expected_answers(student, X, y), atol=1e-6)
    assert search.best_score_ > 0.8


@pytest.mark.slow
def test_fitted_teacher_survives_cross_validation(student, series):
    X, y = series
    assert cross_val_score(student, X, y, cv=3, n_jobs=2, error_score="raise").mean() > 0.8
    told = cross_validate(student, X, y, cv=2, n_jobs=2, return_estimator=True, error_score="raise")
    for fitted in told["estimator"]:
        np.testing.assert_allclose(answers(fitted, X), expected_answers(student, X, y), atol=1e-6)


def ensembles(student):
    return {
        "voting, hard": VotingClassifier([("a", student), ("b", clone(student))], n_jobs=2),
        "voting, soft": VotingClassifier([("a", student)], voting="soft", n_jobs=2),
        "calibrated": CalibratedClassifierCV(student, cv=2, n_jobs=2),
        "calibrated once": CalibratedClassifierCV(student, cv=2, n_jobs=2, ensemble=False),
        "stacking": StackingClassifier([("a", student)], LogisticRegression(), cv=2, n_jobs=2),
    }


def members(ensemble):
    if isinstance(ensemble, CalibratedClassifierCV):
        return [fitted.estimator for fitted in ensemble.calibrated_classifiers_]
    return ensemble.estimators_


@pytest.mark.parametrize("name", ensembles(LogisticRegression()))
@pytest.mark.slow
def test_fitted_teacher_survives_ensembles_which_encode_labels(student, series, name):
    X, y = series
    ensemble = ensembles(student)[name].fit(X, y)
    assert ensemble.score(X, y) > 0.8
    assert set(ensemble.predict(X)) <= set(y)
    for fitted in members(ensemble):
        np.testing.assert_allclose(answers(fitted, X), expected_answers(student, X, y), atol=1e-6)


@pytest.mark.slow
def test_cross_validated_probabilities(student, series):
    X, y = series
    proba = cross_val_predict(student, X, y, cv=2, method="predict_proba", n_jobs=2)
    assert np.mean(np.unique(y)[proba.argmax(axis=1)] == y) > 0.8


def test_pipeline_with_a_step_in_front(student, series):
    X, y = series
    pipeline = Pipeline([("double", FunctionTransformer(lambda X: 2 * X)), ("student", student)])
    pipeline.fit(X / 2, y)
    assert pipeline[-1].teacher is student.teacher
    assert pipeline.score(X / 2, y) > 0.8
    assert fidelity_scorer("saliency")(pipeline, X / 2) > 0.3


def joblib_copy(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return joblib.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize(
    "copy_of",
    [
        lambda estimator: pickle.loads(pickle.dumps(estimator)),
        lambda estimator: pickle.loads(cloudpickle.dumps(estimator)),
        joblib_copy,
    ],
    ids=["pickle", "cloudpickle", "joblib"],
)
def test_pickles_keep_teacher_and_student(fitted, series, copy_of):
    X, y = series
    unfitted, copied = copy_of(clone(fitted)), copy_of(fitted)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_array_equal(copied.explain(X[:6]), fitted.explain(X[:6]))
    assert copied.fidelity_score(X, metric="kl") == fitted.fidelity_score(X, metric="kl")
    np.testing.assert_array_equal(unfitted.fit(X, y).predict_proba(X), fitted.predict_proba(X))


def test_no_copy_of_a_torch_teacher_is_made(series):
    X, y = series

    class Unique(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(20, 3)

        def forward(self, x):
            return self.linear(x[:, 0])

        def __deepcopy__(self, memo):
            raise AssertionError("copied")

        def __reduce_ex__(self, protocol):
            raise AssertionError("pickled")

    module = Unique()
    for teacher in (module, Teacher(module), [module, module]):
        student = SaliencyDistilledClassifier(teacher, max_epochs=2, n_windows=4, random_state=0)
        search = GridSearchCV(student, GRID, cv=2, error_score="raise").fit(X, y)
        assert search.best_estimator_.teacher is teacher
        VotingClassifier([("a", student)]).fit(X, y)
        repr(search)
        search._repr_html_()


@pytest.mark.slow
def test_a_search_needs_no_labels(series, teachers):
    X, _ = series
    student = SaliencyDistilledClassifier(
        teachers["sktime"], max_epochs=30, n_windows=4, random_state=0
    )
    search = GridSearchCV(student, GRID, cv=3, scoring=fidelity_scorer(), error_score="raise")
    assert search.fit(X).best_score_ > 0.7


def test_an_unfitted_teacher_is_fitted_on_each_fold_alone(series):
    X, y = series
    seen = []

    class Watched(RandomForestClassifier):
        def fit(self, X, y):
            seen.append(X.copy())
            return super().fit(X, y)

    student = SaliencyDistilledClassifier(Watched(5), max_epochs=2, n_windows=4, random_state=0)
    told = cross_validate(
        student, X[:, 0], y, cv=3, return_indices=True, return_estimator=True, error_score="raise"
    )
    folds = zip(told["indices"]["train"], told["indices"]["test"], strict=True)
    for fitted_on, (train, test) in zip(seen, folds, strict=True):
        np.testing.assert_array_equal(fitted_on, X[train, 0])
        assert not {row.tobytes() for row in fitted_on} & {row.tobytes() for row in X[test, 0]}
    models = [estimator.teacher_.model for estimator in told["estimator"]]
    assert len(set(map(id, models))) == 3


@pytest.mark.slow
def test_frozen_teachers_work_too(series, teachers):
    X, y = series
    for kind in ("sklearn", "sktime"):
        frozen = FrozenEstimator(teachers[kind])
        student = SaliencyDistilledClassifier(frozen, max_epochs=30, n_windows=4, random_state=0)
        layout = X[:, 0] if kind == "sklearn" else X
        grid = {"teacher": [frozen], "lr": [0.01]}
        search = GridSearchCV(student, grid, cv=2, error_score="raise").fit(layout, y)
        assert search.best_estimator_.teacher_.model is frozen


def test_encoded_labels_are_never_guessed_where_classes_are_missing(series):
    X, y = series
    settings = {"max_epochs": 2, "n_windows": 4, "random_state": 0}
    names = LogisticRegression(C=100).fit(X[:, 0], y)
    some = y != "flat"  # of "down", "flat", "up": code 1 would be "up"
    voting = VotingClassifier([("a", SaliencyDistilledClassifier(names, **settings))])
    with pytest.raises(ValueError, match=r"does not know class 0, 1 of y"):
        voting.fit(X[some, 0], y[some])
    numbers = np.unique(y, return_inverse=True)[1] - 1  # -1, 0, 1
    some = numbers < 1  # codes 0 and 1 stand for -1 and 0, but are labels too
    signed = LogisticRegression(C=100).fit(X[:, 0], numbers)
    voting = VotingClassifier([("a", SaliencyDistilledClassifier(signed, **settings))])
    with pytest.raises(ValueError, match=r"predicts -1 for most series of class 0.*classes="):
        voting.fit(X[some, 0], numbers[some])
    few = numbers > -1  # these are what they are called
    fitted = SaliencyDistilledClassifier(signed, **settings).fit(X[few, 0], numbers[few])
    assert fitted.classes_.tolist() == [0, 1]


def test_deep_copies_share_a_fitted_teacher(fitted, series):
    X, _ = series
    copied = copy.deepcopy(fitted)
    assert copied.teacher is fitted.teacher and copied.teacher_.model is fitted.teacher_.model
    assert copied.student_ is not fitted.student_
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


def test_fidelity_scorer_reaches_through_searches_and_pipelines(series, teachers):
    X, y = series
    student = SaliencyDistilledClassifier(teachers["torch"], max_epochs=5, n_windows=4)
    search = GridSearchCV(student, {"lr": [0.01]}, cv=2)
    pipeline = Pipeline([("as it is", FunctionTransformer()), ("search", search)]).fit(X, y)
    inner = pipeline[-1].best_estimator_
    assert fidelity_scorer("kl")(pipeline, X) == inner.fidelity_score(X, metric="kl")
    with pytest.raises(ValueError, match="cannot score a LogisticRegression"):
        fidelity_scorer()(LogisticRegression(), X)


def test_a_teacher_that_explains_itself_in_worker_threads_does_not_wait_forever(series, teachers):
    X, y = series
    inner = SaliencyDistilledClassifier(teachers["torch"], max_epochs=2, n_windows=4).fit(X, y)

    def teacher(X):
        inner.explain(X[:1])
        return inner.predict_proba(X)

    student = SaliencyDistilledClassifier(teacher, max_epochs=2, n_windows=4, n_jobs=2)

    def fit():
        with joblib.parallel_config("threading"):
            student.fit(X, y)

    done = threading.Thread(target=fit, daemon=True)
    done.start()
    done.join(timeout=60)
    assert not done.is_alive()
    assert student.classes_.tolist() == ["down", "flat", "up"]


def test_encoded_labels_are_read_only_where_the_teachers_predictions_bear_it_out(series, teachers):
    X, y = series
    codes = np.unique(y, return_inverse=True)[1]
    student = SaliencyDistilledClassifier(
        teachers["sktime"], max_epochs=30, n_windows=4, random_state=0
    )
    fitted = student.fit(X, codes)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, codes) > 0.8
    np.testing.assert_allclose(
        np.exp(answers(fitted, X)), np.maximum(teachers["sktime"].predict_proba(X), 1e-4), atol=1e-3
    )
    with pytest.raises(ValueError, match=r"does not know class 0, 1, 2"):
        student.fit(X, (codes + 1) % 3)
    with pytest.raises(ValueError, match=r"does not know class 1, 2, 3 of y"):
        student.fit(X, codes + 1)


SEARCHED = {
    "saliency_weight": [1.0, 5.0],
    "soft_target_weight": [0.5, 1.0],
    "temperature": [2.0, 8.0],
    "window_size": [0.1, 4],
    "n_windows": [3, 5],
    "student": ["lite", Lite(n_filters=2)],
    "student__n_filters": [2, 3],
    "saliency": ["logit_change", "sum"],
    "donors": ["opposing", "mean"],
    "class_weight": [None, "balanced"],
    "lr": [0.01, 0.001],
    "max_epochs": np.array([4, 8]),
    "batch_size": np.array([8, 32]),
}


@pytest.mark.parametrize("name", SEARCHED)
def test_what_matters_can_be_searched(series, teachers, name):
    X, y = series
    student = SaliencyDistilledClassifier(
        teachers["torch"], max_epochs=4, n_windows=4, random_state=0
    )
    search = GridSearchCV(
        student, {name: SEARCHED[name]}, cv=2, scoring=fidelity_scorer("kl"), error_score="raise"
    ).fit(X, y)
    first, second = search.cv_results_["mean_test_score"]
    if name != "class_weight":  # the folds are balanced
        assert first != second
    assert search.best_estimator_.get_params()[name] is not None or name == "class_weight"


@pytest.mark.slow
def test_several_scorers_at_once(series, teachers):
    X, y = series
    student = SaliencyDistilledClassifier(
        teachers["torch"], max_epochs=20, n_windows=4, random_state=0
    )
    scoring = {
        "accuracy": "accuracy",
        "log_loss": "neg_log_loss",
        "auc": "roc_auc_ovr",
        "agreement": fidelity_scorer(),
        "saliency": fidelity_scorer("saliency"),
    }
    search = GridSearchCV(
        student, GRID, cv=2, scoring=scoring, refit="saliency", error_score="raise"
    ).fit(X, y)
    assert {f"mean_test_{name}" for name in scoring} <= set(search.cv_results_)
    assert search.best_params_ == {"saliency_weight": 5.0}
    with sklearn.config_context(enable_metadata_routing=True):
        student.set_fit_request(sample_weight=True)
        own = {name: scorer for name, scorer in scoring.items() if callable(scorer)}
        routed = GridSearchCV(
            student, GRID, cv=2, scoring=own, refit="saliency", error_score="raise"
        ).fit(X, y, sample_weight=np.linspace(0.5, 2, 36))
    assert routed.best_score_ != search.best_score_


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.slow
def test_workers_change_no_score(series, teachers, backend):
    X, y = series
    teachers["torch"].train()  # a mode that fits in threads would otherwise put back too early
    student = SaliencyDistilledClassifier(
        teachers["torch"], max_epochs=5, n_windows=4, random_state=0
    )
    grid = {"temperature": [2.0, 4.0, 8.0], "saliency_weight": [1.0, 5.0]}
    with joblib.parallel_config(backend):
        one, two = (
            GridSearchCV(
                student, grid, cv=3, n_jobs=n, scoring=fidelity_scorer("kl"), error_score="raise"
            ).fit(X, y)
            for n in (1, 2)
        )
    assert one.best_params_ == two.best_params_
    np.testing.assert_allclose(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"], atol=1e-6
    )
