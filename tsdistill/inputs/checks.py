"""Values of single arguments: what is refused, and the error that says what was expected."""

from numbers import Integral, Real

import numpy as np

from tsdistill.exceptions import ParameterError


def check_positive(name, value, *, zero=False):
    """Refuse what is no finite number above 0 (or 0 itself, with ``zero``)."""
    if not (_is_real(value) and np.isfinite(value) and (value > 0 or (zero and value == 0))):
        raise ParameterError(
            f"{name}={value!r}; expected a finite number {'of 0 or more' if zero else 'above 0'}."
        )


def check_choice(name, value, known, also=""):
    """Refuse what is none of the known values.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
    known : iterable of str
    also : str, default=""
        What else would be accepted, such as ", or a number".
    """
    if not isinstance(value, str) or value not in tuple(known):
        raise ParameterError(f"{name}={value!r}; expected one of {quoted(known)}{also}.")


def quoted(names):
    """Names as an error lists them: ``'a', 'b'``."""
    return ", ".join(map(repr, names))


def check_share(name, value):
    """Refuse what is no number between 0 and 1."""
    if not (_is_real(value) and 0 < value < 1):
        raise ParameterError(f"{name}={value!r}; expected a number between 0 and 1.")


def check_count(name, value, least=1):
    """Refuse what is no whole number of ``least`` or more."""
    whole = isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    if not whole or value < least:
        expected = "above 0" if least == 1 else f"of {least} or more"
        raise ParameterError(f"{name}={value!r}; expected a whole number {expected}.")


def _is_real(value):
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
