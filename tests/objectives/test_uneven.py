"""Objectives that take series of unequal length, and with gaps."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import bump_teacher
from tests.objectives.conftest import FEW
from tsdistill import Teacher
from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.inputs.lengths import lengths_of
from tsdistill.objectives import (
    AttributionMatching,
    ExplanationAutoencoder,
    GradientSaliency,
    InputNoise,
    TemporalReview,
    attribution_of,
)
from tsdistill.students import FCN, GRU, STUDENTS, Lite
from tsdistill.students.feature_maps import map_and_slopes
from tsdistill.teachers.module_use import ask_uneven

NAN = np.nan


@pytest.fixture(params=["uneven", "gaps", "both"])
def kind(request):
    return request.param


@pytest.fixture
def some(kind):
    """Twelve series of two channels, three classes; what is missing depends on the kind."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    X = rng.normal(scale=0.3, size=(12, 2, 24))
    for one, k in zip(X, y, strict=True):
        one[0, 2 + 4 * k : 6 + 4 * k] += 1.5
    if kind != "uneven":
        gone = rng.random(X.shape) < 0.15
        gone[..., [0, -1]] = False
        X[gone] = NAN
    if kind != "gaps":
        for i, one in enumerate(X):
            one[:, 14 + i % 5 * 2 :] = NAN
            one[:, 13 + i % 5 * 2] = 0.5
    return X, y


@pytest.fixture
def learn(kind, quick):
    """``quick``, which takes gaps if there are some."""

    def make(teacher, **settings):
        missing = "refuse" if kind == "uneven" else "mask"
        return quick(teacher, missing=missing, **({"n_mixtures": 6} | settings))

    return make


