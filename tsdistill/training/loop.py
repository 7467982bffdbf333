"""The training loop: skorch's, with our steps, loss and callbacks."""

import contextlib
import copy
import importlib
import math
import sys

import torch
from skorch.callbacks import EarlyStopping, PassthroughScoring, WandbLogger
from skorch.helper import predefined_split
from skorch.utils import noop
from torch import nn

from tsdistill.exceptions import (
    BatchHalvedWarning,
    InterruptedWarning,
    ParameterError,
    TrainingError,
    TsdistillError,
    warn_user,
)
from tsdistill.numerics.forks import no_fork
from tsdistill.numerics.halving import Halving, free_memory, is_out_of_memory
from tsdistill.numerics.logits import first_output
from tsdistill.training.callbacks import EpochBar, RecordTerms, StopOnBadLoss, TrainObjectives
from tsdistill.training.captured import can_capture, capture_steps
from tsdistill.training.scoring import check_scoring, show_series_alone
from tsdistill.training.steps import (
    INPUTS_A_SERIES,
    MORE_INPUTS,
    SHORT,
    Steps,
    TrainingRows,
)
from tsdistill.training.waits import wait_once_an_epoch

RECORD_LOSSES = ("epoch_timer", "train_loss", "valid_loss")
"""Names of skorch's own callbacks that come first; those of users read what they record."""


def check_monitors(net, validation_fraction):
    """Refuse callbacks that wait for held-out series or their loss where there are none.

    Parameters
    ----------
    net : initialised skorch.NeuralNetClassifier, after :func:`take_steps`
    validation_fraction : float or None

    Raises
    ------
    ParameterError
        Naming the callback and what it monitors.
    """
    for name, callback in net.callbacks_:
        check_scoring(name, callback, validation_fraction)
        if validation_fraction is not None:
            continue
        if isinstance(callback, WandbLogger) and callback.save_model:
            raise ParameterError(
                f"callbacks holds WandbLogger (name {name!r}), which saves the model of the epoch "
                "with the lowest 'valid_loss', but validation_fraction=None holds out no series. "
                "Pass validation_fraction, or save_model=False to the callback."
            )
        if getattr(callback, "monitor", None) in ("valid_loss", "valid_loss_best"):
            raise ParameterError(
                f"callbacks holds {type(callback).__name__} (name {name!r}), which monitors "
                f"{callback.monitor!r}, but validation_fraction=None holds out no series. Pass "
                "validation_fraction, or monitor='train_loss'."
            )


def train(
    net, tensors, loss, *, rows=None, held_out=None, hard=False, bar=False, keep_interrupted=True
):
    """Train an initialised net on a transfer set; the net, its callbacks included, is used up.

    Parameters
    ----------
    net : initialised skorch.NeuralNetClassifier, after :func:`take_steps`
    tensors : TransferTensors
    loss : DistillationLoss
    rows : ndarray of int, optional
        Rows to learn from; default: all.
    held_out : ndarray of int, optional
        Rows to hold out; the weights of the epoch with the lowest held-out loss are kept.
    hard : bool, default=False
        Whether the teacher answers 0 and 1 alone: such answers say little each, so epochs with
        mixtures hold more of them.
    bar : bool, default=False
        Whether to show a progress bar over the epochs.
    keep_interrupted : bool, default=True
        Whether the student of a training that is interrupted is of use.

    Raises
    ------
    TrainingError
        If the student, an objective or a callback fails, if memory does not hold a step, or if an
        answer is not finite. What Optuna raises to end a trial early passes as it is.
    KeyboardInterrupt
        If the training is interrupted, and nothing is kept.
    """
    learning = TrainingRows(tensors)
    if rows is not None:
        learning = TrainingRows(tensors, learning.rows[rows])
    net.train_split = None
    if held_out is not None:
        is_held_out = torch.zeros(len(learning), dtype=torch.bool)
        is_held_out[held_out] = True
        is_held_out = is_held_out.to(learning.rows.device)
        net.train_split = predefined_split(TrainingRows(tensors, learning.rows[is_held_out]))
        learning = TrainingRows(tensors, learning.rows[~is_held_out])
    n_steps = net.max_epochs * len(Steps(learning, net.batch_size, 1))
    inputs_a_series = MORE_INPUTS if hard or n_steps < SHORT else INPUTS_A_SERIES
    net.iterator_train__inputs_a_series = inputs_a_series
    _fit_schedule(net, n_steps)
    record_terms = _add_callbacks(net, loss, held_out is not None, bar)
    net.criterion_ = loss.to(net.device)
    _keep_the_card_busy(net, tensors, loss, n_steps)
    _import_what_optimisers_import()
    with _named_errors(net, learning):
        net.partial_fit(learning)
    _check_interrupt(net, record_terms.n_epochs_, keep_interrupted)
    windows_per_step = net.iterator_train__windows_per_step
    with _named_errors(net, learning):
        settle_batch_norm(net.module_, learning, windows_per_step, inputs_a_series)
        _check_finite(net, learning)


