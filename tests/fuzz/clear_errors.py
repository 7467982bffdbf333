"""Which errors are clear: of this package, or of scikit-learn's validation, with the argument."""

import os
import re
import traceback
from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import NotFittedError

import tsdistill
from tsdistill.exceptions import TsdistillError

LONGEST_MESSAGE = 2000
OURS = os.path.dirname(tsdistill.__file__)
MISTAKES = (IndexError, KeyError, AttributeError, AssertionError, UnboundLocalError)
"""What only a mistake raises, where our own code does so. As the cause of another error it would
look as if the user's model had failed."""


@dataclass(frozen=True)
class Outcome:
    """The result of a call, or the error that it raised."""

    value: Any = None
    error: Exception | None = None


def outcome_of(call, *names):
    """Call, and require a result or a clear error about one of the named arguments.

    Parameters
    ----------
    call : callable () -> object
    *names : str
        Arguments that may be wrong.
    """
    try:
        return Outcome(call())
    except Exception as error:
        require_clear(error, *names)
        return Outcome(error=error)


def require_as_it_was(estimator, before):
    """The attributes are those of before, and none was put in the place of another."""
    after = vars(estimator)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def require_clear(error, *names):
    """Raise the error itself, with a note, if a user would not learn from it what is wrong."""
    message = str(error)
    where = _raised_in(error)
    if not isinstance(error, (TsdistillError, NotFittedError)):
        fault = "neither an error of tsdistill nor one of scikit-learn's validation"
        if not (isinstance(error, (ValueError, TypeError)) and "/sklearn/utils/" in where):
            error.add_note(fault)
            raise error
    if isinstance(error, NotFittedError):
        return
    cause = error.__cause__
    if isinstance(cause, MISTAKES) and _raised_in(cause).startswith(OURS):
        cause.add_note(f"a mistake of tsdistill, told as: {message}")
        raise cause
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in names):
        error.add_note(f"the message names none of {names}")
        raise error
    if len(message) > LONGEST_MESSAGE:
        error.add_note(f"the message has {len(message)} letters")
        raise error


def _raised_in(error):
    """The file in which an error was raised."""
    return traceback.extract_tb(error.__traceback__)[-1].filename
