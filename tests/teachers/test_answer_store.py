"""The folder of kept answers: what is read after a kill, who asks about what, its size."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
from filelock import FileLock
from joblib import register_store_backend

from tests.conftest import Counted
from tests.teachers.black_boxes import Logged, bound, digests
from tsdistill import _version
from tsdistill.exceptions import CacheWarning, ParameterError, TeacherError
from tsdistill.teachers import answer_store
from tsdistill.teachers.answer_files import AnswerFile, DamagedFile, header, read_records, record
from tsdistill.teachers.answer_store import AnswerStore, Entry
from tsdistill.teachers.cache import check_memory
from tsdistill.teachers.fingerprint import MIXED_PROBES
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.store_size import bytes_of, items_of, remove_oldest, size_of

pytestmark = pytest.mark.usefixtures("few_a_batch")


def memory_in(folder, size=None):
    return QueryOptions(memory=joblib.Memory(str(folder), verbose=0), memory_size=size)


def files_in(folder):
    return sorted(folder.rglob("*.answers"))


class Failing(Counted):
    """A black box that fails once it has answered so many calls."""

    def __init__(self, n_calls):
        super().__init__()
        self.left = n_calls

    def predict_proba(self, X):
        if self.left == 0:
            raise RuntimeError("power cut")
        self.left -= 1
        return self(X)


def test_a_query_that_fails_is_resumed_from_the_last_batch(panel, tmp_path):
    model = Failing(10**6)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.left, model.n_asked = 7, 0
    with pytest.raises(TeacherError, match="power cut"):
        query(teacher, panel, memory_in(tmp_path))
    assert model.n_asked == 7 * 5
    model.left = 10**6
    np.testing.assert_array_equal(query(teacher, panel, memory_in(tmp_path)), expected)
    assert model.n_asked == len(panel)
    assert not list(tmp_path.rglob("*.lock")) and not list(tmp_path.rglob(".alive/*"))


def test_a_fit_that_fails_is_resumed_from_the_last_batch(toy, quick, tmp_path):
    expected = quick(Failing(10**6), n_windows=40).fit(*toy).predict_proba(toy[0])
    model = Failing(60)
    with pytest.raises(TeacherError, match="power cut"):
        quick(model, n_windows=40, memory=tmp_path).fit(*toy)
    assert model.left == 0
    before, model.left, model.n_asked = model.n_asked, 10**6, 0
    student = quick(model, n_windows=40, memory=tmp_path).fit(*toy)
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
    alone = Failing(10**6)
    quick(alone, n_windows=40, memory=tmp_path / "other").fit(*toy)
    recognised = 2 + 12 + MIXED_PROBES
    assert before + model.n_asked == alone.n_asked + recognised, "nothing else is asked again"


def test_files_are_few_and_hardly_larger_than_the_answers(panel, tmp_path):
    query(bound(Counted(), panel), panel, memory_in(tmp_path))
    files = files_in(tmp_path)
    assert len(files) == 3, "40 batches, 16 in a file"
    overhead = 3 * len(header()) + 40 * 12
    assert sum(path.stat().st_size for path in files) == len(panel) * 3 * 4 + overhead


@pytest.mark.slow
@pytest.mark.parametrize("n_processes", [1, 2])
def test_a_killed_process_loses_a_batch_at_most(panel, tmp_path, n_processes):
    for name in ("log", "store"):
        (tmp_path / name).mkdir()
    model = Logged(tmp_path / "log", seconds=0.05)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.clear()
    code = f"""
