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
import torch.nn.functional as F
from torch import nn

from tsdistill import explainers
from tsdistill.asking import as_tensor, way_in_layout
from tsdistill.checks import check_count
from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.objectives.base import Objective
from tsdistill.students.base import Standardise

EXPLANATIONS = ("occlusion", "gradient", "integrated_gradients")
N_STRIDES = 3
QUESTIONS_A_MAP = {"gradient": 1, "integrated_gradients": 50}
MOST_DONORS, DONORS_A_MIXTURE, MOST_MIXTURES = 8, 2, 16
SHARE_OF_LARGEST = 0.05
SERIES_A_BATCH = 256


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


class Autoencoder(nn.Module):
    """From a series to a map of its length, by a bottleneck of an eighth of it.

    Three strided convolutions down; three steps of interpolation and convolution up, each with
    the features of the same length on the way down beside. What a timestep means depends on the
    whole series, so the first step up reads the bottleneck's mean over time beside every
    timestep, and it and the second read the prediction that is to be explained.

    Parameters
    ----------
    n_channels, n_classes, n_filters : int
    """

    def __init__(self, n_channels, n_classes, n_filters):
        super().__init__()
        narrow, wide = n_filters, 2 * n_filters
        self.standardise = Standardise(n_channels)
        self.read = _convolution(n_channels, narrow, 9)
        self.down = nn.ModuleList(
            [
                _convolution(narrow, narrow, 9, stride=2),
                _convolution(narrow, wide, 9, stride=2),
                _convolution(wide, wide, 9, stride=2),
            ]
        )
        self.up = nn.ModuleList(
            [
                _convolution(3 * wide + n_classes, wide, 5),
                _convolution(wide + narrow + n_classes, narrow, 5),
                _convolution(narrow + narrow, narrow, 5),
            ]
        )
        self.write = nn.Conv1d(narrow, 1, 5, padding=2)
        self.register_buffer("unit", torch.ones(()))  # of the maps, so that all layers work near 1

    def encode(self, x):
        """Features on the way down, the bottleneck last."""
        features = [self.read(self.standardise(x))]
        for layer in self.down:
            features.append(layer(features[-1]))
        return features

    def decode(self, features, proba):
        """Map of each series, ``(n_instances, n_timepoints)``.

        Parameters
        ----------
        features : list of Tensor
            As :meth:`encode` gives them.
        proba : Tensor of shape (n_instances, n_classes)
            The prediction to explain.
        """
        *skipped, features = features
        overall = features.mean(dim=-1, keepdim=True).expand_as(features)
        features = torch.cat([features, overall], dim=1)
        for i, layer in enumerate(self.up):
            beside = skipped.pop()
            length = beside.shape[-1]
            told = [proba[:, :, None].expand(-1, -1, length)] if i < 2 else []
            features = F.interpolate(features, size=length, mode="linear")
            features = layer(torch.cat([features, beside, *told], dim=1))
        return self.unit * self.write(features)[:, 0]

    def forward(self, x, proba):
        """Map of each series for a prediction, ``(n_instances, n_timepoints)``."""
        return self.decode(self.encode(x), proba)


