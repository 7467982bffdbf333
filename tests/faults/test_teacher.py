"""A teacher that fails in the middle of a fit, at every one of its queries."""

import pickle
import re
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone

from tests.conftest import bump_teacher
from tests.faults.injected import FailsAt, Points, nothing_left_behind, raising
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ParameterError, TeacherError, TeacherTimeoutError
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import as_teacher

TIMEOUT, LONG = 0.02, 30.0
SMALL = {"n_windows": 2, "n_mixtures": 4, "max_epochs": 2, "random_state": 0}


def not_a_number(proba):
    return np.where(np.arange(proba.size).reshape(proba.shape) == 0, np.nan, proba)


CALLS = Points()


def counted(X):
    """A teacher whose content does not change, so that the memory knows it by a digest."""
    CALLS.pass_or_fail()
    return bump_teacher(X)


class Hanging:
    """A teacher that does not come back from the k-th query until it is released."""

    def __init__(self, points):
        self.points, self.gate, self.threads = points, threading.Event(), []
        points.fault = self.hang

    def hang(self):
        self.threads.append(threading.current_thread())
        self.gate.wait(LONG)

    def __call__(self, X):
        self.points.pass_or_fail()
        return bump_teacher(X)

    def release(self):
        self.gate.set()
        for thread in self.threads:
            thread.join()


def n_queries_of(toy):
    points = Points()
    SaliencyDistilledClassifier(FailsAt(bump_teacher, points), **SMALL).fit(*toy)
    assert points.n > 10
    return points.n


@pytest.fixture
def fitted(toy):
    return SaliencyDistilledClassifier(bump_teacher, **SMALL).fit(*toy)


FAULTS = {
    "teacher raises": (Points(raising(lambda: ConnectionError("gone"))), None, "gone"),
    "teacher raises no OSError": (Points(raising(lambda: RuntimeError("broken"))), None, "broken"),
    "teacher answers NaN": (Points(lambda: None), not_a_number, "NaN or infinity"),
    "teacher answers in another shape": (Points(lambda: None), lambda p: p[:-1], "in shape"),
    "teacher answers without columns": (Points(lambda: None), lambda p: p[:, 0], "in shape"),
    "teacher answers no numbers": (Points(lambda: None), lambda p: "no", "not a numeric array"),
    "teacher answers no probabilities": (Points(lambda: None), lambda p: 2 * p, "not probab"),
}


@pytest.mark.usefixtures("few_a_batch")
@pytest.mark.parametrize("kind", FAULTS)
def test_a_query_that_fails_ends_in_a_named_error_and_changes_nothing(kind, toy, fitted, injected):
    template, answer, told = FAULTS[kind]
    before = dict(vars(fitted))
    for k in range(1, n_queries_of(toy) + 1):
        points = Points(template.fault, at=k, stays=True)
        fitted.teacher = FailsAt(bump_teacher, points, answer)
        with nothing_left_behind(), pytest.raises(TeacherError, match=told):
            fitted.fit(*toy)
        assert {**vars(fitted), "teacher": bump_teacher} == before, "the last fit still holds"
        injected(kind)


@pytest.mark.usefixtures("few_a_batch")
def test_a_connection_that_fails_once_is_told_and_not_taken_for_an_answer(toy, injected):
    """Else the teacher would from then on be asked in another layout of the series."""
    for k in range(1, n_queries_of(toy) + 1):
        points = Points(raising(lambda: ConnectionError("gone")), at=k)
        student = SaliencyDistilledClassifier(FailsAt(bump_teacher, points), **SMALL)
        with nothing_left_behind(), pytest.raises(TeacherError, match="ConnectionError: gone"):
            student.fit(*toy)
        assert points.n == k
        injected("teacher raises once")


