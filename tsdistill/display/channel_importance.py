"""ChannelImportanceDisplay: how much of the absolute saliency each channel carries."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tsdistill.display.channel_choice import channel_indices, find_channel_names
from tsdistill.display.panels import as_text, new_figure
from tsdistill.display.style import STUDENT, TEACHER
from tsdistill.exceptions import ParameterError
from tsdistill.explainers.registry import find_explainer
from tsdistill.fidelity.over_series import MeanInterval
from tsdistill.fidelity.scorers import holder_of_student
from tsdistill.fidelity.summaries import MapSummary, summarise_maps
from tsdistill.inputs.checks import check_count
from tsdistill.inputs.labels import target_indices

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS = {"teacher": {"color": TEACHER}, "student": {"color": STUDENT, "hatch": "///"}}
OTHERS = ({"color": "0.45"}, {"color": "0.7", "hatch": "..."})
THICKNESS = 0.8  # of the bars of one channel together


class ChannelImportanceDisplay:
    """Bars of the share of the absolute saliency that each channel carries, with intervals.

    Shares are means over series, and add up to 1 for each model. The interval says how far the
    mean of so many series can be trusted, not how much series differ.

    Parameters
    ----------
    summary : MapSummary
        Of maps for each channel, see :func:`tsdistill.fidelity.summarise_maps`.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
        Set by :meth:`plot`.

    See Also
    --------
    SaliencyDisplay : Draws the maps themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.display import ChannelImportanceDisplay
    >>> from tsdistill.fidelity import summarise_maps
    >>> maps = np.random.default_rng(0).normal(size=(30, 2, 50)) * [[1.0], [3.0]]
    >>> summary = summarise_maps(maps, np.zeros(30), channel_names=["still", "moving"])
    >>> ax = ChannelImportanceDisplay(summary).plot().ax_
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['moving', 'still']
    """

    figure_: Any
    ax_: Any

    def __init__(self, summary: MapSummary) -> None:
        self.summary = summary

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, target: Any = None,
        of: "str | Sequence[str]" = ("teacher", "student"), method: str = "occlusion",
        fill: str | None = None, channel_names: "Sequence[Any] | None" = None,
        label: Any = None, channels: Any = None, most: int = 12, ax: Any = None,
    ) -> "ChannelImportanceDisplay":  # fmt: skip
        """Explain series, one map for each channel, and draw the shares of the channels.

        Parameters
        ----------
        estimator : SaliencyDistilledClassifier or SaliencyDistilledTSC
            Fitted; or a fitted search or Pipeline around one.
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            A whole set, held out from ``fit``.
        target : label, or array-like of shape (n_instances,), default=None
            The class to explain. None takes the teacher's prediction for both models.
        of : "student", "teacher", or a tuple of them, default=("teacher", "student")
            Whose maps are drawn, in this order.
            Whose bars are drawn, in this order.
        method : str, default="occlusion"
            The explainer, see :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
        fill : {"opposing", "mean", "zero"}, default=None
            The baseline, see there.
        channel_names : list of str, default=None
            None takes the column names of X, if it is in a format of sktime that has them, or
            those of the series of ``fit``.
        label : object, default=None
            The class whose series count. None counts all series.
        channels : int, str, or list of them, default=None
            The channels to draw, by index or name, in this order.
        most : int, default=12
            How many channels to draw if none are picked; the title says how many are left out.
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        ChannelImportanceDisplay
            The display, drawn.

        Raises
        ------
        ParameterError
            If the series have one channel, or an argument has a value that cannot be used.
        """
        models = (of,) if isinstance(of, str) else tuple(of)
        passed = X
        holder, X = holder_of_student(
            estimator, X, "_compare", "ChannelImportanceDisplay cannot draw"
        )
        explainer = find_explainer(method, fill)
        comparison = holder._compare(X)
        n, n_channels, _ = comparison.panel.shape
        if n_channels == 1 or explainer.own_maps_only:
            got = "series of one channel" if n_channels == 1 else f"method={method!r}"
            raise ParameterError(
                f"ChannelImportanceDisplay got {got}, so there is one map a series; expected maps "
                "of several channels. SaliencyDisplay draws one map a series."
            )
        names = find_channel_names(channel_names, n_channels, X, passed, holder._channel_names)
        if target is None:
            target = holder.classes_[comparison.target]
        options = {"target": target, "method": method, "fill": fill, "per_channel": True}
        labels = holder.classes_[target_indices(target, holder.classes_, n)]
        maps = {name: holder.explain(X, of=name, **options) for name in models}
        summary = summarise_maps(maps, labels, channel_names=names)
        return cls(summary).plot(label=label, channels=channels, most=most, ax=ax)

    def plot(
        self, *, label: Any = None, channels: Any = None, most: int = 12, ax: Any = None
    ) -> "ChannelImportanceDisplay":
        """Draw a bar for each channel and model, the most important channel first.

        Parameters
        ----------
        label : object, default=None
            The class whose series count. None counts all series.
        channels : int, str, or list of them, default=None
            The channels to draw, by index or name, in this order.
        most : int, default=12
            How many channels to draw if none are picked; the title says how many are left out.
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        ChannelImportanceDisplay
            The display, drawn.

        Raises
        ------
        ParameterError
            If the maps are not for each channel, or an argument has a value that cannot be used.
        """
        check_count("most", most)
        names = self.summary.channel_names
        if len(names) == 1:
            raise ParameterError(
                "summary is of one map a series; expected maps of several channels, such as those "
                "of explain(X, per_channel=True)."
            )
        share, n_series, whose = self._shares(label)
        order = np.argsort(-np.nan_to_num(share.mean).mean(axis=0), kind="stable")
        drawn = order[:most].tolist() if channels is None else channel_indices(channels, names)
        n_models = len(self.summary.models)
        own_figure = ax is None
        if own_figure:
            height = 1.3 + len(drawn) * (0.2 + 0.18 * n_models)
            ax = new_figure(6.4, height).subplots()
        looks = [LOOKS.get(m, OTHERS[i % 2]) for i, m in enumerate(self.summary.models)]
        thickness, place = THICKNESS / n_models, np.arange(len(drawn))
        for i, (model, look) in enumerate(zip(self.summary.models, looks, strict=True)):
            mean, low, high = (100 * bound[i, drawn] for bound in share)
            at = place + thickness * (i - (n_models - 1) / 2)
            ax.barh(at, mean, 0.9 * thickness, edgecolor="white", linewidth=0, label=as_text(model),
                    **look)  # fmt: skip
            for colour, width in (("white", 3.5), ("0.1", 1.2)):  # to be seen on a dark bar too
                ax.errorbar(mean, at, xerr=[mean - low, high - mean], fmt="none", ecolor=colour,
                            elinewidth=width, capthick=width, capsize=2.5)  # fmt: skip
        equal = 100 / len(names)
        ax.axvline(equal, color="0.4", linewidth=0.9, linestyle=":", label="an equal share")
        ax.set_yticks(place, [as_text(names[c]) for c in drawn], fontsize=9)
        ax.set(ylim=(len(drawn) - 0.5, -0.5), xlabel="% of a series' absolute saliency, mean")
        ax.set_xlim(0, max(ax.get_xlim()[1], 1.15 * equal))
        left_out = len(names) - len(drawn)
        title = f"{whose}, {n_series} series"
        if left_out:
            title += f"; {left_out} of {len(names)} channels left out"
        ax.set_title(as_text(title), fontsize=10, loc="left")
        self.figure_, self.ax_ = ax.figure, ax
        if own_figure:  # outside, where it hides no bar
            handles = ax.get_legend_handles_labels()
            self.figure_.legend(*handles, fontsize=8, frameon=False, ncols=len(handles[0]),
                                loc="outside lower center")  # fmt: skip
        else:
            ax.legend(fontsize=8, frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        return self

    def _shares(self, label: Any) -> tuple[MeanInterval, int, str]:
        """The shares, (n_models, n_channels), the number of series, and whose they are."""
        summary = self.summary
        if label is None:
            return summary.channel_share_overall, int(summary.n_series.sum()), "all classes"
        if label not in summary.classes:
            raise ParameterError(
                f"label={label!r}; expected one of {list(summary.classes)}, or None."
            )
        k = summary.classes.index(label)
        own = MeanInterval(*(bound[:, k] for bound in summary.channel_share))
        return own, int(summary.n_series[k]), f"class {label}"
