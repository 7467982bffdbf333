"""The check of a contract whose parts lie in files."""

import argparse
import dataclasses
import hashlib
import importlib
import math
import os
import pathlib
import re
import sys
import zipfile

import numpy as np

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import FileMissingError, ParameterError, PathError, StudentError
from tsdistill.inputs.checks import shown
from tsdistill.inputs.files import check_folder
from tsdistill.swap.contract import SwapContract
from tsdistill.swap.contract_file import check_names
from tsdistill.swap.verdict import Status

ARRAYS = ("X", "y", "teacher_proba", "teacher_maps")
DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
PLACE = re.compile(f"{DOTTED}:{DOTTED}")
LARGEST_RATIO = 1032
"""To which deflate can compress."""


def check(options: argparse.Namespace) -> Status:
    """Check a contract, print the result, and write the files that are asked for.

    Parameters
    ----------
    options : argparse.Namespace
        Of ``python -m tsdistill check``.

    Returns
    -------
    status : {"kept", "broken", "undecided"}
    """
    outputs = {kind: getattr(options, kind) for kind in ("json", "junit", "html")}
    for path in filter(None, outputs.values()):
        check_folder(path)
    contract = SwapContract.from_toml(pathlib.Path(options.contract))
    data = read_arrays(options.data)
    student, read = student_at(options.student)
    teacher = None if options.teacher is None else imported(options.teacher, "--teacher")
    result = contract.check(student, **data, teacher=teacher, n_explained=options.n_explained)
    files = {
        f"{name} file": hashlib.sha256(pathlib.Path(getattr(options, name)).read_bytes())
        for name in ("contract", *read, "data")
    }
    digests = {name: found.hexdigest() for name, found in files.items()}
    result = dataclasses.replace(result, digests=result.digests | digests)
    for kind, path in outputs.items():
        if path is not None:
            getattr(result, f"to_{kind}")(path)
    print(result)
    return result.status


def student_at(name):
    """The student in a file, or at a place in a module.

    Parameters
    ----------
    name : str
        A path, or ``module:object`` if there is no such file.

    Returns
    -------
    student : fitted classifier
        What is in a module is left to the check of the contract to judge.
    read : tuple of str
        "student" if a file was read.
    """
    if PLACE.fullmatch(name) and not os.path.exists(name):
        return imported(name, "student"), ()
    try:
        return SaliencyDistilledClassifier.load(name), ("student",)
    except StudentError as error:
        raise StudentError(
            f"{error} Here: load it in a module, and name it as module:object; see --help."
        ) from error


def read_arrays(path):
    """The arrays of a file that ``numpy.savez`` wrote, by the arguments of ``check``.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    arrays : dict of str to ndarray
        "X", and what else there is of :data:`ARRAYS`.
    """
    name = f"data {os.fspath(path)!r}"
    try:
        with open(path, "rb") as content:
            if content.read(6) == b"\x93NUMPY":
                raise ParameterError(f"{name} holds one array; write it by numpy.savez(path, X=X).")
        with zipfile.ZipFile(path) as archive:
            check_names([one.removesuffix(".npy") for one in archive.namelist()], ARRAYS, name)
            _check_sizes(archive, os.path.getsize(path))
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except ParameterError:
        raise
    except FileNotFoundError as error:
        raise FileMissingError(f"{name}: there is no such file.") from error
    except OSError as error:
        raise PathError(f"{name} cannot be read: {error}.") from error
    except Exception as error:  # zipfile and NumPy raise errors of many kinds
        raise ParameterError(
            f"{name} cannot be read: {str(error).rstrip('.')}. Write it by numpy.savez; labels are "
            "no objects, but numbers, or texts, such as y.astype(str)."
        ) from error
    if "X" not in arrays:
        raise ParameterError(f"{name} has no X, but {sorted(arrays)}; add the series as X.")
    return arrays


def _check_sizes(archive, n_bytes):
    """Raise ValueError unless the arrays of an archive have the sizes that they say they have.

    NumPy takes the memory that the header of an array asks for before it reads the array.
    """
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("it holds an array twice.")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} is compressed by another method than deflate.")
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }
            if version not in read:
                raise ValueError(f"{member.filename} is no array of numbers or texts.")
            shape, _, dtype = read[version](file)
            expected = file.tell() + math.prod(shape) * dtype.itemsize
        compressed = min(member.compress_size, n_bytes)
        if not dtype.hasobject and (
            expected != member.file_size or expected > LARGEST_RATIO * compressed
        ):
            raise ValueError(f"{member.filename} has another size than its header says.")


def imported(name, argument):
    """An object by its place, ``module:object``; modules of the current folder are found.

    Parameters
    ----------
    name : str
    argument : str
        How errors name what was given.

    Returns
    -------
    found : object
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise ParameterError(
            f"{argument} {shown(name)}; expected module:object, such as models:forest."
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # of the user's module
        raise ParameterError(
            f"{argument} {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return found
