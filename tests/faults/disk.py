"""A disk that fails: every call of the system in one folder is a point where a fault can happen."""

import builtins
import contextlib
import errno
import io
import os
from pathlib import Path
from unittest import mock

FULL, DENIED, BROKEN = (
    OSError(code, os.strerror(code)) for code in (errno.ENOSPC, errno.EACCES, errno.EIO)
)
ONE_PATH = (
    *("mkdir", "rmdir", "unlink", "remove", "chmod", "truncate", "utime", "scandir", "listdir"),
    *("stat", "lstat"),
)
TWO_PATHS = ("replace", "rename")
FREEING = {"unlink", "remove", "rmdir", "truncate"}
"""A full disk does not keep these from working."""
UNSEEN = ".alive"
"""Signs of life are written in a thread, at times of its own; that they fail is harmless."""


def like(error):
    """A new exception of the same kind."""
    return type(error)(*error.args)


class Disk:
    """Context in which the calls in a folder are counted and may fail.

    Parameters
    ----------
    folder : path
    points : Points
        Its fault takes the place of a call.
    spares : set of str
        Names of calls that never fail.

    Attributes
    ----------
    calls : list of str
        Names of the calls, in order.
    """

    def __init__(self, folder, points, spares=frozenset()):
        self.folder, self.points, self.spares = str(folder), points, spares
        self.calls, self.handles, self.stack = [], {}, contextlib.ExitStack()

    def is_ours(self, path):
        if not isinstance(path, (str, bytes, os.PathLike)):
            return path in self.handles
        path = os.fsdecode(path)
        return path.startswith(self.folder) and UNSEEN not in path

    def call(self, name):
        """A point; what it raises comes out of here."""
        self.calls.append(name)
        if name not in self.spares:
            self.points.pass_or_fail()

    def __enter__(self):
        originals = {name: getattr(os, name) for name in (*ONE_PATH, *TWO_PATHS, "open", "fsync")}

        def of_path(name):
            def called(path, *more, **settings):
                if self.is_ours(path):
                    self.call(name)
                return originals[name](path, *more, **settings)

            return called

        for name in (*ONE_PATH, *TWO_PATHS, "fsync"):
            self.stack.enter_context(mock.patch.object(os, name, of_path(name)))

        def opened(path, *more, **settings):
            if not self.is_ours(path):
                return originals["open"](path, *more, **settings)
            self.call("open")
            handle = originals["open"](path, *more, **settings)
            self.handles[handle] = path
            return handle

        self.stack.enter_context(mock.patch.object(os, "open", opened))
        original_open, original_fdopen = builtins.open, os.fdopen

        def opened_file(path, *more, **settings):
            if isinstance(path, int) or not self.is_ours(path):
                return original_open(path, *more, **settings)
            self.call("open")
            return File(original_open(path, *more, **settings), self)

        def opened_handle(handle, *more, **settings):
            file = original_fdopen(handle, *more, **settings)
            return File(file, self) if handle in self.handles else file

        for owner in (builtins, io):
            self.stack.enter_context(mock.patch.object(owner, "open", opened_file))
        self.stack.enter_context(mock.patch.object(os, "fdopen", opened_handle))
        return self

    def __exit__(self, *error):
        self.stack.close()


class File:
    """A file whose calls are points; a write that fails has written half of the content."""

    def __init__(self, file, disk):
        self.file, self.disk = file, disk

    def write(self, content):
        if "write" not in self.disk.spares:
            self.disk.calls.append("write")
            if self.disk.points.fails_now():
                self.file.write(content[: len(content) // 2])
                self.file.flush()
                self.disk.points.fault()
        return self.file.write(content)

    def _point(self, name, *arguments):
        self.disk.call(name)
        return getattr(self.file, name)(*arguments)

    def flush(self):
        return self._point("flush")

    def truncate(self, *size):
        return self._point("truncate", *size)

    def read(self, *size):
        return self._point("read", *size)

    def readline(self, *size):
        return self._point("readline", *size)

    def close(self):
        self.disk.handles.pop(None if self.file.closed else self.file.fileno(), None)
        try:
            self.disk.call("close")
        finally:
            self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


def files_in(folder):
    """Every file of a folder and its content."""
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
