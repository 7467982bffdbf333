"""A disk that is full, that denies or that breaks, at every call while something is written."""

import os
import sys
import warnings
from functools import cache, partial

import joblib
import numpy as np
import pytest

from tests.conftest import bump_teacher
from tests.faults.answers import Kept
from tests.faults.disk import BROKEN, DENIED, FREEING, FULL, Disk, files_in, like
from tests.faults.injected import Lost, Points, raising
from tests.swap.bumps import bumps, fitted_student
from tests.teachers.black_boxes import bound
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapContract, SwapMonitor
from tsdistill.exceptions import CacheWarning, PathError, TsdistillError
from tsdistill.export import onnx as onnx_export
from tsdistill.reporting.html import page_of
from tsdistill.swap.command import read_arrays
from tsdistill.teachers.querying import query

ERRORS = {"disk full": FULL, "permission lost": DENIED, "disk broken": BROKEN}
OLD = b"what was there before"


@cache
def swap():
    return DeferringClassifier(fitted_student(), max_disagreement=0.3).fit(bumps(90, 0.8)[0])


@cache
def monitor():
    watching = SwapMonitor(swap(), audit_rate=0.5, random_state=0)
    watching.predict(bumps(30, 0.8)[0])
    return watching


@cache
def report():
    return fitted_student().fidelity_report(bumps(24, 0.5)[0], n_explained=4)


@cache
def page_of_report(report, title):
    return page_of(report, title=title)


@cache
def checked():
    contract = SwapContract(agreement=0.5, weights=20_000)
    return contract.check(fitted_student(), *bumps(60, 0.8))


WRITERS = {
    "save": lambda path: fitted_student().save(path),
    "save of quantised weights": lambda path: quantised().save(path),
    "save of a swap": lambda path: swap().save(path),
    "save of a monitor": lambda path: monitor().save(path),
    "page of a student": lambda path: fitted_student().to_html(path, bumps(3, 0.3)[0]),
    "page of a report": lambda path: report().to_html(path),
    "C file": lambda path: fitted_student().to_c(path),
    "ONNX file": lambda path: fitted_student().to_onnx(path),
    "page of a contract": lambda path: checked().to_html(path),
    "JSON of a contract": lambda path: checked().to_json(path),
    "JUnit of a contract": lambda path: checked().to_junit(path),
}
SLOW = {"ONNX file"}


@cache
def quantised():
    return fitted_student().quantised()


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in WRITERS]
)
def write(request, monkeypatch):
    """Writes a file, which takes long for the first time only."""
    if request.param == "ONNX file":
        original, found = onnx_export._exported, {}

        def exported_once(*given):
            if not found:
                found["model"] = original(*given)
            return found["model"]

        monkeypatch.setattr(onnx_export, "_exported", exported_once)
        monkeypatch.setattr(onnx_export, "_try", lambda *given: None)
    if request.param == "page of a report":
        monkeypatch.setattr("tsdistill.reporting.report.page_of", page_of_report)
    if request.param.endswith("contract"):
        from tsdistill.swap import result

        monkeypatch.setattr(result, "now", lambda: "2026-01-01T00:00:00+00:00")
    return WRITERS[request.param]


@pytest.fixture
def n_calls(write, tmp_path):
    """How often the disk is called while a file is written, and the content of the file."""
    folder = tmp_path / "clean"
    folder.mkdir()
    write(folder / "file")
    disk = Disk(folder, Points())
    with disk:
        write(folder / "file")
    assert {"write", "fsync", "replace"} <= set(disk.calls)
    return disk.points.n, (folder / "file").read_bytes()


@pytest.mark.parametrize("kind", ERRORS)
def test_a_fault_of_the_disk_is_named_and_leaves_the_old_file(
    kind, write, n_calls, tmp_path, injected
):
    error, path = ERRORS[kind], tmp_path / "old"
    for k in range(1, n_calls[0] + 1):
        path.write_bytes(OLD)
        disk = Disk(tmp_path, Points(raising(partial(like, error)), at=k))
        with disk:
            _named_or_survived(write, path, error)
        assert path.read_bytes() in (OLD, n_calls[1])
        assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["old"]
        injected(kind)


def _named_or_survived(write, path, error):
    """A fault when nothing is left to be done may be survived."""
    try:
        write(path)
    except TsdistillError as failure:
        assert isinstance(failure, PathError) and isinstance(failure, OSError)
        assert failure.errno == error.errno and str(path) in str(failure)


def test_a_disk_that_stays_full_leaves_nothing_behind(write, n_calls, tmp_path, injected):
    path = tmp_path / "new"
    for k in range(1, n_calls[0] + 1):
        disk = Disk(tmp_path, Points(raising(partial(like, FULL)), at=k, stays=True), FREEING)
        with disk:
            _named_or_survived(write, path, FULL)
        assert not path.exists() or path.read_bytes() == n_calls[1]
        path.unlink(missing_ok=True)
        assert not [one for one in tmp_path.iterdir() if one.is_file()]
        injected("disk stays full")


