"""Temporal review (TSKD): the student learns to predict its next step towards the teacher.

Nodes divide training into cycles of memory, memory, memory, review. Let F be a stage's feature
map, m1, m2, m3 the snapshots of the student at the last three memory nodes, s the current student
and t the teacher. A review epoch adds, for one series and one stage::

    A(F)    = q / ||q||_2,   q[l] = mean_c F[c, l]^2               attention over time
    I(a, b) = |A(a) - A(b)|                                        increment
    I_hat   = ConvLSTM( I(m1, m2), I(m2, m3), I(m3, s) )           the next increment
    L       = mean_l ( I_hat - |A(s) - A(t)| )^2

The term is the sum of L over the stages.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.inputs.checks import check_count, is_number, is_whole
from tsdistill.inputs.types import Float32Array, IntArray
from tsdistill.numerics.batches import batches
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Answers, Objective, given
from tsdistill.objectives.preparation import Preparation
from tsdistill.students.feature_maps import feature_maps, stages_of
from tsdistill.teachers.bound import failures_named

NODES_A_CYCLE = 4


def attention_map(features: Tensor, length: int | None = None) -> Tensor:
    """Attention over time: ``mean_c F^2``, divided by its Euclidean norm.

    Parameters
    ----------
    features : Tensor of shape (n_instances, n_features, length)
    length : int, optional
        Resample to this length by linear interpolation before the division.

    Returns
    -------
    attention : Tensor of shape (n_instances, length)
        0 or more; a map of zeros remains zero.
    """
    energy = features.square().mean(dim=1)
    if length is not None and length != energy.shape[1]:
        energy = F.interpolate(energy[:, None], size=length, mode="linear")[:, 0]
    return F.normalize(energy, dim=1)


def review_losses(
    now: Tensor,
    memories: Sequence[Tensor],
    teacher: Tensor,
    forecaster: Callable[[Tensor], Tensor],
) -> Tensor:
    """Mean squared error of the forecast increment in one stage, for each series.

    Parameters
    ----------
    now : torch.Tensor of shape (n_instances, length)
        The student's attention map.
    memories : list of torch.Tensor of shape (n_instances, length)
        The attention maps of the student's snapshots, oldest first.
    teacher : torch.Tensor of shape (n_instances, length)
        The teacher's attention map.
    forecaster : callable
        Takes increments ``(n_instances, n_steps, length)`` and returns the forecast of the next,
        ``(n_instances, length)``.

    Returns
    -------
    torch.Tensor of shape (n_instances,)
        The losses, 0 or more.

    See Also
    --------
    TemporalReview : The objective.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import review_losses
    >>> one = torch.ones(1, 4)
    >>> review_losses(0.5 * one, [0.3 * one], 0.9 * one, lambda increments: increments[:, -1])
    tensor([0.0400])
    """
    history = torch.stack([*memories, now], dim=1)
    increments = (history[:, 1:] - history[:, :-1]).abs()
    target = (now - teacher).abs()
    return (forecaster(increments) - target).square().mean(dim=1)


class ConvLSTM(nn.Module):
    """Forecasts the next map of a sequence of maps over one axis.

    It consists of a strided convolution, an LSTM whose gates are convolutions, a convolution for
    the forecast, and a transposed convolution back to the length of the input.

    Parameters
    ----------
    hidden_size : int
        Number of features of the hidden state.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.down = nn.Conv1d(1, hidden_size, 3, stride=2, padding=1)
        self.gates = nn.Conv1d(2 * hidden_size, 4 * hidden_size, 3, padding=1)
        self.forecast = nn.Conv1d(hidden_size, hidden_size, 3, padding=1)
        self.up = nn.ConvTranspose1d(hidden_size, 1, 4, stride=2, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Forecast ``(n_instances, length)`` from maps ``(n_instances, n_steps, length)``."""
        inputs = [torch.relu(self.down(step[:, None])) for step in maps.unbind(dim=1)]
        hidden = cell = torch.zeros_like(inputs[0])
        for features in inputs:
            gates = self.gates(torch.cat([features, hidden], dim=1)).chunk(4, dim=1)
            input_gate, forget_gate, output_gate = (torch.sigmoid(gate) for gate in gates[:3])
            cell = forget_gate * cell + input_gate * torch.tanh(gates[3])
            hidden = output_gate * torch.tanh(cell)
        forecast: Tensor = self.up(torch.relu(self.forecast(hidden)))
        return forecast[:, 0, : maps.shape[-1]]


def node_epochs(interval: float, n_epochs: int) -> tuple[IntArray, IntArray]:
    """Epochs of the nodes: every fourth node is a review, the others are memories.

    Parameters
    ----------
    interval : int or float
        Epochs between nodes (int), or a share of all epochs (float); at least one epoch.
    n_epochs : int
        Epochs of training.

    Returns
    -------
    memories, reviews : ndarray of int64
        Epochs, counted from 1. Memories after the last review are left out.

    Raises
    ------
    ParameterError
        If training is shorter than one cycle.

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
            f"cycle has {NODES_A_CYCLE} nodes, but there are {n_epochs} epochs; train for at least "
            f"{int(np.ceil(NODES_A_CYCLE * between))} epochs, or pass a smaller interval."
        )
    nodes = np.floor(between * np.arange(1, NODES_A_CYCLE * n_cycles + 1) + 1e-6).astype(np.int64)
    is_review = np.arange(1, len(nodes) + 1) % NODES_A_CYCLE == 0
    return nodes[~is_review], nodes[is_review]


