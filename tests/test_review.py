import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import bump_teacher
from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.features import feature_maps
from tsdistill.objectives import Answers, TemporalReview, review_losses
from tsdistill.objectives.review import ConvLSTM, attention_map, node_epochs
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet


def test_a_run_of_48_nodes_has_12_reviews_every_20_of_240_epochs():
    memories, reviews = node_epochs(1 / 48, 240)
    assert len(memories) + len(reviews) == 48
    assert reviews.tolist() == list(range(20, 241, 20))
    assert memories[:6].tolist() == [5, 10, 15, 25, 30, 35]


@pytest.mark.parametrize("n_epochs", [4, 7, 50, 100, 191, 250, 1000])
def test_nodes_are_distinct_in_order_and_within_the_run(n_epochs):
    memories, reviews = node_epochs(1 / 48, n_epochs)
    nodes = np.sort(np.concatenate([memories, reviews]))
    assert (np.diff(nodes) > 0).all() and nodes[0] >= 1 and nodes[-1] <= n_epochs
    assert (nodes[3::4] == reviews).all() and len(memories) == 3 * len(reviews)
    assert len(reviews) == (12 if n_epochs >= 48 else n_epochs // 4)


def test_a_run_too_short_for_one_cycle_says_how_long_it_has_to_be():
    with pytest.raises(ParameterError, match=r"interval=5 .* 19 epochs; train for at least 20"):
        node_epochs(5, 19)
    with pytest.raises(ParameterError, match="train for at least 4"):
        node_epochs(1 / 48, 3)


def test_attention_map_is_the_mean_energy_in_units_of_its_norm():
    features = torch.tensor([[[3.0, 0.0, 1.0], [1.0, 2.0, 1.0]]])
    energy = np.array([(9 + 1) / 2, (0 + 4) / 2, (1 + 1) / 2])
    expected = energy / np.sqrt((energy**2).sum())
    np.testing.assert_allclose(attention_map(features)[0], expected, rtol=1e-6)
    assert attention_map(features, length=7).shape == (1, 7)
    assert attention_map(features, length=7).norm() == pytest.approx(1)
    assert not attention_map(torch.zeros(1, 2, 5)).any()


def plain_convolution(x, weight, bias, stride=1, padding=1):
    """Loops: x (n_in, length), weight (n_out, n_in, k)."""
    n_out, n_in, k = weight.shape
    padded = np.zeros((n_in, x.shape[1] + 2 * padding))
    padded[:, padding : padding + x.shape[1]] = x
    length = (padded.shape[1] - k) // stride + 1
    out = np.zeros((n_out, length))
    for o in range(n_out):
        for t in range(length):
            out[o, t] = bias[o] + sum(
                weight[o, c, j] * padded[c, t * stride + j] for c in range(n_in) for j in range(k)
            )
    return out


def plain_forecast(weights, increments):
    """The ConvLSTM of one series from its formulas; increments (n_steps, length)."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    hidden = cell = None
    for step in increments:
        read = plain_convolution(step[None], weights["down.weight"], weights["down.bias"], 2)
        read = np.maximum(read, 0)
        if hidden is None:
            hidden = cell = np.zeros_like(read)
        both = np.concatenate([read, hidden])
        gates = plain_convolution(both, weights["gates.weight"], weights["gates.bias"])
        take, forget, give, new = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(take) * np.tanh(new)
        hidden = sigmoid(give) * np.tanh(cell)
    ahead = plain_convolution(hidden, weights["forecast.weight"], weights["forecast.bias"])
    ahead = np.maximum(ahead, 0)
    spread, k = np.zeros(2 * ahead.shape[1] + 2), weights["up.weight"].shape[2]
    for c in range(len(ahead)):
        for t in range(ahead.shape[1]):
            for j in range(k):
                spread[2 * t + j] += ahead[c, t] * weights["up.weight"][c, 0, j]
    return spread[1 : 1 + increments.shape[1]] + weights["up.bias"][0]


def plain_attention(features, length=None):
    energy = (features**2).mean(axis=0)
    if length is not None:
        at = (np.arange(length) + 0.5) * len(energy) / length - 0.5
        energy = np.interp(at, np.arange(len(energy)), energy)
    return energy / np.sqrt((energy**2).sum())


@pytest.mark.parametrize("length", [1, 2, 9, 10])
def test_review_losses_follow_the_formulas(length):
    torch.manual_seed(length)
    maps = torch.rand(5, 3, length, dtype=torch.float64)
    forecaster = ConvLSTM(hidden_size=2).double()
    losses = review_losses(maps[3], list(maps[:3]), maps[4], forecaster)
    weights = {name: w.detach().numpy() for name, w in forecaster.named_parameters()}
    for i in range(3):
        m1, m2, m3, now, teacher = maps[:, i].numpy()
        increments = np.abs(np.array([m2 - m1, m3 - m2, now - m3]))
        wrong = plain_forecast(weights, increments) - np.abs(now - teacher)
        assert float(losses[i].detach()) == pytest.approx((wrong**2).mean(), rel=1e-9)


class TwoStages(nn.Module):
    """Maps of length 12 and 6."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv1d(1, width, 3, stride=2, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = self.second(torch.relu(self.first(x)))
        return self.head(x.mean(dim=-1))


class Given:
    """What a preparation offers, of plain parts."""

    def __init__(self, teacher, network, panel, n_epochs):
        from tsdistill import Teacher

        self.teacher = Teacher(teacher).bind(panel, np.arange(3))
        self.network, self.panel, self.n_epochs, self.device = network, panel, n_epochs, "cpu"


def test_one_cycle_equals_a_plain_rewrite():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(6, 1, 24)).astype(np.float32)
    teacher, student = TwoStages(4), TwoStages(2)
    teacher.first = nn.Conv1d(1, 4, 3, padding=1)  # maps of length 24 and 12
    review = TemporalReview(
        interval=2, student_stages=("first", "second"), teacher_stages=("first", "second")
    )
    review.check()
    given = Given(teacher, student, panel, n_epochs=8)
    review.check_models(given)
    review.prepare(given)
    rows = torch.tensor([4, 0, 3])
    series = torch.as_tensor(panel)[rows]
    kept = {}
    for epoch in range(1, 9):
        student.train()
        review.begin_epoch(epoch, student)
        answers = Answers(
            student(series), torch.zeros(3, 3), rows, series=series, rows=rows, network=student
        )
        losses = review.losses(answers, torch.ones(3))
        if epoch != 8:
            assert not losses.any()
        with torch.no_grad():  # the student learns something in every epoch
            for weight in student.parameters():
                weight += 0.1 * torch.randn_like(weight)
        review.end_epoch(epoch, student)
        kept[epoch] = copy.deepcopy(student)

    def maps(network, x):
        first = plain_convolution(
            x, *(w.detach().double().numpy() for w in network.first.parameters()),
            stride=network.first.stride[0],
        )  # fmt: skip
        second = plain_convolution(
            np.maximum(first, 0),
            *(w.detach().double().numpy() for w in network.second.parameters()), stride=2,
        )  # fmt: skip
        return first, second

    now = kept[7]  # the student in the review epoch, before that epoch's own step
    for i, row in enumerate(rows.tolist()):
        x, total = panel[row].astype(np.float64), 0.0
        for stage in range(2):
            before = [plain_attention(maps(kept[e], x)[stage]) for e in (2, 4, 6)]
            here = plain_attention(maps(now, x)[stage])
            goal = plain_attention(maps(teacher, x)[stage], length=len(here))
            increments = np.abs(np.diff(np.stack([*before, here]), axis=0))
            weights = {
                name: w.detach().double().numpy()
                for name, w in review.forecasters_[stage].named_parameters()
            }
            wrong = plain_forecast(weights, increments) - np.abs(here - goal)
            total += (wrong**2).mean()
        assert float(losses[i].detach()) == pytest.approx(total, rel=1e-4)


