"""The steps of an epoch: batches of series, with perturbed copies built on the training device.

They take the place of skorch's ``DataLoader``.
"""

import math

import torch
from torch.utils.data import Dataset

from tsdistill.numerics.forks import no_fork
from tsdistill.numerics.tensors import as_tensor
from tsdistill.perturbation.copies import replace_windows
from tsdistill.teachers.querying import TeacherAnswers


class TransferTensors:
    """A transfer set on the training device.

    Parameters
    ----------
    transfer_set : TransferSet
        With answers to windows where objectives need the copies, and none elsewhere.
    sample_weight : ndarray of shape (n_instances,), float32
    device : str or torch.device
    """

    def __init__(self, transfer_set, sample_weight, device):
        def put(array):
            return as_tensor(array).to(device)

        self.panel, self.class_index = put(transfer_set.panel), put(transfer_set.class_index)
        self.sample_weight = put(sample_weight)
        self.plan, answers = transfer_set.plan, transfer_set.answers
        perturbed = None if self.plan is None else put(answers.perturbed)
        self.answers = TeacherAnswers(put(answers.clean), perturbed)
        if self.plan is not None:
            self.mean_change = put(answers.mean_change(sample_weight))
            self.start, self.donor = put(self.plan.start), put(self.plan.donor)
            own = self.plan.donors is transfer_set.panel
            self.donors = self.panel if own else put(self.plan.donors)

    def step(self, rows, windows):
        """Inputs and targets of one step.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,)
        windows : Tensor of shape (n_windows,)
            Which windows of the plan to use.

        Returns
        -------
        inputs : Tensor of shape (n_rows * (1 + n_windows), n_channels, n_timepoints)
            The series, then their copies, series by series.
        targets : dict of Tensor
            ``sample_weight``, and the teacher's side of :class:`~tsdistill.objectives.Answers`.
        """
        series = self.panel[rows]
        targets = {
            "series": series,
            "rows": rows,
            "labels": self.class_index[rows],
            "sample_weight": self.sample_weight[rows],
            "teacher": self.answers.clean[rows],
        }
        if self.plan is None:
            return series.clone(), targets  # a student may change what it is given
        at = (rows[:, None], windows)
        copies = replace_windows(
            series[:, None], self.donors[self.donor[at]], self.start[at], self.plan.width
        )
        targets["teacher_perturbed"] = self.answers.perturbed[at]
        targets["teacher_change"] = self.mean_change
        return torch.cat([series, copies.flatten(0, 1)]), targets


class TrainingRows(Dataset):
    """Some rows of a transfer set, as the data set that skorch is given.

    The donors of their windows still come from all rows.

    Parameters
    ----------
    tensors : TransferTensors
    rows : Tensor of shape (n_rows,), int64, default=None
        None takes all.
    """

    def __init__(self, tensors, rows=None):
        device = tensors.panel.device
        self.tensors = tensors
        self.rows = torch.arange(len(tensors.panel), device=device) if rows is None else rows

    def __len__(self):
        return len(self.rows)


class Steps:
    """Iterator over the steps of an epoch.

    Batches have nearly equal sizes, so that no batch has a single series, which batch
    normalisation could not take (unless ``batch_size`` is 1). Windows take turns: a step uses
    the next ``windows_per_step`` columns of the plan, in which the windows of each series are in
    random order.
    """

    def __init__(self, dataset, batch_size, windows_per_step, shuffle=True, **_):
        self.dataset, self.windows_per_step, self.shuffle = dataset, windows_per_step, shuffle
        size = len(dataset) if batch_size == -1 else batch_size
        self.n_steps = math.ceil(len(dataset) / size)
        if size > 1:
            self.n_steps = max(1, min(self.n_steps, len(dataset) // 2))
        self.next_window = 0

    def __len__(self):
        return self.n_steps

    def __iter__(self):
        rows, tensors = self.dataset.rows, self.dataset.tensors
        with no_fork():
            order = torch.randperm(len(rows)) if self.shuffle else torch.arange(len(rows))
        for part in order.to(rows.device).tensor_split(self.n_steps):
            yield tensors.step(rows[part], self._windows())

    def _windows(self):
        tensors = self.dataset.tensors
        if tensors.plan is None:
            return None
        n_windows = tensors.start.shape[1]
        turn = torch.arange(min(self.windows_per_step, n_windows)) + self.next_window
        if self.shuffle:
            self.next_window = (self.next_window + len(turn)) % n_windows
        return (turn % n_windows).to(tensors.panel.device)


def take_steps(net, windows_per_step):
    """Let a net that is not initialised yet iterate over :class:`Steps`.

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
        net.set_params(callbacks__valid_acc=None)  # it would take our targets for labels
    return net
