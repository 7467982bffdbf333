"""Callbacks, kept weights, progress and interrupts."""

import os
import signal
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EarlyStopping

from tests.conftest import bump_teacher
from tsdistill.exceptions import InterruptedWarning, ParameterError, TrainingError


def test_weights_of_the_best_epoch_on_held_out_series_are_kept(toy, quick):
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            weights = net.module_.head.linear.weight.detach().clone()
            kept[net.history[-1, "epoch"]] = weights

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 20)), rng.integers(3, size=60)  # noise: training overfits it
    student = quick(
        label_weight=1.0, soft_target_weight=0, saliency_weight=0, validation_fraction=0.3,
        max_epochs=40, callbacks=[Keep()],
    ).fit(X, y)  # fmt: skip
    losses = [row["valid_loss"] for row in student.history_]
    best = int(np.argmin(losses)) + 1
    assert best < 40, "the test needs a run whose last epoch is not its best"
    assert torch.equal(student.student_.module_.head.linear.weight, kept[best])


def test_callbacks_are_passed_through(toy, quick):
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, threshold_mode="abs")
    student = quick(callbacks=[("stop", stop)], max_epochs=50).fit(*toy)
    assert len(student.history_) < 10


def test_verbose_shows_bars_and_silence_is_silent(toy, quick, capfd):
    quick().fit(*toy)
    assert capfd.readouterr() == ("", "")
    quick(verbose=1).fit(*toy)
    shown = capfd.readouterr().err
    assert "teacher: windows" in shown and "student" in shown and "loss=" in shown


class Counting(Callback):
    """A callback with state of its own."""

    def __init__(self, settings=("a", "b")):
        self.settings = settings

    def initialize(self):
        self.n_epochs_ = 0
        return self

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ += 1
        net.history.record("counted", self.n_epochs_)


def test_the_users_callbacks_are_not_changed(toy, quick):
    stop, count = EarlyStopping(monitor="train_loss", patience=50), Counting()
    before = [dict(vars(callback)) for callback in (stop, count)]
    student = quick(callbacks=[("stop", stop), count]).fit(*toy)
    assert [dict(vars(callback)) for callback in (stop, count)] == before
    assert student.callbacks == [("stop", stop), count]


def test_the_callbacks_of_a_skorch_student_are_not_changed(toy, quick):
    count = Counting()
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    net = NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, max_epochs=2, callbacks=[count], verbose=0
    )
    before = dict(vars(count))
    quick(student=net).fit(*toy)
    assert vars(count) == before


def test_one_callback_serves_several_fits(toy, quick):
    count = Counting()
    first, second = (quick(callbacks=[count], max_epochs=n).fit(*toy) for n in (3, 2))
    assert first.student_.history[:, "counted"] == [1, 2, 3]
    assert second.student_.history[:, "counted"] == [1, 2]


def keeps(monitor):
    """A Checkpoint that writes no files."""
    names = ("f_params", "f_optimizer", "f_criterion", "f_history")
    return Checkpoint(monitor=monitor, **dict.fromkeys(names))


@pytest.mark.parametrize(
    ("callback", "name", "monitor"),
    [
        (EarlyStopping(), "EarlyStopping", "valid_loss"),
        (keeps("valid_loss_best"), "Checkpoint", "valid_loss_best"),
    ],
)
def test_callbacks_that_wait_for_held_out_series_are_refused_where_there_are_none(
    toy, quick, callback, name, monitor
):
    asked = []

    def teacher(X):
        asked.append(len(X))
        return bump_teacher(X)

    with pytest.raises(ParameterError) as caught:
        quick(teacher, callbacks=[("mine", callback)]).fit(*toy)
    assert str(caught.value) == (
        f"callbacks holds {name} (name 'mine'), which monitors {monitor!r}, but "
        "validation_fraction=None holds out no series. Pass validation_fraction, or "
        "monitor='train_loss'."
    )
    assert sum(asked) <= 12, "windows were asked about"


def test_callbacks_that_monitor_what_nothing_records_are_named(toy, quick):
    with pytest.raises(TrainingError, match="Key 'valid_acc' .* EarlyStopping monitors 'valid_ac"):
        quick(callbacks=[EarlyStopping("valid_acc")], validation_fraction=0.5).fit(*toy)


