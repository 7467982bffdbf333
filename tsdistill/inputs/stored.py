"""Series that are not in memory: a panel of which a batch is read at a time.

Anything serves that has a shape, a dtype and slices of rows: a memory map, a Zarr or Dask array, an
h5py data set. None of these packages is imported.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from tsdistill.exceptions import PanelError
from tsdistill.inputs.panel import in_layout, with_channels
from tsdistill.numerics.batches import ROWS_A_BATCH, batches, rows_that_fit
from tsdistill.numerics.logits import usual_float_errors
from tsdistill.numerics.read_ahead import read_ahead

LARGEST_READ_WHOLE = 32 * 2**20
"""Stored series of at most 32 MiB, in float32, are read whole: then they are as any others."""
BYTES_A_READ = 4 * 2**20
BYTES_BETWEEN = 2**16
BYTES_A_CHUNK = 32 * 2**20
IN_MEMORY = ("numpy", "pandas", "polars", "scipy", "torch")
"""Packages whose objects are in memory, but for a numpy.memmap."""


def opened(X: Any, name: str = "X") -> Any:
    """Stored series as a panel to be read in batches, if they are large; others as they are.

    Parameters
    ----------
    X : object
        Series in any form that ``fit`` takes.
    name : str, default="X"
        Name of the argument, for errors.

    Returns
    -------
    X : StoredPanel, or ndarray for stored series of at most 32 MiB, or the object that was passed

    Raises
    ------
    PanelError
        If it is not known how many stored series there are, if they are cut into chunks along time,
        or if they have not two or three axes or hold no real numbers.
    """
    if _is_dask_frame(X):
        raise PanelError(
            f"{name} is a Dask data frame, of which no batch of series can be read; pass an array "
            "of shape (n_instances, n_channels, n_timepoints), such as "
            f"{name}.to_dask_array(lengths=True) where each row is a series, or {name}.compute()."
        )
    if not is_stored(X):
        return X
    _check_stored(X, name)
    if np.prod(X.shape, dtype=np.int64) * 4 > LARGEST_READ_WHOLE:
        return StoredPanel.of(X, name)
    return X if isinstance(X, np.ndarray) else np.asarray(X[:])


def is_stored(X):
    """Whether series are stored outside memory: a memory map, or an array of a lazy kind."""
    if isinstance(X, np.memmap):
        return not _is_of_joblib(X)
    if isinstance(X, (np.ndarray, list, tuple)) or type(X).__module__.split(".")[0] in IN_MEMORY:
        return False
    if not all(hasattr(X, name) for name in ("shape", "dtype", "ndim", "__getitem__")):
        return False
    try:
        np.dtype(X.dtype)
    except TypeError:  # of tensors and tables, which are in memory
        return False
    return True


def _is_of_joblib(X):
    """Whether a memory map is joblib's way to send a worker an array that is in memory."""
    return "joblib_memmapping_folder" in str(X.filename)


def _is_dask_frame(X):
    return type(X).__module__.startswith("dask") and hasattr(X, "divisions")


def _check_stored(X, name):
    shape = tuple(X.shape)
    if any(not isinstance(size, (int, np.integer)) for size in shape):
        raise PanelError(
            f"{name} has the unknown shape {shape}; expected one of known numbers. Call "
            f"{name}.compute_chunk_sizes() first, if it is a Dask array."
        )
    if len(shape) not in (2, 3) or 0 in shape:
        raise PanelError(
            f"{name} has shape {shape}; expected (n_instances, n_timepoints) or (n_instances, "
            "n_channels, n_timepoints), with one series or more."
        )
    if np.dtype(X.dtype).kind not in "biuf":
        raise PanelError(f"{name} has values of type {X.dtype}; expected numbers.")
    chunks = _chunk_shape(X)
    if chunks is not None and chunks[-1] < shape[-1]:
        raise PanelError(
            f"{name} is cut into chunks along time, of {chunks[-1]} of {shape[-1]} timesteps, so a "
            "batch of whole series could not be read without most of the chunks. Store it in "
            "chunks of whole series: X.rechunk({0: 'auto', -1: -1}) for a Dask array, "
            f"chunks=(n, {', '.join(map(str, shape[1:]))}) where a file is written; or read it into"
            " memory first, if it fits."
        )


