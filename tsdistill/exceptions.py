"""Exceptions and warnings, one class for each part that a user may have to change.

Every exception of the package derives from :class:`TsdistillError` and from the
built-in exception that fits, such as ValueError, so both ``except TsdistillError``
and ``except ValueError`` work.
"""

import os
import sys
import warnings

from tsdistill._warnings import (
    BatchHalvedWarning,
    CacheWarning,
    HardTeacherWarning,
    HookWarning,
    InterruptedWarning,
    LeftOutWarning,
    MemorisedWarning,
    MixturesLeftOutWarning,
    SaliencyWeightWarning,
    TeacherAwayWarning,
    TeacherMismatchWarning,
)

__all__ = [
    "BatchHalvedWarning",
    "CacheWarning",
    "DatasetError",
    "ExportError",
    "FileMissingError",
    "FolderGivenError",
    "FolderMissingError",
    "HardTeacherWarning",
    "HookWarning",
    "InterruptedWarning",
    "LeftOutWarning",
    "MemorisedWarning",
    "MissingExtraError",
    "MixturesLeftOutWarning",
    "OutOfReachError",
    "PanelError",
    "PanelTypeError",
    "ParameterError",
    "PathError",
    "SaliencyWeightWarning",
    "SavedFileError",
    "StudentError",
    "TeacherAwayWarning",
    "TeacherError",
    "TeacherMismatchWarning",
    "TeacherTimeoutError",
    "TrainingError",
    "TsdistillError",
]


class TsdistillError(Exception):
    """Base of every exception that tsdistill raises on purpose.

    See Also
    --------
    ParameterError : The error of an argument, one of many that derive from this one.

    Examples
    --------
    >>> from tsdistill.exceptions import TsdistillError
    >>> from tsdistill.students import Lite
    >>> try:
    ...     Lite(pool=2).build(n_channels=1, n_timepoints=50, n_classes=2)
    ... except TsdistillError as error:
    ...     print(error)
    Lite.pool=2; expected an odd number, or None.
    """


class PanelError(TsdistillError, ValueError):
    """The series, labels or weights passed cannot be used.

    See Also
    --------
    PanelTypeError : If they are of a type that cannot be used.
    tsdistill.SaliencyDistilledClassifier.fit : Checks series, labels and weights before it trains.

    Examples
    --------
    >>> from tsdistill.datasets import load_ucr
    >>> load_ucr("JapaneseVowels")
    Traceback (most recent call last):
    tsdistill.exceptions.PanelError: ... has series of unequal length: ...
    """


class PanelTypeError(PanelError, TypeError):
    """The series, labels or weights passed hold objects of a type that cannot be used.

    See Also
    --------
    PanelError : If their values cannot be used.

    Examples
    --------
    >>> from tsdistill.exceptions import PanelTypeError
    >>> issubclass(PanelTypeError, TypeError)
    True
    """


class ParameterError(TsdistillError, ValueError):
    """A constructor or method argument has a value that cannot be used.

    See Also
    --------
    PanelError : If series, labels or weights cannot be used.
    StudentError : If the student cannot be used.
    TeacherError : If the teacher cannot be used.

    Examples
    --------
    >>> from tsdistill.students import Lite
    >>> Lite(pool=2).build(n_channels=1, n_timepoints=50, n_classes=2)
    Traceback (most recent call last):
    tsdistill.exceptions.ParameterError: Lite.pool=2; expected an odd number, or None.
    """


class TeacherError(TsdistillError, ValueError):
    """The teacher cannot be queried, or its answers cannot be used.

    See Also
    --------
    TeacherTimeoutError : If it does not answer in time.
    tsdistill.Teacher : Says how a model is asked, if it is not found out.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> X, y = np.eye(4, 10), [0, 1, 0, 1]
    >>> SaliencyDistilledClassifier(teacher=3).fit(X, y)
    Traceback (most recent call last):
    tsdistill.exceptions.TeacherError: teacher int has neither predict_proba nor ...
    """


class TeacherTimeoutError(TeacherError, TimeoutError):
    """The teacher did not answer within its ``timeout``.

    See Also
    --------
    tsdistill.Teacher : Takes a ``timeout``.

    Examples
    --------
    >>> import time
    >>> import numpy as np
    >>> from tsdistill import SaliencyDistilledClassifier, Teacher
    >>> def hanging(X):
    ...     time.sleep(1.0)
    ...     return np.full((len(X), 2), 0.5)
    >>> teacher = Teacher(hanging, timeout=0.1)
    >>> SaliencyDistilledClassifier(teacher).fit(np.eye(4, 10), [0, 1, 0, 1])
    Traceback (most recent call last):
    tsdistill.exceptions.TeacherTimeoutError: teacher hanging gave no answer to 2 series ...
    """


