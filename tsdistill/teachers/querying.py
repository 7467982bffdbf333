"""Querying a teacher for many series: in bounded batches, in parallel, with a cache."""

import itertools
from dataclasses import dataclass

import joblib
import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from tqdm.auto import tqdm

from tsdistill.exceptions import TeacherError, TsdistillError
from tsdistill.numerics.batches import batches_of_series
from tsdistill.numerics.logits import centred
from tsdistill.numerics.random_states import on_behalf_of_a_fit
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.teachers.cache import recall

BATCHES_A_TASK = 16
TASKS_A_WORKER = 4


@dataclass(frozen=True)
class QueryOptions:
    """How a model is queried; the answers depend on it only by rounding on different devices.

    Attributes
    ----------
    device : str, torch.device or None, default="cpu"
        Device on which models made of torch modules run. None is where each model lies.
    n_jobs : int, default=None
        Number of joblib workers that share the queries to a black box. None is one, unless a
        ``joblib.parallel_config`` context says otherwise.
    memory : joblib.Memory, default=None
        Cache for the answers of a teacher with a fingerprint.
    verbose : int, default=0
        Show a progress bar if above 0.
    """

    device: object = "cpu"
    n_jobs: int | None = None
    memory: joblib.Memory | None = None
    verbose: int = 0


@dataclass(frozen=True)
class TeacherAnswers:
    """A teacher's answers, as log-probabilities.

    Attributes
    ----------
    clean : ndarray or Tensor of shape (n_instances, n_classes), float32
        Answers for the series.
    perturbed : ndarray or Tensor of shape (n_instances, n_windows, n_classes), float32, or None
        Answers for their perturbed copies; None if training needs none.
    """

    clean: np.ndarray
    perturbed: np.ndarray | None = None

    def changes(self):
        """Mean absolute change of the centred logits over the windows of each series.

        Returns
        -------
        changes : ndarray of shape (n_instances,), float32
        """
        changes = np.empty(len(self.clean), dtype=np.float32)
        for i, (clean, perturbed) in enumerate(zip(self.clean, self.perturbed, strict=True)):
            changes[i] = np.abs(centred(clean - perturbed)).mean(dtype=np.float64)
        return changes


def query(teacher, series, options=None, *, title="teacher"):
    """Log-probabilities of a teacher for many series.

    Batches, and thus answers, do not depend on ``n_jobs``. Models made of torch modules are
    queried in this process, black boxes in joblib workers.

    Parameters
    ----------
    teacher : bound Teacher
    series : ndarray of shape (n_instances, n_channels, n_timepoints), float32, or an object \
            with a length and such arrays as slices, for example PerturbedCopies; its method \
            ``part(slice)``, if it has one, gives the smaller object that a worker is sent
    options : QueryOptions, default=None
    title : str, default="teacher"
        Title of the progress bar.

    Returns
    -------
    log_proba : ndarray of shape (n_instances, n_classes), float32

    Raises
    ------
    TeacherError
        If the teacher fails, or its answers cannot be used.
    """
    options = QueryOptions() if options is None else options
    # Answers are kept without the scale, which is known only after the first of them.
    plain = teacher.with_factor(1.0)
    if not is_cached(teacher, options):
        return teacher.scaled(_query_now(plain, series, options, title))
    answers = recall(
        options.memory,
        teacher.fingerprint,
        series,
        (len(series), len(teacher.classes_)),
        lambda: _query_now(plain, series, options, title),
    )
    return teacher.scaled(answers)


def is_cached(teacher, options):
    """Whether a teacher's answers are read from and written to the cache."""
    return options.memory is not None and teacher.fingerprint is not None


def _query_now(teacher, series, options, title):
    """Log-probabilities from a new query, without the cache."""
    parts = batches_of_series(series)
    bar = {"total": len(parts), "desc": title, "disable": not options.verbose, "leave": False}
    alone = teacher.differentiable or len(parts) == 1
    n_workers = 1 if alone else effective_n_jobs(options.n_jobs)
    if n_workers == 1:
        with teacher.on_device(options.device):
            if not options.verbose:
                return np.concatenate(_answer_batches(teacher, series, parts))
            with tqdm(parts, **bar) as progress:
                return np.concatenate(_answer_batches(teacher, series, progress))
    n_tasks = min(max(TASKS_A_WORKER * n_workers, len(parts) // BATCHES_A_TASK), len(parts))
    ends = [round(i * len(parts) / n_tasks) for i in range(n_tasks + 1)]
    tasks = [parts[a:b] for a, b in itertools.pairwise(ends)]
    with tqdm(**bar) as progress:
        return np.concatenate(_answers_of_workers(teacher, series, tasks, options, progress))


def _answers_of_workers(teacher, series, tasks, options, progress):
    """Answers to the batches of all tasks, in order, from joblib workers."""
    collected = []
    try:
        answers = Parallel(n_jobs=options.n_jobs, return_as="generator")(
            delayed(_answer_batches)(teacher, *_part_of(series, task)) for task in tasks
        )
        for answer in answers:
            collected += answer
            progress.update(len(answer))
    except TsdistillError:
        raise
    except Exception as error:  # a worker was killed, or cannot be sent the model
        raise TeacherError(
            f"{teacher!r} cannot be queried by joblib workers (n_jobs={options.n_jobs}): "
            f"{type(error).__name__}: {str(error).rstrip('.')}. Pass n_jobs=1, or a teacher that "
            "can be pickled and leaves the worker enough memory."
        ) from error
    return collected


def _part_of(series, batches):
    """The series of some consecutive batches, and these batches as slices of them."""
    if not (hasattr(series, "part") or isinstance(series, np.ndarray)):
        return series, batches
    first = batches[0].start
    whole = slice(first, batches[-1].stop)
    part = series.part(whole) if hasattr(series, "part") else series[whole]
    return part, [slice(batch.start - first, batch.stop - first) for batch in batches]


def _answer_batches(teacher, series, parts):
    # Each batch is a copy, since a model may change its input, which may be the user's array.
    try:
        with on_behalf_of_a_fit():
            return [teacher.log_proba(np.array(series[part])) for part in parts]
    except TsdistillError:
        raise
    except Exception as error:  # the user's model may raise anything
        raise TeacherError(
            f"{teacher!r} failed on series of shape {series[0:1].shape[1:]}, which may be "
            f"perturbed copies: {type(error).__name__}: {error}"
        ) from error


def query_windows(teacher, panel, plan, options=None):
    """Log-probabilities of a teacher for every perturbed copy of a plan.

    Parameters
    ----------
    teacher : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    plan : WindowPlan
    options : QueryOptions, default=None

    Returns
    -------
    perturbed : ndarray of shape (n_instances, n_windows, n_classes), float32
    """
    row = np.repeat(np.arange(len(panel)), plan.start.shape[1])
    width = plan.width[row] if isinstance(plan.width, np.ndarray) else plan.width
    copies = PerturbedCopies(panel, plan.donors, row, plan.donor.ravel(), plan.start.ravel(), width)
    flat = query(teacher, copies, options, title="teacher: windows")
    return flat.reshape(*plan.start.shape, flat.shape[1])