def test_the_end_of_the_process_at_any_call_leaves_the_old_file_or_the_new(
    write, n_calls, tmp_path, injected
):
    path = tmp_path / "old"
    for k in range(1, n_calls[0] + 1):
        path.write_bytes(OLD)
        disk = Disk(tmp_path, Points(raising(Lost), at=k))
        with disk, pytest.raises(Lost):
            write(path)
        assert path.read_bytes() in (OLD, n_calls[1])
        assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["old"]
        injected("interrupted while writing")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_power_that_is_lost_at_any_call_leaves_the_old_file_or_the_new(
    write, n_calls, tmp_path, injected
):
    path = tmp_path / "old"
    for k in range(1, n_calls[0] + 1):
        path.write_bytes(OLD)
        child = os.fork()
        if child == 0:
            with Disk(tmp_path, Points(lambda: os._exit(9), at=k)):
                write(path)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert path.read_bytes() in (OLD, n_calls[1])
        for one in tmp_path.iterdir():
            if one.is_file() and one != path:
                assert one.name.endswith(".part")
                one.unlink()
        injected("power lost while writing")


def test_the_content_is_on_the_disk_before_the_name_is(write, tmp_path):
    disk = Disk(tmp_path, Points())
    with disk:
        write(tmp_path / "file")
    calls = [name for name in disk.calls if name in ("write", "flush", "fsync", "replace")]
    last_write = len(calls) - 1 - calls[::-1].index("write")
    assert calls[last_write:] == ["write", "flush", "fsync", "replace"]


def read_contract(path):
    return SwapContract.from_toml(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    fitted_student().save(folder / "student")
    swap().save(folder / "swap")
    monitor().save(folder / "monitor")
    (folder / "contract").write_text(SwapContract(agreement=0.5).to_toml())
    np.savez(folder / "arrays.npz", X=bumps(6, 0.1)[0])
    return folder


READERS = {
    "student": lambda path: SaliencyDistilledClassifier.load(path),
    "swap": lambda path: DeferringClassifier.load(path),
    "monitor": lambda path: SwapMonitor.load(path, swap()),
    "contract": read_contract,
    "arrays.npz": read_arrays,
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_cannot_be_read_is_named(name, kind, written, injected):
    read, path, error = READERS[name], written / name, ERRORS[kind]
    before = files_in(written)
    disk = Disk(written, Points())
    with disk:
        read(path)
    assert "open" in disk.calls and "read" in disk.calls
    for k in range(1, disk.points.n + 1):
        with Disk(written, Points(raising(partial(like, error)), at=k)), warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read(path)
            except TsdistillError as failure:  # zipfile does not tell why it cannot read
                assert name in str(failure)
            else:
                assert disk.calls[k - 1] in ("stat", "lstat", "close"), "it was read nonetheless"
        injected(f"{kind}, reading")
    assert files_in(written) == before


@pytest.mark.usefixtures("few_a_batch")
@pytest.mark.parametrize("stays", [False, True])
def test_answers_are_kept_or_asked_again_whatever_the_disk_does(stays, tmp_path, injected):
    """Faults of the three kinds in turn, or a disk that stays full."""
    clean = Kept(tmp_path / "clean")
    disk = Disk(clean.folder, Points())
    with disk:
        clean.ask()
    assert {"write", "fsync", "replace", "mkdir"} <= set(disk.calls)
    for k in range(1, disk.points.n + 1):
        kept = Kept(tmp_path / str(k))
        kind = "disk full" if stays else [*ERRORS][k % 3]
        points = Points(raising(partial(like, ERRORS[kind])), at=k, stays=stays)
        spares = FREEING if stays else frozenset()
        with Disk(kept.folder, points, spares), warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            answers, _ = kept.ask()
        np.testing.assert_array_equal(answers, kept.expected)
        kept.check_nothing_lost()
        injected("disk stays full, keeping answers" if stays else f"{kind}, keeping answers")


@pytest.mark.usefixtures("few_a_batch")
def test_an_interrupt_at_any_call_loses_no_answer_that_was_kept(tmp_path, injected):
    clean = Kept(tmp_path / "clean")
    disk = Disk(clean.folder, Points())
    with disk:
        clean.ask()
    for k in range(1, disk.points.n + 1):
        kept = Kept(tmp_path / str(k))
        points = Points(raising(KeyboardInterrupt), at=k)
        with Disk(kept.folder, points), pytest.raises(KeyboardInterrupt):
            kept.ask()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            kept.check_nothing_lost()
        injected("interrupt while keeping answers")


def test_a_teacher_that_travels_to_workers_needs_a_disk(tmp_path, monkeypatch, injected):
    """What workers read it from is removed, and the error says what to do."""
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    panel = np.zeros((600, 1, 20), dtype=np.float32)
    teacher = bound(bump_teacher, panel)
    for k in range(2, 5):
        disk = Disk(tmp_path, Points(raising(partial(like, FULL)), at=k), FREEING)
        with (
            disk,
            joblib.parallel_config("loky", n_jobs=2),
            pytest.raises(TsdistillError, match="No space left on device.*Pass n_jobs=1"),
        ):
            query(teacher, panel)
        assert not list(tmp_path.iterdir())
        injected("disk full")
    assert "write" in disk.calls


if sys.platform == "win32":  # names and errors of its system are others
    pytest.skip("of POSIX", allow_module_level=True)
