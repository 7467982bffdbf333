"""Models that run out of memory in a batch: it is halved, and its answers are put together."""

import itertools
import warnings
import weakref

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import bump_teacher
from tests.faults.injected import FailsAt, Points, nothing_left_behind, raising
from tests.teachers.black_boxes import bound
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import BatchHalvedWarning, TeacherError
from tsdistill.numerics import batches, halving
from tsdistill.numerics.halving import Halving, is_out_of_memory
from tsdistill.objectives import AttributionMatching, ExplanationAutoencoder, TemporalReview
from tsdistill.students import FCN
from tsdistill.teachers.querying import QueryOptions, query

SMALL = {"n_windows": 2, "n_mixtures": 4, "max_epochs": 2, "random_state": 0}
CPU_FULL = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 9663676416 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS = {
    "MemoryError": lambda: MemoryError("Unable to allocate 9.00 GiB"),
    "torch on a GPU": lambda: torch.cuda.OutOfMemoryError("CUDA out of memory."),
    "torch on the CPU": lambda: RuntimeError(CPU_FULL),
    "torch on Windows": lambda: RuntimeError("not enough memory: you tried to allocate 7 bytes."),
    "cuBLAS": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublas"),
}


class Roomless:
    """A black box that runs out of memory when it is asked about more than so many series."""

    def __init__(self, most, make=ERRORS["MemoryError"]):
        self.most, self.make, self.sizes, self.n_failed = most, make, [], 0

    def predict_proba(self, X):
        if len(X) > self.most:
            self.n_failed += 1
            raise self.make()
        self.sizes.append(len(X))
        return bump_teacher(X)


@pytest.fixture(autouse=True)
def quick_to_free(monkeypatch):
    """To look for what nothing refers to takes long among the many objects of a test run."""
    monkeypatch.setattr(halving.gc, "collect", lambda: 0)


@pytest.fixture
def panel():
    return np.random.default_rng(0).normal(size=(53, 1, 20)).astype(np.float32)


@pytest.fixture
def expected(panel):
    return query(bound(bump_teacher, panel), panel)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_that_say_that_memory_is_out(name):
    assert is_out_of_memory(ERRORS[name]())


@pytest.mark.parametrize(
    "error", [ValueError("not enough memory"), RuntimeError("CUDA error"), OSError(12, "memory")]
)
def test_errors_that_say_something_else(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("kind", ERRORS)
def test_batches_are_halved_until_memory_holds_them(kind, panel, expected, injected):
    for most in (1, 2, 3, 7, 26, 27, 52):
        model = Roomless(53, ERRORS[kind])
        teacher = bound(model, panel)
        model.most, model.sizes = most, []
        with pytest.warns(BatchHalvedWarning) as caught:
            answers = query(teacher, panel)
        np.testing.assert_array_equal(answers, expected)
        assert sum(model.sizes) == 53 and max(model.sizes) <= most < 2 * max(model.sizes) + 1
        assert len(caught) == 1 and caught[0].filename == __file__
        injected(f"out of memory, {kind}", model.n_failed)


def test_what_fitted_is_remembered_for_the_batches_that_follow(panel, expected, monkeypatch):
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 16)
    model = Roomless(16)
    teacher = bound(model, panel)
    model.most, model.sizes = 5, []
    with pytest.warns(BatchHalvedWarning) as caught:
        np.testing.assert_array_equal(query(teacher, panel), expected)
    assert len(caught) == 1 and model.n_failed == 2
    assert model.sizes == [4] * 12 + [4, 1]
    assert str(caught[0].message) == (
        "Teacher(Roomless) ran out of memory on a batch of series, so batches are halved: they "
        "have 4 series at most. The answers are the same up to rounding. Other programs, or fewer "
        "workers (n_jobs), may leave more memory."
    )


def test_a_single_series_that_memory_does_not_hold_is_named(panel, injected):
    model = Roomless(2)
    teacher = bound(model, panel)
    model.most = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TeacherError) as caught:
            query(teacher, panel)
    assert str(caught.value) == (
        "Teacher(Roomless) ran out of memory on a single series (MemoryError: Unable to allocate "
        "9.00 GiB). Free memory, use fewer workers (n_jobs), another device or a machine with more "
        "memory, or replace a smaller model."
    )
    injected("out of memory on a single series")


