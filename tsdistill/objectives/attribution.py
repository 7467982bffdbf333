"""Attribution matching: weighted feature maps of student and teacher have the same shape.

Let A[c] be the feature maps of a stage, (n_positions,) each, z the logits, k the class that the
teacher predicts, and c(z) = z - mean_k z. The attribution of a network and the loss are::

    w[c] = (mean_t d c(z)_k / d A[c, t])^2,        M[t] = sum_c w[c] * A[c, t]^2
    L    = || M_s / ||M_s|| - M_t / ||M_t|| ||

The teacher's attribution is resampled to the length of the student's, and computed once. Where
series differ in length, t runs over the positions that a stage has for the series alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.explainers.gradients import NAN_IN_GRADIENTS
from tsdistill.inputs.checks import shown
from tsdistill.inputs.lengths import hardest, lengths_of
from tsdistill.inputs.types import Float32Array, IntArray
from tsdistill.numerics.batches import batches
from tsdistill.numerics.logits import centred, first_output
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Answers, Objective, given
from tsdistill.objectives.gradients import check_student_maps, in_use_for_maps
from tsdistill.objectives.preparation import Preparation
from tsdistill.students.feature_maps import feature_maps, map_and_slopes, stages_of
from tsdistill.teachers.bound import failures_named


def attribution_of(maps: Tensor, slopes: Tensor, n_positions: Tensor | None = None) -> Tensor:
    """Attribution of a stage: squared feature maps, weighted by squared mean slopes.

    Parameters
    ----------
    maps : torch.Tensor of shape (n_instances, n_features, n_positions)
        Feature maps of the stage.
    slopes : torch.Tensor of shape (n_instances, n_features, n_positions)
        Derivatives of the score with respect to the maps.
    n_positions : torch.Tensor of shape (n_instances,), int64, default=None
        Positions of each series, from the first on; those after them count nowhere. None: all.

    Returns
    -------
    torch.Tensor of shape (n_instances, n_positions)
        Of Euclidean norm 1, or 0 where no map has a slope.

    See Also
    --------
    AttributionMatching : The objective.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import attribution_of
    >>> maps = torch.tensor([[[3.0, 0.0, 0.0], [0.0, 0.0, 5.0]]])
    >>> attribution_of(maps, slopes=torch.tensor([[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]]))
    tensor([[1., 0., 0.]])
    """
    if n_positions is not None:
        after = torch.arange(maps.shape[2], device=maps.device) >= n_positions[:, None]
        maps, slopes = (values.masked_fill(after[:, None], 0.0) for values in (maps, slopes))
    # Slopes of a saturated network are tiny, and would vanish in their fourth power.
    slopes = slopes / _largest(slopes)
    maps = maps / _largest(maps)
    attribution = (slopes.mean(dim=2, keepdim=True).square() * maps.square()).sum(dim=1)
    attribution = attribution / _largest(attribution)
    return F.normalize(attribution, dim=1)


def _largest(values: Tensor) -> Tensor:
    """Largest absolute value of each series, to divide by."""
    sizes = values.detach().abs().flatten(1).amax(dim=1)
    sizes = torch.where(sizes > 0, sizes, torch.ones_like(sizes))
    return sizes.view(-1, *[1] * (values.ndim - 1))


class AttributionMatching(Objective):
    """Attribution preservation, with sensitivity-weighted maps of one stage (Park et al.).

    The teacher must be made of torch modules; of a list, the attributions of all networks are
    averaged. Each training step runs the student once more, and differentiates it twice.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the term in the loss.
    student_stage, teacher_stage : str, default=None
        Name of the module (as in ``named_modules()``) whose output is compared, a map
        ``(n_instances, n_features, length)``. None takes the last stage that networks of
        :mod:`tsdistill.students` declare.

    See Also
    --------
    GradientSaliency : Compares gradients with respect to the series, for the same teachers.
    TemporalSaliency : Works for any teacher.

    Notes
    -----
    The published method is for images, while a network is pruned, quantised or distilled. Here,
    maps have one axis, the class is the one that the teacher predicts, its logit is centred, and
    one stage is compared. The student's maps are computed in eval mode, in which it is used later.
    The other terms of the loss follow the estimator's weights; for KD beside this term, use
    ``saliency_weight=0``.

    References
    ----------
    Park, Yang, Hwang, Yang: Attribution preservation in network compression for reliable network
    interpretation. NeurIPS 2020, arXiv 2010.15054.

    Examples
    --------
    >>> from tsdistill.objectives import AttributionMatching
    >>> AttributionMatching(weight=10.0, student_stage="blocks.1")
    AttributionMatching(student_stage='blocks.1', weight=10.0)
    """

    name = "attribution_matching"
    needs_panel = True
    takes_uneven = True
    _n_positions: Tensor | None = None

    def __init__(
        self,
        weight: float = 1.0,
        student_stage: str | None = None,
        teacher_stage: str | None = None,
    ) -> None:
        super().__init__(weight)
        self.student_stage = student_stage
        self.teacher_stage = teacher_stage

    def check(self) -> None:
        super().check()
        for name in ("student_stage", "teacher_stage"):
            stage = getattr(self, name)
            if not (stage is None or (isinstance(stage, str) and stage)):
                raise ParameterError(
                    f"{type(self).__name__}.{name}={shown(stage)}; expected the name of a module, "
                    "or None."
                )

    def check_models(self, preparation: Preparation) -> None:
        teacher, network = preparation.teacher, preparation.network
        members = teacher.members
        if any(member.module is None for member in members):
            raise TeacherError(
                f"AttributionMatching compares feature maps, but {teacher!r} is not made of torch "
                "modules, so it has none. For such a teacher use the saliency term of the default "
                "loss."
            )
        self._stage = self._found(network, "student")
        tried = hardest(preparation.panel)
        n_positions = self._positions(preparation, tried)
        try:
            self._teacher_stages = [self._found(member.module, "teacher") for member in members]
            self._teacher_attributions(preparation, tried, np.zeros(2, dtype=np.int64), n_positions)
        except (StudentError, RuntimeError) as error:
            raise TeacherError(f"AttributionMatching: {error}") from error
        positions = None
        if n_positions is not None:
            positions = as_tensor(n_positions).to(preparation.device)
        check_student_maps(
            preparation,
            lambda series, target: self._student_attribution(
                network, network, series, target, positions
            ),
            "AttributionMatching",
            "Use another student.",
        )

    def _found(self, network: nn.Module | None, whose: str) -> str:
        """The stage of a network that is compared."""
        argument = f"{whose}_stage"
        named = getattr(self, argument)
        named = None if named is None else [named]
        return stages_of(given(network), named, whose, f"AttributionMatching.{argument}")[-1]

    def prepare(self, preparation: Preparation) -> None:
        panel, target = preparation.panel, given(preparation.clean).argmax(axis=1)
        n_positions = self._positions(preparation, panel)
        with failures_named(preparation.teacher, panel):
            self.teacher_maps_ = self._teacher_attributions(preparation, panel, target, n_positions)
        self.target_ = as_tensor(target).to(preparation.device)
        if n_positions is not None:
            self._n_positions = as_tensor(n_positions).to(preparation.device)

    def _positions(self, preparation: Preparation, panel: Float32Array) -> IntArray | None:
        """Positions that the student's stage has for each series alone; None if all have as many.

        Returns
        -------
        n_positions : ndarray of shape (n_instances,), int64, or None
        """
        if not np.isnan(panel).any():
            return None
        network, n_positions = preparation.network, list[int]()
        lengths, first, length_of = np.unique(
            lengths_of(panel), return_index=True, return_inverse=True
        )
        with in_use_for_maps(network), torch.no_grad():
            for row, length in zip(first, lengths, strict=True):
                series = as_tensor(panel[[row], :, :length].copy()).to(preparation.device)
                ask = functools.partial(network, series)
                try:
                    (found,) = feature_maps(network, [self._stage], ask, 1)
                except RuntimeError as error:
                    raise StudentError(
                        f"student {type(network).__name__} failed on a series of {length} "
                        f"timesteps without padding: {error}. Use another student."
                    ) from error
                n_positions.append(found.shape[2])
        return np.array(n_positions)[length_of]

    def _teacher_attributions(
        self,
        preparation: Preparation,
        panel: Float32Array,
        target: IntArray,
        n_positions: IntArray | None,
    ) -> Tensor:
        """Attributions of the teacher for a panel, at the student's positions if these differ.

        Returns
        -------
        attributions : Tensor of shape (n_instances, n_positions)
            0 beyond the positions of each series.
        """
        if n_positions is None:
            everything = np.arange(len(target))
            return torch.cat(list(self._in_batches(preparation, panel, target, everything)))
        lengths = lengths_of(panel)
        attributions = torch.zeros(len(panel), n_positions.max(), device=preparation.device)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            parts = self._in_batches(preparation, panel[:, :, :length], target, rows)
            n = n_positions[rows[0]]
            attributions[as_tensor(rows), :n] = _resampled(torch.cat(list(parts)), n)
        if not torch.isfinite(attributions).all():
            raise TeacherError(
                f"AttributionMatching needs finite feature maps and gradients, but "
                f"{preparation.teacher!r} has NaN or infinite ones for some series. "
                f"{NAN_IN_GRADIENTS}, or leave this objective out."
            )
        return attributions

    def _in_batches(
        self, preparation: Preparation, panel: Float32Array, target: IntArray, rows: IntArray
    ) -> Iterator[Tensor]:
        """Attributions of the teacher for some rows, a batch at a time, in order."""

        def attribution_of(part: slice) -> Tensor:
            some = rows[part]
            return self._teacher_attribution(preparation, panel[some], target[some])

        halving = preparation.options.halving
        for batch in batches(len(rows)):
            for _, found in halving.results(attribution_of, batch, preparation.teacher):
                yield found

    def _teacher_attribution(
        self, preparation: Preparation, series: Float32Array, target: IntArray
    ) -> Tensor:
        """Mean attribution of the teacher's networks, (n_instances, n_positions)."""
        device = preparation.device
        on_device = as_tensor(series.copy()).to(device), torch.as_tensor(target, device=device)
        attributions = []
        for member, stage in zip(preparation.teacher.members, self._teacher_stages, strict=True):
            network = given(member.module)
            with member.on_device(device), in_use_for_maps(network):
                attribution = _attribution_in_use(
                    network, stage, member.logits, *on_device, create_graph=False
                )
            attributions.append(attribution.detach().float())
        longest = max(attribution.shape[1] for attribution in attributions)
        resampled = [_resampled(attribution, longest) for attribution in attributions]
        return sum(resampled[1:], start=resampled[0])

    def _student_attribution(
        self,
        network: nn.Module,
        ask: Callable[[Tensor], Tensor],
        series: Tensor,
        target: Tensor,
        n_positions: Tensor | None = None,
    ) -> Tensor:
        with in_use_for_maps(network):
            return _attribution_in_use(
                network, self._stage, ask, series, target, n_positions, create_graph=True
            )

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        rows, n_positions = given(answers.rows), self._n_positions
        n_positions = None if n_positions is None else n_positions[rows]
        student = self._student_attribution(
            given(answers.network),
            given(answers.ask),
            given(answers.series),
            self.target_[rows],
            n_positions,
        )
        teacher = self.teacher_maps_[rows]
        if n_positions is None:
            teacher = _resampled(teacher, student.shape[1])
        else:
            student = student[:, : teacher.shape[1]]
        difference = student - F.normalize(teacher, dim=1)
        losses: Tensor = torch.linalg.vector_norm(difference, dim=1)
        return losses


def _attribution_in_use(
    network: nn.Module,
    stage: str,
    ask: Callable[[Tensor], Tensor],
    series: Tensor,
    target: Tensor,
    n_positions: Tensor | None = None,
    *,
    create_graph: bool,
) -> Tensor:
    """Attribution of a network for the classes of ``target``."""
    series = series.clone().requires_grad_()

    def score() -> Tensor:
        answers = first_output(ask(series.clone()))  # which a network may change
        return centred(answers).gather(1, target[:, None]).sum()

    maps, slopes = map_and_slopes(network, stage, score, len(series), create_graph=create_graph)
    return attribution_of(maps, slopes, n_positions)


def _resampled(attribution: Tensor, n_positions: int) -> Tensor:
    """Attribution at another number of positions, by linear interpolation."""
    if attribution.shape[1] == n_positions:
        return attribution
    resampled: Tensor = F.interpolate(attribution[:, None], size=n_positions, mode="linear")[:, 0]
    return resampled
