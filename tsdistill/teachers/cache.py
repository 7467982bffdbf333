"""The cache of the teacher's answers, shared by fits, search candidates and processes.

Series are looked up by their content, and the teacher by its fingerprint (see
:mod:`tsdistill.teachers.fingerprint`).
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from dataclasses import dataclass
from typing import Any

import joblib

from tsdistill.exceptions import CacheWarning, ParameterError, warn_user
from tsdistill.inputs.checks import shown
from tsdistill.inputs.files import check_path
from tsdistill.teachers.answer_store import (
    BATCHES_AN_ENTRY,
    AnswerStore,
    Entry,
    folder_of,
    key_of,
)
from tsdistill.teachers.tasks import part_of

SECONDS_BETWEEN_LOOKS = 0.2


def check_memory(memory):
    """Raise ParameterError if ``memory`` is not None, a path or a joblib.Memory of a folder."""
    if memory is None:
        return
    if isinstance(memory, joblib.Memory):
        where = str(getattr(memory.store_backend, "location", ""))
        if memory.location is not None and memory.backend != "local" and not os.path.isdir(where):
            kind = type(memory.store_backend).__name__
            raise ParameterError(
                f"memory={shown(memory)} keeps its items in a {kind}; "
                "expected one whose location is a folder, or a path."
            )
        return
    if not isinstance(memory, (str, os.PathLike)):
        raise ParameterError(f"memory={shown(memory)}; expected None, a path or a joblib.Memory.")
    check_path("memory", memory)


def as_memory(memory: Any) -> joblib.Memory | None:
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


def recall(store, fingerprint, series, batches, n_classes, ask):
    """Give the answers that are kept, ask the teacher for the others, and keep these.

    A batch is kept as soon as it is answered. Of several processes that need the same answers,
    each asks about some batches and takes those of the others.

    Parameters
    ----------
    store : KeptIn
    fingerprint : object
        The teacher's fingerprint; hashed by content.
    series : ndarray or PerturbedCopies
        The series to answer for; hashed by content, some batches at a time.
    batches : list of slice
        Of all series, in order.
    n_classes : int
    ask : callable (batches, n_batches) -> iterator of (slice, ndarray)
        Queries the teacher about an iterator of about so many batches.

    Yields
    ------
    batch : slice
    answers : ndarray of shape (n_instances, n_classes), float32
        In any order.

    Warns
    -----
    CacheWarning
        If kept answers cannot be read, are damaged or were written by another version, and are
        replaced; if answers cannot be kept; or if ``memory_size`` is too small for one query.
    """
    answer_store, missing = AnswerStore(folder_of(store.memory), store.most_bytes), []
    for first in range(0, len(batches), BATCHES_AN_ENTRY):
        some = batches[first : first + BATCHES_AN_ENTRY]
        part, places, _ = part_of(series, some)
        shapes = [(one.stop - one.start, n_classes) for one in some]
        entry = answer_store.entry(key_of(fingerprint, part, places, shapes), shapes)
        entry.read()
        for number, batch in enumerate(some):
            answers = entry.take(number)
            if answers is None:
                missing.append(_Batch(entry, number, batch))
            else:
                yield batch, answers
        entry.touch()
    if missing:
        with answer_store.signs_of_life():
            yield from _ask_for(missing, answer_store, store, ask)


def _ask_for(missing, answer_store, store, ask):
    """Ask about batches of which no answers are kept, unless another process does."""
    waits = False
    while missing:
        force = waits and answer_store.others_are_silent()
        turn = _Turn(missing, store, force)
        claimed = turn.claimed()
        try:
            first = next(claimed, None)
            if first is not None:
                for batch, answers in ask(itertools.chain([first], claimed), len(missing)):
                    turn.keep(answer_store, batch, answers)
                    yield batch, answers
        finally:
            turn.release()
        if turn.damage:
            store.warn_of_damage(turn.damage[0])
        yield from turn.found
        missing, waits = turn.left, first is None and not turn.found
        if waits:
            time.sleep(SECONDS_BETWEEN_LOOKS)


@dataclass(frozen=True)
class _Batch:
    """A batch of which no answers are kept yet: its place in an entry and in all series."""

    entry: Entry
    number: int
    batch: slice


class _Turn:
    """One walk over the missing batches.

    Attributes
    ----------
    found : list of (slice, ndarray)
        What other processes kept meanwhile.
    left : list of _Batch
        What other processes are asking about.
    damage : list of str
        Why files could not be used. Warnings are not given here, since this may be a thread of
        joblib's.
    """

    def __init__(self, missing, store, force):
        self.missing, self.store, self.force = missing, store, force
        self.found, self.left, self.damage, self._held = [], [], [], {}

    def claimed(self):
        """Lock the batches one by one, as they are to be asked about, and yield those."""
        for one in self.missing:
            release = one.entry.claim(one.number)
            if release is None and not self.force:
                one.entry.read()
            answers = one.entry.take(one.number)
            if answers is None and release is None and not self.force:
                self.left.append(one)
                continue
            self._held[one.batch.start] = one, release or _nothing
            if answers is None:
                answers = self._read(one)
            if answers is None:
                yield one.batch
            else:
                self.found.append((one.batch, answers))
                self._held.pop(one.batch.start)[1]()

    def _read(self, one):
        """Answers that another process kept before the batch was locked."""
        one.entry.read()
        answers = one.entry.take(one.number)
        if answers is None and (reason := one.entry.mend()) is not None:
            self.damage.append(reason)
            answers = one.entry.take(one.number)
        return answers

    def keep(self, answer_store, batch, answers):
        """Write the answers to a batch, and free it."""
        one, release = self._held.pop(batch.start)
        try:
            answer_store.keep(one.entry, one.number, answers)
        except OSError as error:
            self.store.warn_of_loss(error)
        finally:
            release()
        if answer_store.too_small:
            self.store.warn_of_size()

    def release(self):
        """Free what was not answered, since the teacher failed."""
        for _, release in self._held.values():
            release()
        self._held.clear()


def _nothing():
    """Releases no lock."""


_WARNED = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class KeptIn:
    """Where answers are kept, and the warnings about it, of each kind one for a joblib.Memory.

    Attributes
    ----------
    memory : joblib.Memory
    most_bytes : int or None
    """

    memory: joblib.Memory
    most_bytes: int | None = None

    def warn_of_damage(self, reason):
        """Warn that kept answers could not be used."""
        warn_user(
            f"the teacher's answers kept in {str(self.memory.location)!r} cannot be used "
            f"({reason}); the teacher was queried again, and its answers are replaced.",
            CacheWarning,
        )

    def warn_of_loss(self, error):
        """Warn that answers cannot be kept."""
        self._once(
            "loss",
            f"the teacher's answers cannot be kept in memory={str(self.memory.location)!r}: "
            f"{str(error).rstrip('.')}. The work goes on without keeping them.",
        )

    def warn_of_size(self):
        """Warn that the bound is too small for a single query."""
        self._once(
            "size",
            f"memory_size={self.most_bytes} bytes is less than the answers to one query take, so "
            f"some of them are no longer kept in {str(self.memory.location)!r}; pass a larger one.",
        )

    def _once(self, kind, message):
        told = _WARNED.setdefault(self.memory, set())
        if kind not in told:
            told.add(kind)
            warn_user(message, CacheWarning)
