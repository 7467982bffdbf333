"""Answers that are kept on disk."""

import hashlib
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter

import joblib
import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from tests.conftest import bump_teacher
from tsdistill import _version
from tsdistill.exceptions import CacheWarning, HardTeacherWarning
from tsdistill.fidelity import fidelity_scorer
from tsdistill.students import Lite
from tsdistill.teachers.answer_files import header, record
from tsdistill.teachers.cache import as_memory
from tsdistill.teachers.fingerprint import MIXED_PROBES
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import as_teacher


class Asked:
    """A black box that remembers every series it was asked about."""

    def __init__(self):
        self.series = []

    def __call__(self, X):
        self.series += [hashlib.md5(series.tobytes()).hexdigest() for series in X]
        return bump_teacher(X)


def test_a_second_fit_recalls_the_answers_and_gives_the_same_student(toy, quick, tmp_path):
    X, y = toy
    teacher = Asked()
    expected = quick().fit(X, y).predict_proba(X)
    first = quick(teacher, memory=tmp_path, n_windows=40).fit(X, y)
    assert len(teacher.series) == 2 + (12 + MIXED_PROBES) + 412 + 12 + 412 * 40
    teacher.series.clear()
    again = quick(teacher, memory=str(tmp_path), n_windows=40).fit(X, y)
    assert len(teacher.series) == 2 + 12 + MIXED_PROBES
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))
    recalled = quick(teacher, memory=tmp_path).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(recalled, expected)


def test_scores_and_explanations_recall_the_answers_too(toy, quick, tmp_path):
    X, y = toy
    teacher = Asked()
    student = quick(teacher, memory=joblib.Memory(tmp_path, verbose=0)).fit(X, y)
    first = student.fidelity_score(X, metric="saliency"), student.explain(X, of="teacher")
    teacher.series.clear()
    again = student.fidelity_score(X, metric="saliency"), student.explain(X, of="teacher")
    assert not teacher.series
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.slow
def test_a_search_asks_about_no_window_more_than_once_a_fold(toy, quick, tmp_path):
    X, y = np.concatenate([toy[0], toy[0] + 0.01]), np.tile(toy[1], 2)

    def asked_in_search(grid, **settings):
        teacher = Asked()
        student = quick(teacher, n_windows=16, **settings)
        scorer = fidelity_scorer("saliency")
        GridSearchCV(student, grid, scoring=scorer, cv=3, refit=False, error_score="raise").fit(
            X, y
        )
        return Counter(teacher.series)

    grid = {"saliency_weight": [1, 5], "temperature": [2.0, 4.0], "student": ["lite", "gru"]}
    one_candidate = asked_in_search({"saliency_weight": [1]})
    search = asked_in_search(grid, memory=str(tmp_path))
    more = search - one_candidate
    fits, fold = 8 * 3, 16
    assert more.total() <= fits * (2 + fold + MIXED_PROBES) < 0.2 * 8 * one_candidate.total()
    series = {hashlib.md5(x.tobytes()).hexdigest() for x in X.astype(np.float32)}
    assert len(more.keys() - series) <= 3 * MIXED_PROBES


