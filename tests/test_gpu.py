"""What runs on a GPU; skipped where there is none."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Callback

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, Teacher
from tsdistill.objectives import (
    ExplanationAutoencoder,
    GradientSaliency,
    InputNoise,
    TemporalReview,
)
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet
from tsdistill.training import captured, loop

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


@pytest.mark.parametrize("student", [Lite(), GRU()], ids=repr)
def test_student_trains_and_explains_on_the_gpu(toy, student):
    X, y = toy
    torch.manual_seed(0)
    teacher = Inception(n_filters=4).build(1, 20, 3)
    settings = {"max_epochs": 20, "random_state": 0, "device": "cuda"}
    model = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    assert next(model.student_.module_.parameters()).is_cuda
    assert not next(teacher.parameters()).is_cuda and teacher.training
    for method in ("occlusion", "gradient"):
        for of in ("student", "teacher"):
            assert np.isfinite(model.explain(X, of=of, method=method)).all()
    report = model.fidelity_report(X, y)
    assert np.isfinite(report.saliency)
    assert len(DeferringClassifier(model, None, 0.3, 0.9).fit(X).predict(X)) == len(X)
    again = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("student", [Lite(), GRU()], ids=repr)
def test_every_objective_works_on_the_gpu(toy, student):
    X, y = toy
    torch.manual_seed(0)
    teacher = Inception(n_filters=4).build(1, 20, 3)
    auxiliary = [ExplanationAutoencoder(n_questions=1000), TemporalReview(), InputNoise()]
    settings = {"max_epochs": 8, "random_state": 0, "device": "cuda", "validation_fraction": 0.3}
    model = SaliencyDistilledClassifier(
        teacher, student, saliency="gradient", auxiliary=auxiliary, **settings
    ).fit(X, y)
    assert torch.backends.cudnn.enabled
    assert all(np.isfinite(value) for value in model.history_[-1].values())
    assert np.isfinite(model.explain(X, method="autoencoder")).all()
    assert np.isfinite(model.explain(X, method="integrated_gradients")).all()


def test_a_recurrent_teacher_gives_its_gradients_on_the_gpu(toy):
    X, y = toy
    torch.manual_seed(0)
    auxiliary = [GradientSaliency(), TemporalReview(interval=1)]
    settings = {"max_epochs": 4, "random_state": 0, "device": "cuda"}
    model = SaliencyDistilledClassifier(
        GRU().build(1, 20, 3), GRU(), auxiliary=auxiliary, **settings
    ).fit(X, y)
    assert np.isfinite(model.history_[-1]["gradient_saliency"])


def test_states_of_all_gpus_are_as_they_were(toy):
    X, y = toy
    torch.cuda.init()
    for device in ("cpu", "cuda"):
        before = [state.clone() for state in torch.cuda.get_rng_state_all()]
        teacher = Inception(n_filters=2).build(1, 20, 3)
        SaliencyDistilledClassifier(teacher, max_epochs=2, device=device).fit(X, y)
        for old, new in zip(before, torch.cuda.get_rng_state_all(), strict=True):
            assert torch.equal(old, new)


def test_a_teacher_on_the_gpu_stays_there_beside_a_student_of_another_make(toy, monkeypatch):
    X, y = toy
    teacher = Inception(n_filters=2).build(1, 20, 3).cuda()
    moved = []
    monkeypatch.setattr(teacher, "to", lambda *a, **k: moved.append(a) or teacher)
    student = LogisticRegression().fit(X, y)
    swap = DeferringClassifier(student, Teacher(teacher, classes=[0, 1, 2]), 0.3, 0.9).fit(X)
    assert len(swap.predict(X)) == len(X)
    assert not moved and next(teacher.parameters()).is_cuda


@pytest.mark.parametrize("student", [Lite(), GRU()], ids=repr)
def test_a_file_saved_on_the_gpu_is_loaded_on_the_cpu(toy, student, tmp_path):
    X, y = toy
    torch.manual_seed(0)
    teacher = Inception(n_filters=4).build(1, 20, 3)
    settings = {"max_epochs": 8, "random_state": 0, "device": "cuda"}
    model = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    path = tmp_path / "student.tsdistill"
    model.save(path)
    loaded = SaliencyDistilledClassifier.load(path)
    for name, weight in loaded.student_.module_.state_dict().items():
        assert torch.equal(weight, model.student_.module_.state_dict()[name].cpu())
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X), atol=1e-4)
    again = SaliencyDistilledClassifier.load(path, device="cuda")
    assert next(again.student_.module_.parameters()).is_cuda
    model.quantised().to_onnx(tmp_path / "student.onnx", explain=True)
    model.to_c(tmp_path / "student.c")
    model.to_html(tmp_path / "student.html")


ALL = [Lite(), Inception(), FCN(), ResNet(), GRU()]


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that are made; short trainings are captured too."""
    made = []

    class Counted(captured.StepGraph):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(captured, "StepGraph", Counted)
    monkeypatch.setattr(captured, "FEWEST_STEPS", 1)
    return made


@pytest.mark.parametrize("held_out", [None, 0.3])
@pytest.mark.parametrize("student", ALL, ids=repr)
def test_replayed_steps_make_the_student_of_single_steps(
    toy, student, held_out, graphs, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    X, y = toy
    torch.manual_seed(0)
    teacher = Inception(n_filters=4).build(1, 20, 3)
    settings = {"max_epochs": 20, "batch_size": 5, "random_state": 0, "device": "cuda"}
    settings |= {"label_weight": 0.5, "validation_fraction": held_out}
    replayed = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    assert bool(graphs) == student.capturable
    assert len({graph.batch.sizes for graph in graphs}) == len(graphs)
    monkeypatch.setattr(loop, "can_capture", lambda *_: False)
    single = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    np.testing.assert_allclose(replayed.predict_proba(X), single.predict_proba(X), atol=2e-3)
    for row, other in zip(replayed.history_, single.history_, strict=True):
        assert row.keys() == other.keys()
        for name in set(row) - {"dur", "epoch"}:
            assert row[name] == pytest.approx(other[name], rel=0.02, abs=1e-3), name


class NoWaits(Callback):
    """From the second epoch on, whatever waits for the card within a step is an error."""

    def on_batch_begin(self, net, **kwargs):
        if net.history[-1, "epoch"] > 1:
            torch.cuda.set_sync_debug_mode("error")

    def on_batch_end(self, net, **kwargs):
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("student", ALL, ids=repr)
def test_no_step_waits_for_the_card(toy, student, replay, graphs, monkeypatch):
    if replay:
        monkeypatch.setattr(captured, "CONTENT", captured.CONTENT | {NoWaits})
    X, y = toy
    teacher = Inception(n_filters=4).build(1, 20, 3)
    settings = {"max_epochs": 4, "batch_size": 5, "random_state": 0, "device": "cuda"}
    try:
        SaliencyDistilledClassifier(teacher, student, callbacks=[NoWaits()], **settings).fit(X, y)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert bool(graphs) == (replay and student.capturable)
