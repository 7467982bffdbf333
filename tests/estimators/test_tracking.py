"""Searches of Optuna, and students in MLflow."""

import importlib.util
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from skorch.callbacks import Callback

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.fidelity import fidelity_scorer

QUICK = {"max_epochs": 5, "n_windows": 4, "n_mixtures": 0, "random_state": 0}
N_PROBES = 66
"""Questions by which a fit recognises a teacher, and finds out the form of its answers."""


@pytest.fixture
def optuna():
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield optuna
    optuna.logging.set_verbosity(before)


@pytest.fixture(scope="module")
def forest(italy):
    return RandomForestClassifier(50, random_state=0).fit(italy[0][:, 0], italy[1])


@pytest.fixture
def asked():
    """Numbers of series of all questions to the black box."""
    return []


@pytest.fixture
def settings(forest, asked, tmp_path):
    """An estimator with a black box whose answers are kept."""

    def black_box(X):
        asked.append(len(X))
        return forest.predict_proba(X.reshape(len(X), -1))

    teacher = Teacher(black_box, classes=forest.classes_)
    return SaliencyDistilledClassifier(teacher, memory=tmp_path / "answers", **QUICK)


def test_trials_of_several_measures_ask_the_teacher_once(optuna, settings, italy, asked):
    X, y, X_test, _ = italy
    costs = []

    def objective(trial):
        before = sum(asked)
        student = clone(settings).set_params(
            student__n_filters=trial.suggest_int("n_filters", 2, 8),
            label_weight=trial.suggest_float("label_weight", 0.01, 1.0, log=True),
        )
        student.fit(X, y)
        measures = student.fidelity_score(X_test[:100]), student.student_costs()["weights"]
        costs.append(sum(asked) - before)
        return measures

    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=4)
    assert costs[0] > 5 * 67 and max(costs[1:]) <= N_PROBES
    sizes = {trial.params["n_filters"]: trial.values[1] for trial in study.trials}
    assert [sizes[n] for n in sorted(sizes)] == sorted(sizes.values()) and len(sizes) > 1
    assert 1 <= len(study.best_trials) <= 4


class Prune(Callback):
    """As a user would write it."""

    def __init__(self, trial, error):
        self.trial, self.error = trial, error

    def on_epoch_end(self, net, **kwargs):
        self.trial.report(net.history[-1, "valid_loss"], len(net.history))
        if self.trial.should_prune():
            raise self.error


@pytest.mark.parametrize("of_optuna", [False, True])
def test_trials_are_pruned(optuna, settings, italy, of_optuna):
    if of_optuna:
        if importlib.util.find_spec("optuna_integration") is None:
            pytest.skip("needs optuna-integration")
        from optuna_integration import SkorchPruningCallback

    def objective(trial):
        prune = Prune(trial, optuna.TrialPruned)
        if of_optuna:
            prune = SkorchPruningCallback(trial, "valid_loss")
        student = clone(settings).set_params(
            lr=trial.suggest_float("lr", 1e-5, 0.03, log=True),
            validation_fraction=0.3, callbacks=[prune],
        )  # fmt: skip
        return min(row["valid_loss"] for row in student.fit(*italy[:2]).history_)

    pruner = optuna.pruners.PercentilePruner(50, n_startup_trials=2, n_warmup_steps=1)
    study = optuna.create_study(pruner=pruner)
    for lr in (0.03, 0.02, 1e-5, 2e-5):
        study.enqueue_trial({"lr": lr})
    study.optimize(objective, n_trials=4)
    assert [len(trial.intermediate_values) for trial in study.trials[:2]] == [5, 5]
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert all(1 <= len(trial.intermediate_values) < 5 for trial in study.trials[2:])


def test_search_of_optuna_integration(settings, italy, asked):
    optuna_integration = pytest.importorskip("optuna_integration")
    from optuna.distributions import FloatDistribution, IntDistribution

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = optuna_integration.OptunaSearchCV(
            settings,
            {"label_weight": FloatDistribution(0.01, 1, log=True),
             "student__n_filters": IntDistribution(2, 8)},
            n_trials=3, cv=2, random_state=0, scoring=fidelity_scorer("kl"),
        )  # fmt: skip
        search.fit(*italy[:2])
    assert search.best_score_ < 0 and search.best_estimator_.history_
    assert search.predict(italy[2][:5]).shape == (5,)


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """MLflow with a database and a folder of its own, without a server."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    yield mlflow
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def fitted(forest, italy):
    return SaliencyDistilledClassifier(forest, **QUICK).fit(*italy[:2])


def n_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("serialization_format", ["pickle", "cloudpickle"])
def test_mlflow_gives_back_the_estimator(mlflow, fitted, italy, serialization_format):
    import mlflow.sklearn
    from mlflow.models import infer_signature

    X, X_test = italy[0], italy[2]
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            fitted, name="student", serialization_format=serialization_format,
            signature=infer_signature(X, fitted.predict(X)), input_example=X[:2],
            pip_requirements=["tsdistill"],
        )  # fmt: skip
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(X_test), fitted.predict_proba(X_test))
    assert loaded.fidelity_score(X_test[:50]) == fitted.fidelity_score(X_test[:50])  # its teacher
    served = mlflow.pyfunc.load_model(logged.model_uri)
    np.testing.assert_array_equal(served.predict(X_test), fitted.predict(X_test))
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, 1, 24)


@pytest.mark.slow
def test_a_student_without_its_teacher_is_a_smaller_model(mlflow, fitted, italy, tmp_path):
    import mlflow.sklearn

    fitted.save(tmp_path / "student.tsdistill")
    alone = SaliencyDistilledClassifier.load(tmp_path / "student.tsdistill")
    for name, model in (("whole", fitted), ("alone", alone)):
        mlflow.sklearn.save_model(
            model, tmp_path / name, serialization_format="cloudpickle",
            pip_requirements=["tsdistill"],
        )  # fmt: skip
    assert n_bytes(tmp_path / "alone") < 0.8 * n_bytes(tmp_path / "whole")
    loaded = mlflow.sklearn.load_model(str(tmp_path / "alone"))
    np.testing.assert_array_equal(loaded.explain(italy[2][:9]), fitted.explain(italy[2][:9]))


@pytest.mark.slow
def test_autolog_changes_nothing(mlflow, fitted, italy):
    import mlflow.sklearn

    X, y = italy[:2]
    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run():
            again = clone(fitted).fit(X, y)
            again.score(X, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
