"""Checks of single arguments; each raises ParameterError with the value that was expected."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from tsdistill.exceptions import ParameterError

COLDEST, HOTTEST = 0.01, 1000.0
LARGEST = 1e30  # float32 can compute with it
MOST = 2**31 - 1
LONGEST_VALUE = 200
SMALLEST_SHARE = 1e-9


def shown(value: object) -> str:
    """A value in an error message; cut if it is long."""
    try:
        text = repr(value)
    except Exception:  # of an int with thousands of digits, or of the user's class
        return f"<{type(value).__name__}>"
    return cut(text)


def cut(text: str, most: int = LONGEST_VALUE) -> str:
    """A text in an error message; its first ``most`` letters if it is longer."""
    return text if len(text) <= most else text[:most] + "..."


def check_positive(name: str, value: object, *, zero: bool = False) -> None:
    """Require a finite number above 0, or of 0 or more with ``zero=True``."""
    number = _as_float(value)
    if not (0 < number <= LARGEST or (zero and number == 0)):
        at_most = f", at most {LARGEST:g}" if number > LARGEST else ""
        raise ParameterError(
            f"{name}={shown(value)}; expected a finite number "
            f"{'of 0 or more' if zero else 'above 0'}{at_most}."
        )


def check_temperature(name: str, value: object) -> None:
    """Require a temperature with which the softmax of float32 logits can be computed."""
    if not COLDEST <= _as_float(value) <= HOTTEST:
        raise ParameterError(
            f"{name}={shown(value)}; expected a number from {COLDEST:g} to {HOTTEST:g}."
        )


def check_choice(name: str, value: object, known: Iterable[str], also: str = "") -> None:
    """Require one of the known values.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : object
    known : iterable of str
    also : str, default=""
        Further accepted values, for the error, such as ", or a number".
    """
    if not isinstance(value, str) or value not in tuple(known):
        raise ParameterError(f"{name}={shown(value)}; expected one of {quoted(known)}{also}.")


def quoted(names: Iterable[object]) -> str:
    """Format names for an error message: ``'a', 'b'``."""
    return ", ".join(map(repr, names))


def check_share(name: str, value: object) -> None:
    """Require a number between 0 and 1, both excluded, and not so close that it rounds to them."""
    if not SMALLEST_SHARE <= _as_float(value) <= 1 - SMALLEST_SHARE:
        raise ParameterError(
            f"{name}={shown(value)}; expected a number between 0 and 1, at least "
            f"{SMALLEST_SHARE:g} away from both."
        )


def check_rate(name: str, value: object) -> None:
    """Require a number above 0 and of at most 1."""
    if not SMALLEST_SHARE <= _as_float(value) <= 1:
        raise ParameterError(
            f"{name}={shown(value)}; expected a number above 0, at least {SMALLEST_SHARE:g}, and "
            "at most 1."
        )


def check_count(name: str, value: object, least: int = 1) -> None:
    """Require a whole number of ``least`` or more."""
    if not is_whole(value) or not least <= value <= MOST:
        expected = "above 0" if least == 1 else f"of {least} or more"
        at_most = f", at most {MOST}" if is_whole(value) and value > MOST else ""
        raise ParameterError(f"{name}={shown(value)}; expected a whole number {expected}{at_most}.")


def check_flag(name: str, value: object) -> None:
    """Require True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name}={shown(value)}; expected True or False.")


def check_out(out: object, shape: tuple[int, ...]) -> None:
    """Require an array of a shape, of float32 or float64, that can be written to; or None.

    Parameters
    ----------
    out : object
        An array, a memory map, or an array of another library that takes assignments to slices.
    shape : tuple of int
    """
    if out is None:
        return
    found = getattr(out, "shape", None)
    dtype = getattr(out, "dtype", None)
    writeable = getattr(getattr(out, "flags", None), "writeable", hasattr(out, "__setitem__"))
    if found != shape or dtype not in (np.float32, np.float64) or not writeable:
        got = shown(out) if found is None else f"an array of shape {found} and type {dtype}"
        got += "" if writeable or found is None else " that is read-only"
        raise ParameterError(
            f"out is {got}; expected an array of shape {shape} of float32 or float64 that can be "
            "written to."
        )


def is_number(value: object) -> bool:
    """Whether a value is a real number; a bool is none."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _as_float(value: Any) -> float:
    """A real number as a float: infinite if it is too large for one, NaN if it is no number."""
    try:
        return float(value) if is_number(value) else math.nan
    except OverflowError:
        return math.inf


def is_whole(value: object) -> bool:
    """Whether a value is an integer; a bool is none."""
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def as_list(value: Any) -> list[Any]:
    """A list: empty for None, the items of a list or tuple, or a single item."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