def _chunk_shape(X):
    """Size of the largest chunk of an array on each axis; None if it has no chunks."""
    chunks = getattr(X, "chunks", None)
    if not isinstance(chunks, tuple) or len(chunks) != len(X.shape):
        return None
    return tuple(max(sizes) if isinstance(sizes, tuple) else int(sizes) for sizes in chunks)


class _Segment:
    """Some consecutive rows of one stored array.

    Parameters
    ----------
    array : array-like of shape (n, n_timepoints) or (n, n_channels, n_timepoints)
    rows : range
    name : str
        Name of the argument, for errors.
    """

    def __init__(self, array, rows, name):
        self.array, self.rows, self.name = array, rows, name

    def __len__(self):
        return len(self.rows)

    def raw(self, start, stop):
        """Rows as they are stored, (n, n_channels, n_timepoints); maybe a view of a memory map."""
        rows = self.rows[start:stop]
        return with_channels(np.asarray(self.array[rows.start : rows.stop]))

    def values(self, raw, start):
        """Rows that were read from ``start`` on, as a new float32 array, which is finite."""
        with usual_float_errors(), np.errstate(over="ignore"):
            values = np.array(raw, dtype=np.float32, order="C")
        if not np.isfinite(values).all():
            self._refuse(raw, values, start)
        return values

    def _refuse(self, raw, values, start):
        at = tuple(np.argwhere(~np.isfinite(values))[0])
        found = raw[at]
        kind = "a missing value (NaN)" if np.isnan(found) else f"the value {found}"
        where = f" in channel {at[1]}" if values.shape[1] > 1 else ""
        raise PanelError(
            f"{self.name}[{self.rows[start] + at[0]}] has {kind}{where} at timestep {at[2]}; "
            "expected values that are finite in float32. Series that are not in memory may have no "
            "gaps, nor differ in length: fill or drop such series first."
        )

    def release(self):
        """Let go of the pages of a memory map that were read; the file itself keeps them."""
        pages = getattr(self.array, "_mmap", None)
        shared = getattr(self.array, "mode", "c") != "c"  # else changes would be lost
        if shared and hasattr(pages, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)


