"""Series that are not in memory, for tests: large ones by name, though they are small."""

import numpy as np

from tsdistill.inputs import stored
from tsdistill.perturbation import stored_plan
from tsdistill.training import stored_tensors


class Limited:
    """A lazy array that gives slices of rows alone, and of these a bounded number at a time."""

    def __init__(self, values, most_rows, chunks=None):
        self.values, self.most_rows, self.chunks = values, most_rows, chunks
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim
        self.n_read = 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice), rows
        found = self.values[rows]
        assert len(found) <= self.most_rows, f"{len(found)} rows at once"
        self.n_read += len(found)
        return found

    def __array__(self, *_, **__):
        raise AssertionError("the whole was asked for")


def stream(monkeypatch, X, pool_rows=None, block_rows=4, most_donors=None, chunk_rows=None):
    """Let stored series of any size be read in batches, which may be small."""
    row = 4 * int(np.prod(X.shape[1:]))
    monkeypatch.setattr(stored, "LARGEST_READ_WHOLE", 0)
    if pool_rows is not None:
        monkeypatch.setattr(stored_tensors, "POOL_BYTES", pool_rows * row)
        monkeypatch.setattr(stored_tensors, "BLOCK_BYTES", block_rows * row)
        monkeypatch.setattr(stored, "BYTES_A_READ", block_rows * row)
        monkeypatch.setattr(stored, "BYTES_BETWEEN", row)
    if most_donors is not None:
        monkeypatch.setattr(stored_plan, "MOST_DONORS", most_donors)
    if chunk_rows is not None:
        monkeypatch.setattr(stored, "ROWS_A_BATCH", chunk_rows)
        monkeypatch.setattr(stored, "BYTES_A_CHUNK", chunk_rows * row)


def mapped(path, X):
    """A memory map of series."""
    np.save(path, X)
    return np.load(path, mmap_mode="r")
