"""Objectives beside the default loss: the autoencoder, gradients, noise, and their composition."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from torch import nn

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ParameterError, StudentError, TeacherError, TsdistillError
from tsdistill.fidelity import saliency_correlation
from tsdistill.objectives import (
    Answers,
    ExplanationAutoencoder,
    GradientSaliency,
    InputNoise,
    Objective,
    PerturbedSoftTargets,
    TemporalReview,
    explanation_loss,
    gradient_cosine_loss,
    soft_target_loss,
)
from tsdistill.sktime import SaliencyDistilledTSC
from tsdistill.students import GRU, Inception, Lite

FEW = {"n_questions": 1000}


class Counted:
    """A black box that counts the series it is asked about."""

    def __init__(self):
        self.n_asked = 0

    def __call__(self, X):
        self.n_asked += len(X)
        return bump_teacher(X)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Inception(n_filters=2).build(1, 20, 3)


# The autoencoder


@pytest.fixture(scope="module")
def explained(gunpoint, gunpoint_net):
    X, y, _, _ = gunpoint
    teacher = Teacher(gunpoint_net, classes=["1", "2"])
    auxiliary = ExplanationAutoencoder(n_questions=10_000)
    return SaliencyDistilledClassifier(
        teacher, auxiliary=auxiliary, max_epochs=150, random_state=0
    ).fit(X, y)


def test_the_autoencoder_gives_the_teachers_maps_of_series_it_has_not_seen(explained, gunpoint):
    X, _, X_test, _ = gunpoint
    theirs = explained.explain(X_test, of="teacher")
    ours = explained.explain(X_test, method="autoencoder")
    mean_map = explained.explain(X, of="teacher").mean(axis=0)
    control = saliency_correlation(theirs, np.tile(mean_map, (len(theirs), 1)))
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    assert saliency_correlation(theirs, ours) > max(0.8, control + 0.1)
    # in the same units, too
    assert np.abs(ours).mean() == pytest.approx(np.abs(theirs).mean(), rel=0.3)


def test_a_map_takes_one_forward_pass(explained, gunpoint):
    X_test, seen = gunpoint[2], []
    module = explained.student_.module_
    hook = module.extended.register_forward_hook(lambda *args: seen.append(len(args[1][0])))
    explained.explain(X_test, method="autoencoder")
    hook.remove()
    assert sum(seen) == len(X_test)


def test_the_bottleneck_speaks_in_the_students_logits(explained, gunpoint):
    module, series = explained.student_.module_, torch.as_tensor(gunpoint[2][:5]).float()
    with torch.no_grad():
        bottleneck = module.autoencoder.encode(series)[-1].mean(dim=-1)
        expected = module.extended(series) + bottleneck @ module.fusion.weight.T
        torch.testing.assert_close(module(series), expected)
    assert module.fusion.weight.abs().max() > 0.01


def test_explanation_loss_is_the_squared_error_in_units_of_the_largest_value():
    maps, teacher = torch.randn(3, 5), torch.randn(3, 5)
    scale = torch.tensor([1.0, 2.0, 4.0])
    for i, loss in enumerate(explanation_loss(maps, teacher, scale)):
        slow = np.mean([((maps[i, t] - teacher[i, t]) / scale[i]) ** 2 for t in range(5)])
        assert float(loss) == pytest.approx(slow, rel=1e-5)


def test_the_teacher_is_asked_for_maps_about_as_often_as_allowed(toy, quick):
    def asked(**settings):
        teacher = Counted()
        quick(teacher, saliency_weight=0, **settings).fit(*toy)
        return teacher.n_asked

    without = asked()
    for allowed in (100, 1_000, 5_000):
        more = asked(auxiliary=ExplanationAutoencoder(n_questions=allowed)) - without
        assert 0.5 * allowed < more <= 1.2 * allowed


def test_with_few_questions_a_few_series_stand_for_all(toy, quick):
    model = quick(auxiliary=ExplanationAutoencoder(n_questions=100)).fit(*toy)
    assert np.isfinite(model.explain(toy[0], method="autoencoder")).all()
    objective = ExplanationAutoencoder()
    assert ExplanationAutoencoder(n_questions=1)._shares_of_questions(12, 19) == (1, 1, 0)
    assert ExplanationAutoencoder(n_questions=100)._shares_of_questions(12, 19) == (5, 1, 0)
    assert objective._shares_of_questions(50, 28) == (50, 8, 10)
    assert objective._shares_of_questions(5000, 28) == (1428, 1, 0)
    gradients = ExplanationAutoencoder(explanation="integrated_gradients", n_questions=5000)
    assert gradients._shares_of_questions(20, 28) == (20, 1, 4)


@pytest.mark.parametrize("explanation", ["gradient", "integrated_gradients"])
def test_maps_of_a_torch_teacher_may_be_of_gradients(toy, quick, network, explanation):
    X, y = toy
    auxiliary = ExplanationAutoencoder(explanation=explanation, weight=20.0)
    settings = {"label_weight": 0, "soft_target_weight": 0, "saliency_weight": 0}
    model = quick(network, max_epochs=150, auxiliary=auxiliary, **settings).fit(X, y)
    theirs = model.explain(X, of="teacher", method=explanation)
    assert saliency_correlation(theirs, model.explain(X, method="autoencoder")) > 0.8


@pytest.mark.parametrize("n_timepoints", [8, 9, 13, 31])
@pytest.mark.parametrize("student", ["lite", "gru"])
def test_maps_have_the_length_of_the_series(quick, n_timepoints, student):
    X = np.random.default_rng(0).normal(size=(9, 2, n_timepoints))

    def teacher(X):
        p = 1 / (1 + np.exp(-X[:, 0, 0]))
        return np.column_stack([p, 1 - p])

    auxiliary = ExplanationAutoencoder(**FEW)
    model = quick(teacher, student=student, auxiliary=auxiliary).fit(X)
    assert model.explain(X, method="autoencoder").shape == (9, n_timepoints)


def test_an_extended_student_travels(toy, quick, tmp_path):
    import pickle

    X, y = toy
    model = quick(auxiliary=ExplanationAutoencoder(**FEW)).fit(X, y)
    again = pickle.loads(pickle.dumps(model.student_))
    expected = model.predict_proba(X)
    np.testing.assert_allclose(again.predict_proba(model._panel(X)), expected, rtol=1e-5)
    assert clone(model).fit(X, y).explain(X, method="autoencoder").shape == X.shape


def test_a_skorch_student_with_settings_of_its_own_is_extended(toy, quick):
    class Small(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.body = nn.Sequential(nn.Conv1d(1, width, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
            self.head = nn.Linear(width, 3)

        def forward(self, x):
            return self.head(self.body(x)[..., 0])

    net = NeuralNetClassifier(
        Small, module__width=5, criterion=nn.CrossEntropyLoss, max_epochs=2, callbacks="disable"
    )
    model = quick(student=net, auxiliary=ExplanationAutoencoder(**FEW)).fit(*toy)
    assert model.student_.module_.extended.head.in_features == 5
    assert model.explain(toy[0], method="autoencoder").shape == toy[0].shape


class InPlace(nn.Module):
    """Changes what it is given, unless told not to."""

    def __init__(self, in_place=True):
        super().__init__()
        self.body, self.head, self.in_place = (
            nn.Conv1d(1, 4, 3, padding=1),
            nn.Linear(4, 3),
            in_place,
        )

    def forward(self, x):
        x = x.mul_(2.0) if self.in_place else x * 2.0
        return self.head(torch.relu(self.body(x)).mean(dim=-1))


@pytest.mark.parametrize("saliency", ["logit_change", "gradient"])
@pytest.mark.parametrize("saliency_weight", [0.0, 5.0])
def test_students_that_change_their_input_learn_as_others_do(
    toy, quick, network, saliency, saliency_weight
):
    fits = []
    for in_place in (True, False):
        torch.manual_seed(0)
        model = quick(
            network,
            student=InPlace(in_place),
            saliency=saliency,
            saliency_weight=saliency_weight,
            max_epochs=4,
            auxiliary=[*everything()[:1], TemporalReview(student_stages="body"), InputNoise()],
        )
        fits.append(model.fit(*toy).history_[-1])
    for name in ("train_loss", "explanation_autoencoder", "temporal_review", "input_noise"):
        assert fits[0][name] == pytest.approx(fits[1][name], rel=1e-5)


def test_explaining_leaves_the_series_as_they_were(toy, quick):
    X = toy[0][:, None].astype(np.float32)
    X.flags.writeable = False
    before = X.copy()
    model = quick(student=InPlace(), auxiliary=ExplanationAutoencoder(**FEW)).fit(X, toy[1])
    model.explain(X, method="autoencoder")
    np.testing.assert_array_equal(X, before)


def test_encoder_and_student_are_trained_by_each_others_terms(explained):
    module = explained.student_.module_
    series = torch.randn(4, 1, 150)
    for weight in (module.autoencoder.down[2][0].weight, module.fusion.weight):
        (slope,) = torch.autograd.grad(module(series).sum(), weight)
        assert slope.any()


def test_mixtures_are_of_a_class_and_of_series_that_are_learnt_from(toy, quick, monkeypatch):
    kept = {}

    class Watched(ExplanationAutoencoder):
        def prepare(self, preparation):
            super().prepare(preparation)
            kept.update(
                partner=self.partner_.numpy(), share=self.share_.numpy(),
                learnt=preparation.learnt_from, groups=preparation.class_index,
            )  # fmt: skip
            with pytest.raises(ValueError, match="read-only"):
                preparation.panel[:] = 0

    weight = np.r_[0.0, np.ones(11)]
    settings = {"validation_fraction": 0.3, "auxiliary": Watched(n_questions=4000)}
    quick(**settings).fit(*toy, sample_weight=weight)
    assert len(kept["partner"]) > 3 and not kept["learnt"][0] and 6 < kept["learnt"].sum() < 12
    for partner in kept["partner"]:
        assert (kept["groups"][partner] == kept["groups"]).all()
        assert kept["learnt"][partner].all()
    assert (kept["share"][0] == 1).all() and (kept["share"] >= 0.5).all()


def test_a_teacher_that_never_reacts_has_maps_of_zeros(toy, quick):
    def constant(X):
        return np.tile([0.5, 0.3, 0.2], (len(X), 1))

    model = quick(constant, auxiliary=ExplanationAutoencoder(**FEW)).fit(*toy)
    assert np.isfinite(model.explain(toy[0], method="autoencoder")).all()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (InputNoise(), InputNoise(n_draws=9)),
        (InputNoise(), InputNoise(scale=0.2)),
        (ExplanationAutoencoder(**FEW), ExplanationAutoencoder(n_questions=2000)),
    ],
)
def test_warm_start_asks_again_where_the_questions_changed(toy, quick, first, second):
    teacher = Counted()
    model = quick(teacher, warm_start=True, auxiliary=first).fit(*toy)
    asked = teacher.n_asked
    model.set_params(auxiliary=second).fit(*toy)
    assert teacher.n_asked > asked + 50
    assert len(model._transfer_set.worked_out) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"target": 0}, "target=0"),
        ({"of": "teacher"}, "of='teacher'"),
    ],
)
def test_what_an_autoencoder_cannot_tell_is_refused(toy, quick, asked, message):
    model = quick(auxiliary=ExplanationAutoencoder(**FEW)).fit(*toy)
    assert model.explain(toy[0], method="autoencoder", per_channel=True).shape == (12, 1, 20)
    with pytest.raises(ParameterError, match=message):
        model.explain(toy[0], method="autoencoder", **asked)
    with pytest.raises(StudentError, match=r"auxiliary=.*ExplanationAutoencoder\(\)"):
        quick().fit(*toy).explain(toy[0], method="autoencoder")


# Gradients


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
    assert gradient_cosine_loss(0 * a, b).tolist() == [1, 1, 1, 1]


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


# Noise


def test_noise_has_the_scale_of_each_channel_and_answers_are_the_teachers(motions):
    X, _, _, _ = motions
    panel = X.astype(np.float32)

    def teacher(X):
        p = 1 / (1 + np.exp(-X[:, :, :50].mean(axis=(1, 2))))
        return np.column_stack([p, 1 - p])

    class Given:
        device = "cpu"

        def rng(self, name):
            return np.random.default_rng(0)

        def once(self, key, work_out):
            return work_out()

        def ask(self, series, title):
            return np.log(teacher(series[0 : len(series)])).astype(np.float32)

    given = Given()
    given.panel = panel
    noise = InputNoise(scale=0.3, n_draws=5, temperature=2.0)
    noise.check()
    noise.prepare(given)
    std = noise.noise_.numpy().std(axis=(0, 2))
    np.testing.assert_allclose(std, 0.3 * panel.std(axis=(0, 2)), rtol=0.05)
    student = nn.Sequential(nn.Flatten(), nn.Linear(600, 2)).eval()
    rows = torch.tensor([3, 1])
    series = torch.as_tensor(panel)[rows]
    answers = Answers(None, None, rows, series=series, rows=rows, ask=student, network=student)
    losses = noise.losses(answers, torch.ones(2))
    torch.manual_seed(0)
    student.train()
    drawn = {float(noise.losses(answers, torch.ones(2))[0].detach()) for _ in range(40)}
    assert len(drawn) == 5
    student.eval()
    for i, row in enumerate(rows.tolist()):
        noisy = panel[row] + noise.noise_[noise.draw_[row, 0]].numpy()
        theirs = torch.as_tensor(np.log(teacher(noisy[None])))
        expected = soft_target_loss(student(torch.as_tensor(noisy[None])), theirs, 2.0)
        torch.testing.assert_close(losses[i : i + 1], expected.float(), rtol=1e-4, atol=1e-5)


def test_students_of_noisy_series_hold_on_to_the_teacher_there(toy, quick):
    X, y = toy
    noisy = X + np.random.default_rng(1).normal(scale=0.5 * X.std(), size=X.shape)

    def kl(**settings):
        model = quick(saliency_weight=0, max_epochs=150, **settings).fit(X, y)
        return -model.fidelity_score(noisy, metric="kl")

    assert kl(auxiliary=InputNoise(scale=0.5, n_draws=16)) < 0.7 * kl()


# Together


def everything():
    return [
        ExplanationAutoencoder(**FEW),
        TemporalReview(),
        GradientSaliency(),
        InputNoise(),
        PerturbedSoftTargets(),
    ]


NAMES = [objective.name for objective in everything()]


def test_objectives_compose_and_each_is_in_the_history(toy, quick, network):
    model = quick(network, max_epochs=4, auxiliary=everything()).fit(*toy)
    for row in model.history_:
        assert {"label", "soft_targets", "saliency", *NAMES} <= set(row)
    last = model.history_[-1]
    total = 0.1 * last["label"] + last["soft_targets"] + 5 * last["saliency"]
    total += sum(objective.weight * last[objective.name] for objective in everything())
    assert last["train_loss"] == pytest.approx(total, rel=1e-4)


def test_objectives_of_the_user_are_left_as_they_were(toy, quick, network):
    auxiliary = everything()
    before = [dict(vars(one)) for one in auxiliary]
    model = quick(network, max_epochs=4, auxiliary=auxiliary).fit(*toy)
    assert [vars(one) for one in auxiliary] == before and model.auxiliary is auxiliary


def test_fits_with_every_objective_are_repeatable(toy, quick, network):
    one, two = (
        quick(network, max_epochs=4, auxiliary=everything(), **more).fit(*toy)
        for more in ({}, {"n_jobs": 2})
    )
    np.testing.assert_array_equal(one.predict_proba(toy[0]), two.predict_proba(toy[0]))
    maps = [model.explain(toy[0], method="autoencoder") for model in (one, two)]
    np.testing.assert_array_equal(*maps)


def test_warm_start_goes_on_without_asking_again(toy, quick):
    teacher = Counted()
    auxiliary = [ExplanationAutoencoder(**FEW), InputNoise()]
    model = quick(teacher, warm_start=True, auxiliary=auxiliary).fit(*toy)
    asked = teacher.n_asked
    model.fit(*toy)
    assert teacher.n_asked - asked <= 2  # the trial question
    assert [row["epoch"] for row in model.history_] == list(range(1, 7))


def test_memory_keeps_what_the_objectives_ask(toy, quick, tmp_path):
    def asked():
        teacher = Counted()
        auxiliary = [ExplanationAutoencoder(**FEW), InputNoise()]
        quick(teacher, memory=str(tmp_path), auxiliary=auxiliary).fit(*toy)
        return teacher.n_asked

    first = asked()
    assert asked() <= 66 < first / 5  # the probes


@pytest.mark.parametrize(
    ("auxiliary", "key"),
    [
        (PerturbedSoftTargets(), "auxiliary__weight"),
        ([PerturbedSoftTargets()], "auxiliary__weight"),
        ([InputNoise(), PerturbedSoftTargets()], "auxiliary__perturbed_soft_targets__weight"),
    ],
)
@pytest.mark.parametrize("kind", [SaliencyDistilledClassifier, SaliencyDistilledTSC])
def test_weights_of_objectives_can_be_searched(toy, auxiliary, key, kind):
    X, y = toy
    model = kind(bump_teacher, max_epochs=2, n_windows=4, auxiliary=auxiliary, random_state=0)
    search = GridSearchCV(model, {key: [0.5, 2.0]}, cv=2).fit(X[:, None], y)
    best = search.best_estimator_.get_params()
    assert best[key if key in best else "auxiliary__perturbed_soft_targets__weight"] in (0.5, 2.0)
    weights = [p[key] for p in search.cv_results_["params"]]
    assert weights == [0.5, 2.0]
    tried = clone(model).set_params(**{key: 7.0}).auxiliary
    changed = tried[-1] if isinstance(tried, list) else tried
    original = auxiliary[-1] if isinstance(auxiliary, list) else auxiliary
    assert changed.weight == 7.0 and original.weight == 1.0


def test_an_objective_in_a_list_can_be_replaced_by_name(quick):
    model = quick(auxiliary=[InputNoise(), TemporalReview()])
    model.set_params(auxiliary__input_noise=InputNoise(3.0), auxiliary__temporal_review__weight=2)
    assert [one.weight for one in model.auxiliary] == [3.0, 2]
    with pytest.raises(ParameterError, match="auxiliary__weight names none of.*input_noise"):
        model.set_params(auxiliary__weight=1.0)
    with pytest.raises(ParameterError, match="auxiliary=None; pass an objective"):
        quick().set_params(auxiliary__weight=1.0)


@pytest.mark.parametrize(
    "bad",
    [
        {"auxiliary__input_noise__scale": 0.7, "bogus": 1},
        {"auxiliary__input_noise__scale": 0.7, "auxiliary__input_noise__loudness": 1},
        {"auxiliary": [TemporalReview()], "auxiliary__loudness": 1},
        {"auxiliary": [TemporalReview()], "student__loudness": 1},
    ],
)
def test_refused_parameters_leave_the_objectives_as_they_were(quick, bad):
    auxiliary = [InputNoise()]
    model = quick(auxiliary=auxiliary)
    with pytest.raises(ValueError):
        model.set_params(**bad)
    assert model.auxiliary is auxiliary and auxiliary[0].scale == 0.1


def test_a_single_objective_goes_by_its_name_too(quick):
    model = quick(auxiliary=InputNoise()).set_params(auxiliary__input_noise__scale=0.7)
    assert model.auxiliary.scale == 0.7 and model.set_params(auxiliary__scale=1.0) is model
    assert model.auxiliary.scale == 1.0


def test_none_in_a_list_is_no_objective(toy, quick):
    model = quick(auxiliary=[InputNoise(), TemporalReview()])
    model.set_params(auxiliary__temporal_review=None).fit(*toy)
    assert "input_noise" in model.history_[-1] and "temporal_review" not in model.history_[-1]


@pytest.mark.parametrize("objective", [InputNoise, PerturbedSoftTargets])
def test_the_temperature_is_the_estimators_unless_told(toy, quick, objective):
    def last(temperature, own=None):
        auxiliary = objective(temperature=own)
        model = quick(temperature=temperature, soft_target_weight=0, auxiliary=auxiliary)
        return model.fit(*toy).history_[-1][objective.name]

    assert last(2.0) == last(7.0, own=2.0) != last(7.0)


class OwnObjective(Objective):
    name = "confidence"

    def losses(self, answers, sample_weight):
        return answers.student.square().mean(dim=1)


def test_objectives_of_third_parties_take_part(toy, quick):
    X, y = toy
    plain = quick(max_epochs=30).fit(X, y)
    model = quick(max_epochs=30, auxiliary=OwnObjective(weight=5.0)).fit(X, y)
    assert model.predict_proba(X).max() < plain.predict_proba(X).max()


class Weighed(OwnObjective):
    """Losses of a wrong shape, in one of several ways."""

    def __init__(self, weight=1.0, way="column"):
        super().__init__(weight)
        self.way = way

    def losses(self, answers, sample_weight):
        losses = super().losses(answers, sample_weight)
        ways = {"column": losses[:, None], "mean": losses.mean(), "none": None}
        return ways[self.way]


@pytest.mark.parametrize("way", ["column", "mean", "none"])
def test_losses_that_are_not_one_a_series_are_refused(toy, quick, way):
    with pytest.raises(ParameterError, match=r"Weighed.losses gave .* shape \(12,\)"):
        quick(auxiliary=Weighed(way=way)).fit(*toy)


@pytest.mark.parametrize("name", ["epoch", "train_loss", "batches", "a__b", "is_best", "", 3])
def test_names_that_history_cannot_keep_are_refused(toy, quick, name):
    objective = type("Named", (OwnObjective,), {"name": name})()
    with pytest.raises(ParameterError, match="Named.name="):
        quick(auxiliary=objective).fit(*toy)


class Cut(nn.Module):
    """A network without a way back to the series."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(20, 3)

    def forward(self, x):
        return self.head(x.detach().flatten(1))


