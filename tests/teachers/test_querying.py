import pickle
import threading

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from tests.conftest import bump_teacher
from tsdistill.exceptions import TeacherError
from tsdistill.numerics import batches
from tsdistill.perturbation.plan import draw_plan
from tsdistill.teachers.querying import QueryOptions, TeacherAnswers, query, query_windows
from tsdistill.teachers.teacher import as_teacher


@pytest.fixture
def asked(toy):
    """A forest that counts nothing, the toy panel, and a plan of five windows."""
    X, y = toy
    panel = X[:, np.newaxis].astype(np.float32)
    plan = draw_plan(
        panel, y, width=4, n_windows=5, donors="opposing", rng=np.random.default_rng(0)
    )
    teacher = as_teacher(RandomForestClassifier(10, random_state=0).fit(X, y)).bind(X)
    return teacher, panel, plan


def test_answers_to_windows_equal_a_slow_loop(asked):
    teacher, panel, plan = asked
    perturbed = query_windows(teacher, panel, plan)
    assert perturbed.shape == (12, 5, 3)
    for i in range(12):
        for m in range(5):
            copy = panel[i].copy()
            a = plan.start[i, m]
            copy[:, a : a + 4] = panel[plan.donor[i, m], :, a : a + 4]
            np.testing.assert_allclose(perturbed[i, m], teacher.log_proba(copy[None])[0])


@pytest.mark.slow
def test_answers_do_not_depend_on_workers_or_slices(asked, monkeypatch):
    teacher, panel, plan = asked
    expected = query_windows(teacher, panel, plan)
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 7)
    for n_jobs in (None, 2):
        answers = query_windows(teacher, panel, plan, QueryOptions(n_jobs=n_jobs))
        np.testing.assert_array_equal(answers, expected)


def test_a_single_slice_needs_no_workers(asked, monkeypatch):
    teacher, panel, _ = asked
    monkeypatch.setattr("tsdistill.teachers.asking.Parallel", None)
    assert len(query(teacher, panel, QueryOptions(n_jobs=2))) == len(panel)


def test_every_copy_is_asked_about_once_and_in_bounded_slices(toy):
    X, y = toy
    sizes = []

    def teacher(X):
        sizes.append(len(X))
        return np.full((len(X), 3), 1 / 3)

    bound = as_teacher(teacher).bind(X)
    panel = np.tile(X[:, np.newaxis].astype(np.float32), (10, 1, 1))
    plan = draw_plan(
        panel, np.tile(y, 10), width=4, n_windows=9, donors="any", rng=np.random.default_rng(0)
    )
    sizes.clear()
    query_windows(bound, panel, plan)
    assert sum(sizes) == 120 * 9
    assert max(sizes) <= batches.ROWS_A_BATCH


@pytest.fixture
def many(toy):
    """The toy panel and a plan of 480 copies."""
    panel = toy[0][:, np.newaxis].astype(np.float32)
    rng = np.random.default_rng(0)
    return panel, draw_plan(panel, toy[1], width=4, n_windows=40, donors="opposing", rng=rng)


def test_a_teacher_that_fails_on_copies_is_named(toy, many):
    panel, plan = many

    def teacher(X):
        if len(X) > 2:
            raise KeyError("boom")
        return np.full((len(X), 3), 1 / 3)

    with pytest.raises(TeacherError, match=r"Teacher\(teacher\) failed .*KeyError: 'boom'"):
        query_windows(as_teacher(teacher).bind(toy[0]), panel, plan)


def test_progress_bar_only_when_verbose(asked, capsys):
    teacher, panel, _ = asked
    query(teacher, panel)
    assert not capsys.readouterr().err
    query(teacher, panel, QueryOptions(verbose=1), title="teacher: series")
    assert "teacher: series" in capsys.readouterr().err


def test_changes_are_means_over_the_windows_of_each_series():
    clean = np.zeros((2, 2), dtype=np.float32)
    perturbed = np.array([[[1, -1]] * 3, [[3, -3]] * 2 + [[0, 0]]], dtype=np.float32)
    assert TeacherAnswers(clean, perturbed).changes().tolist() == [1, 2]


