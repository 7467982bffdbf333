"""The skorch net's step: copies built on the training device, one run of the student, a sum.

skorch's own loop trains the net; it is given an iterator whose inputs are the series of a
step followed by their perturbed copies, and a criterion that adds up the objectives.
"""

import copy
import math

import torch
from skorch.callbacks import Callback, EarlyStopping, PassthroughScoring
from skorch.helper import predefined_split
from skorch.utils import noop
from torch import nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from tsdistill.asking import as_tensor
from tsdistill.exceptions import ParameterError, TrainingError
from tsdistill.objectives import Answers
from tsdistill.windows import replace_windows


class DistillationSet(Dataset):
    """Series, their windows and the teacher's answers, on the training device.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    labels : ndarray of shape (n_instances,), int64
    sample_weight : ndarray of shape (n_instances,), float32
    knowledge : Knowledge
    plan : WindowPlan or None
        None where no objective needs the copies.
    device : str or torch.device
    """

    def __init__(self, panel, labels, sample_weight, knowledge, plan, device):
        def put(array):
            return as_tensor(array).to(device)

        self.panel, self.labels = put(panel), put(labels)
        self.sample_weight = put(sample_weight)
        self.teacher = put(knowledge.clean)
        self.with_copies = plan is not None
        if self.with_copies:
            self.teacher_perturbed = put(knowledge.perturbed)
            self.teacher_change = put(knowledge.mean_change(sample_weight))
            self.start, self.donor = put(plan.start), put(plan.donor)
            self.donors = self.panel if plan.donors is panel else put(plan.donors)
            self.width = plan.width
        self.rows = torch.arange(len(panel), device=self.panel.device)

    def __len__(self):
        return len(self.rows)

    def part(self, rows):
        """The same set, of some rows only; donors still come from all of them."""
        part = object.__new__(DistillationSet)
        part.__dict__.update(self.__dict__, rows=self.rows[rows])
        return part

    def step(self, rows, columns):
        """Inputs and targets of one step.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,)
        columns : Tensor of shape (n_columns,)
            Which windows of the plan to use.

        Returns
        -------
        inputs : Tensor of shape (n_rows * (1 + n_columns), n_channels, n_timepoints)
            The series, then their copies, series by series.
        targets : dict of Tensor
        """
        series = self.panel[rows]
        targets = {
            "series": series,
            "rows": rows,
            "labels": self.labels[rows],
            "sample_weight": self.sample_weight[rows],
            "teacher": self.teacher[rows],
        }
        if not self.with_copies:
            return series.clone(), targets  # a student may change what it is given
        at = (rows[:, None], columns)
        copies = replace_windows(
            series[:, None], self.donors[self.donor[at]], self.start[at], self.width
        )
        targets["teacher_perturbed"] = self.teacher_perturbed[at]
        targets["teacher_change"] = self.teacher_change
        return torch.cat([series, copies.flatten(0, 1)]), targets


