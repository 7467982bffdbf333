"""skorch's own callbacks in a training, on real series, and what of them outlives it."""

import pickle
import types

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LoadInitState,
    LRScheduler,
    MlflowLogger,
    PrintLog,
    ProgressBar,
    TensorBoard,
    TrainEndCheckpoint,
    WandbLogger,
)

from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError


@pytest.fixture(scope="module")
def forest(italy):
    return RandomForestClassifier(20, random_state=0).fit(italy[0][:, 0], italy[1])


@pytest.fixture
def student(forest):
    """An estimator with callbacks that trains in a moment."""

    def make(*callbacks, **settings):
        settings = {"max_epochs": 3, "n_windows": 4, "n_mixtures": 0, "random_state": 0} | settings
        return SaliencyDistilledClassifier(forest, callbacks=list(callbacks), **settings)

    return make


def column(fitted, name):
    return [row[name] for row in fitted.history_]


HELD_OUT = {"validation_fraction": 0.3}


def test_epoch_scoring_scores_held_out_series(student, italy):
    X, y = italy[:2]
    score = EpochScoring("accuracy", name="valid_acc", lower_is_better=False)
    fitted = student(score, max_epochs=12, **HELD_OUT).fit(X, y)
    shares = np.array(column(fitted, "valid_acc")) * 20  # of 67 series, 20 are held out
    np.testing.assert_allclose(shares, shares.round(), atol=1e-9)
    assert shares[-1] >= 18 > shares[0]


def test_epoch_scoring_of_probabilities_is_given_probabilities(student, italy):
    X, y = italy[:2]
    sums = []

    def remember(net, X, y):
        sums.append(net.predict_proba(X).sum(axis=1))
        return float(len(y))

    score = EpochScoring("neg_log_loss", name="nll", lower_is_better=False)
    fitted = student(score, EpochScoring(remember, name="n"), **HELD_OUT).fit(X, y)
    assert column(fitted, "n") == [20.0] * 3
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    assert all(-1.5 < value < 0 for value in column(fitted, "nll"))


@pytest.mark.parametrize("n_mixtures", [0, 200])
def test_scoring_of_the_training_counts_series_alone(student, italy, n_mixtures):
    X, y = italy[:2]
    seen = []

    def count(net, X, y):
        seen.append(len(y))
        return np.mean(net.predict(X) == y)

    callbacks = [
        EpochScoring(count, name="train_acc", on_train=True, lower_is_better=False),
        BatchScoring("accuracy", name="batch_acc", on_train=True, lower_is_better=False),
    ]
    fitted = student(*callbacks, max_epochs=15, n_mixtures=n_mixtures).fit(X, y)
    assert seen == [67] * 15 if n_mixtures == 0 else max(seen) < 67
    assert column(fitted, "train_acc")[-1] > 0.9 and column(fitted, "batch_acc")[-1] > 0.9


def test_early_stopping_may_monitor_a_score_or_a_term(student, italy):
    X, y = italy[:2]
    score = EpochScoring("accuracy", name="valid_acc", lower_is_better=False)
    stop = EarlyStopping("valid_acc", lower_is_better=False, patience=2, sink=lambda text: None)
    assert len(student(score, stop, max_epochs=40, **HELD_OUT).fit(X, y).history_) < 40
    stop = EarlyStopping("saliency", patience=2, threshold=10, threshold_mode="abs",
                         sink=lambda text: None)  # fmt: skip
    assert len(student(stop, max_epochs=40).fit(X, y).history_) == 3


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            EpochScoring("accuracy"),
            "callbacks holds EpochScoring (name 'EpochScoring'), which scores held-out series, but "
            "validation_fraction=None holds out no series. Pass validation_fraction, or "
            "on_train=True to the callback.",
        ),
        (
            EpochScoring("accuracy", on_train=True, use_caching=False),
            "callbacks holds EpochScoring (name 'EpochScoring') with use_caching=False, which "
            "needs series that can be asked about again; pass use_caching=True, which scores what "
            "the student answered in the training.",
        ),
        (
            WandbLogger(None),
            "callbacks holds WandbLogger (name 'WandbLogger'), which saves the model of the epoch "
            "with the lowest 'valid_loss', but validation_fraction=None holds out no series. Pass "
            "validation_fraction, or save_model=False to the callback.",
        ),
    ],
)
def test_callbacks_that_would_record_nothing_are_refused(student, italy, callback, message):
    with pytest.raises(ParameterError) as caught:
        student(callback).fit(*italy[:2])
    assert str(caught.value) == message


def test_print_log_prints_a_row_an_epoch_with_the_terms(student, italy, capsys):
    fitted = student(PrintLog()).fit(*italy[:2])
    titles, _, *rows = capsys.readouterr().out.splitlines()
    assert {"epoch", "saliency", "soft_targets", "train_loss"} <= set(titles.split())
    assert len(rows) == 3 and f"{fitted.history_[-1]['saliency']:.4f}" in rows[-1]
    student(PrintLog(sink=lambda text: None)).fit(*italy[:2])
    assert capsys.readouterr().out == ""


def test_progress_bar_counts_the_steps_of_each_epoch(student, italy, capsys):
    student(ProgressBar()).fit(*italy[:2])
    assert capsys.readouterr().err.count("| 0/3 [") >= 3  # 67 series, 32 at a time