class KnowsLayouts:
    """Answers otherwise to series of shape (n, 1, n_timepoints), and counts the axes of all."""

    def __init__(self):
        self.n_axes = []

    def __call__(self, X):
        self.n_axes.append(X.ndim)
        proba = bump_teacher(X.reshape(len(X), -1))
        return proba if X.ndim == 2 else proba[:, ::-1]


@pytest.mark.usefixtures("few_a_batch")
@pytest.mark.parametrize("kind", FAULTS)
def test_a_query_that_fails_once_ends_in_the_same_student_or_in_a_named_error(kind, toy, injected):
    """What fails at the first query, by which the layout is found, is not taken for a refusal."""
    template, answer, told = FAULTS[kind]
    expected = SaliencyDistilledClassifier(KnowsLayouts(), **SMALL).fit(*toy)
    outcomes = []
    for k in range(1, n_queries_of(toy) + 1):
        teacher = KnowsLayouts()
        points = Points(template.fault, at=k)
        student = SaliencyDistilledClassifier(FailsAt(teacher, points, answer), **SMALL)
        with nothing_left_behind():
            try:
                student.fit(*toy)
            except TeacherError as error:
                assert re.search(told, str(error))
            else:
                outcomes.append(k)
                proba, maps = student.predict_proba(toy[0]), student.explain(toy[0], of="teacher")
                np.testing.assert_array_equal(proba, expected.predict_proba(toy[0]))
                np.testing.assert_array_equal(maps, expected.explain(toy[0], of="teacher"))
                assert teacher.n_axes.count(3) == 1
        injected(kind + " once")
    assert outcomes == ([] if kind == "teacher raises" else [1])


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_teacher_of_one_layout_is_asked_three_times_for_it(ndim, toy):
    """In the layout of X, in its own, and in that of X once more."""
    asked = []

    def of_one_layout(X):
        asked.append(X.ndim)
        if X.ndim != ndim:
            raise ValueError(f"expected {ndim} axes")
        return bump_teacher(X.reshape(len(X), -1))

    X = toy[0] if ndim == 3 else toy[0][:, np.newaxis]
    Teacher(of_one_layout).bind(X, np.arange(3))
    assert asked == [5 - ndim, ndim, 5 - ndim]


@pytest.mark.usefixtures("few_a_batch")
def test_a_fit_goes_on_from_the_query_that_failed(toy, tmp_path, injected):
    points = Points(raising(lambda: ConnectionError("gone")), stays=True)
    student = SaliencyDistilledClassifier(FailsAt(bump_teacher, points), **SMALL)

    def n_queries(memory):
        points.n, points.at = 0, 0
        student.set_params(memory=memory).fit(*toy)
        return points.n

    n_in_all = n_queries(tmp_path / "clean")
    n_recognised = n_queries(tmp_path / "clean")  # the queries by which a fit knows its teacher
    expected = student.predict_proba(toy[0])
    for k in range(1, n_in_all + 1):
        memory = tmp_path / str(k)
        points.n, points.at = 0, k
        with pytest.raises(TeacherError, match="gone"):
            student.set_params(memory=memory).fit(*toy)
        assert n_queries(memory) == n_in_all - max(0, k - 1 - n_recognised)
        np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
        assert not list(memory.rglob("*.part")) and not list(memory.rglob("*.lock"))
        injected("teacher raises, answers kept")


@pytest.mark.usefixtures("few_a_batch")
def test_a_teacher_that_hangs_is_given_up_at_every_query(toy, injected):
    for k in range(1, n_queries_of(toy) + 1):
        hanging = Hanging(Points(at=k))
        student = SaliencyDistilledClassifier(Teacher(hanging, timeout=TIMEOUT), **SMALL)
        began = time.monotonic()
        with nothing_left_behind(), pytest.raises(TeacherTimeoutError) as caught:
            student.fit(*toy)
        assert time.monotonic() - began < LONG / 2
        assert "series within timeout=0.02 seconds" in str(caught.value)
        assert isinstance(caught.value, TimeoutError) and not hasattr(student, "student_")
        if k % 5 == 1:  # the hung thread is not waited for by the next fit
            other = SaliencyDistilledClassifier(bump_teacher, **SMALL).fit(*toy)
            assert other.predict(toy[0]).shape == (12,)
        hanging.release()
        injected("teacher hangs")


