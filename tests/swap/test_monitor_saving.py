"""The state of a monitor outlives its process, whole, and fits its own swap alone."""

import json
import multiprocessing
import os
import random
import time

import numpy as np
import pytest

from tests.export.test_archive import archive_of, members_of
from tests.swap.conftest import SureStudent, WatchedTeacher, watched_series
from tests.swap.test_monitor import bytes_of, seen_by
from tsdistill import DeferringClassifier, SwapMonitor, Teacher
from tsdistill.exceptions import FileMissingError, ParameterError, SavedFileError, TsdistillError
from tsdistill.export.archive import read_archive, write_archive


@pytest.fixture
def monitor(watched):
    watching = SwapMonitor(watched, audit_rate=0.5, confidence=0.9, random_state=3)
    return seen_by(watching, watched_series(330), 5)


@pytest.mark.parametrize("alarms", [False, True])
def test_a_monitor_that_was_loaded_goes_on_as_if_it_had_not_stopped(
    monitor, watched, teacher, tmp_path, alarms
):
    if alarms:
        teacher.share = 0.4
        seen_by(monitor, watched_series(120), 5)
        assert monitor.status == "broken"
    monitor.save(tmp_path / "state")
    rang = []
    loaded = SwapMonitor.load(tmp_path / "state", watched, on_alarm=rang.append)
    assert (loaded.audit_rate, loaded.max_disagreement, loaded.confidence) == (0.5, 0.05, 0.9)
    for X, size in ((watched_series(300, 1), 1), (watched_series(4000, 2), 300)):
        for one in (monitor, loaded):
            seen_by(one, X, size)
        assert bytes_of(loaded, tmp_path) == bytes_of(monitor, tmp_path)
    for name in ("status", "bound_", "recent_bound_", "alarms_", "drift_", "n_asked_", "n_seen_"):
        assert getattr(loaded, name) == getattr(monitor, name), name
    monitor.save(tmp_path / "state")
    again = SwapMonitor.load(tmp_path / "state", watched)
    assert again.recent_bound_ == monitor.recent_bound_ and again.n_seen_ > 4000
    assert bytes_of(again, tmp_path) == bytes_of(monitor, tmp_path)
    assert not rang  # an alarm rings once, whoever was there


def test_a_monitor_goes_on_with_a_swap_that_was_itself_loaded(quick, toy, tmp_path):
    from tests.conftest import bump_teacher

    X, y = toy
    more = np.tile(X, (30, 1)) + np.random.default_rng(3).normal(scale=0.8, size=(360, 20))
    student = quick(student="fcn", max_epochs=30, n_mixtures=4).fit(X, y)
    swap = DeferringClassifier(student, max_disagreement=0.3).fit(more)
    monitor = SwapMonitor(swap, audit_rate=0.3, random_state=0)
    monitor.predict(more[:200])
    swap.save(tmp_path / "swap")
    monitor.save(tmp_path / "state")
    again = DeferringClassifier.load(tmp_path / "swap", teacher=bump_teacher)
    loaded = SwapMonitor.load(tmp_path / "state", again)
    np.testing.assert_array_equal(loaded.predict(more[200:]), monitor.predict(more[200:]))
    assert loaded.drift_ == monitor.drift_ and loaded.drift_["input"]["watched"]
    assert loaded.bound_ == monitor.bound_

    config, tensors = read_archive(tmp_path / "swap")  # as it was before there were monitors
    early = {name: one for name, one in tensors.items() if not name.startswith("reference.")}
    assert len(early) == len(tensors) - 6
    write_archive(tmp_path / "early", config, early)
    swap = DeferringClassifier.load(tmp_path / "early", teacher=bump_teacher)
    np.testing.assert_array_equal(swap.predict(more), again.predict(more))
    assert not SwapMonitor(swap).drift_["input"]["watched"]
    swap.save(tmp_path / "early")
    with pytest.raises(SavedFileError, match="damaged"):
        SwapMonitor.load(tmp_path / "state", swap)


def test_the_state_of_another_swap_is_refused(monitor, watched, tmp_path):
    monitor.save(tmp_path / "state")
    teacher = Teacher(WatchedTeacher(0.005), classes=[0, 1])
    same = DeferringClassifier(SureStudent(), teacher, 0.05).fit(watched_series(900, seed=103))
    with pytest.raises(SavedFileError) as caught:
        SwapMonitor.load(tmp_path / "state", same)  # its threshold is another
    assert str(caught.value) == (
        "the file holds the state of a monitor of another swap (of other weights, another "
        "threshold or other classes); pass the swap that it watched."
    )
    same._max_uncertainty = watched._max_uncertainty
    assert SwapMonitor.load(tmp_path / "state", same).n_seen_ == 330
    same.student_.weight = 1.0
    with pytest.raises(SavedFileError, match="another swap"):
        SwapMonitor.load(tmp_path / "state", same)
    with pytest.raises(ParameterError, match="on_alarm has 3"):
        SwapMonitor.load(tmp_path / "state", watched, on_alarm=3)