import numpy as np
from tests.teachers.black_boxes import Logged, bound
from tests.teachers.test_answer_store import memory_in
from tsdistill.numerics import batches
from tsdistill.teachers.querying import query
batches.ROWS_A_BATCH = 5
panel = np.load({str(tmp_path / "panel.npy")!r})
model = Logged({str(tmp_path / "log")!r}, seconds=0.05)
Logged.clear = lambda self: None
teacher = bound(model, panel)
print("ready", flush=True)
input()
query(teacher, panel, memory_in({str(tmp_path / "store")!r}))
"""
    np.save(tmp_path / "panel.npy", panel)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(n_processes)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    model.clear()  # what was asked to bind the teacher
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    while len(model.read("asked")) < 60:
        time.sleep(0.01)
    os.kill(processes[0].pid, signal.SIGKILL)
    for process in processes:
        process.wait(timeout=60)
        process.stdin.close()
        process.stdout.close()
    if n_processes == 1:
        assert len(model.read("asked")) < 100
        np.testing.assert_array_equal(
            query(teacher, panel, memory_in(tmp_path / "store")), expected
        )
    asked = Counter(model.read("asked"))
    assert set(asked) == set(digests(panel))
    assert asked.total() - len(panel) <= 5, "a batch"
    if n_processes == 2:
        n_of_killed = len((tmp_path / "log" / f"asked.{processes[0].pid}").read_text().split())
        assert 0.3 * 60 < n_of_killed < 0.7 * 60, "they had shared the work"
    model.clear()
    np.testing.assert_array_equal(query(teacher, panel, memory_in(tmp_path / "store")), expected)
    assert not model.read("asked")


def test_two_at_once_share_the_work_and_ask_nothing_twice(panel, tmp_path):
    (tmp_path / "log").mkdir()
    model = Logged(tmp_path / "log", seconds=0.02)
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.clear()
    answers = {}

    def ask(i):
        answers[i] = query(teacher, panel, memory_in(tmp_path / "store"))

    threads = [threading.Thread(target=ask, args=[i]) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        np.testing.assert_array_equal(answers[i], expected)
    assert Counter(model.read("asked")) == Counter(digests(panel))
    sizes = [path.stat().st_size for path in files_in(tmp_path)]
    assert len(sizes) > 3 and max(sizes) < 0.8 * 16 * 5 * 12, "both wrote"


def test_a_lock_whose_owner_gives_no_sign_of_life_is_passed_over(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(answer_store, "SECONDS_WITHOUT_SIGN", 0.5)
    model = Counted()
    teacher = bound(model, panel)
    options = memory_in(tmp_path)
    expected = query(teacher, panel, options)
    entries = [path.parent for path in files_in(tmp_path)]
    for path in files_in(tmp_path):
        path.unlink()
    model.n_asked = 0
    with FileLock(entries[0] / "03.lock"):  # of a machine that is gone
        began = time.monotonic()
        np.testing.assert_array_equal(query(teacher, panel, options), expected)
    assert 0.4 < time.monotonic() - began < 5
    assert model.n_asked == len(panel)


def test_a_lock_whose_owner_lives_is_waited_for(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(answer_store, "SECONDS_WITHOUT_SIGN", 0.4)
    monkeypatch.setattr(answer_store, "SECONDS_BETWEEN_SIGNS", 0.05)
    teacher = bound(Counted(), panel)
    options = memory_in(tmp_path)
    query(teacher, panel, options)
    entry = files_in(tmp_path)[0].parent
    for path in files_in(tmp_path):
        path.unlink()
    lock = FileLock(entry / "03.lock", thread_local=False)
    lock.acquire()
    other = AnswerStore(answer_store.folder_of(options.memory))
    with other.signs_of_life():
        thread = threading.Thread(target=query, args=[teacher, panel, options])
        thread.start()
        thread.join(timeout=1.5)
        assert thread.is_alive()
        lock.release()
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_nothing_half_written_is_read_wherever_the_writing_stops(tmp_path):
    shapes = [(2, 3), (3, 3), (2, 3)]
    rng = np.random.default_rng(0)
    written = {i: rng.normal(size=shape).astype(np.float32) for i, shape in enumerate(shapes)}
    content = header() + b"".join(record(i, one) for i, one in written.items())
    ends = [len(header())]
    for shape in shapes:
        ends.append(ends[-1] + 12 + 4 * shape[0] * shape[1])
    for stop in range(len(content) + 1):
        found = {}
        try:
            for number, answers, _ in read_records(io.BytesIO(content[:stop]), 0, shapes):
                found[number] = answers
        except DamagedFile:
            assert stop not in ends
        assert len(found) == sum(end <= stop for end in ends[1:])
        for number, answers in found.items():
            np.testing.assert_array_equal(answers, written[number])


def test_no_flipped_bit_gives_other_answers():
    shapes = [(2, 3), (2, 3)]
    one = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = header() + record(0, one) + record(1, one + 1)
    for place in range(len(header()), len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        found = {}
        with pytest.raises(DamagedFile):
            for number, answers, _ in read_records(io.BytesIO(bytes(changed)), 0, shapes):
                found[number] = answers
        for number, answers in found.items():
            np.testing.assert_array_equal(answers, one + number)


def test_answers_that_are_no_numbers_are_refused():
    content = header() + record(0, np.full((1, 2), np.nan, dtype=np.float32))
    with pytest.raises(DamagedFile, match="NaN"):
        list(read_records(io.BytesIO(content), 0, [(1, 2)]))


def test_what_follows_a_damaged_record_is_written_anew(tmp_path):
    shapes = [(1, 2)] * 3
    rows = [np.full((1, 2), i, dtype=np.float32) for i in range(3)]
    first = Entry(tmp_path / "entry", "a", shapes)
    for i in range(2):
        first.keep(i, rows[i])
    (path,) = (tmp_path / "entry").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    second = Entry(tmp_path / "entry", "b", shapes)
    second.read()
    assert second.take(0) is not None and second.take(1) is None
    assert "ends within a batch" in second.mend()
    second.keep(1, rows[1])
    first.keep(2, rows[2])  # its file was cut meanwhile: it starts a new one
    third = Entry(tmp_path / "entry", "c", shapes)
    third.read()
    for i in range(3):
        np.testing.assert_array_equal(third.take(i), rows[i])
    assert third.mend() is None


def test_a_record_that_cannot_be_written_leaves_the_others(tmp_path):
    resource = pytest.importorskip("resource")
    file = AnswerFile(tmp_path / "one")
    file.append(0, np.zeros((10, 2), dtype=np.float32))
    size = (tmp_path / "one").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
    try:
        with pytest.raises(OSError):
            file.append(1, np.zeros((100, 2), dtype=np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "one").stat().st_size == size


def test_pickles_of_an_earlier_version_are_neither_read_nor_a_hindrance(panel, tmp_path):
    options = memory_in(tmp_path)
    teacher = bound(Counted(), panel)
    expected = query(teacher, panel, options)
    for path in files_in(tmp_path):
        (path.parent / "output.pkl").write_bytes(b"cos\nabort\n(tR.")  # would end the process
        path.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(query(teacher, panel, options), expected)


def test_what_is_no_plain_file_is_let_be(panel, tmp_path):
    options = memory_in(tmp_path)
    teacher = bound(Counted(), panel)
    expected = query(teacher, panel, options)
    for path in files_in(tmp_path):
        path.rename(tmp_path / f"{path.parent.name}.kept")
        os.mkfifo(path)  # to open it would take for ever
        path.with_name("link.answers").symlink_to(tmp_path / f"{path.parent.name}.kept")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(query(teacher, panel, options), expected)
    assert len(list(tmp_path.glob("*.kept"))) == 3


def test_another_version_is_named(panel, tmp_path, monkeypatch):
    teacher = bound(Counted(), panel)
    query(teacher, panel, memory_in(tmp_path))
    monkeypatch.setattr(_version, "__version__", "9.9")
    with pytest.warns(CacheWarning, match=r"written by tsdistill 0.*, but this is 9\.9"):
        query(teacher, panel, memory_in(tmp_path))


def test_a_folder_that_is_removed_meanwhile_is_made_again(panel, tmp_path):
    store = joblib.Memory(tmp_path, verbose=0)

    class Clearing(Counted):
        def predict_proba(self, X):
            if self.n_asked == 50:
                store.clear(warn=False)
            return self(X)

    model = Clearing()
    teacher = bound(model, panel)
    model.n_asked = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        query(teacher, panel, QueryOptions(memory=store))
    model.n_asked = 1
    query(teacher, panel, QueryOptions(memory=store))
    assert model.n_asked - 1 <= 60


def test_the_size_is_bounded_and_the_oldest_go_first(panel, tmp_path):
    teacher = bound(Counted(), panel)
    query(teacher, panel[:80], memory_in(tmp_path))
    folder = answer_store.folder_of(memory_in(tmp_path).memory)
    of_one = size_of(folder)
    parts = [panel[80:160], panel[120:200], panel[40:120]]
    for part in parts[:2]:
        query(teacher, part, memory_in(tmp_path))
    for i, item in enumerate(items_of(folder)):
        os.utime(item.path, (i, i))
    (first, *_), most = items_of(folder), int(3.2 * of_one)
    query(teacher, panel[:80], memory_in(tmp_path))  # is used again
    second = items_of(folder)[0]
    assert second.path != first.path
    query(teacher, parts[2], memory_in(tmp_path, most))
    left = {item.path for item in items_of(folder)}
    assert size_of(folder) <= most and len(left) == 3
    assert first.path in left and second.path not in left


def test_a_bound_that_is_too_small_for_a_query_is_told_once(panel, tmp_path):
    teacher = bound(Counted(), panel)
    options = memory_in(tmp_path, 1500)
    with pytest.warns(CacheWarning, match="memory_size=1500 bytes is less than") as caught:
        answers = query(teacher, panel, options)
        query(teacher, panel, options)
    assert len(caught) == 1
    np.testing.assert_array_equal(answers, query(teacher, panel))
    assert size_of(answer_store.folder_of(options.memory)) <= 1500


def test_memory_size_reaches_the_folder(toy, quick, tmp_path):
    quick(memory=tmp_path).fit(*toy)
    folder = answer_store.folder_of(memory_in(tmp_path).memory)
    size = size_of(folder)
    with pytest.warns(CacheWarning, match="memory_size="):
        quick(memory=tmp_path, memory_size="1kB", n_windows=60, random_state=1).fit(*toy)
    assert size_of(folder) <= 1000 < size


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [(None, None), (7, 7), ("10", 10), ("10 GB", 10**10), ("1.5m", 1_500_000), (" 2 KB ", 2000)],
)
def test_sizes(size, n_bytes):
    assert bytes_of(size) == n_bytes


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "", "GB", "-1 GB", "1 XB", "0.0001", [], "1e3"])
def test_sizes_that_cannot_be_used(size):
    with pytest.raises(ParameterError, match=r"^memory_size=.*; expected None, a whole number"):
        bytes_of(size)


def test_removing_the_oldest_of_nothing(tmp_path):
    assert remove_oldest(tmp_path / "none", 5) == 0


def test_a_memory_that_is_no_folder_is_refused():
    class Elsewhere:
        location = "bucket"

        def configure(self, location, **settings):
            pass

    from joblib._store_backends import StoreBackendBase, StoreBackendMixin

    kind = type(
        "Elsewhere",
        (StoreBackendBase, StoreBackendMixin),
        dict.fromkeys(
            ("_open_item", "_item_exists", "_move_item", "create_location", "clear_location",
             "get_items"), lambda *a, **k: None,
        ) | {"configure": lambda self, location, **k: setattr(self, "location", location)},
    )  # fmt: skip
    register_store_backend("elsewhere", kind)
    memory = joblib.Memory("bucket", backend="elsewhere", verbose=0)
    with pytest.raises(ParameterError, match="keeps its items in a Elsewhere; expected one whose"):
        check_memory(memory)


def test_answers_are_kept_from_worker_threads_too(panel, tmp_path):
    model = Counted()
    teacher = bound(model, panel)
    expected = query(teacher, panel)
    model.n_asked = 0
    with joblib.parallel_config("threading", n_jobs=2):
        for _ in range(2):
            np.testing.assert_array_equal(query(teacher, panel, memory_in(tmp_path)), expected)
    assert model.n_asked == len(panel)
    assert not list(tmp_path.rglob("*.lock"))


def test_a_read_only_folder_is_read(panel, tmp_path, monkeypatch):
    model = Counted()
    teacher = bound(model, panel)
    expected = query(teacher, panel, memory_in(tmp_path))
    files_in(tmp_path)[0].unlink()
    model.n_asked = 0

    def read_only(self, *arguments, **settings):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "mkdir", read_only)
    monkeypatch.setattr("tsdistill.teachers.answer_files.replaced_when_whole", read_only)
    with pytest.warns(CacheWarning, match="cannot be kept.*The work goes on"):
        np.testing.assert_array_equal(query(teacher, panel, memory_in(tmp_path)), expected)
    assert 0 < model.n_asked <= 80


def test_entries_are_found_however_the_series_lie_in_memory(panel, tmp_path):
    model = Counted()
    teacher = bound(model, panel)
    expected = query(teacher, panel, memory_in(tmp_path))
    np.save(tmp_path / "panel.npy", panel)
    model.n_asked = 0
    for same in (
        panel[:, 0][:, np.newaxis],
        np.asfortranarray(panel),
        np.load(tmp_path / "panel.npy", mmap_mode="r"),
        np.repeat(panel, 2, axis=0)[::2],
    ):
        np.testing.assert_array_equal(query(teacher, same, memory_in(tmp_path)), expected)
    assert model.n_asked == 0
    query(teacher, np.ascontiguousarray(panel[:, :, ::-1]), memory_in(tmp_path))
    assert model.n_asked == len(panel)


def test_series_that_are_read_when_sliced_count_by_their_content(panel, tmp_path):
    class Lazy:
        def __init__(self, values):
            self.path, self.read = "series.zarr", lambda rows: values[rows]

        def __len__(self):
            return len(panel)

        def __getitem__(self, rows):
            return self.read(rows)

    model = Counted()
    teacher = bound(model, panel)
    query(teacher, Lazy(panel), memory_in(tmp_path))
    model.n_asked = 0
    query(teacher, Lazy(panel.copy()), memory_in(tmp_path))
    assert model.n_asked == 0
    query(teacher, Lazy(panel + 1), memory_in(tmp_path))
    assert model.n_asked == len(panel)


def test_signs_of_life_outlast_what_other_processes_remove(tmp_path):
    store = AnswerStore(tmp_path)
    (tmp_path / ".alive").mkdir()
    (tmp_path / ".alive" / "gone").symlink_to(tmp_path / "nowhere")  # as a sign just removed
    with store.signs_of_life():
        deadline = time.monotonic() + 10
        while not (sign := tmp_path / ".alive" / store.token).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not sign.exists()