class Masked(nn.Module):
    """Gaps count as zeros; the answer follows from the timesteps before the end."""

    def __init__(self, stride=1, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.maps = nn.Conv1d(2, 4, 5, padding=2, stride=stride)
        self.head, self.stride = nn.Linear(4, 3), stride

    def forward(self, series, mask):
        real = mask[:, None, :: self.stride]
        maps = torch.tanh(self.maps(series.nan_to_num(nan=0.0))) * real
        return self.head(maps.sum(dim=-1) / real.sum(dim=-1))


class Seen:
    """What the losses of an objective in a fit were computed from."""

    def of(self, objective):
        seen = self

        class Spy(objective):
            def losses(self, answers, sample_weight):
                seen.network = copy.deepcopy(answers.network)
                losses = super().losses(answers, sample_weight)
                seen.rows, seen.losses = answers.rows.tolist(), losses.detach().numpy()
                seen.series = answers.series.numpy()
                return losses

        return Spy


def alone(series):
    """One series without padding, of shape (1, n_channels, n_timepoints)."""
    return torch.as_tensor(series[None, :, : lengths_of(series[None])[0]])


def slow_slopes(ask, series, k, step=1e-5):
    """Derivatives of the centred logit by each value that a series has, from differences."""
    slopes = []
    for place in torch.nonzero(~series.isnan()).tolist():
        scores = []
        for sign in (1, -1):
            moved = series.clone()
            moved[tuple(place)] += sign * step
            z = ask(moved)[0]
            scores.append(float(z[k] - z.mean()))
        slopes.append((scores[0] - scores[1]) / (2 * step))
    return np.array(slopes)


@pytest.mark.parametrize("student", [Lite(n_filters=2), FCN(n_filters=3)], ids=repr)
def test_gradient_loss_is_over_the_values_of_each_series(some, learn, student):
    teacher, seen = Masked(), Seen()
    learn(
        Teacher(teacher, classes=[0, 1, 2]), student=student, saliency_weight=0,
        auxiliary=seen.of(GradientSaliency)(), max_epochs=1, batch_size=40,
    ).fit(*some)  # fmt: skip
    assert len(seen.rows) > 6 and np.isnan(seen.series).any()
    teacher, network = teacher.double().eval(), seen.network.double().eval()
    with torch.no_grad():
        for one, loss in zip(seen.series, seen.losses, strict=True):
            series = alone(one).double()
            k = int(ask_uneven(teacher, series).argmax())
            ours = slow_slopes(network, series, k)
            theirs = slow_slopes(lambda x: ask_uneven(teacher, x), series, k)
            cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
            assert loss == pytest.approx(1 - cosine, abs=1e-4)


def slow_attribution(network, stage, ask, series, k):
    """Attribution of one series, from the maps that a network has for it alone."""

    def score():
        z = ask(series)[0]
        return z[k] - z.mean()

    maps, slopes = map_and_slopes(network, stage, score, 1)
    maps, slopes = maps[0].detach().numpy(), slopes[0].detach().numpy()
    attribution = sum(slope.mean() ** 2 * one**2 for one, slope in zip(maps, slopes, strict=True))
    return attribution / np.linalg.norm(attribution)


def resampled(attribution, n):
    centres = (np.arange(n) + 0.5) * len(attribution) / n - 0.5
    return np.interp(centres, np.arange(len(attribution)), attribution)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", STUDENTS)
def test_attributions_are_those_of_each_series_alone(some, learn, name, stride):
    teacher, seen = Masked(stride), Seen()
    learn(
        Teacher(teacher, classes=[0, 1, 2]), student=name, saliency_weight=0, batch_size=40,
        auxiliary=seen.of(AttributionMatching)(teacher_stage="maps"), max_epochs=1,
    ).fit(*some)  # fmt: skip
    teacher, network = teacher.double().eval(), seen.network.double().eval()
    stage = network.stages[-1]
    for one, loss in zip(seen.series, seen.losses, strict=True):
        series = alone(one).double()
        k = int(ask_uneven(teacher, series).argmax())
        ours = slow_attribution(network, stage, network, series, k)
        theirs = slow_attribution(teacher, "maps", lambda x: ask_uneven(teacher, x), series, k)
        theirs = resampled(theirs, len(ours))
        theirs = theirs / np.linalg.norm(theirs)
        assert loss == pytest.approx(np.linalg.norm(ours - theirs), abs=1e-3)


def test_attribution_does_not_see_what_follows_the_positions():
    maps, slopes = torch.randn(3, 2, 8), torch.randn(3, 2, 8)
    n_positions = torch.tensor([8, 5, 1])
    together = attribution_of(maps, slopes, n_positions)
    for i, n in enumerate(n_positions):
        of_one = attribution_of(maps[i : i + 1, :, :n], slopes[i : i + 1, :, :n])
        torch.testing.assert_close(together[i : i + 1, :n], of_one)
        assert not together[i, n:].any()


def test_noisy_series_miss_what_the_series_miss(some, learn):
    X, y = some
    asked = []

    def teacher(X):
        asked.append(np.isnan(X))
        return bump_teacher(np.nan_to_num(X[:, 0]))

    learn(
        Teacher(teacher, classes=[0, 1, 2]), auxiliary=InputNoise(n_draws=2), saliency_weight=0,
        n_mixtures=0,
    ).fit(X, y)  # fmt: skip
    noisy = [one for one in asked if len(one) == 24][-1]
    np.testing.assert_array_equal(noisy, np.repeat(np.isnan(X), 2, axis=0))


OBJECTIVES = {
    "gradients": GradientSaliency(),
    "attribution": AttributionMatching(teacher_stage="maps"),
    "noise": InputNoise(),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("kind", ["uneven"], indirect=True)
def test_padding_more_changes_no_fit(some, learn, name):
    (X, y), histories = some, []
    for more in (0, 11):
        wide = np.pad(X, [(0, 0), (0, 0), (0, more)], constant_values=NAN)
        student = learn(
            Teacher(Masked(), classes=[0, 1, 2]), student=FCN(n_filters=3), saliency_weight=0,
            auxiliary=OBJECTIVES[name],
        ).fit(wide, y)  # fmt: skip
        histories.append([row[OBJECTIVES[name].name] for row in student.history_])
    np.testing.assert_allclose(*histories, rtol=1e-4)


@pytest.mark.parametrize("student", [*STUDENTS.values()], ids=lambda one: one.__name__)
def test_every_student_learns_from_them(some, learn, student):
    model = learn(
        Teacher([Masked(), Masked(seed=1)], classes=[0, 1, 2]), student=student(),
        saliency="gradient", auxiliary=[*OBJECTIVES.values()][1:], validation_fraction=0.3,
        max_epochs=4, lr=0.003,
    ).fit(*some)  # fmt: skip
    for name in ("saliency", "attribution_matching", "input_noise", "valid_loss"):
        values = [row[name] for row in model.history_]
        assert np.isfinite(values).all() and values[0] != values[-1]
    assert np.isfinite(model.predict_proba(some[0])).all()


def test_recurrent_students_of_both_directions_learn_gradients_but_have_no_maps(some, learn):
    teacher, student = Teacher(Masked(), classes=[0, 1, 2]), GRU(4, bidirectional=True)
    model = learn(teacher, student=student, saliency="gradient").fit(*some)
    assert np.isfinite([row["saliency"] for row in model.history_]).all()
    with pytest.raises(StudentError, match="stage 'recurrent' .*PackedSequence.*expected a map"):
        learn(teacher, student=student, auxiliary=OBJECTIVES["attribution"]).fit(*some)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["both"], indirect=True)
def test_gradients_of_the_student_come_closer(some, learn):
    histories = [
        learn(
            Teacher(Masked(), classes=[0, 1, 2]), saliency="gradient", saliency_weight=weight,
            max_epochs=60,
        ).fit(*some).history_
        for weight in (5.0, 1e-6)
    ]  # fmt: skip
    with_term, without = (history[-1]["saliency"] for history in histories)
    assert with_term < histories[0][0]["saliency"] - 0.1 and with_term < without - 0.1


class Normalises(nn.Module):
    """Replaces NaN after it has taken part in what torch differentiates."""

    def __init__(self, late=True):
        super().__init__()
        self.stage, self.head, self.late = nn.Conv1d(2, 4, 3, padding=1), nn.Linear(4, 3), late

    def forward(self, series):
        missing = series.isnan()
        mean = series.nanmean(dim=2, keepdim=True)
        if not self.late:
            series = series.nan_to_num(nan=0.0)
        square = torch.where(missing, 0.0, (series - mean) ** 2)
        return self.head(torch.relu(self.stage(square)).mean(dim=2))


def test_a_student_whose_gradients_nan_spoils_is_refused_before_training(some, learn):
    teacher, (X, y) = Teacher(Masked(), classes=[0, 1, 2]), some
    X[:2] = np.nan_to_num(X[:2])
    for late in (False, True):
        model = learn(teacher, student=Normalises(late), saliency="gradient")
        if late:
            message = "student, but Normalises has NaN.*nan_to_num.*saliency='logit_change'"
            with pytest.raises(StudentError, match=message):
                model.fit(X, y)
        else:
            assert np.isfinite(model.fit(X, y).history_[-1]["saliency"])


class Scales(nn.Module):
    """Replaces NaN after a weight has touched it, whose slopes are NaN; those of series are not."""

    def __init__(self):
        super().__init__()
        self.scale, self.head = nn.Parameter(torch.ones(1)), nn.Linear(2, 3)

    def forward(self, series):
        return self.head(torch.tanh((self.scale * series).nan_to_num(nan=0.0)).mean(dim=2))


def test_a_student_whose_slopes_of_weights_nan_spoils_is_refused(some, learn):
    model = learn(Teacher(Masked(), classes=[0, 1, 2]), student=Scales(), saliency="gradient")
    with pytest.raises(StudentError, match="student, but Scales has NaN or infinite ones"):
        model.fit(*some)


def black_box(X):
    return np.tile([0.5, 0.25, 0.25], (len(X), 1))


@pytest.mark.parametrize(
    ("teacher", "settings", "error", "message"),
    [
        (Normalises(), {"saliency": "gradient"}, TeacherError, "Normalises.* infinite gradients"),
        (black_box, {"saliency": "gradient"}, TeacherError, "black box; use saliency='logit_chan"),
        (black_box, {"auxiliary": AttributionMatching()}, TeacherError, "not made of torch"),
        (Masked(), {"auxiliary": TemporalReview()}, ParameterError, "which TemporalReview cannot"),
        (Masked(), {"auxiliary": ExplanationAutoencoder(**FEW)}, ParameterError,
         "which ExplanationAutoencoder cannot take; .*to one length first"),
    ],
)  # fmt: skip
def test_what_is_refused_says_so_before_training(some, learn, teacher, settings, error, message):
    with pytest.raises(error, match=message):
        learn(Teacher(teacher, classes=[0, 1, 2]), **settings).fit(*some)


class NanAfterTheEnd(nn.Module):
    """Has NaN in the maps of its stage, but only where no series has a timestep."""

    def __init__(self):
        super().__init__()
        self.stage, self.body, self.head = nn.Identity(), nn.Conv1d(2, 4, 3), nn.Linear(4, 3)

    def forward(self, series):
        maps = self.stage(series).nan_to_num(nan=0.0)
        return self.head(torch.tanh(self.body(maps)).mean(dim=2))


@pytest.mark.parametrize("kind", ["uneven"], indirect=True)
def test_attribution_does_not_mind_what_a_student_has_beyond_the_end(some, learn):
    teacher = Teacher(Masked(), classes=[0, 1, 2])
    own = AttributionMatching(student_stage="stage", teacher_stage="maps")
    model = learn(teacher, student=NanAfterTheEnd(), auxiliary=own).fit(*some)
    assert np.isfinite([row["attribution_matching"] for row in model.history_]).all()


class Late(nn.Module):
    """Has NaN in the maps of its stage where values are missing."""

    def __init__(self):
        super().__init__()
        self.stage, self.head = nn.Conv1d(2, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, series):
        return self.head(self.stage(series).nan_to_num(nan=0.0).mean(dim=2))


@pytest.mark.parametrize("kind", ["gaps", "both"], indirect=True)
def test_attribution_needs_maps_without_nan(some, learn):
    own = AttributionMatching(teacher_stage="stage")
    with pytest.raises(
        TeacherError, match="needs finite feature maps.*Late.* leave this objective"
    ):
        learn(Teacher(Late(), classes=[0, 1, 2]), auxiliary=own).fit(*some)


def test_attribution_names_a_student_whose_gradients_nan_spoils(some, learn):
    teacher = Teacher(Masked(), classes=[0, 1, 2])
    own = AttributionMatching(student_stage="stage", teacher_stage="maps")
    message = r"AttributionMatching needs finite gr.* Late has NaN.* Use another student\.$"
    with pytest.raises(StudentError, match=message):
        learn(teacher, student=Late(), auxiliary=own).fit(*some)


class Wide(nn.Module):
    """Its convolution fails on series of 14 timesteps or fewer, but not if they are padded."""

    def __init__(self):
        super().__init__()
        self.stage, self.head = nn.Conv1d(2, 4, 15), nn.Linear(4, 3)

    def forward(self, series):
        return self.head(self.stage(series.nan_to_num(nan=0.0)).mean(dim=2))


@pytest.mark.parametrize("kind", ["uneven"], indirect=True)
def test_attribution_needs_models_that_take_a_series_alone(some, learn):
    teacher = Teacher(Masked(), classes=[0, 1, 2])
    own = AttributionMatching(student_stage="stage", teacher_stage="maps")
    with pytest.raises(StudentError, match="Wide failed on a series of 14 timesteps without"):
        learn(teacher, student=Wide(), auxiliary=own).fit(*some)
    other = AttributionMatching(teacher_stage="stage")
    with pytest.raises(TeacherError, match="AttributionMatching: .*Kernel size"):
        learn(Teacher(Wide(), classes=[0, 1, 2]), auxiliary=other).fit(*some)
