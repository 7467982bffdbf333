"""The steps of an epoch: batches of series, with perturbed copies built on the training device.

They take the place of skorch's ``DataLoader``.
"""

import functools
import math

import numpy as np
import torch
from torch.utils.data import Dataset

from tsdistill.numerics.batches import ROWS_A_BATCH
from tsdistill.numerics.forks import no_fork
from tsdistill.numerics.tensors import as_tensor
from tsdistill.perturbation.copies import donors_or_own, replace_windows
from tsdistill.perturbation.uneven import uneven_copies
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.training.sharing import check_share, part_of_step

MIXED_SHARE = 0.75
"""Largest share of mixtures in an epoch, unless the teacher knows the series by heart."""
INPUTS_A_SERIES, MORE_INPUTS, SHORT = 1.5, 2.0, 1500
"""Series and copies in an epoch with mixtures, for each series that was given. There are more in
a training of fewer than 1,500 steps, which has none to spare, and of answers 0 and 1 alone."""


class TransferTensors:
    """A transfer set on the training device.

    Parameters
    ----------
    transfer_set : TransferSet
        With answers to windows where objectives need the copies, and none elsewhere.
    sample_weight : ndarray of shape (n_instances,), float32
    device : str or torch.device

    Attributes
    ----------
    rows_at_once : int
        Series for which a student is asked at once, where no step says how many.
    uneven : bool
        Whether series differ in length or have gaps.
    stays : bool
        Whether all series lie on the device, at the same place in every step.
    """

    rows_at_once, stays = ROWS_A_BATCH, True

    def __init__(self, transfer_set, sample_weight, device):
        def put(array):
            return as_tensor(array).to(device)

        self.device = torch.device(device)
        self.panel = self._put_panel(transfer_set.panel)
        self.class_index = put(transfer_set.class_index)
        self.sample_weight = put(sample_weight)
        self.n_given = transfer_set.n_given
        self.trusted = torch.as_tensor(transfer_set.trusted)  # where the steps are drawn
        self.plan, answers = transfer_set.plan, transfer_set.answers
        perturbed = None if self.plan is None else put(answers.perturbed)
        self.answers = TeacherAnswers(put(answers.clean), perturbed)
        if self.plan is not None:
            # Some weight for all, since all weights of trusted series may be 0.
            trusted_weight = np.where(transfer_set.trusted, sample_weight, 1e-9 * sample_weight)
            changes = self._changes(answers)
            self.changes = put(changes)
            self.mean_change = put(np.float32(np.average(changes, weights=trusted_weight)))
            self.start, self.donor = put(self.plan.start), put(self.plan.donor)
            self.some_own = bool((self.plan.donor < 0).any())
            self.widths = None
            if isinstance(self.plan.width, np.ndarray):
                self.widths = put(self.plan.width)
            own = self.plan.donors is transfer_set.panel
            self.donors = self._own_donors() if own else put(self.plan.donors)

    def _put_panel(self, panel):
        self.uneven = bool(np.isnan(panel).any())
        return as_tensor(panel).to(self.device)

    def _own_donors(self):
        return self.panel

    def _changes(self, answers):
        return answers.changes()

    def shuffled(self, positions, n_steps):
        """Positions in random order, of which an epoch of ``n_steps`` takes one part after another.

        Parameters
        ----------
        positions : Tensor of shape (n,), int64
        n_steps : int
        """
        return positions[torch.randperm(len(positions))]

    def interleaved(self, series, mixtures, n_steps):
        """The series and mixtures of an epoch of ``n_steps``, together in random order."""
        now = torch.cat([series, mixtures])
        return now if len(mixtures) == 0 else now[torch.randperm(len(now))]

    def at_hand(self, rows_of_steps):
        """Rows of the steps of an epoch, one after the other, when their series can be read."""
        yield from rows_of_steps

    def step(self, rows, windows, copied=None):
        """Inputs and targets of one step.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,)
        windows : Tensor of shape (n_windows,)
            Which windows of the plan to use.
        copied : Tensor of shape (n_copied,), default=None
            Positions in ``rows`` of the series that get copies. None: all.

        Returns
        -------
        inputs : Tensor of shape (n_rows + n_copied * n_windows, n_channels, n_timepoints)
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
        at = (rows if copied is None else rows[copied])[:, None], windows
        donor, start, width = self.donor[at].long(), self.start[at].long(), self.plan.width
        copied_series = self.panel[at[0]]
        if self.widths is not None:
            copied_series = copied_series.expand(*donor.shape, *series.shape[1:])
            width = self.widths[at[0]].expand_as(start)
            copies = uneven_copies(copied_series, self.donors, donor, start, width, self.some_own)
            return self._with_copies(series, copies, targets, rows, at, copied)
        if self.some_own:
            copied_series = copied_series.expand(*donor.shape, *series.shape[1:])
            donors = donors_or_own(copied_series, self.donors, donor, start, width)
        else:
            donors = self.donors[donor]
        copies = replace_windows(copied_series, donors, start, width)
        return self._with_copies(series, copies, targets, rows, at, copied)

    def _with_copies(self, series, copies, targets, rows, at, copied):
        """Inputs and targets of a step with copies."""
        if copied is not None:
            targets["copied"] = copied
        targets["teacher_perturbed"] = self.answers.perturbed[at]
        targets["teacher_change"] = self.changes[rows]
        targets["mean_change"] = self.mean_change
        return torch.cat([series, copies.flatten(0, 1)]), targets


class StepRows:
    """What tells one step from another, as :meth:`TransferTensors.step` takes it.

    Parameters
    ----------
    rows : Tensor of shape (n_rows,), int64
    windows : Tensor of shape (n_windows,), int64, or None
    copied : Tensor of shape (n_copied,), int64, or None

    Attributes
    ----------
    sizes : tuple
        How many there are of each; None for those that are None.
    n_inputs : int
        Series and copies.
    """

    def __init__(self, rows, windows, copied):
        self.rows, self.windows, self.copied = rows, windows, copied
        self.sizes = tuple(None if part is None else len(part) for part in self)

    def __iter__(self):
        return iter((self.rows, self.windows, self.copied))

    @property
    def n_inputs(self):
        n_rows, n_windows, n_copied = self.sizes
        return n_rows + (n_windows or 0) * (n_rows if n_copied is None else n_copied)

    def copy(self):
        """The same, in memory of its own."""
        return StepRows(*(None if part is None else part.clone() for part in self))

    def take(self, other):
        """Take over the values of another step of the same sizes."""
        for mine, theirs in zip(self, other, strict=True):
            if mine is not None:
                mine.copy_(theirs)


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


class _Turns:
    """Takes some of the positions at a time: all are taken before one comes again."""

    def __init__(self, positions, n_at_a_time, shuffled):
        self.positions, self.n_at_a_time, self.shuffled = positions, n_at_a_time, shuffled
        self.waiting = positions[:0]

    def __len__(self):
        return self.n_at_a_time

    def next(self):
        """The next positions, in random order."""
        while len(self.waiting) < self.n_at_a_time:
            self.waiting = torch.cat([self.waiting, self.shuffled(self.positions)])
        now, self.waiting = self.waiting[: self.n_at_a_time], self.waiting[self.n_at_a_time :]
        return now


class Steps:
    """Iterator over the steps of an epoch.

    An epoch takes as many steps as the series that the user passed fill, whatever number of
    mixtures there is. Where there are some, an epoch holds at most ``inputs_a_series`` inputs,
    copies included, for each series passed: with 1.5 it costs half as much again as one of plain
    KD. Series and mixtures take turns over the epochs, by their numbers, but at most three quarters
    are mixtures, unless the teacher knows the series by heart. Batches have nearly equal sizes, so
    that no batch has a single series, which batch normalisation could not take (unless
    ``batch_size`` is 1). Windows take turns, too: a step uses the next ``windows_per_step`` columns
    of the plan, in which the windows of each series are in random order. Series that the teacher
    knows by heart get no copies. Below 1, ``windows_per_step`` is the share of a batch that gets
    one.

    The order of an epoch goes to the device at once. With ``as_rows``, steps are given as
    :class:`StepRows`, else as the inputs and targets of these. ``share`` is the number of this
    process, and of all that share the steps.
    """

    def __init__(
        self, dataset, batch_size, windows_per_step, shuffle=True,
        inputs_a_series=INPUTS_A_SERIES, as_rows=False, share=(0, 1), **_,
    ):  # fmt: skip
        self.dataset, self.windows_per_step, self.shuffle = dataset, windows_per_step, shuffle
        self.as_rows, self.share = as_rows, share
        self.rows = dataset.rows.cpu()
        self.trusted = dataset.tensors.trusted[self.rows]
        is_mixture = self.rows >= dataset.tensors.n_given
        mixtures, series = (torch.nonzero(part)[:, 0] for part in (is_mixture, ~is_mixture))
        n_given = self.n_series = len(series)
        size = n_given if batch_size == -1 else batch_size
        fewest = 1 if size == 1 else 2
        self.n_steps = max(1, min(math.ceil(n_given / size), n_given // fewest))
        if len(mixtures) and dataset.tensors.plan is not None:
            within = round(inputs_a_series * n_given / (1 + windows_per_step))
            self.n_series = min(n_given, max(within, fewest * self.n_steps))
        self.next_window = 0
        mixed = len(mixtures) / len(self.rows)
        if self.trusted[series].any():
            mixed = min(mixed, MIXED_SHARE)
        n_mixtures = min(round(mixed * self.n_series), self.n_series - 1)
        check_share(self.n_series, self.n_steps, share)
        shuffled = functools.partial(dataset.tensors.shuffled, n_steps=self.n_steps)
        self.turns = [
            _Turns(series, self.n_series - n_mixtures, shuffled),
            _Turns(mixtures, n_mixtures, shuffled),
        ]

    def __len__(self):
        return self.n_steps

    def __iter__(self):
        tensors = self.dataset.tensors
        parts = self._next_series().tensor_split(self.n_steps)
        rows = [self.rows[part] for part in parts]
        windows = copied = [None] * len(parts)
        if tensors.plan is not None:
            copied = [self._copied(part) for part in parts]
        if self.share[1] > 1:
            shared = [part_of_step(*step, self.share) for step in zip(rows, copied, strict=True)]
            rows, copied = (list(part) for part in zip(*shared, strict=True))
        if tensors.plan is not None:
            copied = self._on_device(copied)
            windows = self._on_device([self._windows() for _ in parts])
        steps = map(StepRows, self._on_device(rows), windows, copied)
        for _, step in zip(tensors.at_hand(rows), steps, strict=True):
            yield step if self.as_rows else tensors.step(*step)

    def _on_device(self, parts):
        """Index tensors, or None, on the training device by one transfer."""
        there = [part for part in parts if part is not None]
        if not there:
            return parts
        moved = iter(torch.cat(there).to(self.dataset.tensors.device).split(list(map(len, there))))
        return [None if part is None else next(moved) for part in parts]

    def _next_series(self):
        """Positions of the next ``n_series`` series and mixtures, in random order."""
        if not self.shuffle:
            return torch.arange(len(self.rows))
        with no_fork():
            now = [turns.next() for turns in self.turns]
            return self.dataset.tensors.interleaved(*now, self.n_steps)

    def _copied(self, part):
        """Positions in a batch of the series that get copies, or None if all get some."""
        positions = torch.nonzero(self.trusted[part])[:, 0]
        if self.shuffle and self.windows_per_step < 1:
            positions = positions[: math.ceil(self.windows_per_step * len(part))]
        return None if len(positions) == len(part) else positions

    def _windows(self):
        n_windows = self.dataset.tensors.start.shape[1]
        turn = torch.arange(min(max(1, self.windows_per_step), n_windows)) + self.next_window
        if self.shuffle:
            self.next_window = (self.next_window + len(turn)) % n_windows
        return turn % n_windows


def take_steps(net, windows_per_step):
    """Let a net that is not initialised yet iterate over :class:`Steps`.

    ``windows_per_step`` is the number of copies of each series in a step, or below 1 the share of
    the series that have one.
    """
    net.set_params(
        iterator_train=Steps,
        iterator_train__windows_per_step=windows_per_step,
        iterator_train__inputs_a_series=INPUTS_A_SERIES,
        iterator_valid=Steps,
        iterator_valid__windows_per_step=windows_per_step,
        iterator_valid__shuffle=False,
    )
    if "valid_acc" in dict(net.get_default_callbacks()) and net.callbacks != "disable":
        net.set_params(callbacks__valid_acc=None)  # it would take our targets for labels
    return net
