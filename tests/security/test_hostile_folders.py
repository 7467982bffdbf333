"""A folder of kept answers, made by an attacker, leads to no file outside it."""

import os
import threading

import joblib
import numpy as np

from tests.conftest import Counted
from tests.teachers.black_boxes import bound
from tsdistill.teachers import answer_store
from tsdistill.teachers.answer_store import AnswerStore, folder_of
from tsdistill.teachers.querying import QueryOptions, query

LONG_AGO = 1_000_000_000


def asked(panel, folder):
    options = QueryOptions(memory=joblib.Memory(str(folder), verbose=0))
    return query(bound(Counted(), panel), panel, options)


def the_panel():
    return np.random.default_rng(0).normal(size=(40, 1, 20)).astype(np.float32)


def test_a_link_in_place_of_the_signs_of_life_removes_no_files_elsewhere(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("letter.txt", "1234-0123456789ab"):
        (elsewhere / name).write_text("of the user")
        os.utime(elsewhere / name, (LONG_AGO, LONG_AGO))
    store = folder_of(joblib.Memory(str(tmp_path / "memory"), verbose=0))
    store.mkdir(parents=True)
    (store / ".alive").symlink_to(elsewhere)
    asked(the_panel(), tmp_path / "memory")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["1234-0123456789ab", "letter.txt"]
    assert {path.read_text() for path in elsewhere.iterdir()} == {"of the user"}


def test_old_signs_of_life_are_removed_and_other_files_stay(tmp_path):
    alive = tmp_path / ".alive"
    alive.mkdir()
    for name in ("letter.txt", "1234-0123456789ab"):
        (alive / name).write_text("x")
        os.utime(alive / name, (LONG_AGO, LONG_AGO))
    store, removed = AnswerStore(tmp_path), threading.Event()
    with store.signs_of_life():
        for _ in range(200):
            if not (alive / "1234-0123456789ab").exists():
                removed.set()
                break
            threading.Event().wait(0.01)
    assert removed.is_set() and (alive / "letter.txt").exists()


def test_a_link_in_place_of_a_lock_or_a_file_changes_no_file_elsewhere(tmp_path):
    panel = the_panel()
    expected = asked(panel, tmp_path / "whole")
    (kept,) = (tmp_path / "whole").rglob("*.answers")
    entry = tmp_path / "memory" / kept.parent.relative_to(tmp_path / "whole")
    entry.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_text("of the user")
    for number in range(answer_store.BATCHES_AN_ENTRY):
        (entry / f"{number:02d}.lock").symlink_to(secret)
    (entry / "0-0.answers").symlink_to(secret)
    np.testing.assert_array_equal(asked(panel, tmp_path / "memory"), expected)
    assert secret.read_text() == "of the user"


def test_a_link_in_place_of_an_entry_is_not_followed(tmp_path):
    panel = the_panel()
    expected = asked(panel, tmp_path / "whole")
    (kept,) = (tmp_path / "whole").rglob("*.answers")
    entry = tmp_path / "memory" / kept.parent.relative_to(tmp_path / "whole")
    entry.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "old.answers").write_bytes(b"tsdistill answers, but damaged")
    entry.symlink_to(elsewhere)
    np.testing.assert_array_equal(asked(panel, tmp_path / "memory"), expected)
    assert [path.name for path in elsewhere.iterdir()] == ["old.answers"]
