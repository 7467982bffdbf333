"""Temporal review (TSKD): what the student learnt over training time leads it to the teacher.

Training is cut by nodes into cycles of memory, memory, memory, review. With F a stage's feature
map, m1, m2, m3 the student as it was at the last three memory nodes, s the student now and t the
teacher, a review epoch adds, for a series and one stage::

    A(F)    = q / ||q||_2,   q[l] = mean_c F[c, l]^2               attention over the length
    I(a, b) = |A(a) - A(b)|                                        increment
    I_hat   = ConvLSTM( I(m1, m2), I(m2, m3), I(m3, s) )           the next increment
    L       = mean_l ( I_hat - |A(s) - A(t)| )^2

summed over the stages.
"""

import copy
from numbers import Integral, Real

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.inputs.checks import check_count
from tsdistill.numerics.batches import batches
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Objective
from tsdistill.students.feature_maps import feature_maps, stages_of

NODES_A_CYCLE = 4


def attention_map(features, length=None):
    """Attention over time, ``mean_c F^2`` in units of its Euclidean norm.

    Parameters
    ----------
    features : Tensor of shape (n_instances, n_features, length)
    length : int, optional
        Resample to this length by linear interpolation, before the norm is taken.

    Returns
    -------
    attention : Tensor of shape (n_instances, length)
        0 or more; a map of zeros stays as it is.
    """
    energy = features.square().mean(dim=1)
    if length is not None and length != energy.shape[1]:
        energy = F.interpolate(energy[:, None], size=length, mode="linear")[:, 0]
    return F.normalize(energy, dim=1)


def review_losses(now, memories, teacher, forecaster):
    """Squared error of the forecast increment, for each series of one stage.

    Parameters
    ----------
    now : Tensor of shape (n_instances, length)
        The student's attention map.
    memories : list of Tensor of shape (n_instances, length)
        Those of its snapshots, oldest first.
    teacher : Tensor of shape (n_instances, length)
    forecaster : callable
        From increments ``(n_instances, n_steps, length)`` to the next, ``(n_instances, length)``.

    Returns
    -------
    losses : Tensor of shape (n_instances,)
    """
    course = torch.stack([*memories, now], dim=1)
    increments = (course[:, 1:] - course[:, :-1]).abs()
    target = (now - teacher).abs()
    return (forecaster(increments) - target).square().mean(dim=1)


class ConvLSTM(nn.Module):
    """Reads maps over one axis, one after the other, and forecasts the next.

    A strided convolution, one LSTM whose gates are convolutions, a convolution that forecasts,
    and one back to the input's length.

    Parameters
    ----------
    hidden_size : int, default=8
    """

    def __init__(self, hidden_size=8):
        super().__init__()
        self.down = nn.Conv1d(1, hidden_size, 3, stride=2, padding=1)
        self.gates = nn.Conv1d(2 * hidden_size, 4 * hidden_size, 3, padding=1)
        self.forecast = nn.Conv1d(hidden_size, hidden_size, 3, padding=1)
        self.up = nn.ConvTranspose1d(hidden_size, 1, 4, stride=2, padding=1)

    def forward(self, maps):
        """From ``(n_instances, n_steps, length)`` to ``(n_instances, length)``."""
        hidden = cell = None
        for step in maps.unbind(dim=1):
            read = torch.relu(self.down(step[:, None]))
            if hidden is None:
                hidden = cell = torch.zeros_like(read)
            gates = self.gates(torch.cat([read, hidden], dim=1)).chunk(4, dim=1)
            take, forget, give = (torch.sigmoid(gate) for gate in gates[:3])
            cell = forget * cell + take * torch.tanh(gates[3])
            hidden = give * torch.tanh(cell)
        ahead = self.up(torch.relu(self.forecast(hidden)))
        return ahead[:, 0, : maps.shape[-1]]


