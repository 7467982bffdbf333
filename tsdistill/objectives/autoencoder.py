"""XDistillation: an autoencoder that gives the teacher's explanation, fused into the student.

With E_t(x) the teacher's map of a series for its own prediction, p_t(x) its probabilities, g an
autoencoder from a series and a prediction to a map, b(x) its bottleneck's mean over time, and
z_s the student's logits::

    L      = mean_t ( (g(x, p_t(x))[t] - E_t(x)[t]) / max_t |E_t(x)[t]| )^2
    logits = z_s(x) + W b(x)

Where the student ends in a linear layer, its logits are those of a head that reads b(x) beside
the student's own features. Once trained, the student's own prediction takes the teacher's place.
"""

import functools

import numpy as np
import torch

from tsdistill.exceptions import ParameterError, TeacherError
from tsdistill.explainers.gradients import check_gradients, gradient, integrated_gradients
from tsdistill.explainers.occlusion import occlusion, sliding_starts
from tsdistill.inputs.checks import check_choice, check_count
from tsdistill.numerics.tensors import as_tensor
from tsdistill.objectives.base import Objective
from tsdistill.students.explained import N_STRIDES, ExplainedStudent
from tsdistill.students.extension import part_with_maps

EXPLANATIONS = ("occlusion", "gradient", "integrated_gradients")
QUESTIONS_A_MAP = {"gradient": 1, "integrated_gradients": 50}
MOST_DONORS, DONORS_A_MIXTURE, MOST_MIXTURES = 8, 2, 16
SHARE_OF_LARGEST = 0.05


def explanation_loss(maps, teacher, scale):
    """Mean squared error of a map in units of the teacher's largest value, for each series.

    Parameters
    ----------
    maps, teacher : Tensor of shape (n_instances, n_timepoints)
    scale : Tensor of shape (n_instances,), above 0

    Returns
    -------
    losses : Tensor of shape (n_instances,)
    """
    return ((maps - teacher) / scale[:, None]).square().mean(dim=1)


