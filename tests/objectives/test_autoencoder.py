"""The autoencoder of explanations: its maps, its loss, what it asks the teacher."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from torch import nn

from tests.conftest import Counted
from tests.objectives.conftest import FEW, InPlace, check_parameters
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ParameterError, StudentError
from tsdistill.explainers.occlusion import occlusion
from tsdistill.fidelity import saliency_correlation
from tsdistill.objectives import (
    ExplanationAutoencoder,
    InputNoise,
    explanation_loss,
)
from tsdistill.students.explained import ExplainedStudent
from tsdistill.students.extension import find_extension


@pytest.fixture(scope="module")
def explained(gunpoint, gunpoint_net, gunpoint_answers):
    X, y, _, _ = gunpoint
    teacher = Teacher(gunpoint_net, classes=["1", "2"])
    auxiliary = ExplanationAutoencoder(n_questions=10_000)
    return SaliencyDistilledClassifier(
        teacher, auxiliary=auxiliary, max_epochs=150, random_state=0, memory=gunpoint_answers
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
        objective = ExplanationAutoencoder(n_questions=allowed)
        more = asked(auxiliary=objective) - without
        assert 0.5 * allowed < more <= 1.2 * allowed
        n_explained, n_donors, n_mixtures = objective._split_queries(12, 19)
        n_mixed = 12 * n_mixtures
        assert more == n_explained * n_donors * 19 + n_mixed * 2 * 19 + n_mixed


def test_with_few_questions_a_few_series_stand_for_all(toy, quick):
    model = quick(auxiliary=ExplanationAutoencoder(n_questions=100)).fit(*toy)
    assert np.isfinite(model.explain(toy[0], method="autoencoder")).all()
    objective = ExplanationAutoencoder()
    assert ExplanationAutoencoder(n_questions=1)._split_queries(12, 19) == (1, 1, 0)
    assert ExplanationAutoencoder(n_questions=100)._split_queries(12, 19) == (5, 1, 0)
    assert ExplanationAutoencoder(n_questions=2000)._split_queries(12, 19) == (12, 4, 2)
    assert objective._split_queries(50, 28) == (50, 8, 10)
    assert objective._split_queries(5000, 28) == (1428, 1, 0)
    gradients = ExplanationAutoencoder(explanation="integrated_gradients", n_questions=5000)
    assert gradients._split_queries(20, 28) == (20, 1, 4)
    gradients.set_params(explanation="gradient", n_questions=100)
    assert gradients._split_queries(20, 28) == (20, 1, 4)
    assert ExplanationAutoencoder(n_questions=10**9)._split_queries(12, 19) == (12, 8, 16)


def test_each_series_with_a_map_stands_for_as_many_others(toy, quick):
    kept = {}

    class Watched(ExplanationAutoencoder):
        def prepare(self, preparation):
            super().prepare(preparation)
            kept.update(counts=self.counts_.numpy(), maps=self.maps_.numpy())

    model = quick(auxiliary=Watched(n_questions=100)).fit(*toy)
    assert np.isfinite(model.history_[-1]["explanation_autoencoder"])
    counts, maps = kept["counts"], kept["maps"]
    assert counts.dtype == maps.dtype == np.float32 and maps.shape == (1, 12, 20)
    np.testing.assert_allclose(np.sort(counts), [0] * 7 + [12 / 5] * 5, rtol=1e-6)
    np.testing.assert_array_equal(maps[0].any(axis=1), counts > 0)


def test_maps_are_learnt_in_units_of_their_largest_value_or_a_twentieth_of_all(toy, quick):
    kept = {}

    class Watched(ExplanationAutoencoder):
        def _query_maps(self, preparation):
            *others, maps = super()._query_maps(preparation)
            maps[:, 0], maps[:, 1], maps[:, 2] = 0.0, 1e-3 * maps[:, 1], -3 * maps[:, 2]
            kept["maps"] = maps
            return *others, maps

        def prepare(self, preparation):
            super().prepare(preparation)
            student = find_extension(preparation.network, ExplainedStudent)
            kept.update(scale=self.scale_.numpy(), unit=float(student.autoencoder.unit))

    quick(auxiliary=Watched(n_questions=4000)).fit(*toy)
    maps = kept["maps"]
    expected = np.zeros(maps.shape[:2])
    for place in np.ndindex(*expected.shape):
        expected[place] = max(np.abs(maps[place]).max(), np.abs(maps).max() / 20)
    np.testing.assert_allclose(kept["scale"], expected, rtol=1e-6)
    assert kept["unit"] == pytest.approx(expected.mean(), rel=1e-5)


def test_parameters_have_the_documented_defaults_and_are_kept():
    check_parameters(ExplanationAutoencoder)


def test_it_mixes_series_on_its_own_and_needs_no_other_mixtures(toy, quick):
    def n_learnt_from(**settings):
        return len(quick(max_epochs=1, warm_start=True, **settings).fit(*toy)._transfer_set.panel)

    assert n_learnt_from(auxiliary=ExplanationAutoencoder(**FEW)) == 12 < n_learnt_from()


@pytest.mark.parametrize("explanation", ["gradient", "integrated_gradients"])
@pytest.mark.slow
def test_maps_of_a_torch_teacher_may_be_of_gradients(toy, quick, network, explanation):
    X, y = toy
    auxiliary = ExplanationAutoencoder(explanation=explanation, weight=20.0)
    settings = {"label_weight": 0, "soft_target_weight": 0, "saliency_weight": 0}
    model = quick(network, max_epochs=150, auxiliary=auxiliary, **settings).fit(X, y)
    theirs = model.explain(X, of="teacher", method=explanation)
    assert saliency_correlation(theirs, model.explain(X, method="autoencoder")) > 0.8


@pytest.mark.parametrize("explanation", ["gradient", "integrated_gradients"])
def test_the_maps_to_learn_are_the_teachers(toy, quick, network, explanation):
    kept = []

    class Watched(ExplanationAutoencoder):
        def prepare(self, preparation):
            super().prepare(preparation)
            kept.append(self.maps_[0].numpy())

    auxiliary = Watched(explanation=explanation, n_questions=600)
    model = quick(network, auxiliary=auxiliary, max_epochs=1).fit(*toy)
    expected = model.explain(toy[0], of="teacher", method=explanation)
    np.testing.assert_allclose(kept[0], expected, rtol=1e-4, atol=1e-6)


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
    quick(n_mixtures=0, **settings).fit(*toy, sample_weight=weight)
    assert len(kept["partner"]) > 3 and not kept["learnt"][0] and 6 < kept["learnt"].sum() < 12
    for partner in kept["partner"]:
        assert (kept["groups"][partner] == kept["groups"]).all()
        assert kept["learnt"][partner].all()
    assert (kept["share"][0] == 1).all()
    assert (kept["share"] >= 0.5).all() and (kept["share"] <= 1).all()
    assert len(np.unique(kept["partner"], axis=0)) > 1  # not the same for all mixtures
    of_first = kept["partner"][:, kept["groups"] == 1]
    assert (of_first != of_first[:, :1]).any()  # nor for all series


def test_a_class_that_is_not_learnt_from_is_mixed_all_the_same(toy, quick):
    weight = (toy[1] > 0).astype(float)
    model = quick(auxiliary=ExplanationAutoencoder(n_questions=4000), max_epochs=1)
    model.fit(*toy, sample_weight=weight)
    assert np.isfinite(model.explain(toy[0], method="autoencoder")).all()


def test_answers_maps_and_losses_of_mixtures_are_those_of_a_loop(toy, quick):
    seen = {"steps": 0}

    class Watched(ExplanationAutoencoder):
        def prepare(self, preparation):
            super().prepare(preparation)
            teacher, panel = preparation.teacher, preparation.panel
            donors, rows = preparation.baselines.opposing(3)
            partner, share = self.partner_.numpy(), self.share_.numpy()
            mixed = share[..., None, None] * panel + (1 - share)[..., None, None] * panel[partner]
            for m in range(1, len(partner)):
                asked = teacher.log_proba(mixed[m])
                np.testing.assert_allclose(self.answers_[m].numpy(), asked, atol=1e-5)
                chosen = sorted({2 * m % rows.shape[1], (2 * m + 1) % rows.shape[1]})
                maps = occlusion(
                    teacher, mixed[m], asked.argmax(axis=1), donors, rows[:, chosen],
                    preparation.width,
                )  # fmt: skip
                np.testing.assert_allclose(self.maps_[m].numpy(), maps, atol=1e-4)
            self.mixed_ = torch.as_tensor(mixed, dtype=torch.float32)

        def losses(self, answers, sample_weight):
            state = torch.get_rng_state()
            losses = super().losses(answers, sample_weight)
            student = find_extension(answers.network, ExplainedStudent)
            assert (self.counts_ > 0).any()

            def error(row, m):
                answer = self.answers_[m, row].exp()[None]
                map_ = student.autoencoder(self.mixed_[m, row][None], answer)[0]
                return ((map_ - self.maps_[m, row]) / self.scale_[m, row]).square().mean()

            with torch.random.fork_rng():
                torch.set_rng_state(state)
                drawn = torch.randint(1, len(self.maps_), answers.rows.shape).tolist()
            seen["steps"] += student.training
            for loss, row, m in zip(losses, answers.rows.tolist(), drawn, strict=True):
                slow = self.counts_[row] * error(row, 0)
                slow = (slow + error(row, m)) / 2 if student.training else slow
                torch.testing.assert_close(loss, slow, rtol=1e-3, atol=1e-5)
            return losses

    quick(auxiliary=Watched(n_questions=4000), n_mixtures=0, validation_fraction=0.3).fit(*toy)
    assert seen["steps"]


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


def test_it_needs_all_series_at_once(fit_stored):
    with pytest.raises(ParameterError, match="ExplanationAutoencoder needs all series at once"):
        fit_stored(auxiliary=ExplanationAutoencoder())
