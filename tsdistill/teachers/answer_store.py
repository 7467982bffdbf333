"""The folder in which a teacher's answers are kept, shared by processes and machines.

An entry is a folder: the answers to up to ``BATCHES_AN_ENTRY`` consecutive batches of a query. Its
name is a digest of the teacher's fingerprint and of these series. Every process that asks about
some of the batches appends the answers to a file of its own in it, and locks a batch while it
asks about it, so that no other process asks for the same. The system frees the lock of a process
that dies.
"""

import contextlib
import dataclasses
import hashlib
import os
import re
import secrets
import stat
import threading
import time
from numbers import Integral
from pathlib import Path

import joblib
import numpy as np
from filelock import FileLock, Timeout

from tsdistill.teachers.answer_files import AnswerFile, DamagedFile, read_records
from tsdistill.teachers.store_size import remove_oldest, size_of

FOLDER = "tsdistill"
ENDING = ".answers"
TOKEN = re.compile(r"\d+-[0-9a-f]{12}")
BATCHES_AN_ENTRY = 16
SECONDS_BETWEEN_SIGNS = 20.0
SECONDS_A_SIGN_STAYS = 24 * 3600.0
SECONDS_WITHOUT_SIGN = 120.0
"""After which a process that holds a lock counts as dead: the lock of a machine that went down
may stay on a network drive."""


def folder_of(memory):
    """The folder of the entries in that of a joblib.Memory."""
    return Path(str(memory.store_backend.location)) / FOLDER


def key_of(fingerprint, series, batches, shapes):
    """Name of an entry, the same on every machine.

    Parameters
    ----------
    fingerprint : object
    series : ndarray, dataclass of arrays, or object with arrays as slices
        The series of the entry, which count by their content: neither how they lie in memory
        matters nor where on the disk they are.
    batches : list of slice
        The batches as slices of the series.
    shapes : list of tuple of int
        Shape of the answers to each batch.
    """
    places = [(one.start, one.stop) for one in batches]
    fields = [series]
    if dataclasses.is_dataclass(series):
        fields = [getattr(series, field.name) for field in dataclasses.fields(series)]
    if not all(isinstance(one, (np.ndarray, Integral, type(None))) for one in fields):
        fields = [np.asarray(series[batch]) for batch in batches]
    content = [_digest_of(one) if isinstance(one, np.ndarray) else str(one) for one in fields]
    kind = type(series).__name__ if dataclasses.is_dataclass(series) else "series"
    return joblib.hash(("answers 1", fingerprint, kind, content, places, shapes))


def _digest_of(values):
    values = np.ascontiguousarray(values)
    content = hashlib.md5(values.reshape(-1).view(np.uint8), usedforsecurity=False).hexdigest()
    return f"{values.dtype.str} {values.shape} {content}"