def test_torch_teachers_are_recalled_and_their_module_is_not_hashed(toy, quick, tmp_path):
    class Private(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.inner = Lite().build(1, 20, 3)
            self.asked = 0

        def __reduce_ex__(self, protocol):
            raise AssertionError("pickled")

        def forward(self, x):
            self.asked += len(x)
            return self.inner(x)

    module, X, y = Private(), toy[0][:, np.newaxis], toy[1]
    quick(module, memory=str(tmp_path), n_windows=40).fit(X, y)
    first, module.asked = module.asked, 0
    quick(module, memory=str(tmp_path), n_windows=40).fit(X, y)
    assert module.asked == 2 + 12 + MIXED_PROBES < first - 480


def test_teachers_are_told_apart_that_agree_on_the_training_series(toy, quick, tmp_path):
    X, y = toy
    for model in (DecisionTreeClassifier(random_state=0), KNeighborsClassifier(1)):
        model.fit(X, y)
        with pytest.warns(HardTeacherWarning):
            cached = quick(model, memory=str(tmp_path)).fit(X, y)
        with pytest.warns(HardTeacherWarning):
            expected = quick(model).fit(X, y)
        np.testing.assert_array_equal(cached.predict_proba(X), expected.predict_proba(X))


KEPT = 4
"""Answers to series, mixtures, probes for memory, and windows: a file each."""


def with_other_shape(content):
    """The content of a file of answers, of the first of which one class was cut off."""
    lines = content.split(b"\n", 2)
    start = len(lines[0]) + len(lines[1]) + 2
    number, n_bytes, _ = struct.unpack_from("<III", content, start)
    answers = np.frombuffer(content, "<f4", n_bytes // 4, start + 12).reshape(-1, 3)
    return content[:start] + record(number, answers[:, :2])


def cached_files(folder):
    return list(folder.rglob("*.answers"))


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "other shape"])
def test_a_damaged_file_is_recomputed_with_a_warning(toy, quick, tmp_path, damage):
    X, y = toy
    teacher = Asked()
    expected = quick(teacher, memory=str(tmp_path)).fit(X, y).predict_proba(X)
    assert len(cached_files(tmp_path)) == KEPT
    for path in cached_files(tmp_path):
        content = path.read_bytes()
        if damage == "flipped":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
            path.write_bytes(content)
        elif damage in ("empty", "truncated"):
            path.write_bytes(content[: 0 if damage == "empty" else len(content) // 2])
        if damage == "other shape":
            path.write_bytes(with_other_shape(content))
    teacher.series.clear()
    with pytest.warns(CacheWarning, match="queried again, and its answers are replaced"):
        again = quick(teacher, memory=str(tmp_path)).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    assert len(teacher.series) > 12 * 4
    teacher.series.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        quick(teacher, memory=str(tmp_path)).fit(X, y)
    assert len(teacher.series) == 2 + 12 + MIXED_PROBES


def test_a_file_of_another_version_is_recomputed_with_a_warning(toy, quick, tmp_path, monkeypatch):
    teacher = Asked()
    quick(teacher, memory=str(tmp_path)).fit(*toy)
    monkeypatch.setattr(_version, "__version__", "999.0")
    with pytest.warns(CacheWarning, match=r"written by tsdistill 0.* this is 999"):
        quick(teacher, memory=str(tmp_path)).fit(*toy)
    teacher.series.clear()
    quick(teacher, memory=str(tmp_path)).fit(*toy)
    assert len(teacher.series) == 2 + 12 + MIXED_PROBES


class Malicious:
    """What must not be unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_a_foreign_file_is_never_used(toy, quick, tmp_path):
    expected = quick(memory=str(tmp_path)).fit(*toy).predict_proba(toy[0])
    for path in cached_files(tmp_path):
        joblib.dump(Malicious(), path)
    with pytest.warns(CacheWarning, match="not written by tsdistill"):
        again = quick(memory=str(tmp_path)).fit(*toy)
    np.testing.assert_array_equal(again.predict_proba(toy[0]), expected)


@pytest.mark.slow
def test_other_processes_recall_the_answers(tmp_path):
    code = f"""
import sys
import numpy as np
from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier
asked = []
def teacher(X):
    asked.append(len(X))
    return bump_teacher(X)
rng = np.random.default_rng(0)
y = np.arange(12) % 3
X = rng.normal(size=(12, 20)) + 3 * (np.arange(20) // 7 == y[:, None])
student = SaliencyDistilledClassifier(
    teacher, max_epochs=2, random_state=0, memory={str(tmp_path)!r}
).fit(X, y)
print(sum(asked), student.predict_proba(X).sum(axis=0).tolist())
"""
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (first, *answers), (second, *same) = (run.stdout.split(" ", 1) for run in runs)
    assert int(second) == 2 + 12 + MIXED_PROBES < int(first)
    assert answers == same


def test_of_several_at_once_one_asks_and_the_others_wait(toy, tmp_path):
    asked = []

    def teacher(X):
        asked.append(len(X))
        time.sleep(0.3)
        return bump_teacher(X)

    bound = as_teacher(teacher).bind(toy[0]).identified_by((0, "one"))
    panel = toy[0][:, np.newaxis].astype(np.float32)
    asked.clear()

    def ask():
        store = joblib.Memory(tmp_path, verbose=0)
        query(bound, panel, QueryOptions(memory=store))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [len(panel)]


def test_answers_that_cannot_be_stored_are_used_all_the_same(toy, quick, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left")

    expected = quick().fit(*toy).predict_proba(toy[0])
    monkeypatch.setattr("tsdistill.teachers.answer_files.replaced_when_whole", full)
    with pytest.warns(CacheWarning, match="no space") as caught:
        student = quick(memory=str(tmp_path)).fit(*toy)
    assert len(caught) == 1, "for all queries of a fit"
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)


def test_a_disk_that_is_full_is_left_without_parts_of_files(toy, quick, tmp_path):
    resource = pytest.importorskip("resource")
    settings = {"n_windows": 200, "n_mixtures": 0}
    expected = quick(**settings).fit(*toy).predict_proba(toy[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        try:
            student = quick(Asked(), memory=tmp_path, **settings).fit(*toy)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [warning.category for warning in caught] == [CacheWarning]
    assert str(caught[0].message).startswith("the teacher's answers cannot be kept in memory=")
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
    sizes = sorted(path.stat().st_size for path in cached_files(tmp_path))
    start = len(header())
    assert sizes == [start + 12 + 12 * 12] * 2 + [start + 2 * (12 + 256 * 12)], (
        "the answers to series and probes fit, and those to two batches of windows"
    )
    teacher = Asked()
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        again = quick(teacher, memory=tmp_path, **settings).fit(*toy)
    np.testing.assert_array_equal(again.predict_proba(toy[0]), expected)
    assert len(teacher.series) == 2 + 12 + MIXED_PROBES + 2400 - 2 * 256


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(toy, quick, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(CacheWarning, match="cannot be kept"):
        student = quick(memory=tmp_path / "file" / "folder").fit(*toy)
    expected = quick().fit(*toy).predict_proba(toy[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the student needs no memory to answer
        np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)


def test_memory_that_is_set_after_fit_is_used(toy, quick, tmp_path):
    teacher = Asked()
    student = quick(teacher).fit(*toy).set_params(memory=tmp_path)
    first = student.fidelity_score(toy[0], metric="saliency")
    teacher.series.clear()
    assert student.fidelity_score(toy[0], metric="saliency") == first
    assert not teacher.series


def test_clear_and_reduce_size_empty_the_folder(toy, quick, tmp_path):
    store = joblib.Memory(tmp_path, verbose=0, compress=True)
    quick(memory=store).fit(*toy)
    assert len(cached_files(tmp_path)) == KEPT
    store.reduce_size(items_limit=1)
    assert len(cached_files(tmp_path)) == 1
    store.clear(warn=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name[0] != "."]
    teacher = Asked()
    quick(teacher, memory=store).fit(*toy)
    assert len(teacher.series) > 12 * 4


def test_hard_teachers_are_told_apart_by_their_content(italy, quick, tmp_path):
    X, y = italy[2][:300, 0], italy[3][:300]
    for seed in range(4):
        some = np.random.default_rng(seed).permutation(300)[:280]
        tree = DecisionTreeClassifier(random_state=0).fit(X[some], y[some])
        settings = {"max_epochs": 1, "warm_start": True}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HardTeacherWarning)
            cached = quick(tree, memory=tmp_path, **settings).fit(X, y)
            asked = quick(tree, **settings).fit(X, y)
        np.testing.assert_array_equal(
            cached._transfer_set.answers.perturbed, asked._transfer_set.answers.perturbed
        )


def test_forms_of_memory(tmp_path):
    assert as_memory(None) is None
    assert as_memory(joblib.Memory(None)) is None
    for form in (tmp_path, str(tmp_path), joblib.Memory(tmp_path)):
        assert str(as_memory(form).location) == str(tmp_path)


def test_a_teacher_that_changed_is_asked_again(toy, quick, tmp_path):
    X, y = toy
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    quick(forest, memory=str(tmp_path)).fit(X, y)
    forest.set_params(random_state=1).fit(X, y)
    student = quick(forest, memory=str(tmp_path)).fit(X, y)
    expected = quick(forest).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(student.predict_proba(X), expected)
