"""A teacher that is asked on a Dask cluster of two processes."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections import Counter

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

from tests.teachers.black_boxes import Logged, bound, digests
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier
from tsdistill.exceptions import TeacherError
from tsdistill.teachers import cluster as cluster_module
from tsdistill.teachers import tasks
from tsdistill.teachers.asking import ask
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.tasks import TASKS_A_WORKER
from tsdistill.teachers.teacher import as_teacher

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
OPTIONS = QueryOptions()


@pytest.fixture
def client(cluster):
    """Of a cluster of two worker processes, one thread each."""
    cluster.wait_for_workers(2)  # an earlier test may have killed one
    cluster.run(_ready)
    return cluster


@contextlib.contextmanager
def new_cluster(processes=True):
    """Client of a new cluster of two workers, one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=processes, dashboard_address=None,
            memory_limit=0, silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture(scope="module")
def cluster():
    with new_cluster() as client:
        yield client


def _ready():
    import tests.teachers.black_boxes  # noqa: F401  # so that no test waits for the imports


def test_answers_are_bitwise_those_of_one_process(client, panel, few_a_batch):
    y = np.arange(200) % 3
    teacher = as_teacher(RandomForestClassifier(10, random_state=0).fit(panel[:, 0], y))
    teacher = teacher.bind(panel[:, 0])
    expected = query(teacher, panel)
    with joblib.parallel_config("dask"):
        for n_jobs in (None, 2):
            answers = query(teacher, panel, QueryOptions(n_jobs=n_jobs))
            np.testing.assert_array_equal(answers, expected)


