"""The teacher's answers kept between fits, candidates of a search, and processes.

What was asked is known by its content. Who was asked cannot be: a torch module has no hash that
another process would find again. So a teacher is known by its answers to a few questions, its
fingerprint, and these alone are asked again.
"""

import contextlib
import os
import warnings
import zlib
from pathlib import Path

import joblib
import numpy as np
from filelock import FileLock

from tsdistill import _version
from tsdistill.exceptions import CacheWarning, ParameterError

CLEAN_PROBES = 32
MIXED_PROBES = 32
N_LOCKS = 256


def as_memory(memory):
    """The joblib.Memory that a ``memory`` argument stands for.

    Parameters
    ----------
    memory : None, str, path or joblib.Memory

    Returns
    -------
    memory : joblib.Memory, or None where nothing is to be kept

    Raises
    ------
    ParameterError
        If it is none of these.
    """
    if memory is not None and not isinstance(memory, (str, os.PathLike, joblib.Memory)):
        raise ParameterError(f"memory={memory!r}; expected None, a path or a joblib.Memory.")
    if isinstance(memory, (str, os.PathLike)):
        memory = joblib.Memory(os.fspath(memory), verbose=0)
    return None if memory is None or memory.location is None else memory


def probes(panel):
    """Questions by whose answers a teacher is known again.

    Series of the panel, and mixtures whose start is of one series and whose end of another:
    models that fit their training series perfectly agree on those, and are told apart between
    them. None is a perturbed copy of a plan.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32

    Returns
    -------
    probes : ndarray of shape (n_probes, n_channels, n_timepoints), float32
    """
    n_instances, _, n_timepoints = panel.shape
    rng = np.random.default_rng(0)
    some = np.linspace(0, n_instances - 1, min(n_instances, CLEAN_PROBES)).round().astype(int)
    first, second = rng.integers(n_instances, size=(2, MIXED_PROBES))
    until = rng.integers(n_timepoints, size=MIXED_PROBES)
    starts = np.arange(n_timepoints) < until[:, np.newaxis]
    mixed = np.where(starts[:, np.newaxis], panel[first], panel[second])
    return np.concatenate([panel[some], mixed])


def recall(memory, fingerprint, questions, ask_now):
    """Answers from the cache, or asked now and kept there.

    Of several processes with the same question one asks, and the others wait for its answers.

    Parameters
    ----------
    memory : joblib.Memory
    fingerprint : ndarray
        The teacher's answers to :func:`probes`.
    questions : ndarray or Copies
        Hashed by content.
    ask_now : callable () -> ndarray of shape (n_questions, n_classes)

    Returns
    -------
    answers : ndarray of shape (n_questions, n_classes), float32

    Warns
    -----
    CacheWarning
        If what was kept cannot be read, is damaged or of another version: it is then replaced.
        If answers cannot be kept.
    """
    asked = []

    def ask_and_hold():
        asked.append(ask_now())
        return asked[0]

    stored = memory.cache(_kept_answers, ignore=["ask_now"])
    with _one_at_a_time(memory, fingerprint, questions):
        try:
            found = stored.call_and_shelve(fingerprint, questions, ask_now=ask_and_hold)
        except OSError as error:
            if not asked:
                raise
            warnings.warn(
                f"answers of the teacher could not be kept in {str(memory.location)!r}: {error}",
                CacheWarning,
                stacklevel=2,
            )
        if asked:
            return asked[0]
        try:
            return _checked(found.get(), len(questions))
        except Exception as error:  # whatever a damaged file may raise
            warnings.warn(
                f"answers of the teacher kept in {str(memory.location)!r} cannot be used "
                f"({type(error).__name__}: {error}); it is asked again, and they are replaced.",
                CacheWarning,
                stacklevel=2,
            )
        found.clear()
        stored.call_and_shelve(fingerprint, questions, ask_now=ask_and_hold)
        return asked[0] if asked else ask_now()


def _kept_answers(fingerprint, questions, ask_now):
    answers = ask_now()
    return {
        "version": _version.__version__,
        "checksum": zlib.crc32(np.ascontiguousarray(answers)),
        "answers": answers,
    }


def _checked(kept, n_questions):
    if not isinstance(kept, dict) or "version" not in kept:
        raise ValueError("not written by tsdistill")
    if kept["version"] != _version.__version__:
        raise ValueError(
            f"written by tsdistill {kept['version']}, and this is {_version.__version__}"
        )
    answers = kept["answers"]
    if len(answers) != n_questions or zlib.crc32(np.ascontiguousarray(answers)) != kept["checksum"]:
        raise ValueError("the file is damaged")
    return answers


@contextlib.contextmanager
def _one_at_a_time(memory, fingerprint, questions):
    number = int(joblib.hash((fingerprint, questions)), 16) % N_LOCKS
    with contextlib.ExitStack() as stack:
        # A folder that cannot be written to, or another store than a folder: no lock.
        with contextlib.suppress(OSError, NotImplementedError):
            lock = FileLock(Path(str(memory.location)) / f"tsdistill-{number:02x}.lock")
            stack.enter_context(lock)
        yield
