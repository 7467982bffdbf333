"""The teacher's answers kept between fits, candidates of a search, and processes.

What was asked is known by its content. Who was asked is known by its fingerprint: its answers to
a few questions, which every fit asks again, and a digest of its content, where it has one.
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

FOLDER = "tsdistill"
CLEAN_PROBES = 32
MIXED_PROBES = 32
N_LOCKS = 256


def check_memory(memory):
    """Refuse what is no place to keep answers in."""
    if memory is not None and not isinstance(memory, (str, os.PathLike, joblib.Memory)):
        raise ParameterError(f"memory={memory!r}; expected None, a path or a joblib.Memory.")


def as_memory(memory):
    """The joblib.Memory that a ``memory`` argument stands for.

    Parameters
    ----------
    memory : None, str, path or joblib.Memory

    Returns
    -------
    memory : joblib.Memory, or None where nothing is to be kept

    Warns
    -----
    CacheWarning
        If the folder cannot be made; nothing is kept then.
    """
    check_memory(memory)
    if isinstance(memory, (str, os.PathLike)):
        try:
            memory = joblib.Memory(os.fspath(memory), verbose=0)
        except OSError as error:
            _warn(f"answers of the teacher cannot be kept in memory={str(memory)!r}: {error}")
            return None
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


def recall(memory, fingerprint, questions, shape, ask_now):
    """Answers from the cache, or asked now and kept there.

    Of several processes with the same question one asks, and the others wait for its answers.

    Parameters
    ----------
    memory : joblib.Memory
    fingerprint : object
        Who is asked. Hashed by content.
    questions : ndarray or Copies
        Hashed by content.
    shape : tuple of int
        (n_questions, n_classes)
    ask_now : callable () -> ndarray of that shape

    Returns
    -------
    answers : ndarray of shape (n_questions, n_classes), float32

    Warns
    -----
    CacheWarning
        If what was kept cannot be read, is damaged or of another version: it is then replaced.
    """
    key = joblib.hash((fingerprint, questions))
    entry, store = (FOLDER, key), memory.store_backend
    with _one_at_a_time(store, key):
        if store.contains_item(entry):
            try:
                return _checked(store.load_item(entry, verbose=0), shape)
            except Exception as error:  # whatever a damaged file may raise
                _warn(
                    f"answers of the teacher kept in {str(memory.location)!r} cannot be used "
                    f"({type(error).__name__}: {error}); it is asked again, and they are replaced."
                )
        answers = ask_now()
        kept = {
            "version": _version.__version__,
            "checksum": zlib.crc32(np.ascontiguousarray(answers)),
            "answers": answers,
        }
        try:
            store.dump_item(entry, kept, verbose=0)
        except OSError as error:
            _warn(f"answers of the teacher cannot be kept in {str(memory.location)!r}: {error}")
        return answers


def _checked(kept, shape):
    if not isinstance(kept, dict) or "version" not in kept:
        raise ValueError("not written by tsdistill")
    if kept["version"] != _version.__version__:
        raise ValueError(
            f"written by tsdistill {kept['version']}, and this is {_version.__version__}"
        )
    answers = kept["answers"]
    if (
        answers.shape != shape
        or answers.dtype != np.float32
        or zlib.crc32(np.ascontiguousarray(answers)) != kept["checksum"]
    ):
        raise ValueError("the file is damaged")
    return answers


def _warn(message):
    warnings.warn(message, CacheWarning, stacklevel=3)


@contextlib.contextmanager
def _one_at_a_time(store, key):
    with contextlib.ExitStack() as stack:
        # A folder that cannot be written to, or another store than a folder: no lock.
        with contextlib.suppress(OSError, NotImplementedError):
            folder = Path(str(store.location)) / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{int(key, 16) % N_LOCKS:02x}.lock")
            stack.enter_context(lock)
        yield
