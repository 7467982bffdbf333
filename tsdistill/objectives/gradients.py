"""e2KD: the input gradients of student and teacher point in the same direction.

Let z be the logits, k the class that the teacher predicts for a series x, and
c(z) = z - mean_k z. The map E_f of a network f and the loss are::

    E_f(x) = d c(z_f(x))_k / d x,        L = 1 - cos(E_t(x), E_s(x))

where the cosine is over all channels and timesteps of a series that have a value, not over gaps
or what lies beyond its end. The teacher's maps are computed once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tsdistill.exceptions import StudentError, TeacherError
from tsdistill.explainers.gradients import (
    NAN_IN_GRADIENTS,
    check_gradients,
    input_gradients,
    score_gradients,
)
from tsdistill.inputs.lengths import hardest
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Answers, Objective, given
from tsdistill.objectives.preparation import Preparation


def gradient_cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine similarity of two gradient maps, for each series.

    Parameters
    ----------
    student, teacher : torch.Tensor of shape (n_instances, n_channels, n_timepoints)
        Gradient maps, 0 where a series has no value.

    Returns
    -------
    torch.Tensor of shape (n_instances,)
        From 0 to 2; 1 if a map is zero.

    See Also
    --------
    GradientSaliency : The objective.

    References
    ----------
    Parchami-Araghi et al.: Good teachers explain: explanation-enhanced knowledge distillation.
    ECCV 2024, arXiv 2402.03119.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import gradient_cosine_loss
    >>> gradient_cosine_loss(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 3.0]]]))
    tensor([1.])
    """
    return 1 - F.cosine_similarity(_rescaled(student), _rescaled(teacher), dim=1)


def _rescaled(maps: Tensor) -> Tensor:
    """Flat maps whose largest absolute entry is 1, since torch takes a norm below 1e-8 for zero."""
    maps = maps.flatten(1)
    largest = maps.detach().abs().amax(dim=1, keepdim=True)
    # A map of zeros stays what it is: divided by a tiny number, its slopes would be infinite.
    return maps / torch.where(largest > 0, largest, torch.ones_like(largest))


class GradientSaliency(Objective):
    """Explanation-enhanced knowledge distillation (e2KD), on gradient maps.

    Use it as ``SaliencyDistilledClassifier(teacher, saliency="gradient")``, or as an auxiliary
    objective. The teacher must be made of torch modules. Each training step runs the student
    once more, and differentiates it twice. The teacher's maps take as much memory as the series.

    Parameters
    ----------
    weight : float, default=1.0
        The factor lambda of the term in the loss; the authors tried 0.2 to 10.

    See Also
    --------
    TemporalSaliency : Works for any teacher.
    AttributionMatching : Compares feature maps too.

    Notes
    -----
    Parchami-Araghi et al. compare GradCAM or B-cos maps of images. Here, plain gradients of the
    centred logit replace them, so that any network can be explained. The student's maps are
    computed in eval mode, in which it is used later: in training mode, batch normalisation would
    mix the series of a batch.

    References
    ----------
    Parchami-Araghi et al.: Good teachers explain: explanation-enhanced knowledge distillation.
    ECCV 2024, arXiv 2402.03119.

    Examples
    --------
    >>> from tsdistill.objectives import GradientSaliency
    >>> GradientSaliency(weight=5.0)
    GradientSaliency(weight=5.0)
    """

    name = "gradient_saliency"
    needs_panel = True
    takes_uneven = True

    def check_models(self, preparation: Preparation) -> None:
        teacher, network = preparation.teacher, preparation.network
        if not teacher.differentiable:
            raise TeacherError(
                "GradientSaliency (saliency='gradient') needs a teacher made of torch modules, but "
                f"{teacher!r} is a black box; use saliency='logit_change' without this objective, "
                "which works for any teacher."
            )
        check_gradients(teacher, preparation.panel, preparation.device)
        check_student_maps(
            preparation,
            lambda series, target: _maps_in_use(network, network, series, target),
            "GradientSaliency (saliency='gradient')",
            "Use another student, or saliency='logit_change' without this objective.",
        )

    def prepare(self, preparation: Preparation) -> None:
        target = given(preparation.clean).argmax(axis=1)
        device, halving = preparation.device, preparation.options.halving
        maps = input_gradients(
            preparation.teacher, preparation.panel, target, device=device, halving=halving
        )
        self.teacher_maps_ = as_tensor(maps).to(device)
        self.target_ = as_tensor(target).to(device)

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        network, ask, rows = given(answers.network), given(answers.ask), given(answers.rows)
        maps = _maps_in_use(network, ask, given(answers.series), self.target_[rows])
        return gradient_cosine_loss(maps, self.teacher_maps_[rows])


def _maps_in_use(
    network: nn.Module, ask: Callable[[Tensor], Tensor], series: Tensor, target: Tensor
) -> Tensor:
    """Gradient maps of a network in eval mode, which can be differentiated again."""
    with in_use_for_maps(network):
        return score_gradients(ask, target, series, create_graph=True)


def check_student_maps(
    preparation: Preparation,
    maps_of: Callable[[Tensor, Tensor], Tensor],
    name: str,
    remedy: str,
) -> None:
    """Check that maps of the student can be differentiated with respect to its weights.

    Parameters
    ----------
    preparation : Preparation
    maps_of : callable (series, target) -> maps
    name : str
        Of the objective, for errors.
    remedy : str
        A sentence for the end of errors.

    Raises
    ------
    StudentError
        If they cannot, or NaN in the series spoils them.
    """
    network, tried = preparation.network, hardest(preparation.panel)
    series = as_tensor(tried).to(preparation.device)
    try:
        maps = maps_of(series, torch.zeros_like(series[:, 0, 0]).long())
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        slopes = torch.autograd.grad(maps.sum(), weights, allow_unused=True)
    except RuntimeError as error:
        raise StudentError(
            f"{name} needs a student that torch can differentiate twice, but "
            f"{type(network).__name__} cannot be: {error}. {remedy}"
        ) from error
    found = [maps, *(slope for slope in slopes if slope is not None)]
    if np.isnan(tried).any() and not all(torch.isfinite(one).all() for one in found):
        raise StudentError(
            f"{name} needs finite gradients of the student, but {type(network).__name__} has NaN "
            "or infinite ones for series of unequal length or with missing values. "
            f"{NAN_IN_GRADIENTS}. {remedy}"
        )


@contextlib.contextmanager
def in_use_for_maps(network: nn.Module) -> Iterator[None]:
    """Context in which a network is in eval mode, and can be differentiated twice."""
    training = [module for module in network.modules() if module.training]
    try:
        network.eval()
        # cuDNN differentiates recurrent layers only once and in training; fused attention, once.
        no_cudnn = torch.backends.cudnn.flags(enabled=False)
        no_fused_attention = sdpa_kernel(SDPBackend.MATH)
        with torch.enable_grad(), no_cudnn, no_fused_attention:
            yield
    finally:
        for module in training:
            module.training = True
