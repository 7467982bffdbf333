"""DeferralDisplay: cost against risk of a student that defers to its teacher."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tsdistill.display.style import STUDENT, TEACHER, pyplot
from tsdistill.exceptions import ParameterError


class DeferralDisplay:
    """Cost against risk of a student that defers to its teacher.

    Parameters
    ----------
    curve : dict of str to ndarray of shape (n_thresholds,)
        "deferral_rate", "disagreement" and "bound", with the highest deferral rate first, see
        ``DeferringClassifier.curve_``.
    deferral_rate : float
        Deferral rate at the chosen threshold.
    max_disagreement, confidence : float
        The guarantee of the classifier.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
        Set by :meth:`plot`.
    """

    def __init__(self, curve, deferral_rate, max_disagreement, confidence):
        self.curve = curve
        self.deferral_rate = deferral_rate
        self.max_disagreement = max_disagreement
        self.confidence = confidence

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the curve from which a fitted DeferringClassifier chose its threshold.

        Parameters
        ----------
        estimator : fitted DeferringClassifier
        ax : matplotlib.axes.Axes, default=None

        Returns
        -------
        display : DeferralDisplay
        """
        if not hasattr(type(estimator), "defers"):
            raise ParameterError(
                f"DeferralDisplay cannot draw a {type(estimator).__name__}; expected a fitted "
                "DeferringClassifier."
            )
        check_is_fitted(estimator, "threshold_")
        return cls(estimator.curve_, estimator.deferral_rate_, *estimator._guarantee).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the share of disagreements, and its bound, against the share of deferred series.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None

        Returns
        -------
        display : DeferralDisplay
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
