"""SaliencyDisplay: series, coloured by what each timestep did for the prediction."""

import numpy as np

from tsdistill.display.style import AGAINST, COLOURS, FOR, pyplot
from tsdistill.exceptions import ParameterError
from tsdistill.explainers.registry import find_explainer
from tsdistill.fidelity.scorers import holder_of_student
from tsdistill.inputs.checks import check_choice
from tsdistill.inputs.lengths import lengths_of

MOST_PANELS = 60
KINDS, SCALES = ("line", "shade"), ("series", "all")
BAR_LENGTH = 2.2  # inches


def check_n_panels(n_instances, n_rows):
    """Refuse to draw no panels, or more panels than anyone can read."""
    if not 0 < n_instances * n_rows <= MOST_PANELS:
        raise ParameterError(
            f"X has {n_instances} series with {n_rows} maps each, which makes "
            f"{n_instances * n_rows} panels; pass from one to {MOST_PANELS} in all, with fewer "
            "series or channels if need be."
        )


def check_look(kind, scale):
    """Refuse an unknown ``kind`` or ``scale``."""
    check_choice("kind", kind, KINDS)
    check_choice("scale", scale, SCALES)


class SaliencyDisplay:
    """Series, coloured by what each timestep did for the prediction of one or more models.

    There is a row for each model (and for each channel, if there is a map for each), and a column
    for each series. If one map is for all of several channels, they are drawn over it in black,
    each on its own scale. Red timesteps speak for the class and blue ones against it, on a
    symmetric colour scale. Below each series its map is drawn again as an area: above the line it
    speaks for the class, and hatched below the line against it, so that the picture can be read
    in grey and by the colour-blind.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_channels, n_timepoints)
    maps : dict of str to ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        The map of each model, by its name. Positive speaks for the class.
    titles : list of str of length n_instances, default=None
        Titles of the columns.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes
        One row for each model (times channels), one column for each series. Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.linspace(0, 6, 40))[np.newaxis, np.newaxis]
    >>> SaliencyDisplay(X, {"model": X[:, 0] ** 3}).plot().axes_.shape
    (1, 1)
    """

    def __init__(self, X, maps, *, titles=None):
        self.X = X
        self.maps = maps
        self.titles = titles

    @classmethod
    def from_estimator(
        cls, estimator, X, *, target=None, of=("student", "teacher"), method="occlusion",
        fill=None, per_channel=False, titles=None, kind="line", scale="series", figure=None,
    ):  # fmt: skip
        """Explain series with a fitted classifier, and draw the maps.

        Parameters
        ----------
        estimator : fitted SaliencyDistilledClassifier or SaliencyDistilledTSC
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            A few series: each takes a column.
        target : label, or array-like of shape (n_instances,), default=None
            The class to explain. None takes the teacher's prediction for both models.
        of : "student", "teacher", or a tuple of them, default=("student", "teacher")
            Whose maps are drawn, from top to bottom.
        method, fill, per_channel
            See :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
        titles : list of str, default=None
            A title for each series. None shows the row in X, the class, and the student's
            prediction if it differs.
        kind, scale, figure
            See :meth:`plot`.

        Returns
        -------
        display : SaliencyDisplay
        """
        check_look(kind, scale)
        of = (of,) if isinstance(of, str) else tuple(of)
        estimator, X = holder_of_student(estimator, X, "_compare", "SaliencyDisplay cannot draw")
        comparison = estimator._compare(X)
        n_channels = comparison.panel.shape[1] if per_channel else 1
        check_n_panels(len(comparison.panel), n_channels * len(of))
        options = {"method": method, "fill": fill, "per_channel": per_channel, "target": target}
        if target is None:
            target = estimator.classes_[comparison.target]
        if not find_explainer(method, fill).own_maps_only:
            options["target"] = target
        maps = {name: estimator.explain(X, of=name, **options) for name in of}
        if titles is None:
            labels = np.broadcast_to(target, len(comparison.panel))
            predicted = estimator.classes_[comparison.log_proba["student"].argmax(axis=1)]
            titles = [
                f"series {i}, class {label}" + (f" (student: {other})" if other != label else "")
                for i, (label, other) in enumerate(zip(labels, predicted, strict=True))
            ]
        return cls(comparison.panel, maps, titles=titles).plot(
            kind=kind, scale=scale, figure=figure
        )

    def plot(self, *, kind="line", scale="series", figure=None):
        """Draw every series with the map of every model.

        Parameters
        ----------
        kind : {"line", "shade"}, default="line"
            Whether to colour the line, or the background behind it.
        scale : {"series", "all"}, default="series"
            Whether the strongest colour stands for the largest absolute value of each series, or
            of all series. All models share the scale, so that their maps can be compared.
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : SaliencyDisplay
        """
        maps = self._checked(kind, scale)
        n, n_channels, _ = np.shape(self.X)
        names = list(maps)
        shared = n_channels > 1 and all(m.shape[1] == 1 for m in maps.values())
        channels = [slice(None)] if shared else [slice(c, c + 1) for c in range(n_channels)]
        n_rows = len(channels) * len(names)
        if figure is None:
            size = (max(4.5, 0.8 + 3.2 * n), 0.9 + 1.65 * n_rows)
            figure = pyplot().figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n, sharex=True, squeeze=False)
        largest = np.max([np.nanmax(np.abs(m), axis=(1, 2)) for m in maps.values()], axis=0)
        largest = np.full(n, largest.max()) if scale == "all" else largest
        rows = [(name, channel) for channel in channels for name in names]
        for row, (name, channel) in enumerate(rows):
            for i in range(n):
                ax = axes[row, i]
                saliency = (
                    maps[name][i, channel][0] if maps[name].shape[1] > 1 else maps[name][i, 0]
                )
                image = _draw_map(
                    ax, np.asarray(self.X[i])[channel], saliency, largest[i] or 1.0, kind
                )
                if i == 0:
                    which = f"\nchannel {channel.start}" if len(channels) > 1 else ""
                    ax.set_ylabel(f"{name}{which}", fontsize=9)
                if row == 0 and self.titles is not None:
                    ax.set_title(str(self.titles[i]).replace("$", r"\$"), fontsize=9)
                if row == n_rows - 1:
                    ax.set_xlabel("timestep", fontsize=9)
        height = figure.bbox.height / figure.figure.dpi
        bar = figure.colorbar(
            image, ax=axes, shrink=min(0.9, BAR_LENGTH / height), pad=0.01, aspect=20, fraction=0.06
        )
        bar.set_label("against     for", fontsize=9)
        bar.set_ticks([0] if scale == "series" else [-largest[0], 0, largest[0]])
        if scale == "all":
            bar.ax.set_yticklabels([f"{v:+.2g}" if v else "0" for v in bar.get_ticks()])
        self.figure_, self.axes_ = figure, axes
        return self

    def _checked(self, kind, scale):
        check_look(kind, scale)
        X = np.asarray(self.X)
        usable = X.ndim == 3 and X.dtype.kind in "biuf" and bool((lengths_of(X) > 0).all())
        if usable:  # NaN may follow the end of a series, and stand in gaps
            after_end = np.arange(X.shape[-1]) >= lengths_of(X)[:, np.newaxis]
            usable = not np.isinf(X).any()
        if not usable or not isinstance(self.maps, dict) or not self.maps:
            raise ParameterError(
                f"X has shape {X.shape} and maps is a {type(self.maps).__name__}; expected finite "
                "series of shape (n_instances, n_channels, n_timepoints), and a dict with at least "
                "one map, by name."
            )
        if self.titles is not None and len(self.titles) != len(X):
            raise ParameterError(
                f"titles has {len(self.titles)} entries for {len(X)} series; expected one for each."
            )
        maps = {name: np.asarray(m) for name, m in self.maps.items()}
        for name, m in maps.items():
            if m.shape not in (X.shape, X[:, 0].shape):
                raise ParameterError(
                    f"maps[{name!r}] has shape {m.shape} for X of shape {X.shape}; expected "
                    "(n_instances, n_timepoints), or the shape of X."
                )
            bad = ~np.isfinite(m) & ~(after_end if m.ndim == 2 else after_end[:, np.newaxis])
            if bad.any():
                raise ParameterError(
                    f"maps[{name!r}] has NaN or infinity in {bad.sum()} places; expected none."
                )
        maps = {name: m[:, np.newaxis] if m.ndim == 2 else m for name, m in maps.items()}
        check_n_panels(len(X), len(maps) * max(m.shape[1] for m in maps.values()))
        return maps