def node_epochs(interval, n_epochs):
    """Epochs of the nodes: every fourth is a review, the others are memories.

    Parameters
    ----------
    interval : int or float
        Epochs between nodes, or a share of the run, of at least one epoch.
    n_epochs : int

    Returns
    -------
    memories, reviews : ndarray of int64
        Counted from 1. Memories after the last review are left out.

    Raises
    ------
    ParameterError
        If not one cycle fits.

    Examples
    --------
    >>> memories, reviews = node_epochs(5, 40)
    >>> memories.tolist(), reviews.tolist()
    ([5, 10, 15, 25, 30, 35], [20, 40])
    """
    between = interval if isinstance(interval, Integral) else max(1.0, interval * n_epochs)
    n_cycles = int(n_epochs / between + 1e-6) // NODES_A_CYCLE
    if not n_cycles:
        raise ParameterError(
            f"TemporalReview.interval={interval!r} puts {between:g} epochs between nodes, and a "
            f"cycle has {NODES_A_CYCLE}, but there are {n_epochs} epochs; train for at least "
            f"{int(np.ceil(NODES_A_CYCLE * between))}, or pass a smaller interval."
        )
    nodes = np.floor(between * np.arange(1, NODES_A_CYCLE * n_cycles + 1) + 1e-6).astype(np.int64)
    is_review = np.arange(1, len(nodes) + 1) % NODES_A_CYCLE == 0
    return nodes[~is_review], nodes[is_review]