@pytest.mark.slow
def test_tensorboard_holds_what_the_history_holds(student, italy, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    estimator = student(TensorBoard(SummaryWriter(tmp_path)))
    fitted = clone(estimator).fit(*italy[:2])
    events = EventAccumulator(str(tmp_path)).Reload()
    (tag,) = (tag for tag in events.Tags()["scalars"] if tag.endswith("saliency"))
    logged = [event.value for event in events.Scalars(tag)]
    np.testing.assert_allclose(logged, column(fitted, "saliency"), rtol=1e-6)
    same = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(same.predict(italy[2][:9]), fitted.predict(italy[2][:9]))
    fitted.fit(*italy[:2])


class _Run(types.SimpleNamespace):
    """What WandbLogger asks of a run."""

    def watch(self, module):
        self.module = module

    def log(self, row):
        self.rows.append(row)


@pytest.mark.parametrize("validation_fraction", [None, 0.3])
def test_wandb_is_given_the_terms(student, italy, tmp_path, validation_fraction):
    run = _Run(rows=[], dir=tmp_path)
    logger = WandbLogger(run, save_model=validation_fraction is not None)
    fitted = clone(student(logger, validation_fraction=validation_fraction)).fit(*italy[:2])
    assert [row["saliency"] for row in run.rows] == column(fitted, "saliency")
    assert (tmp_path / "best_model.pth").exists() == (validation_fraction is not None)


@pytest.mark.slow
def test_mlflow_logger_logs_into_the_run_that_is_active(student, italy, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        fitted = student(MlflowLogger(terminate_after_train=False)).fit(*italy[:2])
    logged = client.get_metric_history(run.info.run_id, "saliency")
    assert [one.value for one in logged] == column(fitted, "saliency")
    files = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"params.pth", "history.json"} <= files


def test_checkpoint_puts_the_best_epoch_back(student, italy, tmp_path):
    X, y = italy[:2]
    kept = []

    class Second(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("is_second", len(net.history) == 2)
            kept.append(net.module_.head.linear.weight.detach().clone())

    checkpoint = Checkpoint(monitor="is_second", dirname=tmp_path, load_best=True)
    fitted = student(Second(), checkpoint, max_epochs=5).fit(X, y)  # no InterruptedWarning
    assert torch.equal(fitted.student_.module_.head.linear.weight, kept[1])
    assert column(fitted, "epoch") == [1, 2] and all("saliency" in row for row in fitted.history_)


@pytest.mark.filterwarnings("error::tsdistill.exceptions.InterruptedWarning")
def test_a_training_goes_on_from_the_checkpoint_of_another(student, italy, tmp_path):
    X, y = italy[:2]
    end = TrainEndCheckpoint(dirname=tmp_path)
    first = student(end).fit(X, y)
    second = student(LoadInitState(end), end).fit(X, y)
    assert column(second, "epoch") == [1, 2, 3, 4, 5, 6]
    assert column(second, "train_loss")[:3] == column(first, "train_loss")
    assert column(second, "train_loss")[3] < column(first, "train_loss")[0]


def test_a_schedule_of_the_users_takes_the_place_of_ours(student, italy):
    rates = []

    class Rate(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    steps = LRScheduler("StepLR", step_size=1, gamma=0.5)
    student(steps, Rate(), lr=0.008, batch_size=67).fit(*italy[:2])
    np.testing.assert_allclose(rates, [0.008, 0.004, 0.002])


class Shares(Callback):
    """Like the callbacks of searches, it keeps its argument under another name."""

    def __init__(self, trial):
        self._trial = trial

    def on_epoch_end(self, net, **kwargs):
        self._trial.append(net.history[-1, "epoch"])


@pytest.mark.parametrize("in_net", [False, True])
def test_callbacks_share_what_their_constructors_were_given(student, italy, in_net):
    trial, callbacks = [], []
    if in_net:
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24, 2))
        estimator = student(
            student=NeuralNetClassifier(
                module, criterion=torch.nn.CrossEntropyLoss, max_epochs=3, verbose=0,
                callbacks=[("mine", Shares(trial))],
            )
        )  # fmt: skip
    else:
        callbacks = [("mine", Shares(trial))]
        estimator = student(*callbacks)
    clone(clone(estimator)).fit(*italy[:2])
    assert trial == [1, 2, 3]


def test_callbacks_are_set_all_together(student):
    message = (
        "callbacks__print_log cannot be set: callbacks are set all together. Pass "
        "callbacks=[...], or in a search several such lists as values."
    )
    for attempt in (
        lambda: student().set_params(callbacks__print_log=None),
        lambda: SaliencyDistilledClassifier(None, callbacks__print_log=None),
    ):
        with pytest.raises(ParameterError) as caught:
            attempt()
        assert str(caught.value) == message


def test_fitted_students_with_callbacks_pickle_and_fit_again(student, italy, tmp_path):
    X, y = italy[:2]
    callbacks = [
        EpochScoring("accuracy", name="valid_acc", lower_is_better=False),
        PrintLog(sink=str), ProgressBar(), EarlyStopping(patience=9),
        Checkpoint(dirname=tmp_path), LRScheduler("StepLR", step_size=1),
    ]  # fmt: skip
    fitted = student(*callbacks, **HELD_OUT).fit(X, y)
    same = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(same.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_array_equal(same.fit(X, y).predict_proba(X), fitted.predict_proba(X))