class AnswerStore:
    """One query's view of the folder.

    Parameters
    ----------
    folder : path
        See :func:`folder_of`.
    most_bytes : int, default=None
        Bound of the size of all entries. None is none.

    Attributes
    ----------
    writable : bool
        Whether all answers could be written so far.
    too_small : bool
        Whether answers to this very query had to go to keep the bound.
    """

    def __init__(self, folder, most_bytes=None):
        self.folder, self.most_bytes, self.writable = folder, most_bytes, True
        self.token = f"{os.getpid()}-{secrets.token_hex(6)}"
        self.n_bytes = 0 if most_bytes is None else size_of(folder)
        self.first, self.too_small = None, False
        self._seen = {}, time.monotonic()

    def entry(self, key, shapes):
        """The entry of a name, which need not exist yet."""
        _remove_link(self.folder / key)
        return Entry(self.folder / key, self.token, shapes)

    def keep(self, entry, number, answers):
        """Write the answers to a batch; when the folder outgrows its bound, the oldest go.

        Raises
        ------
        OSError
            If they cannot be written. Nothing is written from then on.
        """
        if not self.writable:
            return
        try:
            self.n_bytes += entry.keep(number, answers)
        except OSError:
            self.writable = False
            raise
        self.first = entry.folder if self.first is None else self.first
        if self.most_bytes is not None and self.n_bytes > self.most_bytes:
            self.n_bytes = remove_oldest(self.folder, self.most_bytes)
            self.too_small = self.too_small or not self.first.exists()

    @contextlib.contextmanager
    def signs_of_life(self):
        """Context in which other processes see, by a file that changes, that this one lives."""
        path, ended = self.folder / ".alive" / self.token, threading.Event()

        def sign():
            _remove_link(path.parent)
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                for one in _signs_in(path.parent):  # of processes that were killed
                    with contextlib.suppress(OSError):  # another process may remove it first
                        if time.time() - one.stat().st_mtime > SECONDS_A_SIGN_STAYS:
                            os.unlink(one.path)
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    path.write_text(secrets.token_hex(4))
                ended.wait(SECONDS_BETWEEN_SIGNS)

        thread = threading.Thread(target=sign, name="tsdistill: signs of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with contextlib.suppress(OSError):
                path.unlink()

    def others_are_silent(self):
        """Whether no other process gave a sign of life for long, by this machine's clock."""
        signs = {}
        with contextlib.suppress(OSError):
            for one in _signs_in(self.folder / ".alive"):
                if one.name != self.token:
                    with contextlib.suppress(OSError):
                        signs[one.name] = Path(one.path).read_bytes()
        known, since = self._seen
        if signs != known:
            self._seen = signs, time.monotonic()
            return False
        return time.monotonic() - since > SECONDS_WITHOUT_SIGN


def _signs_in(folder):
    """Signs of life, and no other files, which somebody else may have put there."""
    return [
        one
        for one in os.scandir(folder)
        if TOKEN.fullmatch(one.name) and one.is_file(follow_symlinks=False)
    ]


def _remove_link(folder):
    """Remove a link in place of a folder of ours: what it leads to is not ours to change."""
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            folder.unlink()


@dataclasses.dataclass
class Entry:
    """The answers to some consecutive batches, see :mod:`tsdistill.teachers.answer_store`.

    Attributes
    ----------
    folder : path
    token : str
        Name of the file to which this query appends.
    shapes : list of tuple of int
        Shape of the answers to each batch.
    damage : dict of path to str
        Files that cannot be used, or not to their end, and why.
    """

    folder: Path
    token: str
    shapes: list
    damage: dict = dataclasses.field(default_factory=dict)
    _ends: dict = dataclasses.field(default_factory=dict)
    _found: dict = dataclasses.field(default_factory=dict)
    _file: AnswerFile | None = None
    _n_files: int = 0

    def read(self):
        """Read what was added to the files since the last call."""
        with contextlib.suppress(OSError):
            for one in sorted(os.scandir(self.folder), key=lambda one: one.name):
                if one.name.endswith(ENDING):
                    with contextlib.suppress(OSError):
                        self._read_file(Path(one.path))

    def _read_file(self, path):
        end, found = self._ends.get(path, 0), path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size <= end > 0:
            return
        self.damage.pop(path, None)
        try:
            with open(path, "rb") as file:
                for number, answers, read_to in read_records(file, end, self.shapes):
                    self._found[number], end = answers, read_to
        except DamagedFile as error:
            self.damage[path] = str(error)
        self._ends[path] = end

    def take(self, number):
        """The answers to a batch, (n_instances, n_classes), float32; None if none were read."""
        return self._found.pop(number, None)

    def mend(self):
        """Remove what is damaged from the files of the entry, and return why, or None.

        To be called when an answer is missing; what another process just writes is let be.
        """
        if not self.damage:
            return None
        time.sleep(0.05)
        self.read()
        reasons = list(self.damage.values())
        for path in self.damage:
            with contextlib.suppress(OSError):
                if self._ends[path] == 0:
                    path.unlink()
                else:
                    os.truncate(path, self._ends[path])
        self.damage.clear()
        return reasons[0] if reasons else None

    def keep(self, number, answers):
        """Write the answers to a batch, and return the bytes that were written."""
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):  # removed: the oldest go
                n_bytes = self._file.append(number, answers)
                self._ends[self._file.path] += n_bytes
                return n_bytes
        path = self.folder / f"{self.token}-{self._n_files}{ENDING}"
        self._file, self._n_files = AnswerFile(path), self._n_files + 1
        try:
            self._ends[path] = self._file.append(number, answers)
        except OSError:
            self._file = None
            with contextlib.suppress(OSError):
                self.folder.rmdir()
            raise
        return self._ends[path]

    def touch(self):
        """Take note that the entry was used."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)

    def claim(self, number):
        """Lock a batch, unless another process or thread has it.

        Returns
        -------
        release : callable, or None
            None if it is locked.
        """
        path = self.folder / f"{number:02d}.lock"
        lock = FileLock(path, thread_local=False)
        for _ in range(3):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock.acquire(blocking=False)
                break
            except Timeout:
                return None
            except FileNotFoundError:  # another process just removed the empty folder
                continue
            except (OSError, NotImplementedError):  # it is read-only, or knows no locks
                return _nothing
        else:
            return _nothing

        def release():
            with contextlib.suppress(OSError):
                lock.release()
            # Who waits for the removed file finds the answers as soon as it has the lock.
            for remove, what in ((Path.unlink, path), (Path.rmdir, self.folder)):
                with contextlib.suppress(OSError):
                    remove(what)

        return release


def _nothing():
    """Releases no lock."""
