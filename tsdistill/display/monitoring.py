"""MonitorDisplay: how far a swap in use keeps its promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsdistill.display.style import STUDENT, TEACHER, pyplot
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EARLY = 0.1  # of the series: bounds that say little yet, and would flatten all others


class MonitorDisplay:
    """Bounds of the disagreement of a swap in use, against the number of series seen.

    Parameters
    ----------
    history : dict of str to ndarray of shape (n_moments,)
        See :class:`tsdistill.SwapMonitor`.
    max_disagreement : float
        The share of disagreements that was promised not to be exceeded.
    confidence : float
        The probability with which the bounds hold.
    alarms : dict of str to int
        Number of series seen when each alarm rang.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, set by :meth:`plot`.
    ax_ : matplotlib.axes.Axes
        Its axes, set by :meth:`plot`.

    See Also
    --------
    tsdistill.SwapMonitor : Watches the swap.
    DeferralDisplay : How the threshold of the swap was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.display import MonitorDisplay
    >>> history = {
    ...     "n_seen": np.array([100, 200]),
    ...     "n_audited": np.array([10, 20]),
    ...     "n_disagreed": np.array([0, 1]),
    ...     "bound": np.array([0.26, 0.2]),
    ...     "recent_bound": np.array([0.26, 0.3]),
    ... }
    >>> MonitorDisplay(history, 0.1, 0.95, {"drift": 150}).plot().ax_.get_title()
    'promised: at most 10 % of all series'
    """

    def __init__(
        self,
        history: dict[str, FloatArray],
        max_disagreement: float,
        confidence: float,
        alarms: dict[str, int],
    ) -> None:
        self.history = history
        self.max_disagreement = max_disagreement
        self.confidence = confidence
        self.alarms = alarms

    @classmethod
    def from_monitor(cls, monitor: Any, *, ax: Axes | None = None) -> MonitorDisplay:
        """Draw what a SwapMonitor has seen.

        Parameters
        ----------
        monitor : SwapMonitor
            The monitor, at any time.
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        MonitorDisplay
            The display, drawn.
        """
        if not hasattr(type(monitor), "history_"):
            raise ParameterError(
                f"MonitorDisplay cannot draw a {type(monitor).__name__}; expected a SwapMonitor."
            )
        promise = monitor._record.promise
        shares = promise.max_disagreement, promise.confidence
        return cls(monitor.history_, *shares, monitor.alarms_).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> MonitorDisplay:
        """Draw the bounds, the share among the audited series, the limit and the alarms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        MonitorDisplay
            This display.
        """
        if ax is None:
            ax = pyplot().figure(figsize=(5.6, 3.6), layout="constrained").subplots()
        seen, n_audited = self.history["n_seen"], self.history["n_audited"]
        share = 100 * self.history["n_disagreed"] / np.maximum(n_audited, 1)
        share = np.where(n_audited > 0, share, np.nan)
        bounds = {name: 100 * self.history[name] for name in ("bound", "recent_bound")}
        most, level = 100 * self.max_disagreement, f"{100 * self.confidence:g} % upper bound"
        ax.plot(seen, bounds["bound"], color=TEACHER, label=f"{level}, since the start")
        ax.plot(seen, bounds["recent_bound"], color=TEACHER, linestyle="--", linewidth=1,
                label=f"{level}, recent")  # fmt: skip
        ax.plot(seen, share, color=STUDENT, linewidth=1.2, label="share of audited series")
        ax.axhline(most, color="0.4", linewidth=0.9, linestyle=":", label="promised")
        late = seen >= EARLY * seen[-1]
        highest = max(bounds["bound"][late].max(), bounds["recent_bound"][late].max())
        ax.set(xlim=(0, 1.02 * max(seen[-1], 1)), ylim=(0, min(max(2 * most, 1.15 * highest), 105)))
        for i, (name, at) in enumerate(self.alarms.items()):
            ax.axvline(at, color="0.2", linewidth=0.9)
            left = at < seen[-1] / 2
            ax.annotate(
                f"alarm: {name}, at {at:,}", (at, 0.6 - 0.08 * i),
                xycoords=("data", "axes fraction"), textcoords="offset points",
                xytext=(4, 0) if left else (-4, 0), fontsize=8, ha="left" if left else "right",
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
            )  # fmt: skip
        ax.set_xlabel("series seen")
        ax.set_ylabel("% of all series whose answer\ndiffers from the teacher's")
        ax.set_title(f"promised: at most {most:g} % of all series", fontsize=10)
        ax.legend(fontsize=8, framealpha=0.85, edgecolor="none", loc="best")
        ax.grid(alpha=0.25)
        self.figure_, self.ax_ = ax.figure, ax
        return self