def test_the_message_of_a_timeout_is_whole(toy):
    hanging = Hanging(Points(at=1))
    hanging.__name__ = "remote"
    with pytest.raises(TeacherTimeoutError) as caught:
        SaliencyDistilledClassifier(Teacher(hanging, timeout=TIMEOUT)).fit(*toy)
    hanging.release()
    assert str(caught.value) == (
        "teacher remote gave no answer to 2 series within timeout=0.02 seconds. Pass "
        "Teacher(model, timeout=...) with a longer one if it is slow; with memory, what it "
        "answered before is not asked again."
    )


def test_a_timeout_changes_neither_answers_nor_what_the_memory_knows(toy, quick, tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(20, 3))
    for model in (module, [module, Teacher(module, scale=2.0)], bump_teacher):
        plain = quick(model).fit(*toy)
        limited = quick(Teacher(model, timeout=LONG)).fit(*toy)
        np.testing.assert_array_equal(limited.predict_proba(toy[0]), plain.predict_proba(toy[0]))
    settings = {"n_windows": 20, "memory": tmp_path}
    members = [Teacher(counted, classes=[0, 1, 2]), Teacher(bump_teacher, classes=[0, 1, 2])]
    for timeout in (None, None, LONG):
        CALLS.n = 0
        members[0].timeout = timeout
        quick(Teacher(members, timeout=timeout), **settings).fit(*toy)
        if timeout is None:
            n_recognised = CALLS.n
    assert CALLS.n == n_recognised


def test_a_timeout_survives_clones_pickles_and_an_unfitted_teacher(toy):
    from sklearn.linear_model import LogisticRegression

    unfitted = Teacher(LogisticRegression(), timeout=LONG)
    student = clone(SaliencyDistilledClassifier(unfitted, **SMALL))
    assert student.teacher is not unfitted and student.teacher.timeout == LONG
    student.fit(*toy)
    assert student.teacher_.timeout == student.teacher_._adapter.timeout == LONG
    again = pickle.loads(pickle.dumps(student))
    assert again.teacher_._adapter.timeout == LONG
    np.testing.assert_array_equal(again.teacher_.predict(toy[0]), student.teacher_.predict(toy[0]))
    assert repr(unfitted) == "Teacher(LogisticRegression, timeout=30.0)"


def test_members_of_a_list_have_timeouts_of_their_own_or_that_of_the_list(toy):
    hanging = Hanging(Points(at=3))
    named = Teacher(hanging, classes=[0, 1, 2], timeout=TIMEOUT)
    teacher = as_teacher([named, Teacher(bump_teacher, classes=[0, 1, 2])])
    bound = Teacher(teacher.model, timeout=LONG).bind(toy[0])
    assert [one._adapter.timeout for one in bound.inner] == [TIMEOUT, LONG]
    assert teacher.model[1].timeout is None, "the user's own teacher is left as it is"
    hanging.points.at = hanging.points.n + 1
    with pytest.raises(TeacherTimeoutError, match="Hanging gave no answer to 12 series"):
        bound.predict(toy[0])
    hanging.release()


def test_a_torch_module_that_hangs_leaves_its_mode_restored(toy):
    class Slow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.gate, self.waits = torch.nn.Linear(20, 3), threading.Event(), False

        def forward(self, X):
            if self.waits:
                self.gate.wait(LONG)
            assert not torch.is_grad_enabled()
            return self.linear(X.flatten(1))

    module = Slow().train()
    bound = Teacher(module, timeout=0.1).bind(toy[0])
    module.waits = True
    with nothing_left_behind(module), pytest.raises(TeacherTimeoutError):
        query(bound, toy[0][:, np.newaxis].astype(np.float32))
    assert module.training
    module.gate.set()


