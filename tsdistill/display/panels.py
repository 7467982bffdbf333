"""One panel of a saliency picture: series, or means of a class, with a map; and its colour bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tsdistill.display.style import AGAINST, COLOURS, FOR, pyplot
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.over_series import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

MOST_PANELS = 60
BAR_LENGTH = 2.2  # inches
LANE = 1.25  # from one trace to the next, in heights of a trace
AGAINST_HATCH = "/////"


def check_n_panels(
    n_columns: int, n_rows: int, what: str = "series", a_column: str = "maps"
) -> None:
    """Refuse to draw no panels, or more panels than anyone can read.

    Parameters
    ----------
    n_columns, n_rows : int
    what, a_column : str
        What the columns show, and what is drawn of each, for the error.
    """
    if not 0 < n_columns * n_rows <= MOST_PANELS:
        raise ParameterError(
            f"X has {n_columns} {what} with {n_rows} {a_column} each, which makes "
            f"{n_columns * n_rows} panels; pass from one to {MOST_PANELS} in all, with fewer "
            f"{what} or channels if need be."
        )


def new_figure(width: float, height: float) -> Any:
    """An empty figure of this size, in inches, whose parts are kept from overlapping."""
    return pyplot().figure(figsize=(width, height), layout="constrained")


@dataclass(frozen=True, eq=False)
class Trace:
    """What a panel draws as a line.

    Attributes
    ----------
    values : ndarray of shape (n_timepoints,)
        A series, or the mean of several; NaN after its end and in gaps.
    band : tuple of two arrays of the same shape, default=None
        Between them lie most of the series of which ``values`` is the mean.
    """

    values: FloatArray
    band: tuple[FloatArray, FloatArray] | None = None

    def scaled(self) -> "Trace":
        """The trace with its lowest value at 0 and its highest at 1: channels differ in units."""
        parts = np.array([self.values, *(self.band or ())], dtype=np.float64)
        low = np.nanmin(parts)
        height = np.nanmax(parts) - low
        values, *band = (parts - low) / height if height > 0 else parts - low
        return Trace(values, (band[0], band[1]) if band else None)


def draw_panel(
    ax: "Axes", traces: Sequence[Trace], saliency: FloatArray, *, largest: float, look: str,
    names: Sequence[str] = (), spread: tuple[FloatArray, FloatArray] | None = None,
    tallest: float | None = None,
) -> "ScalarMappable":  # fmt: skip
    """Draw one or more traces, one below the other, over the map that they share.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    traces : list of Trace
        Each is drawn on its own scale.
    saliency : ndarray of shape (n_timepoints,)
    largest : float
        The absolute saliency of the strongest colour.
    look : {"line", "shade"}
        Whether to colour the lines, or the background behind them.
    names : list of str, default=()
        Names of the traces, written beside them.
    spread : tuple of two arrays of shape (n_timepoints,), default=None
        Between them lie most of the maps of which ``saliency`` is the mean.
    tallest : float, default=None
        The absolute saliency of the highest area below the traces. None takes ``largest``.

    Returns
    -------
    image : matplotlib.cm.ScalarMappable
        An artist with the colours.
    """
    n_timepoints = len(saliency)
    has_value = ~np.isnan([trace.values for trace in traces]).all(axis=0)
    end = int(np.flatnonzero(has_value)[-1]) + 1
    time, saliency = np.arange(end), saliency[:end]
    offsets = LANE * np.arange(len(traces))[::-1]
    top = offsets[0] + 1
    image: Any = None
    if look == "shade" or end == 1:
        image = ax.imshow(
            saliency[np.newaxis], cmap=COLOURS, vmin=-largest, vmax=largest, aspect="auto",
            interpolation="nearest", extent=(-0.5, end - 0.5, -0.1, top + 0.1),
        )  # fmt: skip
    for trace, offset in zip(traces, offsets, strict=True):
        scaled = trace.scaled()
        line = scaled.values[:end] + offset
        if scaled.band is not None:
            _draw_band(ax, time, scaled.band[0][:end] + offset, scaled.band[1][:end] + offset)
        if image is None or look == "line":
            image = _coloured_line(ax, time, line, saliency, largest) if end > 1 else image
        if look == "shade" or end == 1:  # a white outline sets the line off from strong colours
            width = 1.4 if len(traces) == 1 else 1.0
            ax.plot(time, line, color="white", linewidth=3 * width, alpha=0.7)
            ax.plot(time, line, color="0.1", linewidth=width)
    height = max(1.0, 0.4 * len(traces))
    base = -0.6 * height
    scale = 0.4 * height / (tallest or largest)
    spread = None if spread is None else (spread[0][:end], spread[1][:end])
    _draw_areas(ax, saliency, base, scale, spread)
    ax.set(xlim=(-0.5, n_timepoints - 0.5), ylim=(base - 0.45 * height, top + 0.12))
    ax.set_yticks([])
    if len(names):
        ax.set_yticks(offsets + 0.5, labels=names, fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return image  # type: ignore[no-any-return]


def _draw_band(ax: "Axes", time: Any, low: FloatArray, high: FloatArray) -> None:
    ax.fill_between(time, low, high, color="0.5", alpha=0.3, linewidth=0, zorder=1.5)


def _coloured_line(
    ax: "Axes", time: Any, line: FloatArray, saliency: FloatArray, largest: float
) -> "ScalarMappable":
    """Draw a line in the colours of the map, with a dark outline."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    points = np.column_stack([time, line])
    coloured = LineCollection(
        np.stack([points[:-1], points[1:]], axis=1), norm=Normalize(-largest, largest),  # type: ignore[arg-type]
        cmap=COLOURS, array=(saliency[:-1] + saliency[1:]) / 2, linewidth=2.6, zorder=3,
        capstyle="round",
    )  # fmt: skip
    ax.plot(time, line, color="0.25", linewidth=3.4, zorder=2)
    ax.add_collection(coloured)
    return coloured


