"""Epochs in which the processor waits for a GPU once, not after every batch.

skorch reads the loss of every batch, so the processor cannot prepare the next step before the card
is done with the last. Small students are bound by that. Here, the losses of an epoch are read
together at its end.
"""

import functools

import torch
from skorch import NeuralNet
from skorch.dataset import get_len

from tsdistill.training.steps import StepRows


def wait_once_an_epoch(net):
    """Let a net read its losses at the end of each epoch.

    During an epoch, its history holds them as tensors, which are numbers for whoever asks, and then
    waits. All else is as in ``skorch.NeuralNet.run_single_epoch``.

    Parameters
    ----------
    net : initialised skorch.NeuralNet
        Left as it is if its class has its own ``run_single_epoch``.
    """
    if type(net).run_single_epoch is NeuralNet.run_single_epoch:
        net.run_single_epoch = functools.partial(_run_single_epoch, net)


def _run_single_epoch(net, iterator, training, prefix, step_fn, **fit_params):
    """Losses are read when all batches are under way."""
    if iterator is None:
        return
    name, losses = f"{prefix}_loss", []
    for batch in iterator:
        net.notify("on_batch_begin", batch=batch, training=training)
        step = step_fn(batch, **fit_params)
        losses.append(step["loss"].detach().clone())  # a step that is replayed writes it again
        net.history.record_batch(name, losses[-1])
        net.history.record_batch(f"{prefix}_batch_size", _size(batch))
        net.notify("on_batch_end", batch=batch, training=training, **step)
    if losses:
        rows = net.history[-1]["batches"][-len(losses) :]
        for row, loss in zip(rows, torch.stack(losses).tolist(), strict=True):
            row[name] = loss
    net.history.record(f"{prefix}_batch_count", len(losses))


def _size(batch):
    """Inputs in a batch, series and copies."""
    return batch.n_inputs if isinstance(batch, StepRows) else get_len(batch[0])