def test_a_teacher_that_is_timed_may_do_what_waits_for_other_fits(toy, quick):
    """It is asked in another thread, but for the fit that holds the global random states."""
    other = quick().fit(*toy)

    def explained(X):
        return bump_teacher(X + 0 * other.explain(X, method="gradient"))

    began = time.monotonic()
    quick(Teacher(explained, timeout=LONG)).fit(*toy)
    assert time.monotonic() - began < LONG / 2


def test_timeout_errors_of_the_teacher_itself_are_its_own(toy):
    def refuses(X):
        raise TimeoutError("connection timed out")

    with pytest.raises(TeacherError, match="TimeoutError: connection timed out") as caught:
        SaliencyDistilledClassifier(Teacher(refuses, timeout=LONG)).fit(*toy)
    assert not isinstance(caught.value, TeacherTimeoutError)


@pytest.mark.slow
@pytest.mark.usefixtures("few_a_batch")
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_teacher_that_hangs_in_a_worker_is_given_up(backend, toy, injected):
    class HangsAtBumps:
        """Importable nowhere, so it travels by value."""

        def predict_proba(self, X):
            if len(X) == 5 and X[0, 0] > 100:
                time.sleep(3)
            return np.full((len(X), 3), 1 / 3)

    X = np.tile(toy[0], (10, 1))
    bound = Teacher(HangsAtBumps(), timeout=0.5).bind(X, np.arange(3))
    panel = X[:, np.newaxis].astype(np.float32)
    panel[60] = 1000.0
    with (
        joblib.parallel_config(backend, n_jobs=2),
        pytest.raises(TeacherTimeoutError, match=r"5 series within timeout=0\.5 seconds"),
    ):
        query(bound, panel, QueryOptions())
    injected("teacher hangs in a worker")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1 s", True])
def test_timeouts_that_cannot_be(timeout, toy):
    expected = r"^Teacher.timeout=.*; expected a finite number above 0"
    for teacher in (
        Teacher(bump_teacher, timeout=timeout),
        [Teacher(bump_teacher, timeout=timeout)],
    ):
        with pytest.raises(ParameterError, match=expected):
            SaliencyDistilledClassifier(teacher).fit(*toy)


def test_an_interrupt_ends_a_query_that_is_timed(toy, injected):
    points = Points(raising(KeyboardInterrupt), at=4)
    student = SaliencyDistilledClassifier(
        Teacher(FailsAt(bump_teacher, points), timeout=LONG), **SMALL
    )
    with nothing_left_behind(), pytest.raises(KeyboardInterrupt):
        student.fit(*toy)
    injected("interrupt in a query that is timed")


@pytest.mark.usefixtures("few_a_batch")
def test_a_module_inside_a_teacher_that_fails_is_left_as_it_was(toy, injected):
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.BatchNorm1d(20), torch.nn.Linear(20, 3)
    ).train()
    module[2].weight.requires_grad_(False)
    clean = Points()
    counted = module.register_forward_pre_hook(lambda *_: clean.pass_or_fail())
    expected = SaliencyDistilledClassifier(module, **SMALL).fit(*toy).predict_proba(toy[0])
    counted.remove()
    for k in range(1, clean.n + 1):
        points = Points(raising(lambda: RuntimeError("CUDA error: an illegal access")), at=k)
        hook = module.register_forward_pre_hook(lambda *_, points=points: points.pass_or_fail())
        with nothing_left_behind(module), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            student = SaliencyDistilledClassifier(module, **SMALL)
            try:
                student.fit(*toy)
            except TeacherError:
                pass
            else:
                assert k == 1, "the layout is looked for, and the query asked once more"
                np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
        hook.remove()
        injected("torch teacher fails")
