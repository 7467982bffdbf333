"""Attribution matching: weighted feature maps of student and teacher."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.objectives.conftest import Cut, InPlace
from tsdistill import Teacher
from tsdistill.exceptions import StudentError, TeacherError
from tsdistill.objectives import AttributionMatching, attribution_of
from tsdistill.students import FCN, GRU, Lite
from tsdistill.students.feature_maps import map_and_slopes


class Convolution(nn.Module):
    """Maps, then a mean over time that weighs the second half twice, and a linear head."""

    def __init__(self, n_features):
        super().__init__()
        self.maps = nn.Conv1d(1, n_features, 3, padding=1)
        self.head = nn.Linear(n_features, 3)

    def forward(self, x):
        maps = torch.tanh(self.maps(x))
        halves = torch.where(torch.arange(maps.shape[-1]) < 10, 1.0, 2.0)
        return self.head((maps * halves).mean(dim=-1))


def slow_attribution(network, series, k, step=1e-3):
    """Attribution of one series, with slopes from differences of the score."""
    with torch.no_grad():
        maps = network.maps(series[None])[0].double()

        def score(changed):
            halves = torch.where(torch.arange(20) < 10, 1.0, 2.0)
            z = network.head.weight.double() @ (torch.tanh(changed) * halves).mean(dim=-1)
            z = z + network.head.bias.double()
            return float(z[k] - z.mean())

        attribution = np.zeros(20)
        for c in range(len(maps)):
            slopes = []
            for t in range(20):
                up, down = maps.clone(), maps.clone()
                up[c, t] += step
                down[c, t] -= step
                slopes.append((score(up) - score(down)) / (2 * step))
            weight = np.mean(slopes) ** 2
            attribution += weight * maps[c].numpy() ** 2
    return attribution / np.linalg.norm(attribution)


@pytest.mark.parametrize("members", [1, 3])
def test_loss_is_the_distance_of_normalised_attributions(toy, quick, members):
    torch.manual_seed(0)
    teachers, student = [Convolution(5) for _ in range(members)], Convolution(2)
    panel = toy[0][:, None].astype(np.float32)
    model = teachers[0] if members == 1 else teachers
    bound = Teacher(model).bind(toy[0][:, None], np.arange(3))
    seen = {}

    class Spy(AttributionMatching):
        def losses(self, answers, sample_weight):
            losses = super().losses(answers, sample_weight)
            if not seen:
                seen.update(
                    rows=answers.rows.numpy(), losses=losses.detach().numpy(),
                    student=[slow_attribution(answers.network, s, k) for s, k in zip(
                        answers.series, self.target_[answers.rows].tolist(), strict=True)],
                )  # fmt: skip
            return losses

    objective = Spy(student_stage="maps", teacher_stage="maps")
    quick(
        model, student=student, saliency_weight=0, auxiliary=objective, max_epochs=1, batch_size=6
    ).fit(*toy)
    target = bound.log_proba(panel).argmax(axis=1)
    for row, loss, ours in zip(seen["rows"], seen["losses"], seen["student"], strict=True):
        series = torch.as_tensor(panel[row])
        theirs = sum(slow_attribution(teacher, series, target[row]) for teacher in teachers)
        theirs = theirs / np.linalg.norm(theirs)
        assert loss == pytest.approx(np.linalg.norm(ours - theirs), abs=1e-4)


def test_attribution_does_not_depend_on_units_and_is_0_without_slopes():
    maps, slopes = torch.randn(4, 3, 8), torch.randn(4, 3, 8)
    plain = attribution_of(maps, slopes)
    torch.testing.assert_close(attribution_of(1e8 * maps, 1e-12 * slopes), plain)
    torch.testing.assert_close(torch.linalg.vector_norm(plain, dim=1), torch.ones(4))
    assert not attribution_of(maps, 0 * slopes).any()


@pytest.mark.parametrize("student", [GRU(4), FCN(), Lite(stride=2), InPlace()], ids=repr)
def test_attributions_of_the_student_come_closer(toy, quick, network, student):
    stage = "body" if isinstance(student, InPlace) else None
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
