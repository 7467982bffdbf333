"""SizePathDisplay: fidelity of students over their size."""

from tsdistill.display.style import STUDENT, TEACHER, pyplot

MEASURES = {"agreement": "agreement", "saliency": "saliency correlation"}


class SizePathDisplay:
    """Fidelity over size: what more weights buy.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row for each student, see :meth:`tsdistill.swap.size_path.SizePath.to_frame`.
    confidence : float
        Of the bounds.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes
        Set by :meth:`plot`.
    """

    def __init__(self, frame, confidence):
        self.frame = frame
        self.confidence = confidence

    @classmethod
    def from_path(cls, path, *, figure=None):
        """Draw a path that :func:`tsdistill.size_path` made.

        Parameters
        ----------
        path : SizePath
        figure : matplotlib.figure.Figure or SubFigure, default=None

        Returns
        -------
        display : SizePathDisplay
        """
        return cls(path.frame, path.confidence).plot(figure=figure)

    def plot(self, *, figure=None):
        """Draw agreement and saliency correlation over the number of weights, with their bounds.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : SizePathDisplay
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

    def _draw(self, ax, measure):
        frame = self.frame
        value, bound = frame[measure], frame[f"{measure}_bound"]
        ax.step(frame["weights"], value.cummax(), where="post", color="0.75", linewidth=1,
                label="best up to this size")  # fmt: skip
        ax.vlines(frame["weights"], bound, value, color=TEACHER, linewidth=1)
        ax.plot(frame["weights"], bound, "_", color=TEACHER, markersize=9,
                label=f"bound, {100 * self.confidence:g} % for all at once")  # fmt: skip
        ax.plot(frame["weights"], value, "o", color=STUDENT, markersize=5, label="measured")
        for name, weights in frame["weights"].items():
            ax.annotate(
                name.replace(" filters", "").replace(" filter", ""), (weights, value[name]),
                xytext=(0, 5), textcoords="offset points", fontsize=7, ha="center",
            )  # fmt: skip
        low = min(bound.min(), value.min())
        ax.set_ylim(low - 0.05 * (1 - low), 1 + 0.12 * (1 - low))
        ax.margins(x=0.12)
