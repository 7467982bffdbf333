"""Run as a process of its own: what Python's audit hooks see while a file is read.

``python -m tests.security.audited FOLDER`` reads each kind of file once to warm up, then again
with a hook that cannot be removed, and prints the events of each as JSON.
"""

import json
import pickle
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path

import numpy as np

import tsdistill
from tests.conftest import Counted
from tests.teachers.black_boxes import bound
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapContract, SwapMonitor
from tsdistill.exceptions import CacheWarning
from tsdistill.swap.command import read_arrays
from tsdistill.teachers.cache import as_memory
from tsdistill.teachers.querying import QueryOptions, query

HARMLESS = (
    *("object.", "sys._getframe", "sys._current_frames", "builtins.id", "array.", "gc."),
    *("os.scandir", "os.listdir", "os.walk", "cpython.", "tempfile.", "time."),
)
"""Beginnings of events that neither run nor write nor send anything."""
ROOT = Path(tsdistill.__file__).parent
MARK = "code was run"
"""The folder that the pickle makes."""


def read_student(folder):
    return SaliencyDistilledClassifier.load(folder / "student")


def read_swap(folder):
    return DeferringClassifier.load(folder / "swap")


def read_monitor(folder):
    return SwapMonitor.load(folder / "monitor", read_swap(folder))


def read_contract(folder):
    return SwapContract.from_toml(folder / "contract")


def read_all_arrays(folder):
    return read_arrays(folder / "arrays")


@cache
def panel_in(folder):
    return np.load(folder / "panel.npy")


def read_answers(folder):
    """Answers of a teacher that are kept in the folder, some of them damaged."""
    panel = panel_in(folder)
    options = QueryOptions(memory=as_memory(str(folder / "memory")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        return query(bound(Counted(), panel), panel, options)


def read_pickle(folder):
    """The control: what must be seen."""
    return pickle.loads((folder / "pickle").read_bytes())


READERS = {
    "student": read_student,
    "swap": read_swap,
    "monitor": read_monitor,
    "contract": read_contract,
    "arrays": read_all_arrays,
    "answers": read_answers,
    "pickle": read_pickle,
}


def main(folder):
    """Print lists of [event, arguments, file of tsdistill in which it came about], by kind."""
    found, watched = {kind: [] for kind in READERS}, []

    def hook(event, arguments):
        if watched and not event.startswith(HARMLESS):
            kind = watched.pop()
            frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))]
            names = [Path(frame.f_code.co_filename) for frame in frames]
            ours = [str(name.relative_to(ROOT)) for name in names if ROOT in name.parents]
            found[kind].append([event, [str(one)[:200] for one in arguments], ours[:1]])
            watched.append(kind)

    for kind, read in READERS.items():
        if kind != "pickle":
            read(folder)
    sys.addaudithook(hook)
    for kind, read in READERS.items():
        watched.append(kind)
        try:
            read(folder)
        finally:
            watched.clear()
        if (folder / MARK).exists():
            found[kind].append(["code was run", [], []])
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
