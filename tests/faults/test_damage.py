"""Files that are cut off or of which a bit is flipped."""

import warnings

import numpy as np
import pytest

from tests.faults.answers import N_SERIES, Kept
from tests.swap.bumps import bumps, fitted_student
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapMonitor
from tsdistill.exceptions import CacheWarning, SavedFileError
from tsdistill.teachers.answer_files import header

N_POINTS = 150
"""Of a file, spread over its length, besides its first and last bytes."""


def places_in(content):
    n = len(content)
    return sorted({*range(8), *range(n - 8, n), *np.linspace(0, n - 1, N_POINTS).astype(int)})


@pytest.fixture(scope="module")
def swap():
    return DeferringClassifier(fitted_student(), max_disagreement=0.3).fit(bumps(90, 0.8)[0])


@pytest.fixture(scope="module", params=["student", "quantised student", "swap", "monitor"])
def saved(request, swap, tmp_path_factory):
    """A saved file, and what reads it."""
    path = tmp_path_factory.mktemp("saved") / "file"
    if request.param == "monitor":
        SwapMonitor(swap, random_state=0).save(path)
        return path, lambda damaged: SwapMonitor.load(damaged, swap)
    if request.param == "swap":
        swap.save(path)
        return path, DeferringClassifier.load
    student = fitted_student()
    (student.quantised() if request.param == "quantised student" else student).save(path)
    return path, SaliencyDistilledClassifier.load


def test_a_saved_file_that_is_cut_off_or_changed_is_refused(saved, tmp_path, injected):
    path, load = saved
    content, damaged = path.read_bytes(), tmp_path / "damaged"
    load(path)
    for place in places_in(content):
        damaged.write_bytes(content[:place])
        with pytest.raises(SavedFileError):
            load(damaged)
        injected("file cut off")
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        damaged.write_bytes(changed)
        with pytest.raises(SavedFileError):
            load(damaged)
        injected("bit flipped")


@pytest.mark.usefixtures("few_a_batch")
@pytest.mark.parametrize("kind", ["file cut off", "bit flipped"])
def test_kept_answers_that_are_damaged_are_asked_again_and_only_these(
    kind, tmp_path, injected, monkeypatch
):
    monkeypatch.setattr("tsdistill.teachers.answer_store.time.sleep", lambda seconds: None)
    kept = Kept(tmp_path / "kept")
    kept.ask()
    files = {path: path.read_bytes() for path in kept.folder.rglob("*.answers")}
    assert kept.ask()[1] == 0 and len(files) == 2
    (path, content) = max(files.items(), key=lambda item: len(item[1]))
    n_bytes = 12 + 5 * 3 * 4  # of a batch
    n_batches = (len(content) - len(header())) // n_bytes
    for place in range(0, len(content), 5):
        for one in kept.folder.rglob("*.answers"):
            one.unlink()
        for one, whole in files.items():
            one.write_bytes(whole)
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(content[:place] if kind == "file cut off" else changed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            answers, n_asked = kept.ask()
        np.testing.assert_array_equal(answers, kept.expected)
        n_whole = max(0, place - len(header())) // n_bytes
        assert n_asked == 5 * (n_batches - n_whole) <= N_SERIES
        assert kept.ask()[1] == 0, "they are kept again"
        injected(f"{kind}, kept answers")
