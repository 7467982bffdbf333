"""The skorch callbacks of the training loop."""

import math

import torch
from skorch.callbacks import Callback
from tqdm.auto import tqdm

from tsdistill.exceptions import TrainingError


class RecordTerms(Callback):
    """Calls the objectives' hooks of an epoch, and records the mean of each term.

    It comes before the callbacks of users, which may log or monitor the terms. It counts the
    epochs that are complete, since callbacks may replace the history by an earlier one.
    """

    def initialize(self):
        self.n_epochs_ = 0
        return self

    def on_epoch_begin(self, net, **kwargs):
        net.criterion_.begin_epoch(net.history[-1, "epoch"])

    def on_epoch_end(self, net, **kwargs):
        net.criterion_.end_epoch(net.history[-1, "epoch"])
        for name, value in net.criterion_.terms().items():
            net.history.record(name, value)
        self.n_epochs_ += 1


class TrainObjectives(Callback):
    """Trains the objectives' own modules by AdamW, at the learning rate of the student.

    They have an optimiser of their own, since not every optimiser of a student takes a further
    group of parameters, and since the user's schedules may count on the student's groups. Modules
    that have no gradients in a step stay unchanged.
    """

    def on_train_begin(self, net, **kwargs):
        self.optimizer_ = torch.optim.AdamW(net.criterion_.parameters(), weight_decay=1e-4)

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.optimizer_.zero_grad()

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.optimizer_.param_groups[0]["lr"] = net.optimizer_.param_groups[0]["lr"]
        self.optimizer_.step()


class StopOnBadLoss(Callback):
    """Stops the training when the loss is NaN or infinite, with an error that names the cause."""

    def on_batch_end(self, net, training=False, **kwargs):
        loss = net.history[-1, "batches", -1, "train_loss"] if training else 0.0
        if not isinstance(loss, torch.Tensor):  # else it is read at the end of the epoch
            self._check(net, loss)

    def on_epoch_end(self, net, **kwargs):
        for batch in net.history[-1, "batches"]:
            self._check(net, batch.get("train_loss", 0.0))

    def _check(self, net, loss):
        if math.isfinite(loss):
            return
        bad = [name for name, value in net.criterion_.terms().items() if not math.isfinite(value)]
        raise TrainingError(
            f"the training loss became {loss} in epoch {net.history[-1, 'epoch']} "
            f"(term: {', '.join(bad) or 'their sum'}). The likely cause is a learning rate that "
            f"is too high for this student (lr={net.lr}): try a tenth of it, or smaller weights "
            "of the objectives. A student that does not standardise its input needs series X of "
            "moderate values, too."
        )


class EpochBar(Callback):
    """One progress bar over the epochs, with the current loss."""

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(total=net.max_epochs, desc="student", leave=False)

    def on_epoch_end(self, net, **kwargs):
        self.bar_.set_postfix(
            loss=f"{net.history[-1].get('train_loss', math.nan):.4f}", refresh=False
        )
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.refresh()
        self.bar_.close()
