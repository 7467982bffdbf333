"""A teacher that is asked in joblib's worker processes and threads."""

import os
from collections import Counter

import joblib
import numpy as np
import pytest

from tests.teachers.black_boxes import Logged, bound, digests
from tsdistill.exceptions import TeacherError
from tsdistill.teachers import tasks
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.tasks import Tasks, known_teacher

pytestmark = pytest.mark.slow
OPTIONS = QueryOptions(n_jobs=2)


def test_the_teacher_travels_once_a_process(panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    for n_queries in (1, 2):
        query(teacher, panel, OPTIONS)
        assert len(model.read("pickled")) == n_queries
    assert set(Counter(model.read("unpickled")).values()) == {1}
    assert len(model.read("unpickled")) <= 2
    assert Counter(model.read("asked")) == Counter(2 * digests(panel))


def test_workers_that_cannot_read_the_file_are_sent_the_teacher(
    panel, few_a_batch, tmp_path, monkeypatch
):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.clear()
    monkeypatch.setattr(tasks.Travelling, "file", lambda self, folder: "/no/such/file")
    np.testing.assert_array_equal(query(teacher, panel, OPTIONS), expected)
    assert Counter(model.read("asked")) == Counter(digests(panel))
    assert set(Counter(model.read("unpickled")).values()) == {1}


def test_backends_that_return_lists_are_used_in_rounds(panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.clear()
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        np.testing.assert_array_equal(query(teacher, panel), expected)
    assert Counter(model.read("asked")) == Counter(digests(panel))
    assert not (tmp_path / f"asked.{os.getpid()}").exists()
    assert len(model.read("unpickled")) <= 2


def test_threads_share_the_teacher(panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    with joblib.parallel_config("threading"):
        query(teacher, panel, OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == [f"asked.{os.getpid()}"]


def test_the_work_ends_right_when_a_process_dies(panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.clear()
    model.poison, model.once = float(panel[101, 0, 0]), True
    np.testing.assert_array_equal(query(teacher, panel, OPTIONS), expected)
    assert (tmp_path / "ended").exists()


def test_a_process_that_dies_at_every_try_is_an_error(panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    model.poison = float(panel[101, 0, 0])
    with pytest.raises(TeacherError, match="cannot be queried by .* TerminatedWorkerError"):
        query(teacher, panel, OPTIONS)


def test_tasks_grow_with_the_speed_of_the_teacher_and_skip_no_batch():
    series = np.zeros((100, 1, 4), dtype=np.float32)
    some = [slice(i, i + 1) for i in range(100) if i % 10]
    cut = Tasks(series, some, len(some), n_workers=1)
    sizes, places = [], []
    while (task := cut.next()) is not None:
        sizes.append(len(task.batches))
        places += task.places()
        assert len(task.series) == len(task.batches)
        cut.done(task.start, 0.1 * len(task.batches))
    assert places == some
    assert sizes[:3] == [1, 5, 3] and max(sizes) == 5, "of half a second each, in one piece"
    slow = Tasks(series, some, len(some), n_workers=1)
    for _ in range(5):
        task = slow.next()
        assert len(task.batches) == 1
        slow.done(task.start, 2.0)


def test_tasks_of_long_series_hold_a_bounded_number_of_bytes():
    series = np.broadcast_to(np.float32(0), (64, 1, 2**20))  # 4 MiB each
    cut = Tasks(series, [slice(i, i + 1) for i in range(64)], 64, n_workers=1)
    for n_expected in (1, 2, 2):
        task = cut.next()
        assert len(task.batches) == n_expected
        cut.done(task.start, 0.0)


def test_a_worker_keeps_few_teachers(monkeypatch):
    monkeypatch.setattr(tasks, "_TEACHERS", type(tasks._TEACHERS)())
    travelling = [tasks.Travelling(name) for name in ("one", "two", "three")]
    for one in travelling:
        assert known_teacher(one.digest) is None
        assert known_teacher(one.digest, one.content) == known_teacher(one.digest)
    assert known_teacher(travelling[0].digest) is None
    assert known_teacher(travelling[2].digest) == "three"


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_series_that_cannot_be_read_end_the_work(backend, few_a_batch, tmp_path, panel):
    class Unreadable:
        def __len__(self):
            return 200

        def __getitem__(self, rows):
            return panel[rows]

        def part(self, rows):
            if rows.start >= 100:
                raise OSError("disk error")
            return panel[rows]

    teacher = bound(Logged(tmp_path), panel)
    with (
        joblib.parallel_config(backend, n_jobs=2),
        pytest.raises(TeacherError, match="OSError: disk error"),
    ):
        query(teacher, Unreadable())
