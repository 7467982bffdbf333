"""Asks a teacher on a Dask cluster, whose client joblib's backend "dask" holds.

The tasks go to the client itself: joblib's backend waits for ever when Dask gives a task up
because its workers died, copies the series of a task to one worker with which they are lost, and
counts the workers only once.
"""

import contextlib
import threading
import time

from tsdistill.exceptions import TeacherError
from tsdistill.numerics.forks import now_and_in_children
from tsdistill.teachers.tasks import TASKS_A_WORKER, Travelling, answer_task, pairs

SECONDS_BETWEEN_COUNTS = 2.0
SECONDS_WITHOUT_WORKERS = 120.0
"""Dask itself would wait for ever for a cluster all of whose workers are gone."""


def _start():
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.Lock()


now_and_in_children(_start)


def ask_cluster(client, teacher, tasks, settings):
    """Ask on a cluster, as :func:`tsdistill.teachers.asking.ask` does.

    At most two tasks for each thread of the cluster are under way, or answered and not yet
    taken; workers that join later get tasks too. Dask itself repeats the tasks of workers that
    die, and sends the teacher anew.

    Parameters
    ----------
    client : distributed.Client
    teacher : bound Teacher
    tasks : Tasks
    settings : dict
        Further arguments of ``Client.submit``, such as ``resources``, as given to
        ``joblib.parallel_config``.

    Yields
    ------
    batch : slice
    answers : ndarray of shape (n_instances, n_classes), float32

    Raises
    ------
    TeacherError
        If the cluster has no worker for two minutes.
    """
    travelling = Travelling(teacher)
    content, capacity, counted, futures = None, 0, float("-inf"), set()

    try:
        while True:
            if time.monotonic() - counted > SECONDS_BETWEEN_COUNTS:
                capacity = TASKS_A_WORKER * max(1, sum(client.ncores().values()))
                counted = time.monotonic()
            while len(futures) < capacity and (task := tasks.next()) is not None:
                job = client.submit(
                    answer_task, travelling.digest, content, None, task, pure=False, **settings
                )
                futures.add(job)
            if not futures:
                return
            job, (start, answers, seconds, most_rows) = _next_done(client, futures)
            futures.discard(job)
            if answers is None:  # the worker does not know this teacher
                if content is None:
                    content = _on_the_way(client, travelling.content, settings)
                tasks.again(start)
                continue
            tasks.halving.note(most_rows, teacher)
            yield from pairs(tasks.done(start, seconds), answers)
    finally:
        with contextlib.suppress(Exception):  # of a cluster that is gone
            client.cancel(list(futures))


def _next_done(client, futures):
    """A task that is done, and its result, which is asked for again if it was lost meanwhile."""
    from distributed import TimeoutError as DaskTimeout
    from distributed import wait

    with_workers = time.monotonic()
    while True:
        job = None
        try:
            done = wait(futures, SECONDS_BETWEEN_COUNTS, return_when="FIRST_COMPLETED").done
            job = next(iter(done))
            return job, job.result(SECONDS_BETWEEN_COUNTS)
        except DaskTimeout:
            if job is not None and job.status == "error":  # the teacher's own
                raise
        if client.ncores():
            with_workers = time.monotonic()
        elif time.monotonic() - with_workers > SECONDS_WITHOUT_WORKERS:
            raise TeacherError(
                "the teacher cannot be queried: the Dask cluster has had no worker for "
                f"{SECONDS_WITHOUT_WORKERS:.0f} s. If the last ones died over this teacher, their "
                "logs tell why (memory, for example); start others, and fit again."
            )


def _on_the_way(client, content, settings):
    """The pickled teacher as a future, without Dask's warning that it is large."""
    import dask

    name = "distributed.admin.large-graph-warning-threshold"
    with _ONE_AT_A_TIME, dask.config.set({name: "1 TiB"}):
        return client.submit(_content, content, pure=False, **settings)


def _content(content):
    """The pickled teacher, as the result of a task: if it is lost, Dask makes it again."""
    return content
