"""How large the folder of kept answers is, and how it is kept small: the oldest entries go."""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import is_whole, shown

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
SHARE_LEFT = 0.9


def bytes_of(size: int | str | None, name: str = "memory_size") -> int | None:
    """Bytes of a size: a whole number, or a text such as "500 MB" or "10GB".

    Parameters
    ----------
    size : int, str or None
        kB, MB, GB and TB are powers of 1000.
    name : str, default="memory_size"
        Of the argument, for the message.

    Returns
    -------
    n_bytes : int, or None if ``size`` is None

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> bytes_of("1.5 GB")
    1500000000
    """
    if size is None:
        return None
    if is_whole(size) and size > 0:
        return int(size)
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)b?\s*", size.lower())
        n_bytes = int(float(match[1]) * UNITS[match[2]]) if match else 0
        if n_bytes > 0:
            return n_bytes
    raise ParameterError(
        f"{name}={shown(size)}; expected None, a whole number of bytes above 0, or a text such "
        "as '500 MB' or '10 GB'."
    )


@dataclass(frozen=True)
class Item:
    """An entry of the folder.

    Attributes
    ----------
    path : str
    n_bytes : int
    last_used : float
        Seconds since 1970.
    names : list of str
        Of its files.
    """

    path: str
    n_bytes: int
    last_used: float
    names: list


def items_of(folder):
    """The entries of a folder, those first that were not used for longest.

    Parameters
    ----------
    folder : path

    Returns
    -------
    items : list of Item
        Entries of other versions of this library too.
    """
    items = []
    with contextlib.suppress(OSError):
        for one in os.scandir(folder):
            if re.fullmatch("[0-9a-f]{32}", one.name) and one.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):  # it is just being removed
                    sizes = {file.name: file.stat().st_size for file in os.scandir(one.path)}
                    used = one.stat().st_mtime
                    items.append(Item(one.path, sum(sizes.values()), used, list(sizes)))
    return sorted(items, key=lambda item: item.last_used)


def size_of(folder):
    """Bytes of all entries of a folder."""
    return sum(item.n_bytes for item in items_of(folder))


def remove_oldest(folder, most_bytes):
    """Remove entries, those first that were not used for longest, if they take too much.

    Parameters
    ----------
    folder : path
    most_bytes : int
        If there is more, a tenth more than needed is removed, so that this is done seldom.

    Returns
    -------
    n_bytes : int
        What is left.
    """
    items = items_of(folder)
    n_bytes = sum(item.n_bytes for item in items)
    if n_bytes <= most_bytes:
        return n_bytes
    for item in items:
        if n_bytes <= SHARE_LEFT * most_bytes:
            break
        shutil.rmtree(item.path, ignore_errors=True)
        n_bytes -= item.n_bytes
    return n_bytes
