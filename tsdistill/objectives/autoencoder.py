"""XDistillation: an autoencoder that predicts the teacher's explanation, fused into the student.

Let E_t(x) be the map that explains the teacher's prediction for a series x, p_t(x) the teacher's
probabilities, g an autoencoder that turns a series and probabilities into a map, b(x) the mean
over time of its bottleneck, and z_s the student's logits. The loss and the new logits are::

    L      = mean_t ( (g(x, p_t(x))[t] - E_t(x)[t]) / max_t |E_t(x)[t]| )^2
    logits = z_s(x) + W b(x)

If the student ends in a linear layer, this equals a head that takes b(x) in addition to the
student's own features. After training, the student's own probabilities replace p_t(x).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from tsdistill.exceptions import ParameterError, TeacherError
from tsdistill.explainers.gradients import check_gradients, gradient, integrated_gradients
from tsdistill.explainers.occlusion import occlusion, sliding_starts
from tsdistill.inputs.checks import check_choice, check_count
from tsdistill.inputs.types import Float32Array, IntArray
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Answers, Objective, given
from tsdistill.objectives.preparation import Preparation
from tsdistill.students.explained import N_STRIDES, ExplainedStudent
from tsdistill.students.extension import find_extension

Explanation = Literal["occlusion", "gradient", "integrated_gradients"]
EXPLANATIONS = get_args(Explanation)
QUERIES_PER_MAP = {"gradient": 1, "integrated_gradients": 50}
MAX_DONORS, DONORS_PER_MIXTURE, MAX_MIXTURES = 8, 2, 16
SHARE_OF_LARGEST = 0.05


def explanation_loss(maps: Tensor, teacher: Tensor, scale: Tensor) -> Tensor:
    """Mean squared error of a map, in units of ``scale``, for each series.

    Parameters
    ----------
    maps, teacher : torch.Tensor of shape (n_instances, n_timepoints)
        Maps of the autoencoder and of the teacher.
    scale : torch.Tensor of shape (n_instances,)
        Above 0; usually the largest absolute value of the teacher's map.

    Returns
    -------
    torch.Tensor of shape (n_instances,)
        The losses, 0 or more.

    See Also
    --------
    ExplanationAutoencoder : The objective.

    Examples
    --------
    >>> import torch
    >>> from tsdistill.objectives import explanation_loss
    >>> teacher = torch.tensor([[0.0, 2.0]])
    >>> explanation_loss(torch.tensor([[0.0, 1.0]]), teacher, scale=torch.tensor([2.0]))
    tensor([0.1250])
    """
    return ((maps - teacher) / scale[:, None]).square().mean(dim=1)


class ExplanationAutoencoder(Objective):
    """XDistillation: the student learns to predict the teacher's explanation of a series.

    An autoencoder is trained together with the student to approximate the teacher's maps, and
    its bottleneck is a second input of the student's head. After training,
    ``explain(X, method="autoencoder")`` computes maps in one forward pass.

    Parameters
    ----------
    weight : float, default=5.0
        The factor gamma of the error of the maps in the loss.
    explanation : {"occlusion", "gradient", "integrated_gradients"}, default="occlusion"
        The student learns the maps of ``explain(X, of="teacher", method=explanation)`` for the
        teacher's own prediction. "occlusion" works for any teacher, the others for torch modules.
    n_questions : int, default=40_000
        Budget of queries to the teacher for maps. A gradient counts as one query, integrated
        gradients as 50. Each training series gets a map first; occlusion uses up to 8 donors for
        it, as many as half of the budget allows. The remaining queries are spent on mixtures of
        two series of a class, up to 16 mixtures a series. If the budget is too small for one map
        a series, a random part of the series gets maps.
    n_filters : int, default=8
        Filters in the outer layers of the autoencoder; the bottleneck has twice as many. The
        default adds about 10,000 weights to the student.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.explain : Gives the maps that are learnt.
    TemporalSaliency : Lets the student keep the teacher's saliency.

    Notes
    -----
    The method is that of Alharbi et al., rebuilt from the abstract: layers, weights and scales
    are our own choice. Maps are learnt in units of the target's centred logit, and the error of
    each map is divided by its largest absolute value. Mixtures are ``a x + (1 - a) x'`` with a
    between 1/2 and 1; they are needed because a few dozen series are too few to learn maps from.

    The trained module holds the student in its attribute ``extended``, so the names of the
    student's parameters begin with "extended.". This matters for ``optimizer__param_groups`` and
    ``Freezer`` of a skorch student.

    References
    ----------
    Alharbi, Vu, Thai: Learning interpretation with explainable knowledge distillation. IEEE
    BigData 2021, arXiv 2111.06945.

    Examples
    --------
    >>> from tsdistill.objectives import ExplanationAutoencoder
    >>> ExplanationAutoencoder(n_filters=4)
    ExplanationAutoencoder(n_filters=4)
    """

    name = "explanation_autoencoder"
    needs_panel = True
    makes_mixtures = True

    def __init__(
        self,
        weight: float = 5.0,
        explanation: Explanation = "occlusion",
        n_questions: int = 40_000,
        n_filters: int = 8,
    ) -> None:
        super().__init__(weight)
        self.explanation = explanation
        self.n_questions = n_questions
        self.n_filters = n_filters

    def check(self) -> None:
        super().check()
        check_count("ExplanationAutoencoder.n_filters", self.n_filters)
        check_count("ExplanationAutoencoder.n_questions", self.n_questions)
        check_choice("ExplanationAutoencoder.explanation", self.explanation, EXPLANATIONS)

    def extension(
        self, n_channels: int, n_timepoints: int, n_classes: int
    ) -> Callable[[nn.Module], nn.Module]:
        shortest = 2**N_STRIDES
        if n_timepoints < shortest:
            raise ParameterError(
                f"ExplanationAutoencoder halves the length of a series {N_STRIDES} times and needs "
                f"{shortest} timepoints or more, but X has {n_timepoints}; use the saliency term "
                "without it, or pad the series."
            )
        return functools.partial(
            ExplainedStudent,
            n_channels=n_channels,
            n_classes=n_classes,
            n_filters=self.n_filters,
        )

    def check_models(self, preparation: Preparation) -> None:
        if self.explanation != "occlusion" and not preparation.teacher.differentiable:
            raise TeacherError(
                f"ExplanationAutoencoder(explanation={self.explanation!r}) needs a teacher made of "
                f"torch modules, but {preparation.teacher!r} is a black box; use "
                "explanation='occlusion', which works for any teacher."
            )
        if self.explanation != "occlusion":
            check_gradients(preparation.teacher, preparation.panel, preparation.device)

    def prepare(self, preparation: Preparation) -> None:
        learnt_from = given(preparation.learnt_from).tobytes()
        key = (self.name, self.explanation, self.n_questions, preparation.width, learnt_from)
        mixtures = preparation.once(key, lambda: self._query_maps(preparation))
        self.counts_, self.partner_, self.share_, self.answers_, self.maps_ = (
            as_tensor(array).to(preparation.device) for array in mixtures
        )
        largest = self.maps_.abs().amax(dim=-1)
        floor = (SHARE_OF_LARGEST * largest.max()).clamp_min(torch.finfo(largest.dtype).tiny)
        self.scale_ = torch.maximum(largest, floor)
        self.panel_ = as_tensor(preparation.panel).to(preparation.device)
        student = given(find_extension(preparation.network, ExplainedStudent))
        student.autoencoder.unit.copy_(self.scale_.mean())

    def _query_maps(
        self, preparation: Preparation
    ) -> tuple[Float32Array, IntArray, Float32Array, Float32Array, Float32Array]:
        """Mix each series with others of its class, and query the teacher for answers and maps.

        The first "mixture" of a series is the series itself.

        Returns
        -------
        counts : ndarray of shape (n_instances,), float32
            Number of series that each series with a map stands for; 0 for the others.
        partner : ndarray of shape (n_mixtures, n_instances), int64
            Row of the series that each series is mixed with.
        share : ndarray of shape (n_mixtures, n_instances), float32
            Share of the series in a mixture; the rest is its partner's.
        answers : ndarray of shape (n_mixtures, n_instances, n_classes), float32
            The teacher's log-probabilities.
        maps : ndarray of shape (n_mixtures, n_instances, n_timepoints), float32
            Maps for the teacher's predictions.
        """
        panel, class_index = preparation.panel, given(preparation.class_index)
        clean, learnt_from = given(preparation.clean), given(preparation.learnt_from)
        n_series, _, n_timepoints = panel.shape
        n_explained, n_donors, n_mixtures = self._split_queries(
            n_series, len(sliding_starts(n_timepoints, preparation.width))
        )
        rng = preparation.rng(self.name)
        rows = np.sort(rng.permutation(n_series)[:n_explained])
        counts = np.zeros(n_series, dtype=np.float32)
        counts[rows] = n_series / n_explained
        partner = np.empty((1 + n_mixtures, n_series), dtype=np.int64)
        for k in np.unique(class_index):
            members = np.flatnonzero(class_index == k)
            candidates = members[learnt_from[members]]
            candidates = candidates if len(candidates) else members
            partner[:, members] = rng.choice(candidates, size=(len(partner), len(members)))
        share = rng.uniform(0.5, 1, size=partner.shape).astype(np.float32)
        share[0] = 1
        answers = np.empty((*partner.shape, clean.shape[1]), dtype=np.float32)
        maps = np.zeros((*partner.shape, n_timepoints), dtype=np.float32)
        answers[0] = clean
        donors = np.arange(n_donors)
        maps[0, rows] = self._teacher_maps(preparation, panel[rows], clean[rows], donors)
        for m in range(1, len(partner)):
            weight = share[m][:, np.newaxis, np.newaxis]
            series = weight * panel + (1 - weight) * panel[partner[m]]
            answers[m] = preparation.ask(series, title="teacher: mixtures")
            donors = DONORS_PER_MIXTURE * m + np.arange(DONORS_PER_MIXTURE)
            maps[m] = self._teacher_maps(preparation, series, answers[m], donors)
        return counts, partner, share, answers, maps

    def _split_queries(self, n_series: int, n_starts: int) -> tuple[int, int, int]:
        """Split ``n_questions`` into series with maps, donors a series, and mixtures a series."""
        by_occlusion = self.explanation == "occlusion"
        cost = n_starts if by_occlusion else QUERIES_PER_MAP[self.explanation]
        n_explained = int(np.clip(self.n_questions // cost, 1, n_series))
        n_donors, donors_per_mixture = 1, 1
        if by_occlusion:
            n_donors = int(np.clip(self.n_questions // (2 * n_explained * cost), 1, MAX_DONORS))
            donors_per_mixture = DONORS_PER_MIXTURE
        remaining = self.n_questions - n_explained * n_donors * cost
        n_mixtures = remaining // (n_series * donors_per_mixture * cost)
        return n_explained, n_donors, int(np.clip(n_mixtures, 0, MAX_MIXTURES))

    def _teacher_maps(
        self,
        preparation: Preparation,
        series: Float32Array,
        answers: Float32Array,
        chosen: IntArray,
    ) -> Float32Array:
        """Maps for the teacher's predictions; occlusion uses the chosen donors, taken in turn."""
        teacher, baselines = preparation.teacher, given(preparation.baselines)
        target = answers.argmax(axis=1)
        if self.explanation == "occlusion":
            donors, rows = baselines.opposing(answers.shape[1])
            rows = rows[:, np.unique(chosen % rows.shape[1])]
            return occlusion(
                teacher, series, target, donors, rows, preparation.width,
                options=preparation.options, log_proba=answers,
            )  # fmt: skip
        explain = {"gradient": gradient, "integrated_gradients": integrated_gradients}
        mean = baselines.channel_means
        return explain[self.explanation](teacher, series, target, mean, device=preparation.device)

    def losses(self, answers: Answers, sample_weight: Tensor) -> Tensor:
        rows, series = given(answers.rows), given(answers.series)
        network = given(find_extension(given(answers.network), ExplainedStudent))
        losses = self._errors(network, series, rows, torch.zeros_like(rows))
        losses = losses * self.counts_[rows]
        if not network.training or len(self.maps_) == 1:
            return losses
        m = torch.randint(1, len(self.maps_), rows.shape).to(rows.device)
        share = self.share_[m, rows][:, None, None]
        mixed = share * series + (1 - share) * self.panel_[self.partner_[m, rows]]
        return (losses + self._errors(network, mixed, rows, m)) / 2

    def _errors(self, network: ExplainedStudent, series: Tensor, rows: Tensor, m: Tensor) -> Tensor:
        """Loss of the autoencoder's maps for the mixtures m of the given rows."""
        maps = network.autoencoder(series, self.answers_[m, rows].exp())
        return explanation_loss(maps, self.maps_[m, rows], self.scale_[m, rows])