class Steps:
    """Iterator over the steps of an epoch, in the place of skorch's ``DataLoader``.

    Batches have nearly equal sizes, so that none is left with a single series, which batch
    normalisation could not take (unless ``batch_size`` is 1). Windows go round: a step takes
    the next ``windows_per_step`` columns of the plan, in which the windows of each series
    stand in random order.
    """

    def __init__(self, dataset, batch_size, windows_per_step, shuffle=True, **_):
        self.dataset, self.windows_per_step, self.shuffle = dataset, windows_per_step, shuffle
        size = len(dataset) if batch_size == -1 else batch_size
        self.n_steps = math.ceil(len(dataset) / size)
        if size > 1:
            self.n_steps = max(1, min(self.n_steps, len(dataset) // 2))
        self.next_column = 0

    def __len__(self):
        return self.n_steps

    def __iter__(self):
        data = self.dataset
        order = torch.randperm(len(data)) if self.shuffle else torch.arange(len(data))
        for part in order.to(data.rows.device).tensor_split(self.n_steps):
            yield data.step(data.rows[part], self._columns())

    def _columns(self):
        if not self.dataset.with_copies:
            return None
        n_windows = self.dataset.start.shape[1]
        turn = torch.arange(min(self.windows_per_step, n_windows)) + self.next_column
        if self.shuffle:
            self.next_column = (self.next_column + len(turn)) % n_windows
        return (turn % n_windows).to(self.dataset.rows.device)


class DistillationLoss(nn.Module):
    """Weighted sum of the objectives, and the mean of each term over an epoch.

    Parameters
    ----------
    objectives : list of Objective
        Prepared.
    gives_proba : bool
        Whether the student answers with probabilities, of which the log is taken.
    network : torch.nn.Module, optional
        The student, for objectives that ask it more.
    """

    def __init__(self, objectives, gives_proba=False, network=None):
        super().__init__()
        self.objectives, self.gives_proba = objectives, gives_proba
        self.learnt = nn.ModuleList(m for one in objectives for m in one.own_modules())
        self._networks = (network,)  # in a tuple, or its weights would count as the loss's own
        self.forget()

    def forget(self):
        """Start a new mean."""
        self.totals, self.n_series = {}, 0

    def terms(self):
        """Unweighted mean of each term since :meth:`forget`, by name."""
        return {name: float(total) / self.n_series for name, total in self.totals.items()}

    def begin_epoch(self, epoch):
        """Start a new mean, and tell the objectives."""
        self.forget()
        for objective in self.objectives:
            objective.begin_epoch(epoch, *self._networks)

    def end_epoch(self, epoch):
        """Tell the objectives."""
        for objective in self.objectives:
            objective.end_epoch(epoch, *self._networks)

    def _logits(self, outputs):
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        if self.gives_proba:
            return torch.log(outputs.clamp_min(torch.finfo(outputs.dtype).tiny))
        return outputs

    @staticmethod
    def _checked(objective, answers, weight):
        losses = objective.losses(answers, weight)
        if getattr(losses, "shape", None) != weight.shape:  # broadcasting would hide it
            got = tuple(losses.shape) if isinstance(losses, torch.Tensor) else repr(losses)
            raise ParameterError(
                f"{type(objective).__name__}.losses gave {got} for {len(weight)} series; expected "
                f"one loss a series, a tensor of shape ({len(weight)},)."
            )
        return losses

    def forward(self, outputs, targets):
        (network,) = self._networks
        outputs = self._logits(outputs)
        n_series = len(targets["labels"])
        weight = targets["sample_weight"]
        answers = Answers(
            student=outputs[:n_series],
            teacher=targets["teacher"],
            labels=targets["labels"],
            series=targets["series"],
            rows=targets["rows"],
            ask=lambda series: self._logits(network(series.clone())),
            network=network,
        )
        if "teacher_perturbed" in targets:
            answers.teacher_perturbed = targets["teacher_perturbed"]
            answers.teacher_change = targets["teacher_change"]
            answers.student_perturbed = outputs[n_series:].view(n_series, -1, outputs.shape[-1])
        loss = 0.0
        for objective in self.objectives:
            term = (weight * self._checked(objective, answers, weight)).mean()
            loss = loss + objective.weight * term
            if self.training:
                total = self.totals.get(objective.name, 0.0)
                self.totals[objective.name] = total + term.detach() * n_series
        self.n_series += n_series if self.training else 0
        if torch.is_grad_enabled() and not loss.requires_grad:  # every term is a constant now
            loss = loss + 0 * outputs.sum()
        return loss


class RecordTerms(Callback):
    """Tells the objectives of epochs; writes the mean of each term into the history."""

    def on_epoch_begin(self, net, **kwargs):
        net.criterion_.begin_epoch(net.history[-1, "epoch"])

    def on_epoch_end(self, net, **kwargs):
        net.criterion_.end_epoch(net.history[-1, "epoch"])
        for name, value in net.criterion_.terms().items():
            net.history.record(name, value)


class TrainObjectives(Callback):
    """Trains the objectives' own modules by AdamW, at the learning rate of the student.

    An optimiser of their own: not all of the student's take another group of parameters, and
    schedules may be of the groups that the user has in mind. Modules without gradients in a step
    stay as they are.
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
    """Ends training with the cause when the loss is NaN or infinite."""

    def on_batch_end(self, net, training=False, **kwargs):
        if not training:
            return
        loss = net.history[-1, "batches", -1, "train_loss"]
        if math.isfinite(loss):
            return
        bad = [name for name, value in net.criterion_.terms().items() if not math.isfinite(value)]
        raise TrainingError(
            f"the training loss became {loss} in epoch {net.history[-1, 'epoch']} "
            f"(term: {', '.join(bad) or 'their sum'}). The likely cause is a learning rate that "
            f"is too high for this student (lr={net.lr}): try a tenth of it, or smaller weights "
            "of the objectives."
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


def take_steps(net, windows_per_step):
    """Give a net that is not initialised yet the iterators of :class:`Steps`.

    ``windows_per_step`` is the number of copies of each series in a step.
    """
    net.set_params(
        iterator_train=Steps,
        iterator_train__windows_per_step=windows_per_step,
        iterator_valid=Steps,
        iterator_valid__windows_per_step=windows_per_step,
        iterator_valid__shuffle=False,
    )
    if "valid_acc" in dict(net.get_default_callbacks()) and net.callbacks != "disable":
        net.set_params(callbacks__valid_acc=None)  # it takes targets for labels
    return net


def train(net, data, loss, *, validation_rows=None, bar=False):
    """Train an initialised net on a distillation set.

    Parameters
    ----------
    net : initialised skorch.NeuralNetClassifier, after :func:`take_steps`
    data : DistillationSet
    loss : DistillationLoss
    validation_rows : ndarray of int, optional
        Rows held out; the weights of the epoch with the lowest loss on them are kept.
    bar : bool, default=False
        Whether to show a progress bar over the epochs.
    """
    ours = [("record_terms", RecordTerms()), ("stop_on_bad_loss", StopOnBadLoss())]
    split, learning = None, data
    if validation_rows is not None:
        held_out = torch.zeros(len(data), dtype=torch.bool)
        held_out[validation_rows] = True
        held_out = held_out.to(data.rows.device)
        split, learning = predefined_split(data.part(held_out)), data.part(~held_out)
        keep = EarlyStopping(patience=-1, threshold=0, load_best=True, sink=noop)
        ours.append(("keep_best", keep))
    if any(True for _ in loss.parameters()):
        ours.append(("train_objectives", TrainObjectives()))
    if bar:
        ours.append(("epoch_bar", EpochBar()))
    net.train_split = split
    if net.callbacks == "disable":
        ours = [("train_loss", PassthroughScoring("train_loss", on_train=True)),
                ("valid_loss", PassthroughScoring("valid_loss")), *ours]  # fmt: skip
    one_cycle = dict(net.callbacks_).get("one_cycle")
    if one_cycle is not None:
        n_steps = net.max_epochs * len(Steps(learning, net.batch_size, 1))
        one_cycle.total_steps = n_steps
        # A warm-up of exactly one step, a tenth of ten, would make torch divide by zero.
        one_cycle.pct_start = max(0.1, min(0.75, 1.5 / n_steps))
    net.callbacks_ += [(name, callback.initialize()) for name, callback in ours]
    net.criterion_ = loss.to(net.device)
    net.partial_fit(learning)
    settle_batch_norm(net.module_, learning)


def joined_history(previous, net):
    """History of a trained net after that of the net whose weights it started from.

    Parameters
    ----------
    previous : trained skorch.NeuralNetClassifier or None
    net : trained skorch.NeuralNetClassifier

    Returns
    -------
    history : skorch.history.History
        Epochs numbered through.
    rows : list of dict
        One an epoch: epoch, dur (seconds), train_loss, valid_loss where rows are held out,
        and each term under its name, unweighted.
    """
    history = net.history
    if previous is not None:
        history = type(net.history)(copy.deepcopy([*previous.history, *net.history]))
        for number, row in enumerate(history, start=1):
            row["epoch"] = number
    return history, [_epoch_row(row) for row in history]


def _epoch_row(row):
    internal = ("batches", "train_batch_count", "valid_batch_count")
    return {k: v for k, v in row.items() if k not in internal and not k.endswith("_best")}


def settle_batch_norm(module, data, batch_size=256):
    """Take batch normalisation's running statistics from the series alone.

    In training they also saw the perturbed copies, which no user will ask about. Layers that
    a module keeps in eval mode are left alone.
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
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the batches
        with torch.no_grad():
            for rows in data.rows.tensor_split(math.ceil(len(data) / batch_size)):
                module(data.panel[rows])
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    module.eval()