class TemporalReview(Objective):
    """Temporal supervised knowledge distillation (TSKD): reviews along the training time.

    The teacher has to be made of torch modules; neither its modules nor the student's are
    changed. In epochs without a review, and on held-out series, the term is 0.

    Parameters
    ----------
    weight : float, default=1.0
    interval : float or int, default=1/48
        Between nodes: a share of the epochs (float, in (0, 1/4]), or epochs (int). Every fourth
        node is a review, the others keep a snapshot of the student in memory. 1/48 is the
        published 5 of 240 epochs, which gives 12 reviews.
    student_stages, teacher_stages : sequence of str, default=None
        Names of the modules (as in ``named_modules()``) whose outputs are compared, in pairs:
        maps ``(n_instances, n_features, length)``, time last, or the states of torch's own
        recurrent and transformer layers. None takes
        those that networks of :mod:`tsdistill.students` declare, thinned out evenly where the
        other network has fewer, the last stage kept.
    hidden_size : int, default=8
        Features of the ConvLSTM of each stage. It is trained in review epochs only, by AdamW at
        the student's learning rate, and dropped after training.

    Notes
    -----
    The published method is for images. Maps have one axis here, the teacher's are resampled to
    the student's length, snapshots are held in memory, and the layers of the ConvLSTM are our
    own choice. Other epochs are what the estimator's weights say; the published ones are
    ``label_weight=1, soft_target_weight=1, saliency_weight=0``. The teacher's maps are worked
    out once, and take a stage's length for each series.

    References
    ----------
    Temporal supervised knowledge distillation, arXiv 2307.00811.
    """

    name = "temporal_review"

    def __init__(
        self,
        weight=1.0,
        interval=1 / 48,
        student_stages=None,
        teacher_stages=None,
        hidden_size=8,
    ):
        super().__init__(weight)
        self.interval = interval
        self.student_stages = student_stages
        self.teacher_stages = teacher_stages
        self.hidden_size = hidden_size

    def check(self):
        super().check()
        check_count(f"{type(self).__name__}.hidden_size", self.hidden_size)
        interval = self.interval
        if isinstance(interval, Integral) and not isinstance(interval, bool):
            check_count(f"{type(self).__name__}.interval", interval)
        elif not (isinstance(interval, Real) and 0 < interval <= 1 / NODES_A_CYCLE):
            raise ParameterError(
                f"{type(self).__name__}.interval={interval!r}; expected epochs (int, 1 or more) or "
                "a share of the run (float in (0, 0.25])."
            )

    def check_models(self, preparation):
        teacher, panel = preparation.teacher, preparation.panel
        if teacher.module is None:
            raise TeacherError(
                f"TemporalReview compares feature maps, and {teacher!r} is no single torch module, "
                "so it has none. For such teachers there are the saliency term of the default "
                "loss, objectives.ExplanationAutoencoder and objectives.InputNoise."
            )
        self.memories_, self.reviews_ = node_epochs(self.interval, preparation.n_epochs)
        of_student = stages_of(preparation.network, self.student_stages, "student")
        try:
            of_teacher = stages_of(teacher.module, self.teacher_stages, "teacher")
        except StudentError as error:
            raise TeacherError(str(error)) from error
        n = min(len(of_student), len(of_teacher))
        told = [
            len(stages)
            for stages, names in (
                (of_student, self.student_stages),
                (of_teacher, self.teacher_stages),
            )
            if names is not None
        ]
        if any(n_told > n for n_told in told):
            raise ParameterError(
                f"TemporalReview has {len(of_student)} student_stages and {len(of_teacher)} "
                "teacher_stages; expected as many of one as of the other."
            )
        of_student, of_teacher = _thinned(of_student, n), _thinned(of_teacher, n)
        self._stages, self._teacher_stages = of_student, of_teacher
        self._lengths = [m.shape[-1] for m in self._student_maps(preparation, panel[:2])]
        of_both = (
            (of_student, self._lengths, StudentError),
            (of_teacher, [m.shape[-1] for m in self._teacher_maps(preparation, panel[:2])],
             TeacherError),
        )  # fmt: skip
        for stages, lengths, error in of_both:
            if 1 in lengths and panel.shape[-1] > 1:
                raise error(
                    f"stage {stages[lengths.index(1)]!r} gives maps of length 1, in which there "
                    "is nothing to compare. Name a stage before the pooling over time."
                )

    def _student_maps(self, preparation, series):
        network, series = preparation.network, as_tensor(series.copy()).to(preparation.device)
        was_training = network.training
        try:
            with torch.no_grad():
                return feature_maps(
                    network.eval(), self._stages, lambda: network(series), len(series)
                )
        finally:
            network.train(was_training)

    def _teacher_maps(self, preparation, series):
        teacher, device = preparation.teacher, preparation.device
        series = as_tensor(series.copy()).to(device)
        try:
            with torch.no_grad(), teacher.on_device(device):
                return feature_maps(
                    teacher.module,
                    self._teacher_stages,
                    lambda: teacher.logits(series),
                    len(series),
                )
        except StudentError as error:
            raise TeacherError(str(error)) from error

    def prepare(self, preparation):
        device, panel = preparation.device, preparation.panel
        found = []
        for part in batches(len(panel)):
            maps = self._teacher_maps(preparation, panel[part])
            found.append(
                [attention_map(m.float(), n) for m, n in zip(maps, self._lengths, strict=True)]
            )
        self.teacher_maps_ = [torch.cat(stage) for stage in zip(*found, strict=True)]
        self.forecasters_ = nn.ModuleList(ConvLSTM(self.hidden_size) for _ in self._lengths)
        self.forecasters_.to(device)
        # Copied now, since a student that keeps activations cannot be copied amid training.
        self._student_maps(preparation, panel[:2])
        network = preparation.network
        self._spare = [copy.deepcopy(network) for _ in range(NODES_A_CYCLE - 1)]
        self.snapshots_, self._is_review = [], False

    def own_modules(self):
        return [self.forecasters_]

    def begin_epoch(self, epoch, network):
        self._is_review = epoch in self.reviews_

    def end_epoch(self, epoch, network):
        if epoch in self.memories_:
            snapshot = self._spare[len(self.snapshots_)]
            snapshot.load_state_dict(network.state_dict())
            self.snapshots_.append(snapshot.eval().requires_grad_(False))
        elif self._is_review:
            self.snapshots_.clear()

    def losses(self, answers, sample_weight):
        network, series = answers.network, answers.series
        if not (self._is_review and network.training):
            return torch.zeros_like(answers.student[:, 0])

        def attention(net):
            maps = feature_maps(net, self._stages, lambda: net(series.clone()), len(series))
            return [attention_map(m) for m in maps]

        with torch.no_grad():
            memories = [attention(snapshot) for snapshot in self.snapshots_]
        losses = 0.0
        for i, now in enumerate(attention(network)):
            before = [memory[i] for memory in memories]
            teacher = self.teacher_maps_[i][answers.rows]
            losses = losses + review_losses(now, before, teacher, self.forecasters_[i])
        return losses


def _thinned(stages, n):
    """As many as n of the stages, evenly, the last one kept."""
    return tuple(stages[round((i + 1) * len(stages) / n) - 1] for i in range(n))