class TemporalReview(Objective):
    """Temporal supervised knowledge distillation (TSKD): reviews at intervals during training.

    The teacher must be a single torch module; neither its modules nor the student's are changed.
    The term is 0 in epochs without a review, and for held-out series.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss.
    interval : float or int, default=1/48
        Interval between nodes: a share of all epochs (float in (0, 1/4]), or a number of epochs
        (int). Every fourth node is a review, the others keep a snapshot of the student. 1/48 is
        the published 5 of 240 epochs, which gives 12 reviews.
    student_stages, teacher_stages : sequence of str, default=None
        Names of the modules (as in ``named_modules()``) whose outputs are compared in pairs. The
        outputs must be maps ``(n_instances, n_features, length)``, or states of torch's own
        recurrent and transformer layers. None takes the stages that networks of
        :mod:`tsdistill.students` declare; if the other network has fewer, they are thinned out
        evenly and the last one is kept.
    hidden_size : int, default=8
        Features of each stage's ConvLSTM. It is trained in review epochs only, by AdamW at the
        student's learning rate, and dropped after training.

    See Also
    --------
    AttributionMatching : Compares feature maps that are weighted by gradients.
    TemporalSaliency : Works for any teacher.

    Notes
    -----
    The published method is for images. Here, maps have one axis, the teacher's maps are resampled
    to the student's length, snapshots are held in memory, and the layers of the ConvLSTM are our
    own choice. The other terms of the loss follow the estimator's weights; the published ones are
    ``label_weight=1, soft_target_weight=1, saliency_weight=0``. The teacher's attention maps are
    computed once; they take one value per series, stage and position.

    References
    ----------
    Temporal supervised knowledge distillation, arXiv 2307.00811.

    Examples
    --------
    >>> from tsdistill.objectives import TemporalReview
    >>> TemporalReview(interval=5)
    TemporalReview(interval=5)
    """

    name = "temporal_review"
    needs_panel = True

    def __init__(
        self,
        weight: float = 1.0,
        interval: float = 1 / 48,
        student_stages: Sequence[str] | None = None,
        teacher_stages: Sequence[str] | None = None,
        hidden_size: int = 8,
    ) -> None:
        super().__init__(weight)
        self.interval = interval
        self.student_stages = student_stages
        self.teacher_stages = teacher_stages
        self.hidden_size = hidden_size

    def check(self) -> None:
        super().check()
        check_count(f"{type(self).__name__}.hidden_size", self.hidden_size)
        interval = self.interval
        if is_whole(interval):
            check_count(f"{type(self).__name__}.interval", interval)
        elif not (is_number(interval) and 0 < interval <= 1 / NODES_A_CYCLE):
            raise ParameterError(
                f"{type(self).__name__}.interval={interval!r}; expected a number of epochs (int, "
                "1 or more) or a share of all epochs (float in (0, 0.25])."
            )

    def check_models(self, preparation: Preparation) -> None:
        teacher, panel = preparation.teacher, preparation.panel
        if teacher.module is None:
            raise TeacherError(
                f"TemporalReview compares feature maps, but {teacher!r} is not a single torch "
                "module, so it has none. For such a teacher use the saliency term of the default "
                "loss, objectives.ExplanationAutoencoder or objectives.InputNoise."
            )
        self.memories_, self.reviews_ = node_epochs(self.interval, preparation.n_epochs)
        student_stages = stages_of(preparation.network, self.student_stages, "student")
        try:
            teacher_stages = stages_of(teacher.module, self.teacher_stages, "teacher")
        except StudentError as error:
            raise TeacherError(str(error)) from error
        n = min(len(student_stages), len(teacher_stages))
        # Declared stages may be thinned out, but those that the user named may not.
        if (self.student_stages is not None and len(student_stages) > n) or (
            self.teacher_stages is not None and len(teacher_stages) > n
        ):
            raise ParameterError(
                f"TemporalReview has {len(student_stages)} student_stages and "
                f"{len(teacher_stages)} teacher_stages; expected equal numbers, since stages are "
                "compared in pairs."
            )
        student_stages, teacher_stages = _thinned(student_stages, n), _thinned(teacher_stages, n)
        self._stages, self._teacher_stages = student_stages, teacher_stages
        self._lengths = [m.shape[-1] for m in self._student_maps(preparation, panel[:2])]
        teacher_lengths = [m.shape[-1] for m in self._teacher_maps(preparation, panel[:2])]
        for stages, lengths, kind in (
            (student_stages, self._lengths, StudentError),
            (teacher_stages, teacher_lengths, TeacherError),
        ):
            if 1 in lengths and panel.shape[-1] > 1:
                raise kind(
                    f"stage {stages[lengths.index(1)]!r} gives maps of length 1, which cannot be "
                    "compared over time; name a stage before the pooling over time."
                )

    def _student_maps(self, preparation: Preparation, series: Float32Array) -> list[Tensor]:
        """Feature maps of the student's stages, in eval mode."""
        network, x = preparation.network, as_tensor(series.copy()).to(preparation.device)
        was_training = network.training
        try:
            with torch.no_grad():
                return feature_maps(network.eval(), self._stages, lambda: network(x), len(x))
        finally:
            network.train(was_training)

    def _teacher_maps(self, preparation: Preparation, series: Float32Array) -> list[Tensor]:
        """Feature maps of the teacher's stages, in eval mode."""
        teacher, device = preparation.teacher, preparation.device
        x = as_tensor(series.copy()).to(device)
        try:
            with torch.no_grad(), teacher.on_device(device):
                return feature_maps(
                    given(teacher.module), self._teacher_stages, lambda: teacher.logits(x), len(x)
                )
        except StudentError as error:
            raise TeacherError(str(error)) from error

    def prepare(self, preparation: Preparation) -> None:
        device, panel = preparation.device, preparation.panel
        batch_maps = []

        def attention_of(part: slice) -> list[Tensor]:
            maps = self._teacher_maps(preparation, panel[part])
            return [attention_map(m.float(), n) for m, n in zip(maps, self._lengths, strict=True)]

        halving = preparation.options.halving
        with failures_named(preparation.teacher, panel):
            for batch in batches(len(panel)):
                parts = halving.results(attention_of, batch, preparation.teacher)
                batch_maps += [maps for _, maps in parts]
        self.teacher_maps_ = [torch.cat(stage) for stage in zip(*batch_maps, strict=True)]
        self.forecasters_ = nn.ModuleList(ConvLSTM(self.hidden_size) for _ in self._lengths)
        self.forecasters_.to(device)
        # Snapshots are copied now, since a student that keeps activations cannot be copied later.
        self._student_maps(preparation, panel[:2])
        network = preparation.network
        self._spare = [copy.deepcopy(network) for _ in range(NODES_A_CYCLE - 1)]
        self.snapshots_: list[nn.Module] = []
        self._is_review = False

    def own_modules(self) -> list[nn.Module]:
        return [self.forecasters_]

    def begin_epoch(self, epoch: int, network: nn.Module) -> None:
        self._is_review = epoch in self.reviews_

    def end_epoch(self, epoch: int, network: nn.Module) -> None:
        if epoch in self.memories_:
            snapshot = self._spare[len(self.snapshots_)]
            snapshot.load_state_dict(network.state_dict())
            self.snapshots_.append(snapshot.eval().requires_grad_(False))
        elif self._is_review:
            self.snapshots_.clear()

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        network, series = given(answers.network), given(answers.series)
        if not (self._is_review and network.training):
            return torch.zeros_like(answers.student[:, 0])

        def attention(net: nn.Module) -> list[Tensor]:
            maps = feature_maps(net, self._stages, lambda: net(series.clone()), len(series))
            return [attention_map(m) for m in maps]

        with torch.no_grad():
            memories = [attention(snapshot) for snapshot in self.snapshots_]
        losses = []
        for i, now in enumerate(attention(network)):
            before = [memory[i] for memory in memories]
            teacher = self.teacher_maps_[i][given(answers.rows)]
            losses.append(review_losses(now, before, teacher, self.forecasters_[i]))
        return sum(losses[1:], start=losses[0])


def _thinned(stages: tuple[str, ...], n: int) -> tuple[str, ...]:
    """Select n of the stages, evenly spaced and including the last."""
    return tuple(stages[round((i + 1) * len(stages) / n) - 1] for i in range(n))
