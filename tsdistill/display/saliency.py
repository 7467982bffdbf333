"""SaliencyDisplay: series, or means of classes, coloured by what each timestep did."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsdistill.display.channel_choice import (
    choose_channels,
    count_rows,
    find_channel_names,
)
from tsdistill.display.class_means import draw_class_means
from tsdistill.display.panels import (
    Trace,
    add_colour_bar,
    as_text,
    check_n_panels,
    draw_panel,
    new_figure,
)
from tsdistill.exceptions import ParameterError, warn_user
from tsdistill.explainers.registry import find_explainer
from tsdistill.fidelity.map_inputs import classes_of
from tsdistill.fidelity.over_series import FloatArray
from tsdistill.fidelity.scorers import holder_of_student
from tsdistill.fidelity.summaries import MapSummary
from tsdistill.inputs.checks import check_choice
from tsdistill.inputs.labels import target_indices
from tsdistill.inputs.lengths import lengths_of

TITLES_OF_SERIES = "titles are those of series; leave them out with kind='class'."
KINDS, LOOKS, SCALES = ("series", "class"), ("line", "shade"), ("series", "all")


class SaliencyDisplay:
    """Series, or the means of each class, coloured by what each timestep did for the prediction.

    Red timesteps speak for the class and blue ones against it, on a symmetric colour scale. Below
    each series its map is drawn again as an area: above the line it speaks for the class, and
    hatched below the line against it, so that the picture can be read in grey and by the
    colour-blind. Each channel is drawn on its own scale.

    ``kind="series"`` has a column for each series and a row for each model. If there is a map for
    each channel, each has a row of its own; if one map is for all of several channels, they are
    drawn one below the other, in its colours. ``kind="class"`` has a row for each class (and for
    each channel with maps of its own) and a column for each model: the mean series, with a band in
    which 80 % of the series lie at each timestep, and the mean map, with such a band of its own.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_channels, n_timepoints)
        The series.
    maps : dict of str to ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        The map of each model, by its name. Positive speaks for the class.
    titles : list of str of length n_instances, default=None
        Titles of the columns of ``kind="series"``.
    groups : array-like of shape (n_instances,), default=None
        The class of each series, for ``kind="class"``.
    channel_names : list of str of length n_channels, default=None
        None calls them "channel 0" and so on.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes
        The panels, in rows and columns. Set by :meth:`plot`.
    summary_ : MapSummary or None
        The numbers of ``kind="class"``, with the number of series at each timestep.

    See Also
    --------
    ChannelImportanceDisplay : How much of the absolute saliency each channel carries.
    tsdistill.fidelity.summarise_maps : The means, and more, as numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.display import SaliencyDisplay
    >>> X = np.sin(np.linspace(0, 6, 40))[np.newaxis, np.newaxis]
    >>> SaliencyDisplay(X, {"model": X[:, 0] ** 3}).plot().axes_.shape
    (1, 1)
    >>> X = np.concatenate([X, 2 * X, -X])
    >>> display = SaliencyDisplay(X, {"model": X[:, 0] ** 3}, groups=["up", "up", "down"])
    >>> display.plot(kind="class").axes_.shape
    (2, 1)
    """

    figure_: Any
    axes_: Any
    summary_: MapSummary | None

    def __init__(
        self, X: Any, maps: Mapping[str, Any], *, titles: Sequence[str] | None = None,
        groups: Any = None, channel_names: Sequence[Any] | None = None,
    ) -> None:  # fmt: skip
        self.X = X
        self.maps = maps
        self.titles = titles
        self.groups = groups
        self.channel_names = channel_names

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, target: Any = None,
        of: str | Sequence[str] = ("student", "teacher"), method: str = "occlusion",
        fill: str | None = None, per_channel: bool = False, titles: Sequence[str] | None = None,
        channel_names: Sequence[Any] | None = None, kind: str = "series", look: str = "line",
        scale: str = "series", channels: Any = None, classes: Sequence[Any] | None = None,
        align: str = "none", max_shift: int | None = None, figure: Any = None,
    ) -> "SaliencyDisplay":  # fmt: skip
        """Explain series with a fitted classifier, and draw the maps.

        Parameters
        ----------
        estimator : SaliencyDistilledClassifier or SaliencyDistilledTSC
            Fitted; or a fitted search or Pipeline around one.
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            For ``kind="series"`` a few series, each of which takes a column; for ``kind="class"``
            a whole set, held out from ``fit``.
        target : label, or array-like of shape (n_instances,), default=None
            The class to explain. None takes the teacher's prediction for both models. With
            ``kind="class"`` it is also the class to which a series is counted.
        of : "student", "teacher", or a tuple of them, default=("student", "teacher")
            Whose maps are drawn, in this order.
        method : str, default="occlusion"
            The explainer, see :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
        fill : {"opposing", "mean", "zero"}, default=None
            The baseline, see there.
        per_channel : bool, default=False
            Whether each channel has a map of its own.
        titles : list of str, default=None
            A title for each series. None shows the row in X, the class, and the student's
            prediction if it differs.
        channel_names : list of str, default=None
            None takes the column names of X, if it is in a format of sktime that has them, or
            those of the series of ``fit``.
        kind : {"series", "class"}, default="series"
            Whether to draw each series, or means of the series of each class.
        look : {"line", "shade"}, default="line"
            What is coloured, see :meth:`plot`.
        scale : {"series", "all"}, default="series"
            What shares the scale of the colours, see :meth:`plot`.
        channels : int, str, or list of them, default=None
            The channels to draw, by index or name. None draws the most important, see
            :meth:`plot`.
        classes : list of labels, default=None
            The classes to draw, for ``kind="class"``. None draws all.
        align : {"none", "relative", "shift"}, default="none"
            How series are put on one time axis, for ``kind="class"``, see :meth:`plot`.
        max_shift : int, default=None
            Largest shift of ``align="shift"``. None takes a tenth of the longest series.
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        SaliencyDisplay
            The display, drawn.

        Raises
        ------
        ParameterError
            If an argument has a value that cannot be used, or does not go with the kind.
        """
        kind, look = without_old_names(kind, look)
        check_arguments(kind, look, scale, classes, align, max_shift)
        if titles is not None and kind == "class":
            raise ParameterError(TITLES_OF_SERIES)
        models = (of,) if isinstance(of, str) else tuple(of)
        passed = X
        estimator, X = holder_of_student(estimator, X, "_compare", "SaliencyDisplay cannot draw")
        comparison = estimator._compare(X)
        n, n_channels, _ = comparison.panel.shape
        sources = X, passed, estimator._channel_names
        names = find_channel_names(channel_names, n_channels, *sources)
        n_rows = len(models) * count_rows(channels, names, per_channel)
        if kind == "series":  # before the models are queried for long
            check_n_panels(n, n_rows)
        options = {"method": method, "fill": fill, "per_channel": per_channel, "target": target}
        if target is None:
            target = estimator.classes_[comparison.target]
        if not find_explainer(method, fill).own_maps_only:
            options["target"] = target
        labels = estimator.classes_[target_indices(target, estimator.classes_, n)]
        if kind == "class":
            check_n_panels(len(classes_of(labels, n, classes)[0]), n_rows, "classes")
        maps = {name: estimator.explain(X, of=name, **options) for name in models}
        if titles is None and kind == "series":
            predicted = estimator.classes_[comparison.log_proba["student"].argmax(axis=1)]
            titles = [
                f"series {i}, class {label}" + (f" (student: {other})" if other != label else "")
                for i, (label, other) in enumerate(zip(labels, predicted, strict=True))
            ]
        panel = np.asarray(comparison.panel[:])
        display = cls(panel, maps, titles=titles, groups=labels, channel_names=names)
        return display.plot(
            kind=kind, look=look, scale=scale, channels=channels, classes=classes, align=align,
            max_shift=max_shift, figure=figure,
        )  # fmt: skip

    def plot(
        self, *, kind: str = "series", look: str = "line", scale: str = "series",
        channels: Any = None, classes: Sequence[Any] | None = None, align: str = "none",
        max_shift: int | None = None, figure: Any = None,
    ) -> "SaliencyDisplay":  # fmt: skip
        """Draw every series, or the mean of every class, with the map of every model.

        Parameters
        ----------
        kind : {"series", "class"}, default="series"
            Whether to draw each series, or means of the series of each class.
        look : {"line", "shade"}, default="line"
            Whether to colour the line, or the background behind it.
        scale : {"series", "all"}, default="series"
            Whether the strongest colour stands for the largest absolute value of each series (or
            of the mean maps of each class), or of all. All models share the scale, so that their
            maps can be compared.
        channels : int, str, or list of them, default=None
            The channels to draw, by index or name. None draws all channels if they are few, else
            the three that carry most of the absolute saliency, or the first eight if one map is
            for all of them; the title says how many are left out.
        classes : list of labels, default=None
            The classes to draw, for ``kind="class"``. None draws all.
        align : {"none", "relative", "shift"}, default="none"
            How the series of a class are put on one time axis, for ``kind="class"``, see
            :func:`tsdistill.fidelity.summarise_maps`.
        max_shift : int, default=None
            Largest shift of ``align="shift"``. None takes a tenth of the longest series.
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        SaliencyDisplay
            This display.

        Raises
        ------
        ParameterError
            If series and maps do not fit, an argument has a value that cannot be used or does not
            go with the kind, or there would be more panels than anyone can read.
        """
        kind, look = without_old_names(kind, look)
        check_arguments(kind, look, scale, classes, align, max_shift)
        X, maps = self._checked()
        names = find_channel_names(self.channel_names, X.shape[1])
        chosen, title = choose_channels(channels, names, maps)
        if kind == "class":
            if self.groups is None:
                raise ParameterError(
                    "kind='class' needs the class of each series, but groups is None; pass "
                    "groups to SaliencyDisplay."
                )
            if self.titles is not None:
                raise ParameterError(TITLES_OF_SERIES)
            self.figure_, self.axes_, self.summary_ = draw_class_means(
                X, maps, self.groups, names, chosen, classes=classes, align=align,
                max_shift=max_shift, look=look, scale=scale, figure=figure,
            )  # fmt: skip
        else:
            self.summary_ = None
            self.figure_, self.axes_ = self._draw_series(
                X, maps, names, chosen, look, scale, figure
            )
        if title is not None:
            self.figure_.suptitle(title, fontsize=9)
        return self

    def _draw_series(
        self, X: FloatArray, maps: Mapping[str, FloatArray], names: Sequence[str],
        chosen: Sequence[int], look: str, scale: str, figure: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Draw a column for each series, and a row for each model and channel with own maps."""
        n, per_channel = len(X), any(m.shape[1] > 1 for m in maps.values())
        blocks = [[c] for c in chosen] if per_channel else [list(chosen)]
        lanes = not per_channel and len(names) > 1
        rows = [(block, model) for block in blocks for model in maps]
        check_n_panels(n, len(rows))
        if figure is None:
            height = 1.2 + 0.45 * max(map(len, blocks))
            figure = new_figure(max(4.5, 0.8 + 3.2 * n), 0.9 + height * len(rows))
        axes = figure.subplots(len(rows), n, sharex=True, squeeze=False)
        largest = np.max([np.nanmax(np.abs(m), axis=(1, 2)) for m in maps.values()], axis=0)
        largest = np.full(n, largest.max()) if scale == "all" else largest
        for row, (block, model) in enumerate(rows):
            for i in range(n):
                ax, m = axes[row, i], maps[model]
                image = draw_panel(
                    ax, [Trace(X[i, channel]) for channel in block],
                    m[i, block[0] if m.shape[1] > 1 else 0], largest=largest[i] or 1.0, look=look,
                    names=[as_text(names[c]) for c in block] if i == 0 and lanes else (),
                )  # fmt: skip
                if i == 0:
                    which = f"\n{as_text(names[block[0]])}" if per_channel else ""
                    ax.set_ylabel(f"{as_text(model)}{which}", fontsize=9)
                if row == 0 and self.titles is not None:
                    ax.set_title(as_text(self.titles[i]), fontsize=9)
                if row == len(rows) - 1:
                    ax.set_xlabel("timestep", fontsize=9)
        add_colour_bar(figure, axes, image, largest[0] if scale == "all" else None)
        return figure, axes

    def _checked(self) -> tuple[FloatArray, dict[str, FloatArray]]:
        X = np.asarray(self.X)
        usable = X.ndim == 3 and X.dtype.kind in "biuf" and bool((lengths_of(X) > 0).all())
        if usable:  # NaN may follow the end of a series, and stand in gaps
            after_end = np.arange(X.shape[-1]) >= lengths_of(X)[:, np.newaxis]
            usable = not np.isinf(X).any()
        if not usable or not isinstance(self.maps, Mapping) or not self.maps:
            raise ParameterError(
                f"X has shape {X.shape} and maps is a {type(self.maps).__name__} of "
                f"{len(self.maps) if isinstance(self.maps, Mapping) else 'no'} maps; expected "
                "finite series of shape (n_instances, n_channels, n_timepoints), and a dict with "
                "at least one map, by name."
            )
        if self.titles is not None and len(self.titles) != len(X):
            raise ParameterError(
                f"titles has {len(self.titles)} entries for {len(X)} series; expected one for each."
            )
        maps = {str(name): np.asarray(m) for name, m in self.maps.items()}
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
        by_channel = {name: m[:, np.newaxis] if m.ndim == 2 else m for name, m in maps.items()}
        return X.astype(np.float64), by_channel


def without_old_names(kind: str, look: str) -> tuple[str, str]:
    """The kind and look that are meant by ``kind="line"`` or ``"shade"``, which 0.1 took."""
    if not isinstance(kind, str) or kind not in LOOKS:
        return kind, look
    warn_user(
        f"kind={kind!r} is now look={kind!r}; kind says whether series or classes are drawn. The "
        "old name ends with version 0.3.",
        FutureWarning,
    )
    return "series", kind


def check_arguments(
    kind: str, look: str, scale: str, classes: Any, align: str, max_shift: Any
) -> None:
    """Refuse unknown values, and arguments that do not go with the kind of picture."""
    check_choice("kind", kind, KINDS)
    check_choice("look", look, LOOKS)
    check_choice("scale", scale, SCALES)
    if kind == "series" and (classes is not None or align != "none" or max_shift is not None):
        raise ParameterError(
            f"classes={classes!r}, align={align!r} and max_shift={max_shift!r} with kind='series', "
            "which draws series as they are; leave them out, or pass kind='class'."
        )
