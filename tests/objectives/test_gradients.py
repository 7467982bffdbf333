"""Gradients of the student aligned with those of the teacher."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.objectives.conftest import Cut, check_parameters
from tsdistill import Teacher
from tsdistill.exceptions import ParameterError, StudentError
from tsdistill.fidelity import saliency_correlation
from tsdistill.objectives import (
    Answers,
    GradientSaliency,
    gradient_cosine_loss,
)
from tsdistill.students import GRU, Lite
from tsdistill.teachers.querying import QueryOptions


def test_gradient_loss_is_one_minus_the_cosine():
    a, b = torch.randn(4, 2, 5), torch.randn(4, 2, 5)
    for i, loss in enumerate(gradient_cosine_loss(a, b)):
        x, z = a[i].flatten().tolist(), b[i].flatten().tolist()
        dot = sum(p * q for p, q in zip(x, z, strict=True))
        size = sum(p * p for p in x) ** 0.5 * sum(q * q for q in z) ** 0.5
        assert float(loss) == pytest.approx(1 - dot / size, rel=1e-5)


def test_gradient_loss_does_not_depend_on_the_unit_of_the_series():
    a, b = torch.randn(4, 2, 5), torch.randn(4, 2, 5)
    for unit in (1e-20, 1e20):
        torch.testing.assert_close(gradient_cosine_loss(unit * a, b), gradient_cosine_loss(a, b))
    units = torch.tensor([1e-20, 1e-10, 1.0, 1e20]).view(4, 1, 1)
    torch.testing.assert_close(gradient_cosine_loss(units * a, b), gradient_cosine_loss(a, b))
    assert gradient_cosine_loss(0 * a, b).tolist() == [1, 1, 1, 1]
    small, none = (torch.tensor([[[1e20, least]]]) for least in (1e-30, 0.0))
    torch.testing.assert_close(
        gradient_cosine_loss(small, b[:1, :1, :2]), gradient_cosine_loss(none, b[:1, :1, :2])
    )


def test_a_map_of_zeros_has_finite_slopes_and_changes_no_other():
    a, b = torch.randn(4, 2, 5), torch.randn(4, 2, 5)
    a[1] = 0
    a.requires_grad_()
    (slopes,) = torch.autograd.grad(gradient_cosine_loss(a, b).sum(), a)
    assert slopes.isfinite().all() and slopes[[0, 2, 3]].any()


def test_a_student_that_reacts_to_no_value_goes_on_learning(toy, quick, network):
    student = nn.Sequential(nn.Flatten(), nn.Linear(20, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        student[1].bias.fill_(-100.0)  # no unit is ever active
    model = quick(network, student=student, saliency="gradient").fit(*toy)
    assert [row["saliency"] for row in model.history_] == pytest.approx([1.0] * 3)


def test_gradient_maps_are_of_the_student_as_it_is_in_use(toy, network):
    from tsdistill.objectives.gradients import _maps_in_use

    series, target = torch.as_tensor(toy[0][:, None]).float(), torch.zeros(12).long()
    network.train()
    network.blocks[0].normalise.eval()  # a user's frozen layer stays as it is
    mean = network.blocks[1].normalise.running_mean.clone()
    together = _maps_in_use(network, network, series, target)
    alone = _maps_in_use(network, network, series[:1], target[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(network.blocks[1].normalise.running_mean, mean)
    assert network.training and not network.blocks[0].normalise.training
    assert network.blocks[1].normalise.training


def test_the_second_derivative_is_taken_without_cudnn_which_has_none(network):
    from tsdistill.objectives.gradients import _maps_in_use

    def ask(series):
        assert not torch.backends.cudnn.enabled
        return network(series)

    before = torch.backends.cudnn.enabled
    assert _maps_in_use(network, ask, torch.randn(2, 1, 20), torch.tensor([0, 2])).any()
    assert torch.backends.cudnn.enabled == before


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x.transpose(1, 2))).mean(dim=1))


def test_gradient_saliency_of_a_student_with_attention(toy, quick, network):
    model = quick(network, student=Attention(), saliency="gradient").fit(*toy)
    assert np.isfinite(model.history_[-1]["saliency"])


def test_gradient_maps_are_of_the_teachers_class_and_agree_with_differences(toy):
    X, _ = toy
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    student = nn.Sequential(nn.Flatten(), nn.Linear(20, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    bound = Teacher(teacher).bind(X[:, None], np.arange(3))
    panel = X[:, None].astype(np.float32)

    class Given:
        pass

    given = Given()
    given.teacher, given.panel, given.device = bound, panel, "cpu"
    given.options = QueryOptions()
    given.clean = bound.log_proba(panel)
    objective = GradientSaliency()
    objective.prepare(given)

    def slope(network, x, k, step=1e-4):
        slopes = []
        for t in range(20):
            scores = []
            for sign in (1, -1):
                moved = x.clone()
                moved[0, 0, t] += sign * step
                with torch.no_grad():
                    z = network(moved)[0]
                scores.append(float(z[k] - z.mean()))
            slopes.append((scores[0] - scores[1]) / (2 * step))
        return np.array(slopes)

    rows = torch.tensor([3, 7])
    series = torch.as_tensor(panel)[rows].double()
    answers = Answers(
        student(series), torch.as_tensor(given.clean)[rows], rows,
        series=series, rows=rows, ask=student, network=student,
    )  # fmt: skip
    losses = objective.losses(answers, torch.ones(2))
    for i, row in enumerate(rows.tolist()):
        k = given.clean[row].argmax()
        ours, theirs = slope(student, series[i : i + 1], k), slope(teacher, series[i : i + 1], k)
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert float(losses[i].detach()) == pytest.approx(1 - cosine, abs=1e-5)


@pytest.mark.slow
def test_gradient_saliency_aligns_the_gradients_of_held_out_series(gunpoint, gunpoint_net, quick):
    X, y, X_test, _ = gunpoint
    teacher = Teacher(gunpoint_net, classes=["1", "2"])
    settings = {"saliency": "gradient", "max_epochs": 100}

    def alignment(weight):
        model = quick(teacher, saliency_weight=weight, **settings).fit(X, y)
        target = model.teacher_.predict(X_test)
        maps = [
            model.explain(X_test, of=of, target=target, method="gradient")
            for of in ("teacher", "student")
        ]
        return saliency_correlation(*maps), model.history_

    (with_term, history), (without, _) = alignment(5.0), alignment(0.0)
    assert with_term > without + 0.1
    assert history[-1]["saliency"] < history[0]["saliency"] - 0.1


@pytest.mark.parametrize("student", [GRU(4), GRU(3, n_layers=2, bidirectional=True), Lite()])
def test_gradient_saliency_of_recurrent_students_and_held_out_series(toy, quick, network, student):
    settings = {"saliency": "gradient", "validation_fraction": 0.4, "max_epochs": 6}
    model = quick(network, student=student, **settings).fit(*toy)
    assert all(np.isfinite(row["valid_loss"]) for row in model.history_)
    assert model.history_[-1]["saliency"] != model.history_[0]["saliency"]


def test_gradient_saliency_needs_no_windows(toy, quick, network):
    model = quick(network, saliency="gradient").fit(*toy)
    assert model._transfer_set is None and set(model.history_[0]) >= {
        "label",
        "soft_targets",
        "saliency",
    }


def test_gradients_may_be_added_to_the_saliency_of_windows(toy, quick, network):
    last = quick(network, auxiliary=GradientSaliency()).fit(*toy).history_[-1]
    assert last["saliency"] > 0 and last["gradient_saliency"] > 0


def test_gradients_are_computed_for_all_series_at_once(fit_stored):
    with pytest.raises(ParameterError, match="GradientSaliency needs all series at once"):
        fit_stored(auxiliary=GradientSaliency())


def test_a_student_may_have_weights_that_do_not_learn(toy, quick, network):
    student = Lite().build(1, 20, 3)
    frozen = next(student.parameters()).requires_grad_(False)
    model = quick(network, student=student, saliency="gradient").fit(*toy)
    assert np.isfinite(model.history_[-1]["saliency"])
    assert any(torch.equal(one, frozen) for one in model.student_.module_.parameters())


def test_a_student_without_gradients_is_refused(toy, quick, network):
    named = r"^GradientSaliency \(saliency='gradient'\) needs a student .*, but Cut cannot be"
    with pytest.raises(StudentError, match=named):
        quick(network, student=Cut(), saliency="gradient").fit(*toy)


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(GradientSaliency)
