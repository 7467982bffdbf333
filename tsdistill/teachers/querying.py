"""Querying a teacher for many series: in bounded batches, in parallel, with a cache."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
from tqdm.auto import tqdm

from tsdistill.inputs.stored import StoredPanel
from tsdistill.inputs.types import Float32Array
from tsdistill.numerics.batches import batches_of_series
from tsdistill.numerics.halving import Halving
from tsdistill.numerics.logits import centred
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.teachers.asking import ask
from tsdistill.teachers.bound import BoundTeacher
from tsdistill.teachers.cache import KeptIn, recall
from tsdistill.teachers.chunks import answers_in_chunks


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
    memory_size : int, default=None
        Bytes that the answers kept by ``memory`` may take. None is no bound.
    halving : Halving
        What the user's call found out about the memory that batches need.
    """

    device: object = "cpu"
    n_jobs: int | None = None
    memory: joblib.Memory | None = None
    verbose: int = 0
    memory_size: int | None = None
    halving: Halving = field(default_factory=Halving, compare=False, repr=False)


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


def query(
    teacher: BoundTeacher,
    series: Any,
    options: QueryOptions | None = None,
    *,
    title: str = "teacher",
) -> Float32Array:
    """Log-probabilities of a teacher for many series.

    Batches, and thus answers, do not depend on ``n_jobs``. Models made of torch modules are
    queried in this process, black boxes in joblib workers.

    Parameters
    ----------
    teacher : bound Teacher
    series : ndarray of shape (n_instances, n_channels, n_timepoints), float32, or an object \
            with a length and such arrays as slices, for example PerturbedCopies; its method \
            ``part(slice)``, if it has one, gives the smaller object that a worker is sent, and \
            by whose content answers are kept. Of a StoredPanel a chunk is read at a time
    options : QueryOptions, default=None
    title : str, default="teacher"
        Title of the progress bar.

    Returns
    -------
    log_proba : ndarray of shape (n_instances, n_classes), float32

    Raises
    ------
    TeacherError
        If the teacher fails, its answers cannot be used, or workers die again and again.
    """
    options = QueryOptions() if options is None else options
    if isinstance(series, StoredPanel):
        silent = dataclasses.replace(options, verbose=0)
        return answers_in_chunks(
            lambda chunk, _: query(teacher, chunk, silent),
            series, (len(teacher.classes_),), bar=title if options.verbose else None,
        )  # fmt: skip
    # Answers are kept without the scale, which is known only after the first of them.
    plain = teacher.with_factor(1.0)
    batches = batches_of_series(series)

    def ask_now(some, n_batches):
        return ask(plain, series, some, options, n_batches)

    if is_cached(teacher, options):
        kept_in = KeptIn(options.memory, options.memory_size)
        source = recall(
            kept_in, teacher.fingerprint, series, batches, len(teacher.classes_), ask_now
        )
    else:
        source = ask_now(batches, len(batches))
    log_proba = None
    # No bar is made in vain: its lock, which processes share, may be held by one that was killed.
    bar = contextlib.nullcontext()
    if options.verbose:
        bar = tqdm(total=len(batches), desc=title, leave=False)
    with contextlib.closing(source), bar as progress:
        for batch, answers in source:
            if log_proba is None:
                log_proba = np.empty((len(series), answers.shape[1]), answers.dtype)
            log_proba[batch] = answers
            if progress is not None:
                progress.update()
    return teacher.scaled(log_proba)


def is_cached(teacher, options):
    """Whether a teacher's answers are read from and written to the cache."""
    return options.memory is not None and teacher.fingerprint is not None


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