@pytest.mark.parametrize(
    "settings",
    [
        {"saliency": "gradient"},
        {"auxiliary": ExplanationAutoencoder(explanation="integrated_gradients")},
    ],
)
def test_a_teacher_without_gradients_is_refused(toy, quick, settings):
    with pytest.raises(TeacherError, match="gives no gradients by the series"):
        quick(Cut(), **settings).fit(*toy)


def test_a_student_without_gradients_is_refused(toy, quick, network):
    with pytest.raises(StudentError, match="Cut cannot be"):
        quick(network, student=Cut(), saliency="gradient").fit(*toy)


class Wrapper(nn.Module):
    holds = "inner"

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class Wrapping(OwnObjective):
    name = "wrapping"

    def extension(self, n_channels, n_timepoints, n_classes):
        return Wrapper


def test_extensions_of_third_parties_compose(toy, quick, network):
    auxiliary = [Wrapping(), ExplanationAutoencoder(**FEW), TemporalReview()]
    for order in (auxiliary, auxiliary[::-1]):
        model = quick(network, max_epochs=4, auxiliary=order).fit(*toy)
        assert model.history_[-1]["temporal_review"] > 0
        assert model.explain(toy[0], method="autoencoder").shape == toy[0].shape


BAD = {
    "gradients of a black box": (
        {"saliency": "gradient"}, TeacherError, "saliency='gradient'.*black box",
    ),
    "gradient term of a black box": (
        {"auxiliary": GradientSaliency()}, TeacherError, "torch modules",
    ),
    "gradient maps of a black box": (
        {"auxiliary": ExplanationAutoencoder(explanation="integrated_gradients")},
        TeacherError, "explanation='occlusion' serves any teacher",
    ),
    "unknown maps": (
        {"auxiliary": ExplanationAutoencoder(explanation="lime")},
        ParameterError, "explanation='lime'; expected one of 'occlusion'",
    ),
    "no questions": (
        {"auxiliary": ExplanationAutoencoder(n_questions=0)}, ParameterError, "n_questions=0",
    ),
    "half a filter": (
        {"auxiliary": ExplanationAutoencoder(n_filters=0.5)}, ParameterError, "n_filters=0.5",
    ),
    "no noise": ({"auxiliary": InputNoise(scale=0)}, ParameterError, "InputNoise.scale=0"),
    "no draws": ({"auxiliary": InputNoise(n_draws=0)}, ParameterError, "InputNoise.n_draws=0"),
    "no objective": ({"auxiliary": "review"}, ParameterError, "auxiliary='review'"),
    "a class": ({"auxiliary": [TemporalReview]}, ParameterError, "expected an Objective"),
    "twice": ({"auxiliary": [InputNoise(), InputNoise(2.0)]}, ParameterError, "input_noise"),
    **{
        f"{kind.__name__} of negative weight": (
            {"auxiliary": kind(weight=-0.5)}, ParameterError, f"{kind.__name__}.weight=-0.5",
        )
        for kind in (ExplanationAutoencoder, TemporalReview, GradientSaliency, InputNoise)
    },
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_an_objective_lacks_is_said_before_the_teacher_is_asked(case, toy, quick):
    settings, error, message = BAD[case]
    teacher = Counted()
    with pytest.raises(error, match=message):
        quick(teacher, **settings).fit(*toy)
    assert teacher.n_asked <= 2


def test_series_shorter_than_the_strides_are_refused(quick):
    X, y = np.random.default_rng(0).normal(size=(8, 7)), np.arange(8) % 2

    def teacher(X):
        return np.tile([0.4, 0.6], (len(X), 1))

    with pytest.raises(ParameterError, match="8 timepoints or more, but X has 7"):
        quick(teacher, auxiliary=ExplanationAutoencoder()).fit(X, y)


def test_a_student_that_gives_probabilities_cannot_be_extended(toy, quick):
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 3), nn.Softmax(dim=1))
    net = NeuralNetClassifier(module, max_epochs=2)
    with pytest.raises(StudentError, match="answers with probabilities"):
        quick(student=net, auxiliary=ExplanationAutoencoder(**FEW)).fit(*toy)


def test_an_objective_without_losses_is_said(toy, quick):
    class Empty(Objective):
        name = "empty"

    with pytest.raises((TypeError, TsdistillError), match="Empty defines no losses"):
        quick(auxiliary=Empty()).fit(*toy)
