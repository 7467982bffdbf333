"""Writes files atomically."""

import os
import pathlib
import tempfile


def check_folder(path):
    """Raise IsADirectoryError if a path is a folder, FileNotFoundError if its folder is missing."""
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path={str(path)!r} is a folder; pass the name of a file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path={str(path)!r}: the folder {path.parent} does not exist.")


def write_whole(path, text):
    """Write a text file atomically: readers see the old content or the new, never a part.

    Parameters
    ----------
    path : str or path
    text : str
    """
    path = pathlib.Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
