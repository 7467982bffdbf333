"""Asking the teacher everything once: its answers to the series and to their perturbed copies."""

import warnings
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from tqdm.auto import tqdm

from tsdistill.asking import PROBABILITY_FLOOR, as_tensor, slices
from tsdistill.digest import digest_of
from tsdistill.exceptions import HardTeacherWarning, TeacherError, TsdistillError
from tsdistill.memory import probes, recall
from tsdistill.randomness import on_behalf_of_a_fit
from tsdistill.windows import replace_windows

QUESTIONS_A_TASK = 16
TASKS_A_WORKER = 4


@dataclass(frozen=True)
class Knowledge:
    """What the teacher said, in log-probabilities.

    Attributes
    ----------
    clean : ndarray of shape (n_instances, n_classes), float32
    perturbed : ndarray of shape (n_instances, n_windows, n_classes), float32, or None
        None where nothing that is trained on needs the copies.
    """

    clean: np.ndarray
    perturbed: np.ndarray | None = None

    def mean_change(self, sample_weight):
        """Mean absolute change of the centred logits over all windows, a float32 scalar.

        Parameters
        ----------
        sample_weight : ndarray of shape (n_instances,), not all 0
        """
        sizes = np.empty(len(self.clean))
        for i, (clean, perturbed) in enumerate(zip(self.clean, self.perturbed, strict=True)):
            change = clean - perturbed
            sizes[i] = np.abs(change - change.mean(axis=-1, keepdims=True)).mean(dtype=np.float64)
        return np.float32(np.average(sizes, weights=sample_weight))


def take_fingerprint(teacher, panel, memory, device="cpu"):
    """Give a teacher whose answers are kept that by which it is known again, unless it has it.

    Its answers to a few probes; and the digest of its content, unless asking changes it, as it
    changes a model that counts its questions. See :mod:`tsdistill.memory`.

    Parameters
    ----------
    teacher : bound Teacher
        Gets the attribute ``fingerprint``, a tuple of an ndarray and a str or None.
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    memory : joblib.Memory or None
    device : str or torch.device, default="cpu"
    """
    if memory is None or teacher.fingerprint is not None:
        return
    before = digest_of(teacher.model)
    answers = ask(teacher, probes(panel), device=device)
    digest = before if before == digest_of(teacher.model) else None
    teacher.fingerprint = (answers, digest)


def ask_perturbed(teacher, panel, plan, **asked):
    """Ask about every perturbed copy of a plan.

    Parameters
    ----------
    teacher : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    plan : WindowPlan
    **asked
        As in :func:`ask`.

    Returns
    -------
    perturbed : ndarray of shape (n_instances, n_windows, n_classes), float32
    """
    row = np.repeat(np.arange(len(panel)), plan.start.shape[1])
    copies = Copies(panel, plan.donors, row, plan.donor.ravel(), plan.start.ravel(), plan.width)
    flat = ask(teacher, copies, title="teacher: windows", **asked)
    return flat.reshape(*plan.start.shape, flat.shape[1])


@dataclass(frozen=True)
class Copies:
    """Perturbed copies, described by integers and built a slice at a time.

    Attributes
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
    row, donor, start : ndarray of shape (n_copies,), int64
        Series of the panel, row of donors, first timestep of the window.
    width : int
    channel : ndarray of shape (n_copies,), int64, optional
        The only channel to replace.
    """

    panel: np.ndarray
    donors: np.ndarray
    row: np.ndarray
    donor: np.ndarray
    start: np.ndarray
    width: int
    channel: np.ndarray | None = None

    def __len__(self):
        return len(self.row)

    def __getitem__(self, part):
        return replace_windows(
            as_tensor(self.panel[self.row[part]]),
            as_tensor(self.donors[self.donor[part]]),
            as_tensor(self.start[part]),
            self.width,
            None if self.channel is None else as_tensor(self.channel[part]),
        ).numpy()


def ask(teacher, questions, *, device="cpu", n_jobs=None, memory=None, verbose=0, title="teacher"):
    """Ask about series in slices of bounded size.

    Slices are the same whatever ``n_jobs`` is, and so are the answers. Models made of torch
    modules are asked here, on ``device``; ``n_jobs`` spreads black boxes over joblib workers.

    Parameters
    ----------
    teacher : bound Teacher
    questions : ndarray of shape (n_questions, n_channels, n_timepoints), or Copies
    device : str or torch.device, default="cpu"
    n_jobs : int, default=None
    memory : joblib.Memory, default=None
        Recalls what a teacher that has a fingerprint has answered before.
    verbose : int, default=0
        Above 0: a progress bar, named ``title``.

    Returns
    -------
    log_proba : ndarray of shape (n_questions, n_classes), float32
    """
    if memory is not None and teacher.fingerprint is not None:
        return recall(
            memory, teacher.fingerprint, questions, (len(questions), len(teacher.classes_)),
            lambda: ask(teacher, questions, device=device, n_jobs=n_jobs, verbose=verbose,
                        title=title),
        )  # fmt: skip
    parts = slices(questions)
    bar = {"total": len(parts), "desc": title, "disable": not verbose, "leave": False}
    if teacher.differentiable or n_jobs in (None, 1) or len(parts) == 1:
        with teacher.on_device(device), tqdm(parts, **bar) as progress:
            return np.concatenate(_answer_parts(teacher, questions, progress))
    n_tasks = max(TASKS_A_WORKER * effective_n_jobs(n_jobs), len(parts) // QUESTIONS_A_TASK)
    tasks = [parts[i::n_tasks] for i in range(min(n_tasks, len(parts)))]
    answers = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_answer_parts)(teacher, questions, task) for task in tasks
    )
    collected = [None] * len(parts)
    with tqdm(**bar) as progress:
        for i, answer in enumerate(answers):
            collected[i::n_tasks] = answer
            progress.update(len(answer))
    return np.concatenate(collected)


def _answer_parts(teacher, questions, parts):
    # Each slice is a copy: a model may change what it is given, the user's series may not.
    try:
        with on_behalf_of_a_fit():
            return [teacher.log_proba(np.array(questions[part])) for part in parts]
    except TsdistillError:
        raise
    except Exception as error:  # the model is the user's: anything can come out of it
        raise TeacherError(
            f"{teacher!r} failed on series of shape {questions[0:1].shape[1:]}, perturbed ones "
            f"perhaps: {type(error).__name__}: {error}"
        ) from error


def warn_if_hard(teacher, knowledge):
    """Warn of a teacher whose every answer is 0 or 1: there is nothing soft to distil.

    Parameters
    ----------
    teacher : bound Teacher
    knowledge : Knowledge
        Forests are often certain about the very series they were grown on; their answers to
        perturbed copies count too.
    """
    if teacher.differentiable:
        return
    log_one = -np.log1p((knowledge.clean.shape[1] - 1) * PROBABILITY_FLOOR)
    answers = [a for a in (knowledge.clean, knowledge.perturbed) if a is not None]
    if all(np.abs(a.max(axis=-1) - log_one).max() < 1e-7 for a in answers):
        warnings.warn(
            f"{teacher!r} answers every series with a probability of 0 or 1, so it has no soft "
            "targets and its saliency comes in jumps. If it has decision values, pass those: a "
            "callable that returns their softmax, or an object with decision_function and "
            "classes_ in place of predict_proba.",
            HardTeacherWarning,
            stacklevel=4,
        )