class Watch(TemporalReview):
    """Notes what is kept, and when the ConvLSTM changes."""

    seen = []

    def begin_epoch(self, epoch, network):
        super().begin_epoch(epoch, network)
        self._before = copy.deepcopy(self.forecasters_.state_dict())

    def end_epoch(self, epoch, network):
        n_before = len(self.snapshots_)
        super().end_epoch(epoch, network)
        after = self.forecasters_.state_dict()
        learnt = any(not torch.equal(after[name], self._before[name]) for name in after)
        now = copy.deepcopy(network.state_dict())
        newest = self.snapshots_[-1] if len(self.snapshots_) > n_before else None
        Watch.seen.append((epoch, learnt, newest, now))


@pytest.fixture
def watched(toy, quick):
    Watch.seen = []
    torch.manual_seed(0)
    teacher = Inception(n_filters=2).build(1, 20, 3)
    model = quick(teacher, max_epochs=9, auxiliary=Watch(interval=2)).fit(*toy)
    return model, Watch.seen


def test_snapshots_are_of_the_memory_epochs_and_stay_as_they_were(watched):
    _, seen = watched
    kept = [(epoch, newest, now) for epoch, _, newest, now in seen if newest is not None]
    assert [epoch for epoch, *_ in kept] == [2, 4, 6]
    for _, newest, now in kept:
        assert not newest.training and not any(w.requires_grad for w in newest.parameters())
        for name, value in newest.state_dict().items():
            torch.testing.assert_close(value, now[name], rtol=0, atol=0)


def test_the_convlstm_learns_in_review_epochs_only(watched):
    model, seen = watched
    assert [epoch for epoch, learnt, *_ in seen if learnt] == [8]
    terms = [row["temporal_review"] for row in model.history_]
    assert [i + 1 for i, term in enumerate(terms) if term > 0] == [8]


def test_neither_network_is_changed_by_the_hooks(watched, toy):
    model, _ = watched
    for network in (model.student_.module_, model.teacher):
        assert not any(part._forward_hooks for part in network.modules())
    assert model.teacher.training  # as it was found


