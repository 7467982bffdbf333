"""Callbacks, kept weights and progress."""

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping


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