class StoredPanel:
    """A panel of which slices and rows are read when they are asked for, as float32.

    Each read checks that the values are finite. The whole is never read at once: NumPy cannot make
    an array of it.

    Attributes
    ----------
    shape : tuple of int
        (n_instances, n_channels, n_timepoints)
    chunk_rows : int
        Rows that are stored together, at most; 1 if any row can be read alone.
    """

    ndim, dtype = 3, np.dtype(np.float32)

    def __init__(self, segments):
        self._segments = [segment for segment in segments if len(segment)]
        self._ends = np.cumsum([len(segment) for segment in self._segments])
        first = self._segments[0].array.shape
        self.shape = (int(self._ends[-1]), *((1, first[1]) if len(first) == 2 else first[1:]))
        chunks = [_chunk_shape(segment.array) or (1,) for segment in self._segments]
        self.chunk_rows = max(shape[0] for shape in chunks)

    @classmethod
    def of(cls, X, name="X"):
        """The panel of one array, ``name`` in errors."""
        return cls([_Segment(X, range(X.shape[0]), name)])

    def __len__(self):
        return self.shape[0]

    @property
    def bytes_a_row(self):
        """Bytes of one series in float32."""
        return 4 * self.shape[1] * self.shape[2]

    def __array__(self, *_, **__):
        raise PanelError(
            f"these {len(self)} series are not in memory and are read a batch at a time, but "
            "something asked for all of them at once; read them into memory first, if they fit."
        )

    def __iter__(self):
        for part in batches(len(self), rows_that_fit(self.bytes_a_row, BYTES_A_READ)):
            yield from self[part]

    def __getitem__(self, key):
        """Series of a slice, or of an array of rows or a mask, (n, n_channels, n_timepoints)."""
        if isinstance(key, slice):
            key = range(*key.indices(len(self)))
            if key.step == 1:
                return self._consecutive(key.start, max(key.start, key.stop))
        rows = np.asarray(key)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)} series")
        if rows.ndim == 0:
            return self._rows(rows[np.newaxis])[0]
        return self._rows(rows)

    def part(self, part):
        """Consecutive rows as a panel that is not read yet."""
        start, stop, _ = part.indices(len(self))
        return StoredPanel(
            [
                _Segment(segment.array, segment.rows[max(0, start - first) : stop - first], name)
                for segment, first, name in self._placed()
                if first < stop and first + len(segment) > start
            ]
        )

    def joined(self, more, name="X"):
        """The panel followed by further series, an array or a StoredPanel."""
        if not isinstance(more, StoredPanel):
            more = StoredPanel.of(more, name)
        return StoredPanel([*self._segments, *more._segments])

    def chunks(self):
        """Slices of whole batches, of at most 32 MiB if one batch is not larger."""
        a_batch = min(ROWS_A_BATCH, rows_that_fit(self.bytes_a_row))
        fitting = rows_that_fit(self.bytes_a_row, BYTES_A_CHUNK)
        return batches(len(self), max(a_batch, fitting // a_batch * a_batch))

    def chunks_ahead(self):
        """Pairs of a slice and its series, which are read ahead in a thread."""
        chunks = self.chunks()
        ahead = read_ahead(self.__getitem__, chunks)
        for part in chunks:
            yield part, next(ahead)  # kept here no longer than the caller keeps it

    def blocks(self):
        """The series as they are stored and as float32, in pairs of arrays of 4 MiB, in order."""
        for segment, _, _ in self._placed():
            for start, stop in self._reads(0, len(segment)):
                raw = segment.raw(start, stop)
                yield raw, segment.values(raw, start)
                segment.release()

    def _placed(self):
        """Segments, with their first row in the panel, and their names."""
        for segment, end in zip(self._segments, self._ends, strict=True):
            yield segment, int(end) - len(segment), segment.name

    def _reads(self, start, stop):
        most = max(rows_that_fit(self.bytes_a_row, BYTES_A_READ), self.chunk_rows)
        return [(a, min(a + most, stop)) for a in range(start, stop, most)]

    def _consecutive(self, start, stop):
        values = np.empty((stop - start, *self.shape[1:]), dtype=np.float32)
        for segment, first, _ in self._placed():
            low, high = max(start, first), min(stop, first + len(segment))
            for a, b in self._reads(low, high):
                raw = segment.raw(a - first, b - first)
                values[a - start : b - start] = segment.values(raw, a - first)
                segment.release()
        return values

    def _rows(self, rows):
        """Rows in any order: those that lie near each other are read together."""
        if not rows.size:
            return np.empty((*rows.shape, *self.shape[1:]), dtype=np.float32)
        wanted, place = np.unique(rows, return_inverse=True)
        values = np.empty((len(wanted), *self.shape[1:]), dtype=np.float32)
        far = max(rows_that_fit(self.bytes_a_row, BYTES_BETWEEN), self.chunk_rows)
        most = max(rows_that_fit(self.bytes_a_row, BYTES_A_READ), self.chunk_rows)
        done = 0
        for near in np.split(wanted, np.flatnonzero(np.diff(wanted) > far) + 1):
            for at in np.split(near, np.searchsorted(near, np.arange(*near[[0, -1]], most)[1:])):
                values[done : done + len(at)] = self._between(at)
                done += len(at)
        in_order = len(wanted) == rows.size and (rows.ravel() == wanted).all()
        return values if in_order and rows.ndim == 1 else values[place.reshape(rows.shape)]

    def _between(self, at):
        """Sorted rows, read with those between them."""
        if not len(at):
            return np.empty((0, *self.shape[1:]), dtype=np.float32)
        read = self._consecutive(int(at[0]), int(at[-1]) + 1)
        return read if len(read) == len(at) else read[at - at[0]]


class AsPassed:
    """A stored panel in the user's layout, 2-D or 3-D, of which rows are read when asked for.

    Parameters
    ----------
    panel : StoredPanel
    ndim : {2, 3}
    """

    dtype = np.dtype(np.float32)

    def __init__(self, panel, ndim):
        self.panel, self.ndim = panel, ndim
        self.shape = panel.shape if ndim == 3 else (panel.shape[0], panel.shape[2])

    def __len__(self):
        return len(self.panel)

    def __getitem__(self, key):
        return in_layout(self.panel[key], self.ndim)


class SomeRows:
    """Some rows of a stored panel, which are read when they are asked for.

    Parameters
    ----------
    panel : StoredPanel
    rows : ndarray of shape (n_rows,), int64
    """

    def __init__(self, panel, rows):
        self.panel, self.rows = panel, rows
        self.shape = (len(rows), *panel.shape[1:])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        return self.panel[self.rows[key]]
