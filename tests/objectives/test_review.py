"""Temporal review: its epochs, its loss, its snapshots and the stages that it compares."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import bump_teacher
from tests.objectives.conftest import check_parameters
from tsdistill.exceptions import ParameterError, StudentError, TeacherError
from tsdistill.objectives import Answers, GradientSaliency, TemporalReview, review_losses
from tsdistill.objectives.review import ConvLSTM, attention_map, node_epochs
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet
from tsdistill.students.feature_maps import feature_maps
from tsdistill.teachers.querying import QueryOptions


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


def test_a_quarter_of_the_run_is_the_longest_interval():
    TemporalReview(interval=0.25).check()
    memories, reviews = node_epochs(0.25, 40)
    assert memories.tolist() == [10, 20, 30] and reviews.tolist() == [40]


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
        self.options = QueryOptions()


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
    student.train()
    early = Answers(student(series), None, rows, series=series, rows=rows, network=student)
    assert review.losses(early, torch.ones(3)).tolist() == [0, 0, 0]
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


@pytest.mark.slow
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
    "black box": (bump_teacher, {}, TeacherError, "not a single torch module.*InputNoise"),
    "list of modules": (
        [TwoStages(2), TwoStages(2)], {}, TeacherError, "not a single torch module",
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
    "interval 0": (TwoStages(2), {"interval": 0}, ParameterError, "interval=0;"),
    "interval 0.0": (TwoStages(2), {"interval": 0.0}, ParameterError, "interval=0.0;"),
    "interval half": (TwoStages(2), {"interval": 0.5}, ParameterError, "interval=0.5; expected"),
    "negative weight": (TwoStages(2), {"weight": -1}, ParameterError, "TemporalReview.weight=-1"),
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


class Normalised(TwoStages):
    """With layers whose answers differ between training and use."""

    def __init__(self, width):
        super().__init__(width)
        self.first = nn.Sequential(self.first, nn.BatchNorm1d(width), nn.Dropout(0.5))


def test_teacher_and_snapshots_are_asked_in_eval_mode():
    torch.manual_seed(0)
    panel = np.random.default_rng(0).normal(size=(6, 1, 24)).astype(np.float32)
    teacher, student = Normalised(4).train(), Normalised(2).train()
    review = TemporalReview(interval=1, student_stages="first", teacher_stages="first")
    given = Given(teacher, student, panel, n_epochs=4)
    review.check_models(given)
    review.prepare(given)
    series = torch.as_tensor(panel)
    with torch.no_grad():
        expected = attention_map(copy.deepcopy(teacher).eval().first(series))
    torch.testing.assert_close(review.teacher_maps_[0], expected)
    assert teacher.training and student.training
    rows = torch.arange(6)
    answers = Answers(None, None, rows, series=series, rows=rows, network=student)
    answers.student = torch.zeros(6, 3)
    for epoch in range(1, 4):
        review.begin_epoch(epoch, student)
        review.end_epoch(epoch, student)
    assert not any(part.training for one in review.snapshots_ for part in one.modules())
    review.begin_epoch(4, student)
    assert review.losses(answers, torch.ones(6)).any()
    student.eval()  # held-out series
    assert not review.losses(answers, torch.ones(6)).any()


def test_each_cycle_has_three_memories_of_its_own(toy, quick):
    class Count(TemporalReview):
        seen = []

        def losses(self, answers, sample_weight):
            if self._is_review:
                Count.seen.append(len(self.snapshots_))
            return super().losses(answers, sample_weight)

    network = Inception(n_filters=2).build(1, 20, 3)
    quick(network, max_epochs=12, auxiliary=Count(interval=1)).fit(*toy)
    assert Count.seen == [3, 3, 3]


def test_many_series_are_asked_about_in_parts(toy, quick, monkeypatch):
    network = Inception(n_filters=2).build(1, 20, 3)

    def last():
        model = quick(network, max_epochs=4, auxiliary=TemporalReview()).fit(*toy)
        return model.history_[-1]["temporal_review"]

    whole = last()
    monkeypatch.setattr("tsdistill.numerics.batches.ROWS_A_BATCH", 5)
    assert last() == pytest.approx(whole, rel=1e-5)


def test_a_review_may_be_all_there_is_to_learn(toy, quick):
    weights = {"label_weight": 0, "soft_target_weight": 0, "saliency_weight": 0}
    network = Inception(n_filters=2).build(1, 20, 3)
    model = quick(network, max_epochs=4, auxiliary=TemporalReview(), **weights).fit(*toy)
    assert model.history_[-1]["train_loss"] > 0 == model.history_[0]["train_loss"]


class Keeps(TwoStages):
    """Keeps what it computed last, in an attribute."""

    def forward(self, x):
        self.last = self.first(x)
        return self.head(self.second(torch.relu(self.last)).mean(dim=-1))


def test_students_that_keep_activations_can_be_reviewed(toy, quick):
    review = TemporalReview(student_stages="second", teacher_stages="second")
    for auxiliary in (review, [review, GradientSaliency()]):
        model = quick(TwoStages(4), student=Keeps(2), max_epochs=8, auxiliary=auxiliary).fit(*toy)
        assert model.history_[3]["temporal_review"] > 0


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.LBFGS])
def test_students_keep_optimisers_and_schedules_of_one_group(toy, quick, optimizer):
    from skorch import NeuralNetClassifier
    from skorch.callbacks import LRScheduler

    schedule = LRScheduler(torch.optim.lr_scheduler.LambdaLR, lr_lambda=[lambda epoch: 0.9**epoch])
    net = NeuralNetClassifier(
        TwoStages(2), criterion=nn.CrossEntropyLoss, optimizer=optimizer, lr=0.01, max_epochs=4,
        callbacks=[schedule], callbacks__print_log=None,
    )  # fmt: skip
    review = TemporalReview(student_stages="first", teacher_stages="first")
    model = quick(TwoStages(4), student=net, auxiliary=review).fit(*toy)
    assert len(model.history_) == 4


class TimeFirst(nn.Module):
    """A GRU whose states have time first."""

    def __init__(self):
        super().__init__()
        self.recurrent, self.states, self.head = nn.GRU(1, 4), nn.Identity(), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.states(self.recurrent(x.permute(2, 0, 1))[0]).mean(dim=0))


def test_maps_that_are_not_of_the_series_are_refused(toy, quick):
    with pytest.raises(TeacherError, match=r"gives \(20, 2, 4\) for 2 series"):
        quick(TimeFirst(), max_epochs=4, auxiliary=TemporalReview(teacher_stages="states")).fit(
            *toy
        )
    fine = TemporalReview(teacher_stages="recurrent")
    assert quick(TimeFirst(), max_epochs=4, auxiliary=fine).fit(*toy).history_


def test_pooled_maps_are_refused(toy, quick):
    pooled = nn.Sequential(
        nn.Conv1d(1, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    with pytest.raises(TeacherError, match="stage '1' gives maps of length 1"):
        quick(pooled, max_epochs=4, auxiliary=TemporalReview(teacher_stages="1")).fit(*toy)


def test_maps_of_one_position_suit_series_of_one_timestep_alone():
    for n_timepoints in (1, 2, 4):
        panel = np.ones((3, 1, n_timepoints), dtype=np.float32)
        review = TemporalReview(interval=1, student_stages="second", teacher_stages="second")
        given = Given(TwoStages(2), TwoStages(2), panel, n_epochs=4)
        if n_timepoints == 1:
            review.check_models(given)
        else:
            with pytest.raises(StudentError, match="stage 'second' gives maps of length 1"):
                review.check_models(given)


def test_declared_stages_are_thinned_out_and_named_ones_are_not(toy, quick):
    one = TemporalReview(student_stages="reach")
    network = Inception(n_filters=2).build(1, 20, 3)
    assert quick(network, max_epochs=4, auxiliary=one).fit(*toy).history_
    with pytest.raises(ParameterError, match="3 student_stages and 1 teacher_stages"):
        names = ["normalise", "combine", "reach"]
        quick(GRU(3).build(1, 20, 3), max_epochs=4,
              auxiliary=TemporalReview(student_stages=names)).fit(*toy)  # fmt: skip


class OwnStages(TwoStages):
    def __init__(self, width):
        super().__init__(width)
        self.stages = nn.ModuleList([self.first, self.second])


def test_an_attribute_of_that_name_may_be_something_else(toy, quick):
    with pytest.raises(TeacherError, match="does not say which"):
        quick(OwnStages(2), max_epochs=4, auxiliary=TemporalReview()).fit(*toy)
    named = TemporalReview(teacher_stages="stages.1")
    assert quick(OwnStages(2), max_epochs=4, auxiliary=named).fit(*toy).history_


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(TemporalReview)


def test_it_needs_all_series_at_once(fit_stored):
    with pytest.raises(ParameterError, match="TemporalReview needs all series at once"):
        fit_stored(auxiliary=TemporalReview())