def test_workers_are_sent_the_series_of_their_task_alone(toy, many, monkeypatch):
    panel, plan = many
    sent, sizes = [], []

    class Watched:
        def __init__(self, *settings, **more):
            pass

        def __call__(self, jobs):
            for job in jobs:
                function, (*teacher, task), _ = job
                sent.append(task.series)
                sizes.append(len(pickle.dumps(job)))
                yield function(*teacher, task)

    class Heavy:
        weights = np.zeros(2**20)

        def __call__(self, X):
            return bump_teacher(X)

    monkeypatch.setattr(batches, "ROWS_A_BATCH", 7)
    teacher = as_teacher(Heavy()).bind(toy[0])
    teacher.model.weights = Heavy.weights.copy()
    series = np.repeat(panel, 30, axis=0)
    expected = query(teacher, series), query_windows(teacher, panel, plan)
    monkeypatch.setattr("tsdistill.teachers.asking.Parallel", Watched)
    options = QueryOptions(n_jobs=2)
    np.testing.assert_array_equal(query(teacher, series, options), expected[0])
    assert len(sent) > 1 and sum(map(len, sent)) == len(series)
    assert max(sizes) < series.nbytes / 2
    sent.clear()
    np.testing.assert_array_equal(query_windows(teacher, panel, plan, options), expected[1])
    assert len(sent) > 1 and sum(map(len, sent)) == plan.start.size
    assert max(len(one.panel) for one in sent) < len(panel)


class Together:
    """A teacher that answers its first two questions only when two threads ask them at once."""

    def __init__(self):
        self.both, self.waiting = threading.Barrier(2, timeout=5), iter(())

    def predict_proba(self, X):
        if next(self.waiting, False):
            self.both.wait()
        return bump_teacher(X)

    def expect_two(self):
        self.waiting = iter([True, True])


def test_without_n_jobs_the_workers_of_the_surrounding_context_are_used(toy, many, monkeypatch):
    panel, plan = many
    model = Together()
    teacher = as_teacher(model).bind(toy[0], np.arange(3))
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 7)
    expected = query_windows(teacher, panel, plan)
    with joblib.parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(
            query_windows(teacher, panel, plan, QueryOptions(n_jobs=1)), expected
        )
        for n_jobs in (2, None):
            model.expect_two()
            answers = query_windows(teacher, panel, plan, QueryOptions(n_jobs=n_jobs))
            np.testing.assert_array_equal(answers, expected)


def test_a_fit_in_a_context_of_joblib_gives_the_same_student(toy, quick, monkeypatch):
    X, y = toy
    settings = {"max_epochs": 1, "n_windows": 8}
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 7)
    expected = quick(**settings).fit(X, y).predict_proba(X)
    threads = set()

    def teacher(X):
        threads.add(threading.get_ident())
        return bump_teacher(X)

    with joblib.parallel_config("threading", n_jobs=2):
        student = quick(teacher, **settings).fit(X, y)
    np.testing.assert_array_equal(student.predict_proba(X), expected)
    assert threads - {threading.get_ident()}


class Unpicklable:
    def __init__(self):
        self.lock = threading.Lock()

    def predict_proba(self, X):
        return bump_teacher(X)


@pytest.mark.slow
def test_a_teacher_that_workers_cannot_be_sent_is_named_with_n_jobs(toy, many):
    panel, plan = many
    teacher = as_teacher(Unpicklable()).bind(toy[0], np.arange(3))
    with pytest.raises(TeacherError) as caught:
        query_windows(teacher, panel, plan, QueryOptions(n_jobs=2))
    message = str(caught.value)
    assert message.startswith(
        "Teacher(Unpicklable) cannot be queried by joblib workers (n_jobs=2): "
    )
    assert message.endswith(
        ". Pass n_jobs=1, or a teacher that can be pickled and leaves the worker enough memory."
    )
