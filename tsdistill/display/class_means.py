"""Mean series and mean maps of each class: the picture of ``SaliencyDisplay`` of a whole set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.display.panels import (
    AGAINST_HATCH,
    Trace,
    add_colour_bar,
    as_text,
    check_n_panels,
    draw_panel,
    new_figure,
)
from tsdistill.display.style import AGAINST, FOR
from tsdistill.fidelity.map_inputs import classes_of
from tsdistill.fidelity.over_series import FloatArray, mean_interval, quantiles
from tsdistill.fidelity.summaries import MapSummary, summarise_maps

LEVELS = (0.1, 0.9)
FEW = 0.5  # of the series of a class
DOTTED: dict[str, Any] = {
    "facecolor": "none", "edgecolor": "0.75", "hatch": "...", "linewidth": 0
}  # fmt: skip


def draw_class_means(
    X: FloatArray, maps: Mapping[str, FloatArray], groups: Any, names: Sequence[str],
    channels: Sequence[int], *, classes: Sequence[Any] | None, align: str, max_shift: int | None,
    look: str, scale: str, figure: Any,
) -> tuple[Any, Any, MapSummary]:  # fmt: skip
    """Draw a row for each class (and channel with maps of its own), a column for each model.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_channels, n_timepoints), float64
    maps : dict of str to ndarray of shape (n_instances, n_channels or 1, n_timepoints)
    groups : array-like of shape (n_instances,)
    names : list of str of length n_channels
    channels : list of int
        Which to draw.
    classes, align, max_shift, look, scale, figure
        See :meth:`tsdistill.display.SaliencyDisplay.plot`.

    Returns
    -------
    figure : matplotlib.figure.Figure or SubFigure
    axes : ndarray of matplotlib.axes.Axes
    summary : MapSummary
    """
    summary = summarise_maps(
        maps, groups, classes=classes, align=align, X=X, max_shift=max_shift, quantiles=LEVELS
    )
    per_channel = len(summary.channel_names) > 1
    blocks = [[c] for c in channels] if per_channel else [list(channels)]
    n_rows, n_models = len(summary.classes) * len(blocks), len(summary.models)
    check_n_panels(len(summary.classes), len(blocks) * n_models, "classes")
    if figure is None:
        height = 1.15 + 0.35 * max(map(len, blocks))
        figure = new_figure(
            1.6 + 3.7 * n_models, 1.1 + n_rows * (height if len(blocks) == 1 else 1.2)
        )
    axes = figure.subplots(n_rows, n_models, sharex=True, squeeze=False)
    traces = _class_traces(X, groups, classes, summary)
    few = summary.count < FEW * summary.n_series[:, np.newaxis]
    largest, tallest = _scales(summary, few, scale)
    labelled = len(names) > 1
    rows = [(k, block) for k in range(len(summary.classes)) for block in blocks]
    for row, (k, block) in enumerate(rows):
        for i, model in enumerate(summary.models):
            ax, c = axes[row, i], block[0] if per_channel else 0
            image = draw_panel(
                ax, [traces[k][channel] for channel in block], summary.saliency.mean[i, k, c],
                largest=largest[k], tallest=tallest[k], look=look,
                names=[as_text(names[channel]) for channel in block] if labelled and i == 0 else (),
                spread=(summary.quantiles[0][i, k, c], summary.quantiles[1][i, k, c]),
            )  # fmt: skip
            _mark(ax, few[k])
            if block is not blocks[-1]:
                ax.tick_params(bottom=False)
                ax.spines["bottom"].set_visible(False)
            if block is blocks[0]:
                ax.set_title(as_text(model), loc="right", fontsize=9)
                if i == 0:
                    n = summary.n_series[k]
                    ax.set_title(
                        as_text(f"class {summary.classes[k]}, {n} series"),
                        loc="left", fontsize=9, fontweight="bold",
                    )  # fmt: skip
    for ax in axes[-1]:
        ax.set_xlabel(_time_label(summary), fontsize=9)
    add_colour_bar(figure, axes, image, largest[0] if scale == "all" else None)
    handles = _legend_handles(look, bool(few.any()))
    figure.legend(handles=handles, fontsize=8, frameon=False, ncols=(len(handles) + 1) // 2,
                  loc="outside lower center")  # fmt: skip
    return figure, axes, summary


def _class_traces(
    X: FloatArray, groups: Any, classes: Sequence[Any] | None, summary: MapSummary
) -> list[list[Trace]]:
    """The mean series of each class and channel with its spread, on the time axis of the maps."""
    _, class_index = classes_of(groups, len(X), classes)
    rows = np.flatnonzero(class_index >= 0)
    aligned, k = summary.alignment.of(X[rows]), class_index[rows]
    traces = []
    for label in range(len(summary.classes)):
        own = aligned[k == label]
        mean, (low, high) = mean_interval(own, 0.95).mean, quantiles(own, LEVELS)
        traces.append([Trace(mean[c], (low[c], high[c])) for c in range(X.shape[1])])
    return traces


def _scales(
    summary: MapSummary, few: NDArray[np.bool_], scale: str
) -> tuple[FloatArray, FloatArray]:
    """The absolute saliency of the strongest colour, and of the highest area, for each class.

    The former is one that many series have, so that the last of them do not fade all others.
    """
    size = np.abs(summary.saliency.mean)
    largest = np.nanmax(np.where(few[:, np.newaxis], 0, size), axis=(0, 2, 3))
    tallest = np.nanmax(np.abs(summary.quantiles), axis=(0, 1, 3, 4))
    tallest = np.maximum(tallest, np.nanmax(size, axis=(0, 2, 3)))
    if scale == "all":
        largest = np.full_like(largest, largest.max())
        tallest = np.full_like(tallest, tallest.max())
    return np.where(largest > 0, largest, 1), np.where(tallest > 0, tallest, 1)


def _mark(ax: Any, few: NDArray[np.bool_]) -> None:
    """Dot the timesteps that few series have."""
    starts_and_ends = np.flatnonzero(np.diff(few, prepend=False, append=False))
    for start, end in starts_and_ends.reshape(-1, 2):
        ax.axvspan(start - 0.5, end - 0.5, zorder=0.5, **DOTTED)


def _time_label(summary: MapSummary) -> str:
    alignment = summary.alignment
    if alignment.shifts is not None:
        shifts = alignment.shifts
        return f"timestep; series moved by {shifts.min():+d} to {shifts.max():+d}"
    if alignment.align == "relative":
        return f"timestep; each series stretched to {alignment.lengths.max()}"
    return "timestep"


def _legend_handles(look: str, any_few: bool) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    line = "mean series" + (", coloured by the mean map" if look == "line" else "")
    handles: list[Any] = [
        Line2D([], [], color="0.25", linewidth=3, label=line),
        Patch(facecolor="0.5", alpha=0.3, label="10 to 90 % of the series, and of their maps"),
        Patch(facecolor=FOR, alpha=0.55, label="mean map: for the class"),
        Patch(facecolor="none", edgecolor=AGAINST, hatch=AGAINST_HATCH, label="mean map: against"),
    ]
    if any_few:
        handles.append(Patch(**DOTTED | {"linewidth": 0.5}, label="fewer than half of the series"))
    return handles
