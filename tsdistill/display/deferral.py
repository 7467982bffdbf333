"""DeferralDisplay: cost against risk of a student that defers to its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tsdistill.display.style import STUDENT, TEACHER, pyplot
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class DeferralDisplay:
    """Cost against risk of a student that defers to its teacher.

    Parameters
    ----------
    curve : dict of str to ndarray of shape (n_thresholds,)
        "deferral_rate", "disagreement" and "bound", with the highest deferral rate first, see
        ``DeferringClassifier.curve_``.
    deferral_rate : float
        Deferral rate at the chosen threshold.
    max_disagreement : float
        The share of disagreements that the classifier guarantees not to exceed.
    confidence : float
        The probability with which it does.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, set by :meth:`plot`.
    ax_ : matplotlib.axes.Axes
        Its axes, set by :meth:`plot`.

    See Also
    --------
    tsdistill.DeferringClassifier : Chooses the threshold.
    MonitorDisplay : How far the guarantee is kept in use.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.display import DeferralDisplay
    >>> curve = {
    ...     "deferral_rate": np.array([0.5, 0.1, 0.0]),
    ...     "disagreement": np.array([0.0, 0.01, 0.05]),
    ...     "bound": np.array([0.01, 0.02, 0.08]),
    ... }
    >>> display = DeferralDisplay(curve, 0.1, max_disagreement=0.03, confidence=0.95).plot()
    >>> display.ax_.get_title()
    'differs from the teacher on at most 3 % of all series'
    """

    def __init__(
        self,
        curve: dict[str, FloatArray],
        deferral_rate: float,
        max_disagreement: float,
        confidence: float,
    ) -> None:
        self.curve = curve
        self.deferral_rate = deferral_rate
        self.max_disagreement = max_disagreement
        self.confidence = confidence

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> DeferralDisplay:
        """Draw the curve from which a fitted DeferringClassifier chose its threshold.

        Parameters
        ----------
        estimator : DeferringClassifier
            Fitted.
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        DeferralDisplay
            The display, drawn.
        """
        if not hasattr(type(estimator), "defers"):
            raise ParameterError(
                f"DeferralDisplay cannot draw a {type(estimator).__name__}; expected a fitted "
                "DeferringClassifier."
            )
        check_is_fitted(estimator, "threshold_")
        return cls(estimator.curve_, estimator.deferral_rate_, *estimator._guarantee).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> DeferralDisplay:
        """Draw the share of disagreements, and its bound, against the share of deferred series.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        DeferralDisplay
            This display.
        """
        if ax is None:
            ax = pyplot().figure(figsize=(5.2, 3.6), layout="constrained").subplots()
        cost = 100 * np.append(1.0, self.curve["deferral_rate"])
        disagreement = 100 * np.append(0.0, self.curve["disagreement"])
        bound = 100 * self.curve["bound"]
        chosen, most = 100 * self.deferral_rate, 100 * self.max_disagreement
        ax.step(cost, disagreement, where="post", color=STUDENT, label="in the series of fit")
        ax.step(cost[1:], bound, where="post", color=TEACHER, linestyle="--",
                label=f"{100 * self.confidence:g} % upper bound")  # fmt: skip
        ax.axhline(most, color="0.4", linewidth=0.9, linestyle=":", label="guaranteed")
        ax.axvline(chosen, color="0.4", linewidth=0.9)
        at = np.flatnonzero(np.isclose(cost[1:], chosen))
        if len(at):
            ax.plot(chosen, bound[at[-1]], "o", color=TEACHER, markersize=5)
        # Beyond the highest deferral rate with a disagreement, only the cost grows.
        last = cost[np.flatnonzero(disagreement)].max(initial=0)
        end = min(100, max(5, 1.5 * chosen, 1.5 * last))
        ax.set(xlim=(-0.02 * end, 1.02 * end), ylim=(0, 1.15 * max(bound.max(), most)))
        ax.annotate(
            f"{chosen:.1f} % go to the teacher", (chosen, 0.98),
            xycoords=("data", "axes fraction"), textcoords="offset points",
            xytext=(4, 0) if chosen < end / 2 else (-4, 0), fontsize=8,
            ha="left" if chosen < end / 2 else "right", va="top",
        )  # fmt: skip
        ax.set_xlabel("% of series for which the teacher is asked")
        ax.set_ylabel("% of all series whose answer\ndiffers from the teacher's")
        ax.set_title(f"differs from the teacher on at most {most:g} % of all series", fontsize=10)
        ax.legend(fontsize=8, frameon=False, loc="center right")
        ax.grid(alpha=0.25)
        self.figure_, self.ax_ = ax.figure, ax
        return self
