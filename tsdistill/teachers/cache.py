"""The cache of the teacher's answers, shared by fits, candidates of a search, and processes.

Series are looked up by their content, and the teacher by its fingerprint (see
:mod:`tsdistill.teachers.fingerprint`).
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
N_LOCKS = 256


def check_memory(memory):
    """Refuse a ``memory`` argument that is not a place to keep answers in."""
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


def recall(memory, fingerprint, series, shape, query_now):
    """Answers from the cache, or the answers of a query made now, which are kept there.

    Of several processes with the same query one makes it, and the others wait for its answers.

    Parameters
    ----------
    memory : joblib.Memory
    fingerprint : object
        That of the teacher; hashed by content.
    series : ndarray or PerturbedCopies
        Hashed by content.
    shape : tuple of int
        (n_instances, n_classes)
    query_now : callable () -> ndarray of that shape

    Returns
    -------
    answers : ndarray of shape (n_instances, n_classes), float32

    Warns
    -----
    CacheWarning
        If what was kept cannot be read, is damaged or of another version; it is then replaced.
    """
    key = joblib.hash((fingerprint, series))
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
        answers = query_now()
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
        # No lock where the folder cannot be written to, or where the store is not a folder.
        with contextlib.suppress(OSError, NotImplementedError):
            folder = Path(str(store.location)) / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{int(key, 16) % N_LOCKS:02x}.lock")
            stack.enter_context(lock)
        yield
