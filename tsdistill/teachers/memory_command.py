"""The command ``python -m tsdistill memory``: shows, bounds and clears what ``memory`` keeps."""

import argparse
import shutil
import time
from pathlib import Path

from tsdistill.exceptions import FolderMissingError
from tsdistill.inputs.checks import shown
from tsdistill.inputs.files import check_path
from tsdistill.teachers.answer_files import MAGIC
from tsdistill.teachers.answer_store import ENDING, FOLDER
from tsdistill.teachers.store_size import bytes_of, items_of, remove_oldest


def show_memory(options: argparse.Namespace) -> None:
    """Print what is kept in a folder, after removing what is to be removed.

    Parameters
    ----------
    options : argparse.Namespace
        Of ``python -m tsdistill memory``.

    Raises
    ------
    FolderMissingError
        If there is no such folder.
    ParameterError
        If ``limit`` is no size.
    """
    limit = bytes_of(options.limit, "--limit")
    folder = _entries_of(options.folder)
    n_entries = len(items_of(folder))
    if options.clear:
        shutil.rmtree(folder, ignore_errors=True)
    elif limit is not None:
        remove_oldest(folder, limit)
    if options.clear or limit is not None:
        print(f"Removed {n_entries - len(items_of(folder))} entries.")
    print(describe(folder))


def _entries_of(path):
    """The folder of the entries, in what was passed as ``memory`` or is the location of one."""
    check_path("folder", path)
    path = Path(path)
    if not path.is_dir():
        raise FolderMissingError(f"folder={shown(str(path))}: there is no such folder.")
    places = path / "joblib" / FOLDER, path / FOLDER
    return next((place for place in places if place.is_dir()), places[0])


def describe(folder):
    """What is kept in a folder, as lines of text.

    Parameters
    ----------
    folder : path

    Returns
    -------
    text : str
    """
    items = items_of(folder)
    if not items:
        return f"No answers are kept in {folder}."
    n_files, foreign = 0, []
    for item in items:
        files = [name for name in item.names if name.endswith(ENDING)]
        if not files and "output.pkl" in item.names:
            foreign.append(item)
        n_files += sum(_is_ours(Path(item.path, name)) for name in files)
    used = [time.strftime("%Y-%m-%d %H:%M", time.localtime(item.last_used)) for item in items]
    total = sum(item.n_bytes for item in items)
    lines = [
        f"{folder}:",
        f"{len(items)} entries, in {n_files} files of answers",
        f"{shown_bytes(total)} ({total:,} bytes)",
        f"last used between {used[0]} and {used[-1]}",
    ]
    if foreign:
        n_bytes = sum(item.n_bytes for item in foreign)
        lines.append(
            f"{len(foreign)} entries ({shown_bytes(n_bytes)}) are pickles of an earlier version, "
            "which are no longer read; --clear removes them"
        )
    return "\n".join(lines)


def _is_ours(path):
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def shown_bytes(n_bytes):
    """A number of bytes in the largest unit of which there is one.

    Examples
    --------
    >>> shown_bytes(12_340_000), shown_bytes(12)
    ('12.3 MB', '12 bytes')
    """
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"