class ExplanationAutoencoder(Objective):
    """XDistillation: the student learns to give the teacher's explanation of a series.

    An autoencoder beside the student approximates the teacher's maps, trained jointly; its
    bottleneck is added to what the student's head reads. Afterwards
    ``explain(X, method="autoencoder")`` gives maps in one forward pass.

    Parameters
    ----------
    weight : float, default=5.0
        gamma, the weight of the map's error.
    explanation : {"occlusion", "gradient", "integrated_gradients"}, default="occlusion"
        Whose maps are learnt: those of ``explain(X, of="teacher", method=explanation)``, for the
        teacher's own prediction. "occlusion" serves any teacher, the others torch modules.
    n_questions : int, default=40_000
        How often the teacher may be asked for maps; a gradient counts as one question,
        integrated gradients as 50. First about each training series, for occlusion with up to 8
        donors for which half of the questions suffice; then about mixtures of two series of a
        class, up to 16 a series. Where there are more series than questions for one map each, a
        random part of them has maps.
    n_filters : int, default=8
        Of the autoencoder's outer layers; the bottleneck has twice as many. 8 adds about 10,000
        weights to the student.

    Notes
    -----
    After Alharbi et al., rebuilt from the abstract: layers, weights and scales are our own
    choice. Maps are learnt in units of the target's centred logit, each error divided by the
    largest value of its series' map. Mixtures are ``a x + (1 - a) x'`` with a between 1/2 and 1:
    a few dozen series alone do not tell what a map depends on.

    The trained module holds the student as ``extended``, so the names of its parameters begin
    with that, for a skorch student's ``optimizer__param_groups`` and ``Freezer`` too.

    References
    ----------
    Alharbi, Vu, Thai: Learning interpretation with explainable knowledge distillation. IEEE
    BigData 2021, arXiv 2111.06945.
    """

    name = "explanation_autoencoder"

    def __init__(self, weight=5.0, explanation="occlusion", n_questions=40_000, n_filters=8):
        super().__init__(weight)
        self.explanation = explanation
        self.n_questions = n_questions
        self.n_filters = n_filters

    def check(self):
        super().check()
        check_count("ExplanationAutoencoder.n_filters", self.n_filters)
        check_count("ExplanationAutoencoder.n_questions", self.n_questions)
        check_choice("ExplanationAutoencoder.explanation", self.explanation, EXPLANATIONS)

    def extension(self, n_channels, n_timepoints, n_classes):
        shortest = 2**N_STRIDES
        if n_timepoints < shortest:
            raise ParameterError(
                f"ExplanationAutoencoder halves the length of a series {N_STRIDES} times and needs "
                f"{shortest} timepoints or more, but X has {n_timepoints}; teach the reasons by "
                "the saliency term alone, or pad the series."
            )
        return functools.partial(
            ExplainedStudent,
            n_channels=n_channels,
            n_classes=n_classes,
            n_filters=self.n_filters,
        )

    def check_models(self, preparation):
        if self.explanation != "occlusion" and not preparation.teacher.differentiable:
            raise TeacherError(
                f"ExplanationAutoencoder(explanation={self.explanation!r}) needs a teacher made of "
                f"torch modules, and {preparation.teacher!r} is a black box; "
                "explanation='occlusion' serves any teacher."
            )
        if self.explanation != "occlusion":
            check_gradients(preparation.teacher, preparation.panel, preparation.device)

    def prepare(self, preparation):
        learnt_from = preparation.learnt_from.tobytes()
        key = (self.name, self.explanation, self.n_questions, preparation.width, learnt_from)
        told = preparation.once(key, lambda: self._ask_for_maps(preparation))
        self.counts_, self.partner_, self.share_, self.answers_, self.maps_ = (
            as_tensor(array).to(preparation.device) for array in told
        )
        largest = self.maps_.abs().amax(dim=-1)
        floor = (SHARE_OF_LARGEST * largest.max()).clamp_min(torch.finfo(largest.dtype).tiny)
        self.scale_ = torch.maximum(largest, floor)
        self.panel_ = as_tensor(preparation.panel).to(preparation.device)
        part_with_maps(preparation.network).autoencoder.unit.copy_(self.scale_.mean())

    def _ask_for_maps(self, preparation):
        """Mixtures of each series with others of its class, and what the teacher makes of them.

        The first "mixture" of a series is the series itself.

        Returns
        -------
        counts : ndarray of shape (n_instances,), float32
            Of series that have maps how many they stand for; 0 of the others.
        partner : ndarray of shape (n_mixtures, n_instances), int64
        share : ndarray of shape (n_mixtures, n_instances), float32
            Of the series; the rest is its partner's.
        answers : ndarray of shape (n_mixtures, n_instances, n_classes), float32
            Log-probabilities.
        maps : ndarray of shape (n_mixtures, n_instances, n_timepoints), float32
        """
        panel, class_index, clean = preparation.panel, preparation.class_index, preparation.clean
        n_series, _, n_timepoints = panel.shape
        n_explained, n_donors, n_mixtures = self._shares_of_questions(
            n_series, len(sliding_starts(n_timepoints, preparation.width))
        )
        rng = preparation.rng(self.name)
        rows = np.sort(rng.permutation(n_series)[:n_explained])
        counts = np.zeros(n_series, dtype=np.float32)
        counts[rows] = n_series / n_explained
        partner = np.empty((1 + n_mixtures, n_series), dtype=np.int64)
        for k in np.unique(class_index):
            members = np.flatnonzero(class_index == k)
            learnt = members[preparation.learnt_from[members]]
            learnt = learnt if len(learnt) else members
            partner[:, members] = rng.choice(learnt, size=(len(partner), len(members)))
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
            turn = DONORS_A_MIXTURE * m + np.arange(DONORS_A_MIXTURE)
            maps[m] = self._teacher_maps(preparation, series, answers[m], turn)
        return counts, partner, share, answers, maps

    def _shares_of_questions(self, n_series, n_starts):
        """Series that get maps, donors of those, and mixtures of each (of all or none)."""
        by_occlusion = self.explanation == "occlusion"
        a_map = n_starts if by_occlusion else QUESTIONS_A_MAP[self.explanation]
        n_explained = int(np.clip(self.n_questions // a_map, 1, n_series))
        n_donors, donors_a_mixture = 1, 1
        if by_occlusion:
            n_donors = np.clip(self.n_questions // (2 * n_explained * a_map), 1, MOST_DONORS)
            donors_a_mixture = DONORS_A_MIXTURE
        left = self.n_questions - n_explained * n_donors * a_map
        n_mixtures = left // (n_series * donors_a_mixture * a_map)
        return n_explained, n_donors, int(np.clip(n_mixtures, 0, MOST_MIXTURES))

    def _teacher_maps(self, preparation, series, answers, turn):
        """Maps of series for the teacher's prediction; turn says which donors to use."""
        teacher, baselines = preparation.teacher, preparation.baselines
        target = answers.argmax(axis=1)
        if self.explanation == "occlusion":
            donors, rows = baselines.opposing(answers.shape[1])
            rows = rows[:, np.unique(turn % rows.shape[1])]
            return occlusion(
                teacher, series, target, donors, rows, preparation.width,
                options=preparation.options, log_proba=answers,
            )  # fmt: skip
        explain = {"gradient": gradient, "integrated_gradients": integrated_gradients}
        mean = baselines.mean[0, :, 0]
        return explain[self.explanation](teacher, series, target, mean, device=preparation.device)

    def losses(self, answers, sample_weight):
        rows, network = answers.rows, part_with_maps(answers.network)
        losses = self._errors(network, answers.series, rows, torch.zeros_like(rows))
        losses = losses * self.counts_[rows]
        if not network.training or len(self.maps_) == 1:
            return losses
        m = torch.randint(1, len(self.maps_), rows.shape).to(rows.device)
        share = self.share_[m, rows][:, None, None]
        mixed = share * answers.series + (1 - share) * self.panel_[self.partner_[m, rows]]
        return (losses + self._errors(network, mixed, rows, m)) / 2

    def _errors(self, network, series, rows, m):
        maps = network.autoencoder(series, self.answers_[m, rows].exp())
        return explanation_loss(maps, self.maps_[m, rows], self.scale_[m, rows])
