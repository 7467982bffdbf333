"""Attribution matching: weighted feature maps of student and teacher."""

import contextlib
import copy
import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tests.objectives.conftest import Cut, InPlace, check_parameters
from tsdistill import Teacher
from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.objectives import Answers, AttributionMatching, attribution_of
from tsdistill.students import FCN, GRU, Lite
from tsdistill.students.feature_maps import map_and_slopes
from tsdistill.teachers.querying import QueryOptions


class Convolution(nn.Module):
    """Maps, then a mean over time that weighs the second half twice, and a linear head."""

    def __init__(self, n_features, stride=1):
        super().__init__()
        self.maps = nn.Conv1d(1, n_features, 3, padding=1, stride=stride)
        self.head = nn.Linear(n_features, 3)

    def forward(self, x):
        return self.of_maps(self.maps(x))

    def of_maps(self, maps):
        half = maps.shape[-1] // 2
        weight = torch.where(torch.arange(maps.shape[-1]) < half, 1.0, 2.0).to(maps.dtype)
        return self.head((torch.tanh(maps) * weight).mean(dim=-1))


def slow_attribution(network, series, k, step=1e-3):
    """Attribution of one series, with slopes from differences of the score."""
    network = copy.deepcopy(network).double()
    with torch.no_grad():
        maps = network.maps(series[None].double())

        def score(changed):
            z = network.of_maps(changed)[0]
            return float(z[k] - z.mean())

        attribution = np.zeros(maps.shape[-1])
        for c in range(maps.shape[1]):
            slopes = []
            for t in range(maps.shape[-1]):
                up, down = maps.clone(), maps.clone()
                up[0, c, t] += step
                down[0, c, t] -= step
                slopes.append((score(up) - score(down)) / (2 * step))
            attribution += np.mean(slopes) ** 2 * maps[0, c].numpy() ** 2
    return attribution / np.linalg.norm(attribution)


def resampled(attribution, n):
    """Linear interpolation between the centres of the positions."""
    centres = (np.arange(n) + 0.5) * len(attribution) / n - 0.5
    return np.interp(centres, np.arange(len(attribution)), attribution)


@pytest.mark.parametrize(("strides", "stride"), [([1], 1), ([1, 1, 1], 1), ([1], 2), ([2, 1], 1)])
def test_loss_is_the_distance_of_normalised_attributions(toy, quick, strides, stride):
    torch.manual_seed(0)
    teachers, student = [Convolution(5, one) for one in strides], Convolution(2, stride)
    panel = toy[0][:, None].astype(np.float32)
    model = teachers[0] if len(teachers) == 1 else teachers
    target = Teacher(model).bind(toy[0][:, None], np.arange(3)).log_proba(panel).argmax(axis=1)
    assert target.any()  # not the first class
    seen = {}

    class Spy(AttributionMatching):
        def losses(self, answers, sample_weight):
            seen["network"] = copy.deepcopy(answers.network)
            losses = super().losses(answers, sample_weight)
            seen.update(rows=answers.rows.numpy(), losses=losses.detach().numpy())
            return losses

    objective = Spy(student_stage="maps", teacher_stage="maps")
    quick(
        model, student=student, saliency_weight=0, auxiliary=objective, max_epochs=1, batch_size=6
    ).fit(*toy)
    for row, loss in zip(seen["rows"], seen["losses"], strict=True):
        series = torch.as_tensor(panel[row])
        ours = slow_attribution(seen["network"], series, target[row])
        theirs = [slow_attribution(teacher, series, target[row]) for teacher in teachers]
        longest = max(map(len, theirs))
        theirs = resampled(sum(resampled(one, longest) for one in theirs), len(ours))
        theirs = theirs / np.linalg.norm(theirs)
        assert loss == pytest.approx(np.linalg.norm(ours - theirs), abs=1e-4)


def test_the_student_follows_the_gradient_of_its_attribution():
    torch.manual_seed(0)
    student, series = Convolution(2).double(), torch.randn(3, 1, 20).double()
    objective, target = AttributionMatching(), torch.tensor([2, 0, 1])
    objective._stage, objective.target_ = "maps", target
    objective.teacher_maps_ = torch.rand(3, 20).double()
    answers = Answers(
        student(series), student(series), target,
        series=series, rows=torch.arange(3), ask=student, network=student,
    )  # fmt: skip

    def loss():
        return objective.losses(answers, torch.ones(3)).sum()

    loss().backward()
    weight = student.head.weight
    for place in ((0, 0), (1, 1), (2, 0)):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * 1e-5
            values.append(float(loss().detach()))
            with torch.no_grad():
                weight[place] -= sign * 1e-5
        slope = (values[0] - values[1]) / 2e-5
        assert float(weight.grad[place]) == pytest.approx(slope, rel=1e-4, abs=1e-7)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.states, self.head = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.states(x.transpose(1, 2))[0].mean(dim=1))


def test_maps_of_recurrent_layers_have_features_then_time():
    torch.manual_seed(0)
    network, series = Recurrent(), torch.randn(5, 1, 20)
    maps, slopes = map_and_slopes(network, "states", lambda: network(series)[:, 1].sum(), 5)
    expected = network.states(series.transpose(1, 2))[0].transpose(1, 2)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(
        slopes, (network.head.weight[1] / 20)[None, :, None].expand(5, 4, 20)
    )


def test_layers_that_work_in_place_do_not_change_the_map_before_them():
    series, found = torch.linspace(-1, 1, 40).view(2, 1, 20).requires_grad_(), []
    for in_place in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv1d(1, 4, 3), nn.ReLU(inplace=in_place), nn.Flatten(), nn.Linear(72, 3)
        )
        answers = functools.partial(network, series)
        found.append(map_and_slopes(network, "0", lambda ask=answers: ask()[:, 0].sum(), 2))
    for plain, changed in zip(*found, strict=True):
        torch.testing.assert_close(plain, changed)


