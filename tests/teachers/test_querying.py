import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

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
    monkeypatch.setattr("tsdistill.teachers.querying.Parallel", None)
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


def test_mean_change_counts_series_by_their_weight():
    clean = np.zeros((2, 2), dtype=np.float32)
    perturbed = np.array([[[1, -1]] * 3, [[3, -3]] * 3], dtype=np.float32)
    answers = TeacherAnswers(clean, perturbed)
    assert answers.mean_change(np.ones(2)) == 2
    assert answers.mean_change(np.array([1.0, 3.0])) == 2.5
