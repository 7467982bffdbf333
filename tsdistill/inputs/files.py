"""Writes files atomically."""

from __future__ import annotations

import contextlib
import os
import pathlib
import stat
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from tsdistill.exceptions import FolderGivenError, FolderMissingError, ParameterError, PathError
from tsdistill.inputs.checks import shown
from tsdistill.inputs.types import Path


def check_path(name: str, path: object) -> None:
    """Raise ParameterError if a value is no path that the file system can have."""
    usable = isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str)
    try:
        usable = usable and "\0" not in os.fspath(path) and os.fsencode(path)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise ParameterError(f"{name}={shown(path)}; expected a path.")


def check_folder(path: Path) -> None:
    """Raise FolderGivenError if a path is a folder, FolderMissingError if its folder is missing.

    A path that cannot even be looked at ends in a PathError, and so does a device or a pipe, whose
    place a file would take.
    """
    check_path("path", path)
    path = pathlib.Path(path)
    try:
        is_folder, in_folder = path.is_dir(), path.parent.is_dir()
    except OSError as error:
        raise _not_written(path, error) from error
    if is_folder:
        raise FolderGivenError(f"path={str(path)!r} is a folder; pass the name of a file in it.")
    if not in_folder:
        raise FolderMissingError(f"path={str(path)!r}: the folder {path.parent} does not exist.")
    check_ordinary(path)


def check_ordinary(path: Path) -> None:
    """Raise PathError if a path is a device, a pipe or a socket: reading one may never end."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except OSError:  # there is nothing, or nothing that can be reached
        return
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise PathError(f"path={os.fspath(path)!r} is a device or a pipe; expected a file.")


@contextlib.contextmanager
def replaced_when_whole(path: pathlib.Path, mode: str, **options: Any) -> Iterator[IO[Any]]:
    """Open a new file that takes its place when it is complete.

    Readers see the old content or the new, never a part; if the block fails, the old content
    stays. That holds for a loss of power, too: the content is on the disk before the name is.

    Parameters
    ----------
    path : path
    mode : {"w", "wb"}
    **options
        Of :func:`open`.

    Raises
    ------
    PathError
        If the disk is full or fails, or a permission is missing; with the ``errno`` of the system.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, mode, **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error says more
                os.unlink(temporary)
            raise
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: pathlib.Path, error: OSError) -> PathError:
    failure = PathError(f"path={str(path)!r} cannot be written: {error}.")
    failure.errno = error.errno
    return failure


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically, see :func:`replaced_when_whole`.

    Parameters
    ----------
    path : str or path
    text : str
        Surrogates, which UTF-8 cannot encode, are written as escapes with a backslash.

    Raises
    ------
    PathError
        If it cannot be written.
    """
    path = pathlib.Path(path)
    with replaced_when_whole(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
