"""Attribution matching: weighted feature maps of student and teacher have the same shape.

Let A[c] be the feature maps of a stage, (n_positions,) each, z the logits, k the class that the
teacher predicts, and c(z) = z - mean_k z. The attribution of a network and the loss are::

    w[c] = (mean_t d c(z)_k / d A[c, t])^2,        M[t] = sum_c w[c] * A[c, t]^2
    L    = || M_s / ||M_s|| - M_t / ||M_t|| ||

The teacher's attribution is resampled to the length of the student's, and computed once.
"""

import torch
import torch.nn.functional as F

from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.inputs.checks import shown
from tsdistill.numerics.batches import batches
from tsdistill.numerics.logits import centred, first_output
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Objective
from tsdistill.objectives.gradients import in_use_for_maps
from tsdistill.students.feature_maps import map_and_slopes, stages_of


def attribution_of(maps, slopes):
    """Attribution of a stage: squared feature maps, weighted by squared mean slopes.

    Parameters
    ----------
    maps : Tensor of shape (n_instances, n_features, n_positions)
    slopes : Tensor of shape (n_instances, n_features, n_positions)
        Derivatives of the score with respect to the maps.

    Returns
    -------
    attribution : Tensor of shape (n_instances, n_positions)
        Of Euclidean norm 1, or 0 where no map has a slope.
    """
    # Slopes of a saturated network are tiny, and would vanish in their fourth power.
    slopes = slopes / _largest(slopes)
    maps = maps / _largest(maps)
    attribution = (slopes.mean(dim=2, keepdim=True).square() * maps.square()).sum(dim=1)
    attribution = attribution / _largest(attribution)
    return F.normalize(attribution, dim=1)


def _largest(values):
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

    def __init__(self, weight=1.0, student_stage=None, teacher_stage=None):
        super().__init__(weight)
        self.student_stage = student_stage
        self.teacher_stage = teacher_stage

    def check(self):
        super().check()
        for name in ("student_stage", "teacher_stage"):
            stage = getattr(self, name)
            if not (stage is None or (isinstance(stage, str) and stage)):
                raise ParameterError(
                    f"{type(self).__name__}.{name}={shown(stage)}; expected the name of a module, "
                    "or None."
                )

    def check_models(self, preparation):
        teacher, network = preparation.teacher, preparation.network
        members = teacher.members
        if any(member.module is None for member in members):
            raise TeacherError(
                f"AttributionMatching compares feature maps, but {teacher!r} is not made of torch "
                "modules, so it has none. For such a teacher use the saliency term of the default "
                "loss."
            )
        self._stage = self._found(network, "student")
        try:
            self._teacher_stages = [self._found(member.module, "teacher") for member in members]
            self._teacher_attribution(preparation, preparation.panel[:2], [0, 0])
        except (StudentError, RuntimeError) as error:
            raise TeacherError(f"AttributionMatching: {error}") from error
        series = as_tensor(preparation.panel[:2].copy()).to(preparation.device)
        try:
            target = torch.zeros_like(series[:, 0, 0]).long()
            maps = self._student_attribution(network, network, series, target)
            weights = [weight for weight in network.parameters() if weight.requires_grad]
            torch.autograd.grad(maps.sum(), weights, allow_unused=True)
        except RuntimeError as error:
            raise StudentError(
                "AttributionMatching needs a student that torch can differentiate twice, but "
                f"{type(network).__name__} cannot be: {error}. Use another student."
            ) from error

    def _found(self, network, whose):
        """The stage of a network that is compared."""
        argument = f"{whose}_stage"
        named = getattr(self, argument)
        named = None if named is None else [named]
        return stages_of(network, named, whose, f"AttributionMatching.{argument}")[-1]

    def prepare(self, preparation):
        target = preparation.clean.argmax(axis=1)
        parts = [
            self._teacher_attribution(preparation, preparation.panel[part], target[part])
            for part in batches(len(target))
        ]
        self.teacher_maps_ = torch.cat(parts)
        self.target_ = as_tensor(target).to(preparation.device)

    def _teacher_attribution(self, preparation, series, target):
        """Mean attribution of the teacher's networks, (n_instances, n_positions)."""
        device = preparation.device
        series = as_tensor(series.copy()).to(device)
        target = torch.as_tensor(target, device=device)
        attributions = []
        for member, stage in zip(preparation.teacher.members, self._teacher_stages, strict=True):
            with member.on_device(device), in_use_for_maps(member.module):
                attribution = _attribution_in_use(
                    member.module, stage, member.logits, series, target, create_graph=False
                )
            attributions.append(attribution.detach().float())
        longest = max(attribution.shape[1] for attribution in attributions)
        return sum(_resampled(attribution, longest) for attribution in attributions)

    def _student_attribution(self, network, ask, series, target):
        with in_use_for_maps(network):
            return _attribution_in_use(network, self._stage, ask, series, target, create_graph=True)

    def losses(self, answers, sample_weight):
        target = self.target_[answers.rows]
        student = self._student_attribution(answers.network, answers.ask, answers.series, target)
        teacher = _resampled(self.teacher_maps_[answers.rows], student.shape[1])
        return torch.linalg.vector_norm(student - F.normalize(teacher, dim=1), dim=1)


def _attribution_in_use(network, stage, ask, series, target, create_graph):
    """Attribution of a network for the classes of ``target``."""
    series = series.clone().requires_grad_()

    def score():
        answers = first_output(ask(series.clone()))  # which a network may change
        return centred(answers).gather(1, target[:, None]).sum()

    return attribution_of(
        *map_and_slopes(network, stage, score, len(series), create_graph=create_graph)
    )


def _resampled(attribution, n_positions):
    """Attribution at another number of positions, by linear interpolation."""
    if attribution.shape[1] == n_positions:
        return attribution
    return F.interpolate(attribution[:, None], size=n_positions, mode="linear")[:, 0]
