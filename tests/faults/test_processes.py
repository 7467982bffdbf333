"""Two processes on one store, of which one ends at any call of the system."""

import os
import signal
import time
import warnings

import numpy as np
import pytest

from tests.faults.answers import N_KEPT, N_SERIES, Kept
from tests.faults.disk import Disk, files_in
from tests.faults.injected import Points
from tsdistill.exceptions import CacheWarning
from tsdistill.teachers import cache
from tsdistill.teachers.answer_files import header

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("few_a_batch"),
]


def in_child(work):
    """Start a process that does some work and ends without further ado; its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            warnings.simplefilter("ignore")
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def n_kept_in(folder):
    """Series whose answers lie in the folder, in whole records."""
    sizes = [len(content) for path, content in files_in(folder).items()
             if path.name.endswith(".answers")]  # fmt: skip
    return sum(5 * ((size - len(header())) // 72) for size in sizes)


def test_a_process_that_ends_at_any_call_leaves_what_it_kept_to_the_next(tmp_path, injected):
    clean = Kept(tmp_path / "clean")
    disk = Disk(clean.folder, Points())
    with disk:
        clean.ask()
    for k in range(1, disk.points.n + 1):
        kept = Kept(tmp_path / str(k))

        def work(kept=kept, k=k):
            with Disk(kept.folder, Points(lambda: os._exit(9), at=k)):
                kept.ask()

        assert status_of(in_child(work)) == 9
        n_kept = n_kept_in(kept.folder)
        assert n_kept >= N_KEPT
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            answers, n_asked = kept.ask()
        np.testing.assert_array_equal(answers, kept.expected)
        assert n_asked == N_SERIES - n_kept, "only what had not been kept is asked"
        assert kept.ask()[1] == 0
        injected("process ends while keeping answers")


def test_the_other_process_goes_on_when_one_ends_at_any_call(tmp_path, injected, monkeypatch):
    """They ask at the same time; of the calls every sixth is tried."""
    monkeypatch.setattr(cache, "SECONDS_BETWEEN_LOOKS", 0.01)
    clean = Kept(tmp_path / "clean")
    disk = Disk(clean.folder, Points())
    with disk:
        clean.ask()
    for k in range(1, disk.points.n + 1, 6):
        kept = Kept(tmp_path / str(k))

        def ends(kept=kept, k=k):
            with Disk(kept.folder, Points(lambda: os._exit(9), at=k)):
                kept.ask()

        def goes_on(kept=kept):
            answers, _ = kept.ask()
            np.testing.assert_array_equal(answers, kept.expected)

        children = [in_child(ends), in_child(goes_on)]
        ended, other = (status_of(child) for child in children)
        assert ended in (0, 9) and other == 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            n_asked = kept.check_nothing_lost(killed=True)
        assert n_asked <= 5, "a batch at most that nobody had finished"
        injected("one of two processes ends")


def test_a_process_that_is_killed_is_not_waited_for(tmp_path, injected, monkeypatch):
    """The system frees its lock; it could not clean up."""
    monkeypatch.setattr(cache, "SECONDS_BETWEEN_LOOKS", 0.01)
    kept = Kept(tmp_path / "kept")

    def hanging_ask(X):
        (tmp_path / "asked").write_text("")
        time.sleep(60)

    def work():
        kept.teacher._adapter.ask = hanging_ask
        kept.ask()

    child = in_child(work)
    while not (tmp_path / "asked").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert status_of(child) == -signal.SIGKILL
    began = time.monotonic()
    assert kept.check_nothing_lost(killed=True) == N_SERIES - N_KEPT
    assert time.monotonic() - began < 20
    injected("process killed while it asks")
