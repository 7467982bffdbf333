"""SizePathDisplay: fidelity of students over their size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsdistill.display.style import STUDENT, TEACHER, pyplot

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MEASURES = {"agreement": "agreement", "saliency": "saliency correlation"}


class SizePathDisplay:
    """Fidelity over size: what more weights buy.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row for each student, see :meth:`tsdistill.swap.size_path.SizePath.to_frame`.
    confidence : float
        The probability with which all bounds hold at once.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, set by :meth:`plot`.
    axes_ : ndarray of matplotlib.axes.Axes
        Its axes, set by :meth:`plot`.

    See Also
    --------
    tsdistill.size_path : Trains students of several sizes.

    Examples
    --------
    >>> import pandas as pd
    >>> from tsdistill.display import SizePathDisplay
    >>> frame = pd.DataFrame(
    ...     {
    ...         "weights": [700, 2400],
    ...         "agreement": [0.93, 0.98],
    ...         "agreement_bound": [0.88, 0.94],
    ...         "saliency": [0.85, 0.92],
    ...         "saliency_bound": [0.80, 0.89],
    ...     },
    ...     index=["2 filters", "4 filters"],
    ... )
    >>> [ax.get_ylabel() for ax in SizePathDisplay(frame, confidence=0.95).plot().axes_]
    ['agreement', 'saliency correlation']
    """

    def __init__(self, frame: pd.DataFrame, confidence: float) -> None:
        self.frame = frame
        self.confidence = confidence

    @classmethod
    def from_path(cls, path: Any, *, figure: Figure | SubFigure | None = None) -> SizePathDisplay:
        """Draw a path that :func:`tsdistill.size_path` made.

        Parameters
        ----------
        path : SizePath
            The students, by size.
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        SizePathDisplay
            The display, drawn.
        """
        return cls(path.frame, path.confidence).plot(figure=figure)

    def plot(self, *, figure: Figure | SubFigure | None = None) -> SizePathDisplay:
        """Draw agreement and saliency correlation over the number of weights, with their bounds.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        SizePathDisplay
            This display.
        """
        if figure is None:
            figure = pyplot().figure(figsize=(9.0, 3.8), layout="constrained")
        axes = figure.subplots(1, len(MEASURES))
        for ax, (measure, title) in zip(axes, MEASURES.items(), strict=True):
            self._draw(ax, measure)
            ax.set(xscale="log", xlabel="weights", ylabel=title)
            ax.grid(alpha=0.25)
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, fontsize=8, frameon=False, ncols=3, loc="outside upper center")
        self.figure_, self.axes_ = figure, axes
        return self

    def _draw(self, ax: Axes, measure: str) -> None:
        frame = self.frame
        value, bound = frame[measure], frame[f"{measure}_bound"]
        ax.step(frame["weights"], value.cummax(), where="post", color="0.75", linewidth=1,
                label="best up to this size")  # fmt: skip
        ax.vlines(frame["weights"], bound, value, color=TEACHER, linewidth=1)
        ax.plot(frame["weights"], bound, "_", color=TEACHER, markersize=9,
                label=f"bound, {100 * self.confidence:g} % for all at once")  # fmt: skip
        ax.plot(frame["weights"], value, "o", color=STUDENT, markersize=5, label="measured")
        for name, weights, at in zip(frame.index, frame["weights"], value, strict=True):
            ax.annotate(
                name.replace(" filters", "").replace(" filter", ""), (weights, at),
                xytext=(0, 5), textcoords="offset points", fontsize=7, ha="center",
            )  # fmt: skip
        low = min(bound.min(), value.min())
        ax.set_ylim(low - 0.05 * (1 - low), 1 + 0.12 * (1 - low))
        ax.margins(x=0.12)
