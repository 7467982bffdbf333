"""The file format of kept answers: batches are appended to it as they are answered.

Nothing in it is code, so a file from anywhere can be read. It is one line of text, ``MAGIC``, one
line of JSON, and a record for each batch: its number, the bytes that follow, a checksum (CRC-32
of all else in the record), and the answers, float32, little-endian. A part of a record, as a
process leaves it that is killed while it writes, is recognised and not used.
"""

import contextlib
import json
import os
import struct
import zlib

import numpy as np

from tsdistill import _version
from tsdistill.inputs.files import replaced_when_whole

MAGIC = b"tsdistill answers 1\n"
LONGEST_HEADER = 4096
_RECORD = struct.Struct("<III")
_NUMBER = np.dtype("<f4")


class DamagedFile(ValueError):
    """A file of answers, or the rest of it, cannot be used; the message says why."""


def header():
    """The first bytes of a file."""
    return MAGIC + json.dumps({"version": _version.__version__}).encode() + b"\n"


def record(number, answers):
    """The bytes of a record.

    Parameters
    ----------
    number : int
        Of the batch.
    answers : ndarray of shape (n_instances, n_classes), float32
    """
    content = np.ascontiguousarray(answers, dtype=_NUMBER).tobytes()
    return _RECORD.pack(number, len(content), _checksum(number, content)) + content


def _checksum(number, content):
    return zlib.crc32(content, zlib.crc32(struct.pack("<II", number, len(content))))


def read_records(file, offset, shapes):
    """The records of a file from some place on.

    Parameters
    ----------
    file : binary file
    offset : int
        0, or the end of a record.
    shapes : list of tuple of int
        Shape of the answers to each batch.

    Yields
    ------
    number : int
    answers : ndarray of that shape, float32
    end : int
        Where the record ends.

    Raises
    ------
    DamagedFile
        If what follows was not written by this version, is no record, or is a part of one.
    """
    if offset == 0:
        offset = _check_header(file)
    file.seek(offset)
    while start := file.read(_RECORD.size):
        if len(start) < _RECORD.size:
            raise DamagedFile("the file is damaged: it ends within a batch")
        number, n_bytes, checksum = _RECORD.unpack(start)
        shape = shapes[number] if number < len(shapes) else None
        if shape is None or n_bytes != _NUMBER.itemsize * shape[0] * shape[1]:
            raise DamagedFile("the file is damaged: it holds answers of another shape")
        content = file.read(n_bytes)
        if len(content) < n_bytes:
            raise DamagedFile("the file is damaged: it ends within a batch")
        if _checksum(number, content) != checksum:
            raise DamagedFile("the file is damaged: a checksum is wrong")
        answers = np.frombuffer(content, _NUMBER).reshape(shape).astype(np.float32)
        if not np.isfinite(answers).all():
            raise DamagedFile("the file holds NaN or infinity")
        offset += _RECORD.size + n_bytes
        yield number, answers, offset


def _check_header(file):
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise DamagedFile("not written by tsdistill" if magic else "the file is empty")
    line = file.readline(LONGEST_HEADER)
    try:
        version = json.loads(line)["version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedFile("the file is damaged: its header cannot be read") from error
    if version != _version.__version__:
        raise DamagedFile(f"written by tsdistill {version}, but this is {_version.__version__}")
    return len(magic) + len(line)


class AnswerFile:
    """A file of answers to which one process appends.

    It is opened for each record, so that other machines with the same folder see it.

    Parameters
    ----------
    path : path
        Nobody else writes to it.
    """

    def __init__(self, path):
        self.path, self._size = path, 0

    def append(self, number, answers):
        """Write a batch whole or not at all, and return the bytes that it takes.

        Raises
        ------
        OSError
        """
        content = record(number, answers)
        if self._size == 0:
            content = header() + content
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_when_whole(self.path, "wb") as file:
                file.write(content)
        else:
            self._extend(content)
        self._size += len(content)
        return len(content)

    def _extend(self, content):
        with open(self.path, "r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) != self._size:
                raise FileNotFoundError(f"{self.path} was changed by somebody else")
            try:
                n_written = file.write(content)
                while n_written < len(content):
                    n_written += file.write(content[n_written:])
            except BaseException:  # an interrupt, too
                with contextlib.suppress(OSError):  # a reader recognises a part of a record
                    file.truncate(self._size)
                raise
