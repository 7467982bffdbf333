"""Choices among objects that hypothesis could not compare, or that can be read only once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import note
from hypothesis import strategies as st


@dataclass(frozen=True)
class Made:
    """An object that is made anew for each case, such as an iterator."""

    make: Callable[[], Any]


def among(values):
    """One of some objects, which need not be hashable."""
    return _among(list(values))


@st.composite
def _among(draw, values):
    chosen = values[draw(st.integers(0, len(values) - 1))]
    chosen = chosen.make() if isinstance(chosen, Made) else chosen
    try:
        note(f"Chosen: {chosen!r}")
    except Exception:  # some have no representation
        note(f"Chosen: {type(chosen).__name__}")
    return chosen
