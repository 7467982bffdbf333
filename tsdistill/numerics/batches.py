"""Cuts rows into batches of bounded memory."""

from typing import Any

ROWS_A_BATCH = 256
BYTES_A_BATCH = 16 * 2**20


def rows_that_fit(bytes_a_row: int, most_bytes: int | None = None) -> int:
    """Number of rows that fit into the memory of a batch, at least one.

    Parameters
    ----------
    bytes_a_row : int
        Memory that a row needs, with all intermediate results that exist at the same time.
    most_bytes : int, default=None
        Memory of a batch. None means 16 MiB.
    """
    most_bytes = BYTES_A_BATCH if most_bytes is None else most_bytes
    return max(1, most_bytes // bytes_a_row)


def batches(n_rows: int, most_rows: int | None = None) -> list[slice]:
    """Cut rows into consecutive slices.

    Parameters
    ----------
    n_rows : int
    most_rows : int, default=None
        Rows in a batch; the last batch may have fewer. None means 256.

    Returns
    -------
    slices : list of slice

    Examples
    --------
    >>> batches(5, most_rows=2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    most_rows = ROWS_A_BATCH if most_rows is None else most_rows
    return [slice(a, min(a + most_rows, n_rows)) for a in range(0, n_rows, most_rows)]


def batches_of_series(series: Any) -> list[slice]:
    """Cut series into batches of at most 256 series and 16 MiB.

    Parameters
    ----------
    series : ndarray of shape (n_instances, n_channels, n_timepoints), or an object that has a \
            length and returns such arrays for slices

    Returns
    -------
    slices : list of slice
    """
    return batches(len(series), min(ROWS_A_BATCH, rows_that_fit(series[0:1].nbytes)))
