"""One file of a configuration and tensors: read and written without pickle.

A file is a zip archive of two members that are stored as they are, without compression:
``config.json`` and ``tensors.safetensors``. The comment of the archive holds the SHA-256 digest of
every byte before it. Nothing in a file is ever run, and nothing is unpacked to the disk.
"""

import hashlib
import io
import json
import os
import pathlib
import re
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.exceptions import FileMissingError, MissingExtraError, PathError, SavedFileError
from tsdistill.inputs.files import check_folder, check_ordinary, check_path, replaced_when_whole
from tsdistill.inputs.types import Path

FORMAT_VERSIONS = 1, 2
"""Of files whose series have one length, and of those whose series differ or have gaps."""
CONFIG, TENSORS = "config.json", "tensors.safetensors"
LARGEST_CONFIG = 4 * 2**20
COMMENT = "tsdistill sha256 {}"
_COMMENT_OF_A_FILE = re.compile(rb"tsdistill sha256 [0-9a-f]{64}")
_LENGTH = len(COMMENT.format("0" * 64))
_A_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same content gives the same bytes


def write_archive(path: Path, config: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> None:
    """Write a file whole, or not at all.

    Parameters
    ----------
    path : str or path
    config : dict
        Of values that JSON has; numbers are finite.
    tensors : dict of str to ndarray

    Raises
    ------
    FolderMissingError, FolderGivenError, ParameterError
        If no file can be written at this path.
    MissingExtraError
        If safetensors is not installed.
    """
    check_folder(path)
    content = archive_bytes(config, tensors)
    with replaced_when_whole(pathlib.Path(path), "wb") as file:
        file.write(content)


def archive_bytes(config, tensors):
    """The content of a file, bytes, see :func:`write_archive`."""
    text = json.dumps(config, indent=1, allow_nan=False).encode()
    if len(text) > LARGEST_CONFIG:
        raise SavedFileError(
            f"the configuration takes {len(text)} bytes, and a file may hold {LARGEST_CONFIG}; "
            "shorten the names of classes, columns and channels."
        )
    ordered = {name: np.array(tensors[name], order="C") for name in sorted(tensors)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((CONFIG, text), (TENSORS, _safetensors().save(ordered))):
            archive.writestr(zipfile.ZipInfo(name, _A_DATE), data)
        archive.comment = COMMENT.format("0" * 64).encode()
    content = file.getvalue()[:-_LENGTH]
    return content + COMMENT.format(hashlib.sha256(content).hexdigest()).encode()


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a file that :func:`write_archive` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    config : dict
        Of the format version that this package reads; its other content is not checked yet.
    tensors : dict of str to ndarray
        All values are finite.

    Raises
    ------
    FileMissingError
        If there is no such file.
    PathError
        If it cannot be read, or is a device or a pipe.
    SavedFileError
        If it is no such file, is cut off, was changed, or is of a later format version.
    MissingExtraError
        If safetensors is not installed.
    """
    check_path("path", path)
    check_ordinary(path)
    shown = os.fspath(path)
    try:
        content = pathlib.Path(path).read_bytes()
    except FileNotFoundError as error:
        raise FileMissingError(f"path={shown!r}: there is no such file.") from error
    except OSError as error:
        raise PathError(f"path={shown!r} cannot be read: {error}.") from error
    except MemoryError as error:
        raise PathError(
            f"path={shown!r} cannot be read: it takes {os.path.getsize(path)} bytes of memory, "
            "which cannot be had."
        ) from error
    try:
        return content_of(content)
    except SavedFileError as error:
        raise SavedFileError(f"path={shown!r}: {error}") from error.__cause__


def content_of(content):
    """Configuration and tensors of a file, given as bytes; see :func:`read_archive`."""
    comment = content[-_LENGTH:]
    if not _COMMENT_OF_A_FILE.fullmatch(comment):
        raise SavedFileError(
            "the end of the file is not that of a classifier that tsdistill saved: it is another "
            "kind of file, or cut off, or was changed."
        )
    digest = hashlib.sha256(memoryview(content)[:-_LENGTH]).hexdigest()
    if comment.decode() != COMMENT.format(digest):
        raise SavedFileError("the file was changed since it was saved: its checksum is wrong.")
    config, tensors = _members(content)
    config = _parsed(config)
    version = config.get("format")
    if version not in FORMAT_VERSIONS or type(version) is not int:
        later = "; install a later version of tsdistill" if _is_later(version) else ""
        raise SavedFileError(
            f"the file has format version {str(version)[:50]}, and this version of tsdistill reads "
            f"{' and '.join(map(str, FORMAT_VERSIONS))}{later}."
        )
    return config, _tensors_of(tensors)


def _is_later(version):
    return isinstance(version, int) and version > max(FORMAT_VERSIONS)


def _members(content):
    """The bytes of the two members of an archive, which may hold nothing else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if names != [CONFIG, TENSORS]:
                raise SavedFileError(
                    f"the archive holds {str(names)[:200]}; expected {CONFIG} and {TENSORS}."
                )
            overhead = sum(30 + 46 + 2 * len(name) for name in names) + 22 + _LENGTH
            stored = all(
                member.compress_type == zipfile.ZIP_STORED
                and member.file_size == member.compress_size
                for member in members
            )
            if not stored or sum(m.file_size for m in members) + overhead != len(content):
                raise SavedFileError(
                    "the members of the archive are compressed, overlap, or do not fill it; "
                    "expected members that are stored as they are."
                )
            if members[0].file_size > LARGEST_CONFIG:
                raise SavedFileError(
                    f"{CONFIG} has {members[0].file_size} bytes; expected {LARGEST_CONFIG} at most."
                )
            return archive.read(CONFIG), archive.read(TENSORS)
    except SavedFileError:
        raise
    except Exception as error:  # zipfile raises errors of many kinds
        raise SavedFileError(f"the archive cannot be read: {error}.") from error


def _parsed(text):
    """A configuration from its JSON; numbers that are not finite, and repeats, are refused."""

    def once(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name appears twice")
        return found

    def no_constant(name):
        raise ValueError(f"{name} is no number that it may hold")

    def finite(digits):
        number = float(digits)
        if not np.isfinite(number):
            raise ValueError(f"{digits[:20]} is too large")
        return number

    try:
        config = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=once, parse_constant=no_constant, parse_float=finite,
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise SavedFileError(f"{CONFIG} cannot be read: {str(error)[:200]}.") from error
    if not isinstance(config, dict):
        raise SavedFileError(f"{CONFIG} holds a {type(config).__name__}; expected an object.")
    return config


def _tensors_of(data):
    """The tensors of a member, which have to be finite."""
    try:
        tensors = _safetensors().load(data)
    except MissingExtraError:
        raise
    except Exception as error:  # safetensors, or NumPy for its dtypes, may raise errors of any kind
        raise SavedFileError(f"{TENSORS} cannot be read: {str(error)[:200]}.") from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise SavedFileError(f"the tensor {name[:100]!r} holds NaN or infinity.")
    return tensors


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError(
            "saving and loading need safetensors, which is not installed; install it with "
            "pip install 'tsdistill[save]'."
        ) from error
    return safetensors.numpy
