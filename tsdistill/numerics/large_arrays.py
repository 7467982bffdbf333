"""Arrays that are filled a part at a time: in memory, or in a temporary file if they are large."""

import contextlib
import os
import tempfile

import numpy as np

from tsdistill.exceptions import PathError

LARGEST_IN_MEMORY = 64 * 2**20


def large_array(shape, dtype, folder=None):
    """An array to be filled; one of more than 64 MiB lies in a temporary file.

    The file has no name: its space is free again when the array is.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    folder : path, default=None
        Where the file lies. None, or a folder in which it cannot be made, is the folder of the
        system for such files.

    Returns
    -------
    array : ndarray of that shape, of any content

    Raises
    ------
    PathError
        If there is no room for the file.
    """
    n_bytes = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
    if n_bytes <= LARGEST_IN_MEMORY:
        return np.empty(shape, dtype)
    if folder is not None:
        with contextlib.suppress(OSError):
            return _in_file(shape, dtype, n_bytes, folder)
    try:
        return _in_file(shape, dtype, n_bytes, None)
    except OSError as error:
        raise PathError(
            f"an array of {n_bytes / 1e6:.0f} MB needs a temporary file, which cannot be made in "
            f"{tempfile.gettempdir()!r}: {error}. Set the environment variable TMPDIR to a folder "
            "with more room."
        ) from error


def _in_file(shape, dtype, n_bytes, folder):
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # a disk that is full later would end the process
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        return np.asarray(np.memmap(file, dtype, "w+", shape=shape))


def appended(array, more, folder=None):
    """An array followed by another, as :func:`large_array` makes it."""
    joined = large_array((len(array) + len(more), *array.shape[1:]), array.dtype, folder)
    joined[: len(array)], joined[len(array) :] = array, more
    return joined
