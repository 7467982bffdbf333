"""Exceptions and warnings, one class for each part that a user may have to change.

Every exception of the package derives from :class:`TsdistillError` and from the
built-in exception that fits, such as ValueError, so both ``except TsdistillError``
and ``except ValueError`` work.
"""

import os
import sys
import warnings


class TsdistillError(Exception):
    """Base of every exception that tsdistill raises on purpose."""


class PanelError(TsdistillError, ValueError):
    """The series, labels or weights passed cannot be used."""


class PanelTypeError(PanelError, TypeError):
    """The series, labels or weights passed hold objects of a type that cannot be used."""


class ParameterError(TsdistillError, ValueError):
    """A constructor or method argument has a value that cannot be used."""


class TeacherError(TsdistillError, ValueError):
    """The teacher cannot be queried, or its answers cannot be used."""


class StudentError(TsdistillError, ValueError):
    """The student cannot be built, or does not return one logit per class."""


class DatasetError(TsdistillError, FileNotFoundError):
    """A data set, or one of its splits, was not found in the folders searched."""


class PathError(TsdistillError, OSError):
    """A file cannot be written, or read, at this path."""


class FileMissingError(PathError, FileNotFoundError):
    """The file that is to be read does not exist."""


class SavedFileError(TsdistillError, ValueError):
    """A saved file cannot be used: it is damaged, was changed, or does not fit."""


class ExportError(TsdistillError, ValueError):
    """The fitted student, or a setting of it, cannot be written in the form asked for."""


class MissingExtraError(TsdistillError, ImportError):
    """A package is not installed that only some users need; the message names the extra."""


class FolderMissingError(PathError, FileNotFoundError):
    """The folder in which a file is to be written does not exist."""


class FolderGivenError(PathError, IsADirectoryError):
    """The path of a file that is to be written is that of a folder."""


class OutOfReachError(TsdistillError, ValueError):
    """No student of a size path meets all demands."""


class TrainingError(TsdistillError, RuntimeError):
    """Training failed: loss or answers became NaN or infinite, or the user's code raised."""


class HardTeacherWarning(UserWarning):
    """The teacher's probabilities are all 0 or 1, so they carry no soft targets."""


class TeacherMismatchWarning(UserWarning):
    """The teacher is so often wrong about y that it was hardly fitted on series like X."""


class LeftOutWarning(UserWarning):
    """The teacher knows classes without series in y; the student never predicts them."""


class CacheWarning(UserWarning):
    """Answers cached by ``memory`` are damaged or outdated, or new ones cannot be written."""


class MemorisedWarning(UserWarning):
    """The teacher knows X by heart, and there are no other series to learn its saliency from."""


class MixturesLeftOutWarning(UserWarning):
    """The teacher takes mixtures of series for something else, so ``fit`` leaves them out."""


class SaliencyWeightWarning(UserWarning):
    """The weight of a saliency measure is above those with which it is known to train."""


class TeacherAwayWarning(UserWarning):
    """A SwapMonitor could not ask the teacher, so it audits nothing until it answers again."""


class HookWarning(UserWarning):
    """A function that a SwapMonitor calls when an alarm rings raised an exception."""


class InterruptedWarning(UserWarning):
    """A keyboard interrupt ended the training early; the student trained so far is kept."""


def warn_user(message, category):
    """Warn at the line of the caller outside this package, however deep the fault lies.

    Parameters
    ----------
    message : str
    category : type of warning
    """
    folder, level, frame = os.path.dirname(__file__) + os.sep, 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(folder):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
