"""Where a teacher is asked: in this process, in joblib's workers, or on a Dask cluster."""

import contextlib
import itertools
import os
import sys
from concurrent.futures.process import BrokenProcessPool

from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from tsdistill.exceptions import TeacherError, TsdistillError
from tsdistill.teachers.tasks import (
    TASKS_A_WORKER,
    Tasks,
    Travelling,
    answer_batches,
    answer_task,
    pairs,
)

TASKS_A_ROUND = 4
MOST_TRIES = 3
"""Deaths of workers over one task after which it is given up, as on a Dask cluster by default."""


def ask(teacher, series, batches, options, n_batches):
    """Ask a teacher about batches of series, as they are wanted.

    Parameters
    ----------
    teacher : bound Teacher
    series : ndarray or object with a length and arrays as slices
    batches : iterable of slice
        Read one by one where the teacher is asked in this process; otherwise two tasks for each
        worker ahead of the answers, perhaps in another thread.
    options : QueryOptions
    n_batches : int
        About how many batches there are.

    Yields
    ------
    batch : slice
    answers : ndarray of shape (n_instances, n_classes), float32
        In any order.

    Raises
    ------
    TeacherError
        If the teacher fails, or workers die over the same series again and again.
    """
    client, n_workers = _workers(teacher, options, n_batches)
    if n_workers == 0:
        with teacher.on_device(options.device):
            for batch in batches:
                yield batch, answer_batches(teacher, series, [batch], options.halving)[0]
        return
    tasks = Tasks(series, batches, n_batches, n_workers, options.halving)
    try:
        if client is None:
            yield from _ask_joblib(teacher, tasks, options.n_jobs, n_workers)
        else:
            from tsdistill.teachers.cluster import ask_cluster

            yield from ask_cluster(client, teacher, tasks, get_active_backend()[0].submit_kwargs)
    except TsdistillError:
        raise
    except Exception as error:  # a worker was killed, or cannot be sent the model
        raise TeacherError(
            f"{teacher!r} cannot be queried by joblib workers (n_jobs={options.n_jobs}): "
            f"{type(error).__name__}: {str(error).rstrip('.')}. Pass n_jobs=1, or a teacher that "
            "can be pickled and leaves the worker enough memory."
        ) from error


def _workers(teacher, options, n_batches):
    """The client of a Dask cluster or None, and the number of workers; 0 asks in this process.

    A task on a cluster asks its own teacher itself: if it waited for other tasks, the cluster
    could come to hold nothing but tasks that wait for each other.
    """
    if teacher.differentiable or n_batches <= 1 or options.n_jobs == 1 or _on_cluster():
        return None, 0
    client = getattr(get_active_backend()[0], "client", None)  # of Dask's backend alone
    try:
        n_workers = effective_n_jobs(options.n_jobs)
    except TimeoutError as error:
        raise TeacherError(f"{teacher!r} cannot be queried: {error}") from error
    return client, n_workers if client is not None or n_workers > 1 else 0


def _on_cluster():
    """Whether this is a task of a Dask cluster."""
    if "distributed" not in sys.modules:
        return False
    try:
        sys.modules["distributed"].get_worker()
    except ValueError:
        return False
    return True


def _ask_joblib(teacher, tasks, n_jobs, n_workers):
    """Ask in workers of joblib's active backend, see :func:`ask`.

    Threads share the teacher. Processes read it from a file; where they see no common folder, it
    is sent to them in the tasks.
    """
    backend, sent, path = get_active_backend()[0], None, None
    model = repr(teacher)
    with contextlib.ExitStack() as stack:
        if not getattr(backend, "supports_sharedmem", False):
            travelling = Travelling(teacher)
            stack.callback(travelling.close)
            folder = os.environ.get("JOBLIB_TEMP_FOLDER", "")
            path = travelling.file(folder if os.path.isdir(folder) else None)
            teacher = travelling.digest
        in_turn = not getattr(backend, "supports_return_generator", False)
        run = _in_rounds if in_turn else _as_they_come
        while True:
            jobs = (
                delayed(answer_task)(teacher, sent, path, task) for task in tasks.without_failing()
            )
            try:
                for start, answers, seconds, most_rows in run(jobs, n_jobs, n_workers):
                    if answers is None:
                        sent = travelling.content
                        tasks.again(start)
                        continue
                    tasks.halving.note(most_rows, model)
                    yield from pairs(tasks.done(start, seconds), answers)
            except BrokenProcessPool:
                if tasks.all_again() >= MOST_TRIES:
                    raise
                continue
            if tasks.failure is not None:
                raise tasks.failure
            if not tasks.waiting:
                return


def _as_they_come(jobs, n_jobs, n_workers):
    """Results of jobs, of which two for each worker are under way."""
    ahead = f"{TASKS_A_WORKER} * n_jobs"
    return Parallel(
        n_jobs, return_as="generator_unordered", batch_size=1, max_nbytes=None, pre_dispatch=ahead
    )(jobs)


def _in_rounds(jobs, n_jobs, n_workers):
    """Results of jobs, some for each worker at a time: for backends that return lists alone.

    Such are "multiprocessing" and those derived from it, as Ray's.
    """
    with Parallel(n_jobs, batch_size=1, max_nbytes=None) as workers:
        while some := list(itertools.islice(jobs, TASKS_A_ROUND * n_workers)):
            yield from workers(some)
