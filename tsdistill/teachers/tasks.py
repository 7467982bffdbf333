"""What is sent to a worker that asks a black box, and what the worker does with it.

A task holds the series of a few consecutive batches, never the whole panel. The teacher does not
lie in it: it is pickled once, and every worker unpickles it once and keeps it by its digest.
"""

import collections
import hashlib
import itertools
import os
import pickle
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass

import cloudpickle
import numpy as np

from tsdistill.numerics.forks import now_and_in_children
from tsdistill.numerics.halving import Halving
from tsdistill.numerics.random_states import on_behalf_of_a_fit
from tsdistill.teachers.bound import failures_named

BATCHES_A_TASK = 16
BYTES_A_TASK = 8 * 2**20
SECONDS_A_TASK = 0.5
TASKS_A_WORKER, TEACHERS_A_WORKER = 2, 2


@dataclass(slots=True)
class Task:
    """Consecutive batches of series that one worker is to answer.

    It has slots, since joblib's Dask backend copies what can be weakly referenced to one worker,
    with which it would be lost.

    Attributes
    ----------
    start : int
        Position of the first of the series among all that are asked about.
    series : ndarray or object with a length and arrays as slices
        The series of these batches, or all where they cannot be cut.
    batches : list of slice
        The batches as slices of ``series``.
    shift : int
        What is to be added to the batches, to be slices of all series.
    most_rows : int or None
        Series that a worker's memory holds at once, as far as is known.
    n_tries : int
        Workers that died while they had this task.
    """

    start: int
    series: object
    batches: list
    shift: int
    most_rows: int | None = None
    n_tries: int = 0

    def places(self):
        """The batches as slices of all series."""
        return [slice(one.start + self.shift, one.stop + self.shift) for one in self.batches]


def answer_batches(teacher, series, batches, halving):
    """Log-probabilities of a teacher for batches of series, one array for each.

    Each batch is a copy, since a model may change its input, which may be the user's array.
    """
    with failures_named(teacher, series), on_behalf_of_a_fit():
        return [teacher.batch_log_proba(series, batch, halving) for batch in batches]