class StudentError(TsdistillError, ValueError):
    """The student cannot be built, or does not return one logit per class.

    See Also
    --------
    tsdistill.students : Students that can be built for any series.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> def teacher(X):
    ...     return np.full((len(X), 2), 0.5)
    >>> SaliencyDistilledClassifier(teacher, student="large").fit(np.eye(4, 10), [0, 1, 0, 1])
    Traceback (most recent call last):
    tsdistill.exceptions.StudentError: student='large'; expected one of 'lite', ...
    """


class DatasetError(TsdistillError, FileNotFoundError):
    """A data set, or one of its splits, was not found in the folders searched.

    See Also
    --------
    tsdistill.datasets.load_ucr : Loads a data set of the UCR archive.

    Examples
    --------
    >>> from tsdistill.datasets import load_ucr
    >>> load_ucr("GunPiont")
    Traceback (most recent call last):
    tsdistill.exceptions.DatasetError: ... Did you mean 'GunPoint'? ...
    """


class PathError(TsdistillError, OSError):
    """A file cannot be written, or read, at this path.

    See Also
    --------
    FileMissingError : If the file to be read does not exist.
    FolderMissingError : If the folder of the file does not exist.
    FolderGivenError : If the path is that of a folder.

    Examples
    --------
    >>> from tsdistill.exceptions import PathError
    >>> issubclass(PathError, OSError)
    True
    """


class FileMissingError(PathError, FileNotFoundError):
    """The file that is to be read does not exist.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.load : Reads a file that ``save`` wrote.

    Examples
    --------
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> SaliencyDistilledClassifier.load("missing.tsdistill")
    Traceback (most recent call last):
    tsdistill.exceptions.FileMissingError: path='missing.tsdistill': there is no such file.
    """


class SavedFileError(TsdistillError, ValueError):
    """A saved file cannot be used: it is damaged, was changed, or does not fit.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.load : Reads a file that ``save`` wrote.

    Examples
    --------
    >>> import tempfile
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     SaliencyDistilledClassifier.load(file.name)
    Traceback (most recent call last):
    tsdistill.exceptions.SavedFileError: path=...: the end of the file is not that of ...
    """


class ExportError(TsdistillError, ValueError):
    """The fitted student, or a setting of it, cannot be written in the form asked for.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.save : Writes any student that tsdistill builds.
    tsdistill.SaliencyDistilledClassifier.to_onnx : Writes most students that torch can export.

    Examples
    --------
    >>> from tsdistill.exceptions import ExportError
    >>> issubclass(ExportError, ValueError)
    True
    """


class MissingExtraError(TsdistillError, ImportError):
    """A package is not installed that only some users need; the message names the extra.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.to_onnx : Needs the extra "onnx".
    tsdistill.SaliencyDistilledClassifier.save : Needs the extra "save".

    Examples
    --------
    >>> from tsdistill.exceptions import MissingExtraError
    >>> issubclass(MissingExtraError, ImportError)
    True
    """


class FolderMissingError(PathError, FileNotFoundError):
    """The folder in which a file is to be written does not exist.

    See Also
    --------
    FolderGivenError : If the path is that of a folder.

    Examples
    --------
    >>> from tsdistill.exceptions import FolderMissingError
    >>> issubclass(FolderMissingError, FileNotFoundError)
    True
    """


class FolderGivenError(PathError, IsADirectoryError):
    """The path of a file that is to be written is that of a folder.

    See Also
    --------
    FolderMissingError : If the folder of the file does not exist.

    Examples
    --------
    >>> from tsdistill.exceptions import FolderGivenError
    >>> issubclass(FolderGivenError, IsADirectoryError)
    True
    """


class OutOfReachError(TsdistillError, ValueError):
    """No student of a size path meets all demands.

    See Also
    --------
    tsdistill.size_path : Trains students of several sizes.

    Examples
    --------
    >>> from tsdistill.exceptions import OutOfReachError
    >>> issubclass(OutOfReachError, ValueError)
    True
    """


class TrainingError(TsdistillError, RuntimeError):
    """Training failed: loss or answers became NaN or infinite, or the user's code raised.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.fit : Trains the student.
    InterruptedWarning : If a keyboard interrupt ended the training.

    Examples
    --------
    >>> from tsdistill.exceptions import TrainingError
    >>> issubclass(TrainingError, RuntimeError)
    True
    """


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line of the caller outside this package, however deep the fault lies.

    Parameters
    ----------
    message : str
        What the user reads.
    category : type of Warning
        Of this module.
    """
    folder, level, frame = os.path.dirname(__file__) + os.sep, 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(folder):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
