"""What can go wrong, told apart by who has to act.

Every exception of the package derives from :class:`TsdistillError` and from the
built-in exception that a caller would expect, so both ``except TsdistillError``
and ``except ValueError`` work.
"""


class TsdistillError(Exception):
    """Base of every exception that tsdistill raises on purpose."""


class PanelError(TsdistillError, ValueError):
    """The series, labels or weights handed over are not what a panel needs."""


class ParameterError(TsdistillError, ValueError):
    """A constructor or method argument has a value that cannot be used."""


class TeacherError(TsdistillError, ValueError):
    """The teacher cannot be asked, or its answers cannot be used."""


class StudentError(TsdistillError, ValueError):
    """The student cannot be built, or does not give one logit a class."""


class DatasetError(TsdistillError, FileNotFoundError):
    """A data set, or a split of it, is in none of the places where it was looked for."""


class TrainingError(TsdistillError, RuntimeError):
    """Training stopped because its numbers became unusable."""


class HardTeacherWarning(UserWarning):
    """The teacher only ever answers 0 or 1, so its answers carry no soft targets."""


class LeftOutWarning(UserWarning):
    """The teacher knows classes that y has no series of, and that the student will never name."""


class CacheWarning(UserWarning):
    """Answers kept by ``memory`` are damaged or of another version, and are asked for anew."""
