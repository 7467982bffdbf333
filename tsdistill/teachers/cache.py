"""The cache of the teacher's answers, shared by fits, search candidates and processes.

Series are looked up by their content, and the teacher by its fingerprint (see
:mod:`tsdistill.teachers.fingerprint`).
"""

import contextlib
import os
import zlib
from pathlib import Path

import joblib
import numpy as np
from filelock import FileLock

from tsdistill import _version
from tsdistill.exceptions import CacheWarning, ParameterError, warn_user
from tsdistill.inputs.checks import shown
from tsdistill.inputs.files import check_path, replaced_when_whole

FOLDER = "tsdistill"
N_LOCKS = 256


def check_memory(memory):
    """Raise ParameterError if ``memory`` is not None, a path or a joblib.Memory."""
    if memory is None or isinstance(memory, joblib.Memory):
        return
    if not isinstance(memory, (str, os.PathLike)):
        raise ParameterError(f"memory={shown(memory)}; expected None, a path or a joblib.Memory.")
    check_path("memory", memory)


def as_memory(memory):
    """Turn a ``memory`` argument into a joblib.Memory.

    Parameters
    ----------
    memory : None, str, path or joblib.Memory

    Returns
    -------
    memory : joblib.Memory, or None if answers are not to be cached

    Warns
    -----
    CacheWarning
        If the folder cannot be created; answers are then not cached.
    """
    check_memory(memory)
    if isinstance(memory, (str, os.PathLike)):
        try:
            memory = joblib.Memory(os.fspath(memory), verbose=0)
        except OSError as error:
            warn_user(
                f"the teacher's answers cannot be kept in memory={str(memory)!r}: {error}. "
                "Pass a folder that can be written to.",
                CacheWarning,
            )
            return None
    return None if memory is None or memory.location is None else memory


def recall(memory, fingerprint, series, shape, query_now):
    """Return answers from the cache, or query the teacher and cache its answers.

    If several processes need the same answers, one queries the teacher and the others wait.

    Parameters
    ----------
    memory : joblib.Memory
    fingerprint : object
        The teacher's fingerprint; hashed by content.
    series : ndarray or PerturbedCopies
        The series to answer for; hashed by content.
    shape : tuple of int
        (n_instances, n_classes)
    query_now : callable () -> ndarray of that shape
        Queries the teacher.

    Returns
    -------
    answers : ndarray of shape (n_instances, n_classes), float32

    Warns
    -----
    CacheWarning
        If the cached answers cannot be read, are damaged or were written by another version,
        and are replaced; or if the answers cannot be written to the cache.
    """
    key = joblib.hash((fingerprint, series))
    entry, store = (FOLDER, key), memory.store_backend
    with _one_at_a_time(store, key):
        if store.contains_item(entry):
            try:
                return _checked(store.load_item(entry, verbose=0), shape)
            except Exception as error:  # a damaged file may raise anything
                warn_user(
                    f"the teacher's answers kept in {str(memory.location)!r} cannot be used "
                    f"({type(error).__name__}: {error}); the teacher is queried again, and its "
                    "answers are replaced.",
                    CacheWarning,
                )
        answers = query_now()
        kept = {
            "version": _version.__version__,
            "checksum": zlib.crc32(np.ascontiguousarray(answers)),
            "answers": answers,
        }
        _keep(store, entry, kept)
        return answers


def _keep(store, entry, kept):
    """Write an entry whole or not at all; warn if that fails."""
    folder = Path(str(store.location))
    if not folder.is_dir():  # a store of another kind
        store.dump_item(entry, kept, verbose=0)
        return
    try:  # as joblib would, which leaves a part of the file if the disk is full
        path = folder.joinpath(*entry, "output.pkl")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_when_whole(path, "wb") as file:
            joblib.dump(kept, file, compress=getattr(store, "compress", False))
    except OSError as error:
        with contextlib.suppress(OSError):
            path.parent.rmdir()
        warn_user(
            f"the teacher's answers cannot be kept in memory={str(store.location)!r}: {error}",
            CacheWarning,
        )


def _checked(kept, shape):
    if not isinstance(kept, dict) or "version" not in kept:
        raise ValueError("not written by tsdistill")
    if kept["version"] != _version.__version__:
        raise ValueError(
            f"written by tsdistill {kept['version']}, but this is {_version.__version__}"
        )
    answers = kept["answers"]
    if (
        answers.shape != shape
        or answers.dtype != np.float32
        or zlib.crc32(np.ascontiguousarray(answers)) != kept["checksum"]
    ):
        raise ValueError("the file is damaged")
    return answers


@contextlib.contextmanager
def _one_at_a_time(store, key):
    with contextlib.ExitStack() as stack:
        # There is no lock if the folder cannot be written to, or the store is not a folder.
        with contextlib.suppress(OSError, NotImplementedError):
            folder = Path(str(store.location)) / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{int(key, 16) % N_LOCKS:02x}.lock")
            stack.enter_context(lock)
        yield
