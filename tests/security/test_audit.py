"""What Python's own audit hooks see while files are read: no code, no writing, no network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tsdistill
from tests.conftest import Counted
from tests.security.audited import MARK
from tests.swap.bumps import bumps
from tests.teachers.black_boxes import bound
from tsdistill.teachers.answer_files import MAGIC
from tsdistill.teachers.cache import as_memory
from tsdistill.teachers.querying import QueryOptions, query

ROOT = Path(tsdistill.__file__).parent.parent
KINDS = ("student", "swap", "monitor", "contract", "arrays", "answers")
CHANGES = {"os.mkdir", "os.remove", "os.rmdir", "os.utime", "os.truncate"}
OWN_COPIES = ["teachers/fingerprint.py"]
"""Unpickles what it has just pickled itself, to hash it: nothing of a file."""


class Leaves:
    """Its unpickling leaves a folder behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture(scope="module")
def folder(real):
    """The real files, kept answers, and a pickle."""
    import pickle

    panel = bumps(40, 0.3)[0][:, np.newaxis].astype(np.float32)
    np.save(real.folder / "panel.npy", panel)
    options = QueryOptions(memory=as_memory(str(real.folder / "memory")))
    query(bound(Counted(), panel), panel, options)
    (kept,) = (real.folder / "memory").rglob("*.answers")
    damaged = pickle.dumps(Leaves(real.folder / MARK))
    kept.with_name("0-0.answers").write_bytes(damaged)
    kept.with_name("output.pkl").write_bytes(damaged)
    (real.folder / "pickle").write_bytes(damaged)
    return real.folder


@pytest.fixture(scope="module")
def events(folder):
    """Events while each kind of file is read, in a process of its own."""
    command = [sys.executable, "-m", "tests.security.audited", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def faults(events, folder, *, may_write=False):
    """Events of reading a file that run, write or send something."""
    found = []
    for event, arguments, ours in events:
        if event == "open":
            mode, flags = arguments[1], int(arguments[2])
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            inside = may_write and arguments[0].startswith(str(folder))
            if (writes or set(mode) & set("wax+")) and not inside:
                found.append((event, arguments))
        elif event == "compile":
            # NumPy reads the header of an array by ast.literal_eval, which builds no code.
            if arguments[1] != "<unknown>" or ours != ["swap/command.py"]:
                found.append((event, arguments))
        elif event == "pickle.find_class":
            if ours != OWN_COPIES:
                found.append((event, arguments))
        elif may_write and event in CHANGES:
            if not arguments[0].startswith(str(folder)):
                found.append((event, arguments))
        else:
            found.append((event, arguments))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_reading_runs_writes_and_sends_nothing(kind, events, folder):
    opened = [arguments[0] for event, arguments, _ in events[kind] if event == "open"]
    assert any(str(folder) in path for path in opened)  # the hook sees the reading itself
    assert not faults(events[kind], folder, may_write=kind == "answers")


@pytest.mark.slow
def test_the_hook_sees_a_pickle_that_is_loaded(events, folder):
    seen = {event for event, _ in faults(events["pickle"], folder)}
    assert {"pickle.find_class", "os.mkdir", "code was run"} <= seen


def test_kept_answers_begin_with_their_own_mark(folder):
    own = [path for path in (folder / "memory").rglob("*.answers") if path.name != "0-0.answers"]
    assert own and all(path.read_bytes().startswith(MAGIC) for path in own)
