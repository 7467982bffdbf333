"""Files of every kind that is read, changed by an attacker: a named error, or the same answers."""

import shutil
import time
import tracemalloc
import warnings

import joblib
import numpy as np
import pytest

from tests.conftest import Counted
from tests.security import mutations
from tests.swap.bumps import bumps
from tests.teachers.black_boxes import bound
from tsdistill import (
    DeferringClassifier,
    SaliencyDistilledClassifier,
    SwapContract,
    SwapMonitor,
    Teacher,
)
from tsdistill.exceptions import CacheWarning, PanelError, TsdistillError
from tsdistill.students import FCN
from tsdistill.swap.command import read_arrays
from tsdistill.teachers.querying import QueryOptions, query

SECONDS = 20
"""Far more than any file takes, on a machine that does much else."""


def student_answers(path, real):
    loaded = SaliencyDistilledClassifier.load(path)
    proba = loaded.predict_proba(real.student._baselines.series[:, 0])
    assert np.isfinite(proba).all()
    return proba


def swap_answers(path, real):
    loaded = DeferringClassifier.load(path, teacher=real.teacher)
    loaded.defers(real.X[:20])
    loaded.predict(real.X[:20])
    return student_answers_of(loaded.student_, real)


def student_answers_of(student, real):
    proba = student.predict_proba(real.student._baselines.series[:, 0])
    assert np.isfinite(proba).all()
    return proba


def monitor_answers(path, real):
    loaded = SwapMonitor.load(path, real.swap)
    predicted = loaded.predict(real.X[:20])
    assert np.isfinite(loaded.bound_) and loaded.status and loaded.drift_
    return predicted == real.swap.predict(real.X[:20])


def contract_answers(path, real):
    contract = SwapContract.from_toml(path)
    assert SwapContract.from_toml(contract.to_toml()) == contract


def array_answers(path, real):
    arrays = read_arrays(path)
    assert not any(array.dtype.hasobject for array in arrays.values())
    try:
        result = real.contract.check(real.student, **arrays)
    except ValueError as error:  # of scikit-learn, about X, as ``check`` documents
        raise PanelError(str(error)) from error
    assert result.status and len(result.lines) == 2


KINDS = {
    "student": (mutations.of_archive, student_answers, 350),
    "swap": (mutations.of_archive, swap_answers, 350),
    "monitor": (mutations.of_archive, monitor_answers, 350),
    "contract": (mutations.of_contract, contract_answers, 200),
    "arrays": (mutations.of_arrays, array_answers, 200),
}
N_ANSWERS = 100
"""Least number of damaged files of kept answers."""


def hostile_files(kind, real):
    files = KINDS[kind][0]((real.folder / kind).read_bytes())
    return dict(files)


def test_there_are_a_thousand_files(real):
    counts = {kind: len(hostile_files(kind, real)) for kind in KINDS}
    assert all(counts[kind] >= least for kind, (_, _, least) in KINDS.items()), counts
    assert sum(counts.values()) >= 2_000, counts


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_file_ends_in_a_named_error_or_changes_nothing(
    kind, real, tmp_path, record_property
):
    _, answers, _ = KINDS[kind]
    path, faults, n_refused = tmp_path / "hostile", [], 0
    files = hostile_files(kind, real)
    expected = answers(real.folder / kind, real)
    tracemalloc.start()
    try:
        for name, content in files.items():
            path.write_bytes(content)
            tracemalloc.reset_peak()
            before, began = tracemalloc.get_traced_memory()[0], time.perf_counter()
            try:
                found = answers(path, real)
                if expected is not None:
                    np.testing.assert_allclose(found, expected, atol=2e-3)
            except TsdistillError:
                n_refused += 1
            except BaseException as error:  # whatever it is, the file's name has to be known
                faults.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            taken = tracemalloc.get_traced_memory()[1] - before
            if taken > 4 * len(content) + 8_000_000:
                faults.append(f"{name}: {taken} bytes of memory for {len(content)}")
            if time.perf_counter() - began > SECONDS:
                faults.append(f"{name}: {time.perf_counter() - began:.0f} s")
    finally:
        tracemalloc.stop()
    assert not faults, f"{len(faults)} of {len(files)} files:\n" + "\n".join(faults)
    assert n_refused > len(files) / 2
    assert [one.name for one in tmp_path.iterdir()] == ["hostile"]  # nothing was unpacked
    record_property("hostile", len(files))


def memory_in(folder):
    return QueryOptions(memory=joblib.Memory(str(folder), verbose=0))


@pytest.mark.slow
def test_a_damaged_kept_answer_is_never_used(tmp_path, record_property):
    panel = bumps(40, 0.3)[0][:, np.newaxis].astype(np.float32)
    teacher = bound(Counted(), panel)
    expected = query(teacher, panel, memory_in(tmp_path / "whole"))
    (kept,) = (tmp_path / "whole").rglob("*.answers")
    content, faults = kept.read_bytes(), []
    files = mutations.of_answers(content)
    assert len(files) >= N_ANSWERS
    for number, (name, damaged) in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        (folder / kept.relative_to(tmp_path / "whole")).write_bytes(damaged)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = query(teacher, panel, memory_in(folder))
        if not np.array_equal(found, expected):
            faults.append(f"{name}: other answers")
        if not any(issubclass(one.category, CacheWarning) for one in told):
            faults.append(f"{name}: no warning")
        (now, *_) = folder.rglob("*.answers")
        if now.read_bytes() != content:
            faults.append(f"{name}: was not replaced")
        shutil.rmtree(folder)
    assert not faults, f"{len(faults)} of {len(files)} files:\n" + "\n".join(faults)
    record_property("hostile", len(files))


@pytest.mark.slow
def test_fit_goes_on_with_a_damaged_store(tmp_path):
    X, y = bumps(24, 0.3)
    model = Counted()
    named = Teacher(model, classes=["down", "<b>", "up & away"])

    def fitted(memory):
        settings = {"max_epochs": 1, "n_windows": 4, "n_mixtures": 4, "random_state": 0}
        student = SaliencyDistilledClassifier(named, FCN(4), memory=memory, **settings)
        return student.fit(X, y).predict_proba(X)

    expected = fitted(str(tmp_path / "whole"))
    for number, seed in enumerate((b"", b"\x80\x04K\x01.", b"flip", b"half")):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        kept = sorted(folder.rglob("*.answers"))
        assert kept
        for path in kept:
            content = bytearray(path.read_bytes())
            content[-5] ^= 1
            damaged = {b"flip": bytes(content), b"half": bytes(content[: len(content) // 2])}
            path.write_bytes(damaged.get(seed, seed))
        n_before = model.n_asked
        with pytest.warns(CacheWarning, match="cannot be used"):
            np.testing.assert_array_equal(fitted(str(folder)), expected)
        assert model.n_asked > n_before