def test_the_teacher_travels_once_a_worker(client, panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    with joblib.parallel_config("dask"):
        for _ in range(3):
            query(teacher, panel)
    assert len(model.read("pickled")) == 3, "once a query"
    unpickled = model.read("unpickled")
    assert Counter(unpickled) == {str(pid): 1 for pid in client.run(os.getpid).values()}
    assert not set(unpickled) & {str(os.getpid())}
    asked = model.read("asked")
    assert Counter(asked) == Counter(3 * digests(panel))


def test_n_jobs_1_asks_in_this_process(client, panel, few_a_batch, tmp_path):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    with joblib.parallel_config("dask"):
        query(teacher, panel, QueryOptions(n_jobs=1))
    assert [path.name for path in tmp_path.iterdir()] == [f"asked.{os.getpid()}"]


def test_few_tasks_are_under_way_however_slowly_the_answers_are_taken(client, panel, monkeypatch):
    cut = []

    def one_by_one():
        for i in range(len(panel)):
            cut.append(i)
            yield slice(i, i + 1)

    teacher = as_teacher(RandomForestClassifier(2, random_state=0).fit(panel[:9, 0], [0, 1, 2] * 3))
    teacher = teacher.bind(panel[:, 0])
    with joblib.parallel_config("dask"):
        answers = ask(teacher, panel, one_by_one(), QueryOptions(), 8)
        for n_taken in range(1, 20):
            next(answers)
            if n_taken in (1, 10, 19):
                time.sleep(0.3)
                assert len(cut) <= n_taken + TASKS_A_WORKER * 2
        answers.close()


def test_the_work_ends_right_when_a_worker_is_killed(
    client, panel, few_a_batch, tmp_path, monkeypatch
):
    monkeypatch.setattr(tasks, "SECONDS_A_TASK", 0.0)  # tasks of one batch
    for name in ("log", "store"):
        (tmp_path / name).mkdir()
    model = Logged(tmp_path / "log", seconds=0.05)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.clear()
    victim, watched = client.run(os.getpid).popitem()[1], threading.Event()

    def kill_midway():
        while len(model.read("asked")) < 60:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        watched.set()

    thread = threading.Thread(target=kill_midway)
    thread.start()
    options = QueryOptions(memory=joblib.Memory(tmp_path / "store", verbose=0))
    with joblib.parallel_config("dask"):
        answers = query(teacher, panel, options)
    thread.join()
    np.testing.assert_array_equal(answers, expected)
    asked = Counter(model.read("asked"))
    assert set(asked) == set(digests(panel))
    assert asked.total() - len(panel) <= 2 * 5, "what the dead worker was just answering"
    model.clear()
    np.testing.assert_array_equal(query(teacher, panel, options), expected)
    assert not model.read("asked")


@pytest.fixture
def frail_client(monkeypatch):
    """Of a cluster of its own, since all of its workers may be lost."""
    monkeypatch.setattr(cluster_module, "SECONDS_WITHOUT_WORKERS", 20.0)
    with new_cluster() as client:
        yield client


@pytest.mark.weekly
def test_a_worker_that_dies_at_every_try_is_an_error_with_its_cause(
    frail_client, panel, few_a_batch, tmp_path
):
    model = Logged(tmp_path)
    teacher = bound(model, panel)
    model.poison = float(panel[101, 0, 0])
    # A worker that dies while it is started anew is given up by Dask.
    cause = r"cannot be queried(: .* no worker for 20 s| by .* KilledWorker: .*workers died)"
    with joblib.parallel_config("dask"), pytest.raises(TeacherError, match=cause):
        query(teacher, panel)


def test_a_cluster_without_workers_is_not_waited_for_for_ever(
    panel, few_a_batch, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster_module, "SECONDS_WITHOUT_WORKERS", 1.0)
    monkeypatch.setattr(cluster_module, "SECONDS_BETWEEN_COUNTS", 0.2)
    teacher = bound(Logged(tmp_path, seconds=0.2), panel)
    with new_cluster(processes=False) as client, joblib.parallel_config("dask"):
        answers = ask(teacher, panel, [slice(i, i + 10) for i in range(0, 200, 10)], OPTIONS, 20)
        next(answers)
        client.cluster.scale(0)
        with pytest.raises(TeacherError, match="has had no worker for 1 s"):
            list(answers)


def test_scores_explanations_reports_and_swaps_ask_on_the_cluster(
    client, toy, few_a_batch, tmp_path
):
    (X, y), rng = toy, np.random.default_rng(1)
    X_new = np.concatenate([X, X]) + rng.normal(scale=0.3, size=(24, 20))
    y_new = np.concatenate([y, y])
    model = Logged(tmp_path)
    model.classes_ = np.arange(3)

    def used(student):
        swap = DeferringClassifier(student, max_disagreement=0.5).fit(X_new, y_new)
        report = student.fidelity_report(X_new, y_new)
        yield student.predict_proba(X_new)
        yield student.explain(X_new, of="teacher")
        yield np.array(student.fidelity_score(X_new, metric="saliency"))
        yield report.to_frame().to_numpy()
        yield swap.predict(X_new)

    student = SaliencyDistilledClassifier(model, max_epochs=3, n_windows=4, random_state=0)
    expected = list(used(student.fit(X, y)))
    model.clear()
    with joblib.parallel_config("dask"):
        found = list(used(clone(student).fit(X, y)))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    asked = {
        int(path.suffix[1:]): len(path.read_text().split()) for path in tmp_path.glob("asked.*")
    }
    here = asked.pop(os.getpid())
    assert set(asked) <= set(client.run(os.getpid).values())
    assert here < 0.05 * sum(asked.values()), "to find its form, and to measure its time"


def test_searches_on_the_cluster_share_their_answers(client, toy, tmp_path):
    X, y = np.concatenate([toy[0], toy[0] + 0.01]), np.tile(toy[1], 2)
    grid = {"saliency_weight": [1, 5], "temperature": [2.0, 4.0]}

    def search(folder):
        for name in ("log", "store"):
            (tmp_path / folder / name).mkdir(parents=True)
        model = Logged(tmp_path / folder / "log", seconds=0.05)
        model.classes_ = np.arange(3)
        student = SaliencyDistilledClassifier(
            model, max_epochs=2, n_windows=4, random_state=0, memory=tmp_path / folder / "store"
        )
        search = GridSearchCV(student, grid, cv=2, refit=False, error_score="raise").fit(X, y)
        return search.cv_results_["mean_test_score"], Counter(model.read("asked"))

    scores, asked = search("here")
    with joblib.parallel_config("dask"):
        scores_there, asked_there = search("there")
    np.testing.assert_array_equal(scores_there, scores)
    assert asked_there == asked, "in all, though the candidates are fitted at the same time"
    assert not (tmp_path / "there" / "log" / f"asked.{os.getpid()}").exists()


def test_a_cluster_without_workers_is_named(panel, few_a_batch, tmp_path):
    teacher = bound(Logged(tmp_path), panel)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as empty,
        joblib.parallel_config("dask", client=empty, wait_for_workers_timeout=0.2),
        pytest.raises(TeacherError, match="has no worker after 0.2 seconds"),
    ):
        query(teacher, panel)