def _convolution(n_in, n_out, kernel_size, stride=1):
    # No batch normalisation: its statistics would be of series and copies, or of series alone.
    return nn.Sequential(
        nn.Conv1d(n_in, n_out, kernel_size, stride=stride, padding=kernel_size // 2), nn.ReLU()
    )


class ExplainedStudent(nn.Module):
    """A student and an autoencoder whose bottleneck speaks in its logits.

    Parameters
    ----------
    extended : torch.nn.Module
        The student, which gives logits.
    n_channels, n_classes, n_filters : int
    """

    holds = "extended"

    def __init__(self, extended, n_channels, n_classes, n_filters):
        super().__init__()
        self.extended = extended
        self.autoencoder = Autoencoder(n_channels, n_classes, n_filters)
        self.fusion = nn.Linear(2 * n_filters, n_classes, bias=False)

    def forward(self, x):
        """Logits, ``(n_instances, n_classes)``."""
        return self._fused(x, self.autoencoder.encode(x))

    def explain(self, x):
        """The map that is expected of the teacher, ``(n_instances, n_timepoints)``."""
        features = self.autoencoder.encode(x)
        return self.autoencoder.decode(features, self._fused(x, features).softmax(dim=1))

    def _fused(self, x, features):
        logits = self.extended(x.clone())  # a student may change what it is given
        logits = logits[0] if isinstance(logits, tuple) else logits
        return logits + self.fusion(features[-1].mean(dim=-1))


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
        if self.explanation not in EXPLANATIONS:
            raise ParameterError(
                f"ExplanationAutoencoder.explanation={self.explanation!r}; expected one of "
                f"{', '.join(map(repr, EXPLANATIONS))}."
            )

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
            explainers.check_gradients(preparation.teacher, preparation.panel, preparation.device)

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
        _explained(preparation.network).autoencoder.unit.copy_(self.scale_.mean())

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
        panel, groups, clean = preparation.panel, preparation.lesson.groups, preparation.clean
        n_series, _, n_timepoints = panel.shape
        n_explained, n_donors, n_mixtures = self._shares_of_questions(
            n_series, len(explainers.sliding_starts(n_timepoints, preparation.width))
        )
        rng = preparation.rng(self.name)
        rows = np.sort(rng.permutation(n_series)[:n_explained])
        counts = np.zeros(n_series, dtype=np.float32)
        counts[rows] = n_series / n_explained
        partner = np.empty((1 + n_mixtures, n_series), dtype=np.int64)
        for group in np.unique(groups):
            members = np.flatnonzero(groups == group)
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
        teacher, fills, target = preparation.teacher, preparation.fills, answers.argmax(axis=1)
        if self.explanation == "occlusion":
            donors, rows = fills.opposing(answers.shape[1])
            rows = rows[:, np.unique(turn % rows.shape[1])]
            return explainers.occlusion(
                teacher, series, target, donors, rows, preparation.width, **preparation.asked
            )
        explain = getattr(explainers, self.explanation)
        return explain(teacher, series, target, fills.mean[0, :, 0], device=preparation.device)

    def losses(self, answers, sample_weight):
        rows, network = answers.rows, _explained(answers.network)
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


def _explained(module):
    """The part of a student that explains, or None."""
    return next((m for m in module.modules() if isinstance(m, ExplainedStudent)), None)


def explained_maps(net, panel, target=None, of="student", per_channel=False):
    """Maps of a fitted student's autoencoder.

    Parameters
    ----------
    net : fitted skorch.NeuralNetClassifier
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    target, of, per_channel
        As in :meth:`tsdistill.SaliencyDistilledClassifier.explain`; only the defaults can be
        had, and ``per_channel`` of series of one channel.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), or with per_channel \
            (n_instances, 1, n_timepoints), float32
        In units of the centred logit of the class that the teacher would predict.

    Raises
    ------
    StudentError
        If the student was trained without an autoencoder.
    ParameterError
        If something else is asked than it was trained for.
    """
    if target is not None or of != "student" or (per_channel and panel.shape[1] > 1):
        raise ParameterError(
            f"method='autoencoder' with target={target!r}, of={of!r}, per_channel={per_channel!r}: "
            "it is of the student, gives one map a series, and speaks for the class that the "
            "teacher would predict. Leave the other arguments at their defaults."
        )
    module = _explained(net.module_)
    if module is None:
        raise StudentError(
            "method='autoencoder' needs a student trained with "
            "auxiliary=tsdistill.objectives.ExplanationAutoencoder(); use method='occlusion'."
        )
    parts = [panel[a : a + SERIES_A_BATCH] for a in range(0, len(panel), SERIES_A_BATCH)]
    with way_in_layout(net, 3).on_device(net.device), torch.no_grad():
        maps = [module.explain(as_tensor(np.array(part), net.device)).cpu() for part in parts]
    maps = torch.cat(maps).numpy()
    return maps[:, np.newaxis] if per_channel else maps