class Records(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("valid_mine", 1 / len(net.history))


def test_callbacks_may_monitor_what_other_callbacks_record(toy, quick):
    callbacks = [Records(), EarlyStopping("valid_mine")]
    assert len(quick(callbacks=callbacks).fit(*toy).history_) == 3


def test_callbacks_that_monitor_what_is_recorded_are_accepted(toy, quick):
    students = [
        quick(callbacks=[EarlyStopping(monitor="train_loss")]).fit(*toy),
        quick(callbacks=[EarlyStopping(), keeps("valid_loss_best")], validation_fraction=0.4).fit(
            *toy
        ),
    ]
    assert [len(student.history_) for student in students] == [3, 3]


class Interrupts(Callback):
    """The user presses Ctrl-C as an epoch begins to train."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("validation_fraction", [None, 0.4])
def test_an_interrupt_keeps_the_epochs_that_are_complete(toy, quick, validation_fraction):
    student = quick(
        callbacks=[Interrupts(3)], max_epochs=5, validation_fraction=validation_fraction
    )
    with pytest.warns(InterruptedWarning) as caught:
        student.fit(*toy)
    assert str(caught[0].message) == (
        "training was interrupted after 2 of 5 epochs; the student is the one trained so far."
    )
    assert caught[0].filename == __file__
    assert [row["epoch"] for row in student.history_] == [1, 2]
    assert student.predict_proba(toy[0]).shape == (12, 3)


@pytest.mark.parametrize("validation_fraction", [None, 0.4])
def test_an_interrupt_of_the_first_epoch_leaves_the_estimator_as_it_was(
    toy, quick, validation_fraction
):
    student = quick(callbacks=[Interrupts(1)], validation_fraction=validation_fraction)
    before = dict(vars(student))
    with pytest.raises(KeyboardInterrupt):
        student.fit(*toy)
    assert vars(student) == before
    expected = student.set_params(callbacks=None).fit(*toy).predict_proba(toy[0])
    with pytest.raises(KeyboardInterrupt):
        student.set_params(callbacks=[Interrupts(1)]).fit(*toy)
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)


def test_an_interrupt_of_a_fit_that_goes_on_counts_its_own_epochs(toy, quick):
    student = quick(warm_start=True).fit(*toy)
    with pytest.warns(InterruptedWarning, match="after 1 of 3 epochs"):
        student.set_params(callbacks=[Interrupts(2)]).fit(*toy)
    assert [row["epoch"] for row in student.history_] == [1, 2, 3, 4]


class InterruptsAtTheEnd(Callback):
    """The user presses Ctrl-C when an epoch is complete."""

    def __init__(self, epoch, by_signal=False):
        self.epoch, self.by_signal = epoch, by_signal

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            if self.by_signal:
                os.kill(os.getpid(), signal.SIGINT)
            else:
                raise KeyboardInterrupt


@pytest.fixture
def interrupts_are_heard():
    """Ctrl-C raises here, even if the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts_are_heard")
@pytest.mark.parametrize("by_signal", [False, True])
def test_an_interrupt_between_two_epochs_is_told_too(toy, quick, by_signal):
    student = quick(callbacks=[InterruptsAtTheEnd(2, by_signal)], max_epochs=4)
    with pytest.warns(InterruptedWarning) as caught:
        student.fit(*toy)
    assert str(caught[0].message) == (
        "training was interrupted after 2 of 4 epochs; the student is the one trained so far."
    )
    assert len(student.history_) == 2


@pytest.mark.parametrize("validation_fraction", [None, 0.4])
def test_a_callback_that_stops_the_training_is_no_interrupt(toy, quick, validation_fraction):
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, threshold_mode="abs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        student = quick(
            callbacks=[stop], max_epochs=20, validation_fraction=validation_fraction
        ).fit(*toy)
    assert len(student.history_) < 10


class TakesAnything(Callback):
    """A callback whose constructor does not name its settings."""

    def __init__(self, **settings):
        self.settings = settings

    def on_epoch_end(self, net, **kwargs):
        net.history.record("often", self.settings["often"])


def test_callbacks_whose_constructor_names_no_settings_keep_them(toy, quick):
    student = clone(quick(callbacks=[TakesAnything(often=7)])).fit(*toy)
    assert [row["often"] for row in student.history_] == [7, 7, 7]