@pytest.mark.usefixtures("few_a_batch")
def test_memory_that_is_short_for_a_moment_changes_no_fit(toy, injected):
    """Of every query in turn."""
    clean = Points()
    teacher = FailsAt(bump_teacher, clean)
    expected = SaliencyDistilledClassifier(teacher, **SMALL).fit(*toy).predict_proba(toy[0])
    for k in range(1, clean.n + 1):
        points = Points(raising(ERRORS["MemoryError"]), at=k)
        student = SaliencyDistilledClassifier(FailsAt(bump_teacher, points), **SMALL)
        with nothing_left_behind(), pytest.warns(BatchHalvedWarning) as caught:
            student.fit(*toy)
        assert len(caught) == 1 and caught[0].filename == __file__
        np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
        injected("out of memory for a moment")


@pytest.mark.usefixtures("few_a_batch")
def test_answers_of_halved_batches_are_kept_as_those_of_whole_ones(panel, expected, tmp_path):
    options = QueryOptions(memory=joblib.Memory(str(tmp_path), verbose=0))
    model = Roomless(5)
    teacher = bound(model, panel)
    model.most = 2
    with pytest.warns(BatchHalvedWarning):
        np.testing.assert_array_equal(query(teacher, panel, options), expected)
    model.sizes, model.n_failed = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            query(teacher, panel, QueryOptions(memory=options.memory)), expected
        )
    assert not model.sizes and not model.n_failed


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("few_a_batch")
def test_batches_are_halved_in_workers_too_and_the_user_is_warned_here(
    backend, panel, expected, injected
):
    model = Roomless(5)
    teacher = bound(model, panel)
    model.most = 2
    with (
        joblib.parallel_config(backend, n_jobs=2),
        pytest.warns(BatchHalvedWarning, match="have 2 series at most") as caught,
    ):
        np.testing.assert_array_equal(query(teacher, panel), expected)
    assert len(caught) == 1 and caught[0].filename == __file__
    injected("out of memory in a worker")