def _draw_areas(
    ax: "Axes", saliency: FloatArray, base: float, scale: float,
    spread: tuple[FloatArray, FloatArray] | None,
) -> None:  # fmt: skip
    """Draw the map as an area, up for the class, hatched and down against it."""
    time, area = np.arange(len(saliency)), base + scale * saliency
    if spread is not None:
        _draw_band(ax, time, base + scale * spread[0], base + scale * spread[1])
    ax.fill_between(time, area, base, where=(saliency >= 0).tolist(), interpolate=True, color=FOR,
                    alpha=0.55, linewidth=0, zorder=2)  # fmt: skip
    ax.fill_between(time, area, base, where=(saliency <= 0).tolist(), interpolate=True,
                    facecolor="none", edgecolor=AGAINST, hatch=AGAINST_HATCH, linewidth=0.4,
                    zorder=2)  # fmt: skip
    ax.axhline(base, color="0.5", linewidth=0.6)


def add_colour_bar(figure: Any, axes: Any, image: "ScalarMappable", largest: float | None) -> None:
    """Add the scale of the colours beside all panels.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or SubFigure
    axes : ndarray of matplotlib.axes.Axes
    image : matplotlib.cm.ScalarMappable
    largest : float or None
        The absolute saliency of the strongest colour. None if panels differ in it, so that only 0
        is marked.
    """
    height = figure.bbox.height / figure.figure.dpi
    bar = figure.colorbar(
        image, ax=axes, shrink=min(0.9, BAR_LENGTH / height), pad=0.01, aspect=20, fraction=0.06
    )
    bar.set_label("against     for", fontsize=9)
    bar.set_ticks([0] if largest is None else [-largest, 0, largest])
    if largest is not None:
        bar.ax.set_yticklabels([f"{v:+.2g}" if v else "0" for v in bar.get_ticks()])


def as_text(title: object) -> str:
    """Text that matplotlib does not take for a formula."""
    return str(title).replace("$", r"\$")