@pytest.mark.parametrize("student", [Lite(), FCN(), ResNet(n_filters=2), Inception(2), GRU(4)])
@pytest.mark.parametrize("teacher", [Inception(n_filters=2, n_blocks=5), GRU(3)])
def test_students_of_this_library_need_no_names(toy, quick, student, teacher):
    teacher = teacher.build(1, 20, 3)
    model = quick(teacher, student=student, max_epochs=4, auxiliary=TemporalReview()).fit(*toy)
    assert model.history_[-1]["temporal_review"] > 0


def test_modules_of_any_kind_serve_once_their_stages_are_named(toy, quick):
    X, y = toy
    review = TemporalReview(student_stages="first", teacher_stages=("second",))
    student = TwoStages(2)
    model = quick(TwoStages(4), student=student, max_epochs=4, auxiliary=review).fit(X, y)
    assert model.history_[-1]["temporal_review"] > 0


class Transformer(nn.Module):
    """Features last within, as torch's transformers have them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x.transpose(1, 2))).mean(dim=1))


@pytest.mark.parametrize("stage", ["encoder", "encoder.layers.0", "encoder.layers.0.self_attn"])
def test_maps_of_transformers_have_time_last(stage):
    torch.manual_seed(0)
    network, series = Transformer(), torch.randn(2, 1, 20)  # in training mode: no fused kernels
    (maps,) = feature_maps(network, [stage], lambda: network(series), 2)
    assert maps.shape == (2, 8, 20)


def test_reviewed_students_come_nearer_to_the_teachers_attention(gunpoint, gunpoint_net, quick):
    X, y, X_test, _ = gunpoint
    from tsdistill import Teacher

    teacher = Teacher(gunpoint_net, classes=["1", "2"])
    series = torch.as_tensor(X_test, dtype=torch.float32)

    def distance(weight):
        review = TemporalReview(weight, interval=1, student_stages="reach")
        settings = {"saliency_weight": 0, "max_epochs": 60, "auxiliary": review}
        model = quick(teacher, **settings).fit(X, y)
        student, net = model.student_.module_.eval(), gunpoint_net.module_.eval()
        with torch.no_grad():
            (ours,) = feature_maps(student, ["reach"], lambda: student(series), len(series))
            (theirs,) = feature_maps(net, ["blocks.2"], lambda: net(series), len(series))
        ours = attention_map(ours)
        return float((ours - attention_map(theirs, ours.shape[1])).abs().mean())

    assert distance(200.0) < 0.8 * distance(0.0)


BAD = {
    "black box": (bump_teacher, {}, TeacherError, "no single torch module.*InputNoise"),
    "list of modules": (
        [TwoStages(2), TwoStages(2)], {}, TeacherError, "no single torch module",
    ),
    "teacher without names": (TwoStages(2), {}, TeacherError, "teacher_stages, such as"),
    "unknown stage": (
        TwoStages(2), {"teacher_stages": ["third"]}, TeacherError, r"names \['third'\].*'first'",
    ),
    "no stage": (TwoStages(2), {"teacher_stages": []}, TeacherError, "names no stage"),
    "a stage without time": (
        TwoStages(2), {"teacher_stages": ["head"]}, TeacherError, "before the pooling over time",
    ),
    "unlike numbers": (
        TwoStages(2),
        {"teacher_stages": ["first", "second"], "student_stages": ["reach"]},
        ParameterError,
        "1 student_stages and 2 teacher_stages",
    ),
    "stages by number": (TwoStages(2), {"teacher_stages": 3}, TeacherError, "stages=3; expected"),
    "student's unknown stage": (
        TwoStages(2),
        {"teacher_stages": ["first"], "student_stages": ["blocks"]},
        StudentError,
        "student_stages names",
    ),
    "longer than the run": (
        TwoStages(2), {"teacher_stages": ["first"], "interval": 2}, ParameterError, "at least 8",
    ),
    "interval 0": (TwoStages(2), {"interval": 0}, ParameterError, "interval=0"),
    "interval half": (TwoStages(2), {"interval": 0.5}, ParameterError, "interval=0.5"),
    "interval nan": (TwoStages(2), {"interval": float("nan")}, ParameterError, "interval=nan"),
    "interval of words": (TwoStages(2), {"interval": "5"}, ParameterError, "interval='5'"),
    "no features": (TwoStages(2), {"hidden_size": 0}, ParameterError, "hidden_size=0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_a_review_lacks_is_said_before_training(case, toy, quick):
    teacher, settings, error, message = BAD[case]
    questions = []
    if teacher is bump_teacher:

        def teacher(X):
            questions.append(len(X))
            return bump_teacher(X)

    with pytest.raises(error, match=message):
        quick(teacher, max_epochs=6, auxiliary=TemporalReview(**settings)).fit(*toy)
    assert sum(questions) <= 4  # no more than the trial question