def test_what_is_no_state_is_refused_by_name(monitor, watched, tmp_path):
    path = tmp_path / "state"
    with pytest.raises(FileMissingError):
        SwapMonitor.load(path, watched)
    monitor.save(path)
    whole = path.read_bytes()
    for n in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n])
        with pytest.raises(SavedFileError):
            SwapMonitor.load(path, watched)
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :])
        with pytest.raises(SavedFileError):
            SwapMonitor.load(path, watched)
    write_archive(path, {"format": 1, "kind": "DeferringClassifier"}, {})
    with pytest.raises(SavedFileError, match="holds a DeferringClassifier; expected a SwapMonitor"):
        SwapMonitor.load(path, watched)


def test_values_of_the_wrong_kind_end_in_a_named_error_or_change_nothing(
    monitor, watched, tmp_path
):
    path = tmp_path / "state"
    monitor.save(path)
    (first, text), tensors = members_of(path.read_bytes())
    config = json.loads(text)
    places = [(key,) for key in config]
    places += [
        (key, inner) for key in config if isinstance(config[key], dict) for inner in config[key]
    ]
    places += [("generator", "state", "inc"), ("stretches", 0), ("stretches", 0, 0)]
    n_refused = 0
    for place in places:
        for value in (None, [], {}, "x", -1, 0.5, 2**130, [["disagreement", "x"]], {"evil": 1}):
            changed = json.loads(text)
            holder = changed
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = value
            path.write_bytes(archive_of((first, json.dumps(changed)), tensors))
            try:
                loaded = SwapMonitor.load(path, watched)
            except TsdistillError:
                n_refused += 1
                continue
            loaded.predict(watched_series(20))
            assert loaded.status and loaded.drift_
    assert n_refused > 150
    config, arrays = read_archive_of(monitor, tmp_path)
    for tensor in arrays:
        for value in (
            np.zeros(3),
            np.zeros((2, 2), np.float32),
            np.array(-1.0),
            -np.abs(arrays[tensor]) - 1,
        ):
            write_archive(path, config, arrays | {tensor: value})
            with pytest.raises(SavedFileError, match="damaged"):
                SwapMonitor.load(path, watched)
        write_archive(path, config, {key: arrays[key] for key in arrays if key != tensor})
        with pytest.raises(SavedFileError, match="damaged"):
            SwapMonitor.load(path, watched)


DAMAGED = [  # what is changed, and what is said of it
    (lambda config, _: config["counts"].update(n_seen=2**62 + 1), "a count"),
    (lambda config, _: config["counts"].update(n_seen=-1), "a count"),
    (lambda config, _: config["counts"].update(n_seen=3.0), "a count"),
    (lambda config, _: config["steps"].update(input=-1), "a count"),
    (lambda config, _: config.update(alarms=[["input", -1]]), "a count"),
    (lambda config, _: config.update(stretches=[[1, 0, -1]]), "a count"),
    (lambda config, _: config["counts"].update(spacing=0), "the spacing of the history"),
    (lambda config, _: config.update(alarms=[["noise", 3]]), "an alarm"),
    (lambda config, _: config["counts"].update(n_announced=1), "an alarm"),
    (lambda config, _: config.update(stretches=[]), "a stretch"),
    (lambda config, _: config.update(stretches=[[1, 0, 0]] * 3), "a stretch"),
    (lambda config, _: config.update(stretches=[[1, 0, 0], [2, 0]]), "a stretch"),
    (lambda config, _: config.update(stretches=[[1, 0, 0], [0, 9, 0]]), "a stretch"),
    (lambda _, parts: parts.update(moments=parts["moments"].astype(np.int32)), "the history"),
    (lambda _, parts: parts.update(moments=parts["moments"][0]), "the history"),
    (lambda _, parts: parts.update(moments=parts["moments"][:, 1:]), "the history"),
    (lambda _, parts: parts.update(moments=np.ones((256, 8), np.int64)), "the history"),
    (lambda _, parts: parts["moments"].__setitem__((3, 2), -1), "the history"),
    (lambda _, parts: parts["moments"].__setitem__((3, -1), 0), "the history"),
    (lambda _, parts: parts["wealth.disagreement"].__setitem__(2, -0.1),
     "the evidence of disagreement"),
    (lambda _, parts: parts.update({"wealth.input": np.ones(8, np.float32)}),
     "the evidence of input"),
    (lambda _, parts: parts.update({"wealth.confidence": np.ones(5)}),
     "the evidence of confidence"),
    (lambda _, parts: parts["bins.input"].__setitem__(2, -1), "the counts of input"),
    (lambda _, parts: parts.update({"bins.confidence": parts["bins.confidence"][1:]}),
     "the counts of confidence"),
    (lambda _, parts: parts.update({"bins.input": parts["bins.input"].astype(float)}),
     "the counts of input"),
    (lambda _, parts: parts.update(more=np.ones(1)), "the number of its parts"),
    (lambda config, _: config["steps"].update(more=1), "the number of its parts"),
    (lambda config, _: config["generator"].update(bit_generator="PCG64DXSM"),
     "the random generator"),
    (lambda config, _: config["generator"].update(more=1), "the random generator"),
    (lambda config, _: config["generator"]["state"].update(more=1), "the random generator"),
    (lambda config, _: config["generator"]["state"].update(state=2**128), "the random generator"),
    (lambda config, _: config["generator"]["state"].update(state=-1), "the random generator"),
    (lambda config, _: config["generator"]["state"].update(inc=2**128 + 1),
     "the random generator"),
    (lambda config, _: config["generator"]["state"].update(inc=2), "the random generator"),
    (lambda config, _: config["generator"].update(uinteger=2**32), "the random generator"),
    (lambda config, _: config["generator"].update(uinteger=-1), "the random generator"),
    (lambda config, _: config["generator"].update(has_uint32=2), "the random generator"),
    (lambda config, _: config["generator"].update(has_uint32=True), "the random generator"),
]  # fmt: skip