def _draw_map(ax, series, saliency, largest, kind):
    """Draw one or more channels over their map; return the artist with the colours."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    edges = (-0.5, series.shape[1] - 0.5)
    end = lengths_of(series[np.newaxis])[0]
    series, saliency = series[:, :end], saliency[:end]
    if len(series) > 1:  # channels may have different units
        lowest = np.nanmin(series, axis=1, keepdims=True)
        spread = np.nanmax(series, axis=1, keepdims=True) - lowest
        series = (series - lowest) / np.where(spread > 0, spread, 1)
    time = np.arange(series.shape[1])
    low = np.nanmin(series)
    height = np.nanmax(series) - low or 1.0
    base = low - 0.6 * height
    look = {"norm": Normalize(-largest, largest), "cmap": COLOURS}
    if kind == "line" and len(series) == 1 and len(time) > 1:
        points = np.column_stack([time, series[0]])
        image = LineCollection(
            np.stack([points[:-1], points[1:]], axis=1), **look,
            array=(saliency[:-1] + saliency[1:]) / 2, linewidth=2.6, zorder=3, capstyle="round",
        )  # fmt: skip
        ax.plot(time, series[0], color="0.25", linewidth=3.4, zorder=2)
        ax.add_collection(image)
    else:
        image = ax.imshow(
            saliency[np.newaxis], **look, aspect="auto", interpolation="nearest",
            extent=(-0.5, end - 0.5, low - 0.1 * height, low + 1.1 * height),
        )  # fmt: skip
        width = 1.4 if len(series) == 1 else 0.8
        for channel in series:  # a white outline sets the line off from strong colours
            ax.plot(time, channel, color="white", linewidth=3 * width, alpha=0.7)
        for channel in series:
            ax.plot(time, channel, color="0.1", linewidth=width)
    area = base + 0.4 * height * saliency / largest
    ax.fill_between(time, area, base, where=saliency >= 0, interpolate=True, color=FOR, alpha=0.55,
                    linewidth=0)  # fmt: skip
    ax.fill_between(time, area, base, where=saliency <= 0, interpolate=True, facecolor="none",
                    edgecolor=AGAINST, hatch="/////", linewidth=0.4)  # fmt: skip
    ax.axhline(base, color="0.5", linewidth=0.6)
    ax.set(xlim=edges, yticks=[], ylim=(base - 0.45 * height, low + 1.12 * height))
    ax.spines[["top", "right", "left"]].set_visible(False)
    return image