class Tasks:
    """The tasks of a query, cut when they are wanted, so that few exist at a time.

    A task is one batch at first, and grows with the speed of the teacher: slow ones lose little
    if a worker dies, fast ones spend little on the way.

    Parameters
    ----------
    series : ndarray or object with a length and arrays as slices
    batches : iterable of slice
        Read as tasks are wanted.
    n_batches : int
        About how many there are.
    n_workers : int
    halving : Halving
        Of the user's call.

    Attributes
    ----------
    failure : Exception or None
        Why no more tasks could be cut, see :meth:`without_failing`.
    """

    def __init__(self, series, batches, n_batches, n_workers, halving=None):
        self.series, self.batches = series, iter(batches)
        self.halving = Halving() if halving is None else halving
        self.most = max(1, min(BATCHES_A_TASK, n_batches // (4 * n_workers)))
        self.n_batches, self.ahead, self.waiting, self.under_way = 1, None, [], {}
        self.failure = None
        self._lock = threading.Lock()

    def without_failing(self):
        """All tasks, until one cannot be cut; the exception is then in ``failure``.

        joblib would wait for ever if an exception came out of this, in a thread of its own.
        """
        try:
            while (task := self.next()) is not None:
                yield task
        except Exception as error:
            self.failure = error

    def next(self):
        """The next task, first those that a dead worker had; None if there is no more."""
        with self._lock:
            task = self.waiting.pop(0) if self.waiting else self._cut()
            if task is not None:
                task.most_rows = self.halving.most_rows
                self.under_way[task.start] = task
            return task

    def _cut(self):
        first = self.ahead if self.ahead is not None else next(self.batches, None)
        self.ahead = None
        if first is None:
            return None
        chosen = [first]
        size = self.series[first.start : first.start + 1].nbytes * (first.stop - first.start)
        while len(chosen) < min(self.n_batches, max(1, BYTES_A_TASK // max(1, size))):
            self.ahead = next(self.batches, None)
            if self.ahead is None or self.ahead.start != chosen[-1].stop:
                break
            chosen.append(self.ahead)
            self.ahead = None
        return Task(first.start, *part_of(self.series, chosen))

    def done(self, start, seconds):
        """Take note that a task was answered, and return it."""
        task = self.under_way.pop(start)
        fit = SECONDS_A_TASK * len(task.batches) / max(seconds, 1e-9)
        self.n_batches = int(min(max(1, fit), self.most))
        return task

    def again(self, start):
        """Put a task back that a worker could not answer."""
        self.waiting.append(self.under_way.pop(start))

    def all_again(self):
        """Put back all tasks whose workers died; the largest number of times for one of them."""
        for task in self.under_way.values():
            task.n_tries += 1
        self.waiting += self.under_way.values()
        self.under_way = {}
        return max((task.n_tries for task in self.waiting), default=0)


def part_of(series, batches):
    """The series of some consecutive batches, these as slices of them, and where they begin."""
    if not (hasattr(series, "part") or isinstance(series, np.ndarray)):
        return series, batches, 0
    first = batches[0].start
    whole = slice(first, batches[-1].stop)
    part = series.part(whole) if hasattr(series, "part") else series[whole]
    return part, [slice(one.start - first, one.stop - first) for one in batches], first


class Travelling:
    """A teacher on its way to workers: pickled once.

    Parameters
    ----------
    teacher : bound Teacher
    """

    def __init__(self, teacher):
        self.content = cloudpickle.dumps(teacher, protocol=pickle.HIGHEST_PROTOCOL)
        self.digest = hashlib.sha256(self.content).hexdigest()
        self._folder = None

    def file(self, folder=None):
        """Write the teacher to a file that other processes of the user can read; its path.

        Parameters
        ----------
        folder : str, default=None
            None is the system's folder for temporary files.
        """
        self._folder = tempfile.mkdtemp(prefix="tsdistill_teacher_", dir=folder)
        path = os.path.join(self._folder, "teacher")
        with open(path, "wb") as file:
            file.write(self.content)
        return path

    def close(self):
        """Remove the file, if there is one."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _start():
    global _LOCK, _TEACHERS
    _LOCK, _TEACHERS = threading.Lock(), collections.OrderedDict()


now_and_in_children(_start)


def known_teacher(digest, content=None, path=None):
    """The teacher of a digest, which this worker keeps, is sent or reads; None if none of these.

    Parameters
    ----------
    digest : str
    content : bytes, default=None
        The teacher as :class:`Travelling` pickled it.
    path : str, default=None
        A file with the same.
    """
    with _LOCK:
        if digest not in _TEACHERS:
            if content is None:
                try:
                    with open(path or "", "rb") as file:
                        content = file.read()
                except OSError:  # on another machine
                    return None
            # Pickled by the user's own process.
            _TEACHERS[digest] = pickle.loads(content)  # nosec B301
            while len(_TEACHERS) > TEACHERS_A_WORKER:
                _TEACHERS.popitem(last=False)
        _TEACHERS.move_to_end(digest)
        return _TEACHERS[digest]


def answer_task(teacher, content, path, task):
    """Answer a task in a worker.

    Parameters
    ----------
    teacher : bound Teacher, or str
        A str is the digest of a teacher.
    content, path
        Of the teacher, see :func:`known_teacher`.
    task : Task

    Returns
    -------
    start : int
        That of the task.
    answers : list of ndarray, or None
        One array for each batch. None if the worker has no such teacher.
    seconds : float
    most_rows : int or None
        Series that memory held at once; None if it held all batches.
    """
    if isinstance(teacher, str):
        teacher = known_teacher(teacher, content, path)
    if teacher is None:
        return task.start, None, 0.0, None
    began, halving = time.perf_counter(), Halving(task.most_rows, silent=True)
    answers = answer_batches(teacher, task.series, task.batches, halving)
    return task.start, answers, time.perf_counter() - began, halving.most_rows


def pairs(task, answers):
    """Slices of all series, and the answers to them."""
    return list(zip(task.places(), itertools.chain(answers), strict=True))
