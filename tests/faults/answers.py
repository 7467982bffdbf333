"""Answers of a teacher of which some are kept in a folder, before a fault comes."""

import contextlib

import numpy as np

from tests.conftest import Counted
from tests.faults.disk import files_in
from tests.teachers.black_boxes import bound
from tsdistill.exceptions import TeacherError
from tsdistill.teachers.cache import as_memory
from tsdistill.teachers.querying import QueryOptions, query

N_SERIES, N_KEPT = 40, 15


class StopsAfter(Counted):
    """Fails when it has answered so many series."""

    def __init__(self, n_series):
        super().__init__()
        self.n_series = n_series

    def predict_proba(self, X):
        if self.n_asked >= self.n_series:
            raise ConnectionError("gone")
        return self(X)


class Kept:
    """A query of eight batches, the answers to three of which are kept.

    Parameters
    ----------
    folder : path
        To be made.
    """

    def __init__(self, folder):
        self.folder, self.model = folder, Counted()
        self.panel = np.random.default_rng(0).normal(size=(N_SERIES, 1, 20)).astype(np.float32)
        self.teacher = bound(self.model, self.panel)
        self.expected = query(self.teacher, self.panel)
        folder.mkdir()
        stopping = bound(StopsAfter(N_SERIES), self.panel)
        stopping._adapter.ask.__self__.n_series = stopping._adapter.ask.__self__.n_asked + N_KEPT
        with contextlib.suppress(TeacherError):
            query(stopping, self.panel, self.options())

    def options(self):
        return QueryOptions(memory=as_memory(str(self.folder)))

    def ask(self):
        """The answers, and how many series the teacher was asked about."""
        self.model.n_asked = 0
        return query(self.teacher, self.panel, self.options()), self.model.n_asked

    def check_nothing_lost(self, killed=False):
        """After the fault: all is right, and what was kept before is not asked again.

        A process that was killed could not remove what it was writing, and its last sign of life.
        """
        answers, n_asked = self.ask()
        np.testing.assert_array_equal(answers, self.expected)
        assert n_asked <= N_SERIES - N_KEPT
        assert self.ask()[1] == 0
        left = [
            one.name for one in files_in(self.folder) if ".alive" not in one.parts or not killed
        ]
        locks = [name for name in left if name.endswith(".lock")]
        endings = (".answers", ".gitignore", ".lock", *([".part"] if killed else []))
        assert all(name.endswith(endings) for name in left), left
        assert len(locks) <= 1, "that of which the fault was that it could not be removed"
        return n_asked