@contextlib.contextmanager
def _named_errors(net, learning):
    """Context in which what callbacks, optimisers and modules raise becomes a TrainingError."""
    try:
        yield
    except TsdistillError:
        raise
    except Exception as error:  # callbacks, optimisers and modules are the user's
        if _ends_a_trial(error):
            raise
        if is_out_of_memory(error):
            raise _step_too_large(net, learning, error) from error
        monitors = [
            f"{type(callback).__name__} monitors {callback.monitor!r}"
            for _, callback in net.callbacks_
            if isinstance(getattr(callback, "monitor", None), str)
        ]
        missing = f" Of the callbacks, {', '.join(monitors)}." if monitors else ""
        raise TrainingError(
            f"training the student failed: {type(error).__name__}: {error}. Check its callbacks, "
            f"optimiser and module.{missing}"
        ) from error


def _add_callbacks(net, loss, keep_best, bar):
    """Add our callbacks to those of a net; the one that counts the epochs is returned."""
    callbacks, record_terms = [("stop_on_bad_loss", StopOnBadLoss())], RecordTerms()
    if keep_best:
        keep = EarlyStopping(patience=-1, threshold=0, load_best=True, sink=noop)
        callbacks.append(("keep_best", keep))
    if any(True for _ in loss.parameters()):
        callbacks.append(("train_objectives", TrainObjectives()))
    if bar:
        callbacks.append(("epoch_bar", EpochBar()))
    if net.callbacks == "disable":
        net.callbacks_ = [
            ("train_loss", PassthroughScoring("train_loss", on_train=True).initialize()),
            ("valid_loss", PassthroughScoring("valid_loss").initialize()),
        ]
    n_defaults = sum(name in RECORD_LOSSES for name, _ in net.callbacks_)
    net.callbacks_.insert(n_defaults, ("record_terms", record_terms.initialize()))
    net.callbacks_ += [(name, callback.initialize()) for name, callback in callbacks]
    show_series_alone(net)
    return record_terms


def _ends_a_trial(error):
    """Whether an error is Optuna's signal that a trial is pruned; only who raises it imports it."""
    return isinstance(error, getattr(sys.modules.get("optuna"), "TrialPruned", ()))


def _step_too_large(net, learning, error):
    """The error for a step that memory does not hold.

    A step is not taken in halves as queries are: batch normalisation, which most students have,
    takes its means and deviations from the whole step, and an objective may compare the series of a
    step with each other. Halves would be another training, of another student, without a word.
    """
    windows_per_step = net.iterator_train__windows_per_step
    steps = Steps(
        learning, net.batch_size, windows_per_step,
        inputs_a_series=net.iterator_train__inputs_a_series,
    )  # fmt: skip
    n_series = math.ceil(steps.n_series / steps.n_steps)
    n_copies = 0 if learning.tensors.plan is None else math.ceil(n_series * windows_per_step)
    shape = tuple(learning.tensors.panel.shape[1:])
    return TrainingError(
        f"training the student ran out of memory in a step of {n_series} series and {n_copies} "
        f"perturbed copies, each of shape {shape} ({type(error).__name__}: {str(error)[:200]}). "
        f"Smaller steps need less: pass a smaller batch_size (it is {net.batch_size}) or "
        f"windows_per_step (it is {windows_per_step}), or a smaller student."
    )


def _keep_the_card_busy(net, tensors, loss, n_steps):
    """Let steps on a GPU be prepared while it is at work, and be launched at once if possible."""
    if torch.device(net.device).type != "cpu":
        wait_once_an_epoch(net)
    if can_capture(net, tensors, loss, n_steps):
        net.iterator_train__as_rows = True
        capture_steps(net, tensors)


def _import_what_optimisers_import():
    """Import what torch's optimisers import in their first step, while no fork can happen.

    A child that is forked during an import in another thread would wait for its end for ever.
    """
    with no_fork(), contextlib.suppress(ImportError):
        importlib.import_module("torch._dynamo")


def _check_interrupt(net, n_complete, keep):
    """Warn if training ended early by a keyboard interrupt, which skorch hides.

    skorch's EarlyStopping raises one too, on purpose.

    Raises
    ------
    KeyboardInterrupt
        If there is nothing to keep, since no epoch was completed, or nothing is to be kept.
    """
    stopped = any(
        isinstance(callback, EarlyStopping) and callback.misses_ == callback.patience
        for _, callback in net.callbacks_
    )
    if n_complete == net.max_epochs or (stopped and n_complete):
        return
    if not (n_complete and keep):
        raise KeyboardInterrupt("training was interrupted before there was anything to keep")
    warn_user(
        f"training was interrupted after {n_complete} of {net.max_epochs} epochs; the student is "
        "the one trained so far.",
        InterruptedWarning,
    )