def test_what_cannot_be_is_named(monitor, watched, tmp_path):
    monitor.save(tmp_path / "state")
    for change, what in DAMAGED:
        config, parts = read_archive(tmp_path / "state")
        change(config, parts)
        write_archive(tmp_path / "damaged", config, parts)
        with pytest.raises(SavedFileError) as caught:
            SwapMonitor.load(tmp_path / "damaged", watched)
        assert str(caught.value) == f"the state of the monitor is damaged: {what} cannot be.", what


def test_the_largest_numbers_that_can_be_are_read(monitor, watched, tmp_path):
    monitor.save(tmp_path / "state")
    config, parts = read_archive(tmp_path / "state")
    config["counts"].update(n_seen=2**62, n_announced=1)
    config["alarms"], config["stretches"] = [["input", 0]], [[1, 0, 0], [2, 2**62, 0]]
    config["generator"]["state"].update(state=2**128 - 1, inc=2**128 - 1)
    config["generator"].update(uinteger=2**32 - 1, has_uint32=1)
    parts["moments"] = np.ones((255, 8), np.int64)
    parts["wealth.input"][:], parts["bins.input"][:] = 0, 0
    write_archive(tmp_path / "state", config, parts)
    loaded = SwapMonitor.load(tmp_path / "state", watched)
    assert loaded.n_seen_ == 2**62 and loaded.alarms_ == {"input": 0}
    assert len(loaded.history_["n_seen"]) == 256


def test_later_versions_find_the_parts_of_a_state_by_their_names(monitor, tmp_path):
    config, parts = read_archive_of(monitor, tmp_path)
    assert (config["format"], config["kind"]) == (1, "SwapMonitor")
    assert list(config) == [
        "format", "kind", "swap", "promise", "counts", "steps", "alarms", "stretches", "generator"
    ]  # fmt: skip
    assert set(config["promise"]) == {"audit_rate", "max_disagreement", "confidence"}
    assert set(config["counts"]) == {
        "n_seen", "n_deferred", "n_audited", "n_asked", "n_disagreed", "n_watched", "n_waiting",
        "spacing", "n_failures", "n_to_skip", "n_announced",
    }  # fmt: skip
    assert set(parts) == {
        "wealth.disagreement", "wealth.confidence", "wealth.input", "bins.confidence",
        "bins.input", "moments",
    }  # fmt: skip


def test_a_monitor_that_audits_every_series_can_be_loaded(watched, tmp_path):
    monitor = seen_by(SwapMonitor(watched, audit_rate=1.0), watched_series(20), 5)
    monitor.save(tmp_path / "state")
    assert SwapMonitor.load(tmp_path / "state", watched).n_audited_ == 20


def read_archive_of(monitor, tmp_path):
    monitor.save(tmp_path / "whole")
    return read_archive(tmp_path / "whole")


def test_a_save_that_fails_before_the_end_leaves_the_last_state(
    monitor, watched, tmp_path, monkeypatch
):
    path = tmp_path / "state"
    monitor.save(path)
    seen_by(monitor, watched_series(50, 1), 5)

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        monitor.save(path)
    assert os.listdir(tmp_path) == ["state"]
    assert SwapMonitor.load(path, watched).n_seen_ == 330
    assert monitor.n_seen_ == 380


def _save_for_ever(monitor, path):
    while True:
        seen_by(monitor, watched_series(7), 7)
        monitor.save(path)


def test_a_process_that_is_killed_while_it_saves_leaves_a_whole_state(monitor, watched, tmp_path):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("processes cannot be forked here")
    path, wait = tmp_path / "state", random.Random(0)
    monitor.save(path)
    n_seen = 330
    for _ in range(15):
        process = multiprocessing.get_context("fork").Process(
            target=_save_for_ever, args=(SwapMonitor.load(path, watched), path), daemon=True
        )
        process.start()
        time.sleep(wait.uniform(0.03, 0.12))
        process.kill()  # SIGKILL
        process.join()
        loaded = SwapMonitor.load(path, watched)
        assert loaded.n_seen_ >= n_seen and (loaded.n_seen_ - 330) % 7 == 0
        n_seen = loaded.n_seen_
    assert n_seen > 330
