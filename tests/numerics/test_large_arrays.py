import gc
import os

import numpy as np
import pytest

from tsdistill.exceptions import PathError
from tsdistill.numerics import large_arrays
from tsdistill.numerics.large_arrays import appended, large_array


def test_a_large_array_lies_in_a_file_that_leaves_nothing(tmp_path, monkeypatch):
    assert large_array((3, 4), np.int32, tmp_path).base is None
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", 100)
    array = large_array((300, 4), np.float32, tmp_path)
    array[:] = np.arange(1200).reshape(300, 4)
    assert type(array) is np.ndarray and isinstance(array.base, np.memmap)
    assert os.listdir(tmp_path) == []
    assert array.sum() == 1200 * 1199 / 2 and array.dtype == np.float32
    more = appended(array, array[:2], tmp_path)
    np.testing.assert_array_equal(more, np.concatenate([array, array[:2]]))
    assert isinstance(more.base, np.memmap)
    del array
    gc.collect()
    assert more[0, 3] == 3


def test_a_folder_that_cannot_be_used_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", 100)
    array = large_array((300, 4), np.float32, tmp_path / "missing")
    array[:] = 1
    assert array.sum() == 1200


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be asked for")
def test_a_full_disk_is_told_at_once(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(PathError, match=r"an array of 80 MB needs a temporary file.*No space left"):
        large_array((20_000_000,), np.float32)