def _check_finite(net, learning):
    """Refuse a student whose last step went too far: no loss was computed after it."""
    series = learning.tensors.panel[learning.rows[: learning.tensors.rows_at_once]]

    def are_finite(part):
        return bool(torch.isfinite(first_output(net.module_(series[part]))).all())

    with torch.no_grad():
        parts = Halving().results(are_finite, slice(0, len(series)), "the student")
        finite = all(found for _, found in parts)
    if not finite:
        raise TrainingError(
            "the trained student answers NaN or infinity for its own training series. The likely "
            f"cause is a learning rate that is too high for this student (lr={net.lr}): try a "
            "tenth of it."
        )


def _fit_schedule(net, n_steps):
    """Give our own schedule of the learning rate, if the net has it, the number of its steps."""
    one_cycle = dict(net.callbacks_).get("one_cycle")
    if one_cycle is None:
        return
    one_cycle.total_steps = n_steps
    # A warm-up of exactly one step, a tenth of ten, would make torch divide by zero.
    one_cycle.pct_start = max(0.1, min(0.75, 1.5 / n_steps))


def joined_history(previous, net):
    """History of a trained net, preceded by the history of a net that it continues.

    Parameters
    ----------
    previous : trained skorch.NeuralNetClassifier or None
    net : trained skorch.NeuralNetClassifier

    Returns
    -------
    history : skorch.history.History
        Epochs are numbered from the first net on.
    rows : list of dict
        One an epoch: epoch, dur (seconds), train_loss, valid_loss where rows are held out,
        and each term under its name, unweighted. An epoch that was interrupted is left out.
    """
    history = net.history
    if previous is not None:
        history = type(net.history)(copy.deepcopy([*previous.history, *net.history]))
        for number, row in enumerate(history, start=1):
            row["epoch"] = number
    return history, [_epoch_row(row) for row in history if "train_loss" in row]


def _epoch_row(row):
    internal = ("batches", "train_batch_count", "valid_batch_count")
    return {k: v for k, v in row.items() if k not in internal and not k.endswith("_best")}


def settle_batch_norm(module, learning, windows_per_step=1, inputs_a_series=INPUTS_A_SERIES):
    """Take the running statistics of batch normalisation from one more pass, of plain means.

    Series, mixtures and copies have the shares in it that they have in a step, since the weights
    were trained for such batches (``benchmarks/normalisation.py``). Layers that a module keeps in
    eval mode are left alone.

    Parameters
    ----------
    module : torch.nn.Module
        Left in eval mode.
    learning : TrainingRows
    windows_per_step : int or float, default=1
    inputs_a_series : float, default=1.5
        As in :class:`Steps`.

    Raises
    ------
    TrainingError
        If memory does not hold a batch of two series.

    Warns
    -----
    BatchHalvedWarning
        If it holds smaller batches only: the means are then those of more, smaller batches.
    """
    module.train()
    layers = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        and layer.training
        and layer.track_running_stats
    ]
    if layers:
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = None  # a plain mean over the batches
        size = wanted = min(len(learning), learning.tensors.rows_at_once)
        while not _pass_over(module, layers, learning, size, windows_per_step, inputs_a_series):
            size = (size + 1) // 2
        if size < wanted:
            warn_user(
                f"memory did not hold batches of {wanted} series when the trained student took its "
                f"statistics for batch normalisation; they are those of batches of {size}.",
                BatchHalvedWarning,
            )
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    module.eval()


def _pass_over(module, layers, learning, size, windows_per_step, inputs_a_series):
    """Take the statistics from batches of ``size`` series; False if memory does not hold them."""
    for layer in layers:
        layer.reset_running_stats()
    # Of nearly equal sizes: every batch has the same weight in the mean.
    steps = Steps(learning, size, windows_per_step, inputs_a_series=inputs_a_series)
    try:
        with torch.no_grad():
            for _ in range(math.ceil(len(learning) / steps.n_series)):
                for inputs, _ in steps:
                    module(inputs)
        return True
    except Exception as error:  # the module may be the user's
        if not is_out_of_memory(error):
            raise
        if size <= 2:
            raise TrainingError(
                "the trained student ran out of memory on batches of two series, from which it "
                f"takes its statistics for batch normalisation ({type(error).__name__}: "
                f"{str(error)[:200]}). Pass a smaller windows_per_step (it is {windows_per_step}), "
                "or a smaller student."
            ) from error
    free_memory()
    return False