def test_attribution_does_not_depend_on_units_and_is_0_without_slopes():
    maps, slopes = torch.randn(4, 3, 8), torch.randn(4, 3, 8)
    plain = attribution_of(maps, slopes)
    torch.testing.assert_close(attribution_of(1e8 * maps, 1e-12 * slopes), plain)
    torch.testing.assert_close(torch.linalg.vector_norm(plain, dim=1), torch.ones(4))
    assert not attribution_of(maps, 0 * slopes).any()


def test_series_of_any_scale_are_attributed_apart():
    maps, slopes = torch.randn(4, 3, 8).relu(), torch.randn(4, 3, 8).relu()
    unit = torch.tensor([1e-15, 1e-6, 1e6, 1e15]).view(4, 1, 1)
    plain = attribution_of(maps, slopes)
    torch.testing.assert_close(attribution_of(unit * maps, slopes / unit), plain)
    torch.testing.assert_close(attribution_of(maps / unit, slopes), plain)


def test_slopes_that_nearly_cancel_are_attributed():
    maps, slopes = torch.ones(1, 1, 4), torch.tensor([[[1.0, -1.0 + 1e-6, 0.0, 0.0]]])
    torch.testing.assert_close(attribution_of(maps, slopes), torch.full((1, 4), 0.5))


def test_attributions_are_computed_where_the_student_trains():
    network = nn.Sequential(
        nn.Conv1d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)
    ).to("meta")
    member = SimpleNamespace(
        module=network, logits=network, on_device=lambda device: contextlib.nullcontext()
    )
    given = SimpleNamespace(
        teacher=SimpleNamespace(members=[member]), device="meta", options=QueryOptions()
    )
    objective = AttributionMatching()
    objective._teacher_stages = ["0"]
    panel, target = np.zeros((5, 1, 20), dtype=np.float32), np.zeros(5, dtype=np.int64)
    found = objective._teacher_attributions(given, panel, target, None)
    assert found.device.type == "meta" and found.shape == (5, 18)
    positions = torch.zeros(5, dtype=torch.int64, device="meta")
    assert attribution_of(found[:, None], found[:, None], positions).shape == (5, 18)


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(AttributionMatching)


@pytest.mark.parametrize(
    ("student", "stage"),
    [(GRU(4), None), (FCN(), None), (Lite(stride=2), None), (lambda *shape: InPlace(), "body")],
    ids=["gru", "fcn", "lite", "in place"],
)
def test_attributions_of_the_student_come_closer(toy, quick, network, student, stage):
    model = quick(
        network, student=student, saliency_weight=0, max_epochs=20,
        auxiliary=AttributionMatching(20.0, student_stage=stage),
    ).fit(*toy)  # fmt: skip
    values = [row["attribution_matching"] for row in model.history_]
    assert np.isfinite(values).all() and values[-1] < values[0]


def test_teachers_stage_may_be_in_place_and_of_another_length(toy, quick):
    model = quick(
        InPlace(), saliency_weight=0, student=Lite(stride=4),
        auxiliary=AttributionMatching(teacher_stage="body"),
    ).fit(*toy)  # fmt: skip
    assert np.isfinite(model.history_[-1]["attribution_matching"])


def black_box(X):
    return np.tile([0.5, 0.25, 0.25], (len(X), 1))


@pytest.mark.parametrize(
    "teacher, student, given, error, message",
    [
        (black_box, "lite", {}, TeacherError, "not made of torch modules"),
        ([FCN().build(1, 20, 3), black_box], "lite", {}, TeacherError, "not made of torch modules"),
        (None, "lite", {"weight": -1}, ParameterError, "AttributionMatching.weight=-1"),
        (None, "lite", {"student_stage": ["a"]}, ParameterError, "Matching.student_stage=.'a'."),
        (None, "lite", {"teacher_stage": ""}, ParameterError, "Matching.teacher_stage=''"),
        (None, Cut(), {}, StudentError, "name them with AttributionMatching.student_stage"),
        (Cut(), "lite", {}, TeacherError, "name them with AttributionMatching.teacher_stage"),
        (None, "lite", {"student_stage": "nowhere"}, StudentError, "nowhere"),
        (None, "lite", {"teacher_stage": "nowhere"}, TeacherError, "nowhere"),
        (None, "lite", {"teacher_stage": "head"}, TeacherError, "expected a map"),
        (None, Cut(), {"student_stage": "head"}, StudentError, "expected a map"),
    ],
)
def test_errors_come_before_training(toy, quick, network, teacher, student, given, error, message):
    settings = {"saliency_weight": 0, "auxiliary": AttributionMatching(**given)}
    with pytest.raises(error, match=message):
        quick(teacher or network, student=student, **settings).fit(*toy)


def test_stage_on_which_the_answers_do_not_depend():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.head = nn.Conv1d(1, 2, 3), nn.Linear(20, 3)

        def forward(self, x):
            self.unused(x)
            return self.head(x.flatten(1))

    network, series = Aside(), torch.randn(2, 1, 20)
    with pytest.raises(StudentError, match="do not depend on the output of stage 'unused'"):
        map_and_slopes(network, "unused", lambda: network(series).sum(), 2)
    with pytest.raises(StudentError, match="was not run"):
        map_and_slopes(network, "unused", lambda: network.head(series.flatten(1)).sum(), 2)


def test_it_needs_all_series_at_once(fit_stored):
    with pytest.raises(ParameterError, match="AttributionMatching needs all series at once"):
        fit_stored(auxiliary=AttributionMatching())
