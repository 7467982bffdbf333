"""Colours and the import of matplotlib, which all displays share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "RdBu_r"
FOR, AGAINST = "#b2182b", "#2166ac"
TEACHER, STUDENT = "#1b4f72", "#d95f02"
REMEDY = "Displays need matplotlib; pip install matplotlib, or pip install tsdistill[plot]."


def pyplot() -> ModuleType:
    """Import matplotlib.pyplot, or raise an error that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(REMEDY) from error
    return plt


def bare_figure(size: tuple[float, float]) -> Figure:
    """A figure, with its size in inches, that is never shown in a window."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(REMEDY) from error
    return Figure(figsize=size, layout="constrained")


def plain_style() -> AbstractContextManager[None]:
    """A context with matplotlib's default style, whatever style the user has set."""
    try:
        from matplotlib import style
    except ImportError as error:
        raise ImportError(REMEDY) from error
    return style.context("default", after_reset=True)