class RoomlessModule(nn.Module):
    """A network that runs out of memory on more than so many series."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.features, self.head = nn.Conv1d(1, 4, 5, padding=2), nn.Linear(4, n_classes)
        self.most, self.n_failed = 10**9, 0

    def forward(self, X):
        if len(X) > self.most:
            self.n_failed += 1
            raise RuntimeError(CPU_FULL)
        return self.head(torch.relu(self.features(X)).mean(dim=-1))


def halved_alike(model, ask, injected, kind, atol=1e-6):
    """What ``ask()`` gives while a model has room for three series is what it gives else."""
    expected = ask()
    model.most = 3
    with nothing_left_behind(model), pytest.warns(BatchHalvedWarning) as caught:
        found = ask()
    assert len(caught) == 1 and caught[0].filename == __file__
    np.testing.assert_allclose(found, expected, atol=atol)
    injected(f"out of memory, {kind}", model.n_failed)
    model.most = 10**9


@pytest.mark.parametrize("method", ["occlusion", "gradient", "integrated_gradients"])
@pytest.mark.parametrize("of", ["student", "teacher"])
def test_explanations_of_any_model_are_halved_alike(method, of, toy, injected):
    teacher, own = RoomlessModule(), RoomlessModule()
    student = SaliencyDistilledClassifier(teacher, own, **SMALL).fit(*toy)
    model = student.student_.module_ if of == "student" else teacher
    halved_alike(
        model, lambda: student.explain(toy[0], of=of, method=method), injected, "explanations"
    )


@pytest.mark.parametrize("name", ["predict_proba", "decision_function", "fidelity_score"])
def test_answers_of_students_are_halved_alike(name, toy, injected):
    student = SaliencyDistilledClassifier(bump_teacher, RoomlessModule(), **SMALL).fit(*toy)
    model = student.student_.module_
    halved_alike(model, lambda: getattr(student, name)(toy[0]), injected, "answers of students")


def test_a_teacher_that_was_fitted_is_halved_when_the_user_asks_it(toy, injected):
    teacher = RoomlessModule()
    bound_teacher = Teacher(teacher).bind(toy[0])
    halved_alike(
        teacher, lambda: bound_teacher.predict_proba(toy[0]), injected, "answers of teachers"
    )


def test_occlusion_of_local_students_is_halved_alike(toy, injected, monkeypatch):
    """Their windows are computed without the network itself."""
    from tsdistill.explainers import occlusion

    student = SaliencyDistilledClassifier(bump_teacher, FCN(n_filters=4), **SMALL).fit(*toy)
    expected, original = student.explain(toy[0]), occlusion.window_answers
    n_failed = itertools.count()

    def in_little_room(network, series, *given):
        if len(series) > 2:
            next(n_failed)
            raise MemoryError
        return original(network, series, *given)

    monkeypatch.setattr(occlusion, "window_answers", in_little_room)
    with pytest.warns(BatchHalvedWarning) as caught:
        found = student.explain(toy[0])
    assert len(caught) == 1
    np.testing.assert_allclose(found, expected, atol=1e-5)
    injected("out of memory, explanations", next(n_failed))


def test_learnt_maps_are_halved_alike(toy, injected):
    student = SaliencyDistilledClassifier(
        bump_teacher, auxiliary=ExplanationAutoencoder(n_questions=50), **SMALL
    ).fit(*toy)
    expected = student.explain(toy[0], method="autoencoder")
    kind, n_failed = type(student.student_.module_), itertools.count()
    original = kind.learnt_maps

    def in_little_room(module, series):
        if len(series) > 3:
            next(n_failed)
            raise MemoryError
        return original(module, series)

    try:
        kind.learnt_maps = in_little_room
        with pytest.warns(BatchHalvedWarning):
            found = student.explain(toy[0], method="autoencoder")
    finally:
        kind.learnt_maps = original
    np.testing.assert_allclose(found, expected, atol=1e-5)
    injected("out of memory, explanations", next(n_failed))


@pytest.mark.parametrize(
    "objective",
    [AttributionMatching(teacher_stage="features"), TemporalReview(teacher_stages=("features",))],
)
def test_what_objectives_ask_of_a_torch_teacher_is_halved(objective, toy, injected):
    teacher = RoomlessModule()
    settings = SMALL | {"max_epochs": 4, "student": FCN(n_filters=4), "auxiliary": objective}
    expected = SaliencyDistilledClassifier(teacher, **settings).fit(*toy).history_
    teacher.most = 3
    with nothing_left_behind(teacher), pytest.warns(BatchHalvedWarning) as caught:
        history = SaliencyDistilledClassifier(teacher, **settings).fit(*toy).history_
    assert sum(issubclass(one.category, BatchHalvedWarning) for one in caught) == 1
    for row, other in zip(history, expected, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
    injected("out of memory, objectives", teacher.n_failed)


def test_the_memory_of_a_gpu_is_given_back_before_the_halves_are_tried(monkeypatch):
    events = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: events.append("emptied"))

    def compute(part):
        events.append((part.start, part.stop))
        if part.stop - part.start > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return part

    with pytest.warns(BatchHalvedWarning):
        parts = [part for part, _ in Halving().results(compute, slice(10, 15), "model")]
    assert parts == [slice(10, 12), slice(12, 13), slice(13, 15)] or parts == [
        slice(10, 12), slice(12, 14), slice(14, 15),
    ]  # fmt: skip
    assert events[:4] == [(10, 15), "emptied", (10, 13), "emptied"]


def test_nothing_of_the_failed_try_is_held_while_the_halves_are_computed(monkeypatch):
    """Its tensors would take the room that the halves need."""
    monkeypatch.undo()  # as it is for users
    held = []

    class Large:
        pass

    def compute(part):
        if held:
            assert held[0]() is None
            return part
        large = Large()
        held.append(weakref.ref(large))
        large.itself = large
        raise MemoryError

    with pytest.warns(BatchHalvedWarning):
        assert len(list(Halving().results(compute, slice(0, 2), "model"))) == 2
