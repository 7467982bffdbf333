"""FidelityDisplay: agreement against confidence, deletion and insertion curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tsdistill.display.style import STUDENT, TEACHER, pyplot
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.intervals import clopper_pearson
from tsdistill.fidelity.scorers import holder_of_student
from tsdistill.inputs.checks import check_count
from tsdistill.inputs.types import BoolArray, FloatArray, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Curves = dict[tuple[str, str, str], tuple[FloatArray, FloatArray]]
"""Shares and probabilities by model, baseline and kind."""

MOST_BINS, FEWEST_A_BIN = 10, 20

Kind = Literal["deletion", "insertion"]
KINDS: tuple[Kind, ...] = ("deletion", "insertion")
WIDTH_OF_SIX_ENTRIES = 12  # inches


class FidelityDisplay:
    """Where a student can be relied on: agreement against confidence, deletion and insertion.

    Parameters
    ----------
    confidence : ndarray of shape (n_instances,)
        The student's probability of the class that it predicts.
    agrees : ndarray of shape (n_instances,), bool
        Whether the teacher predicts that class too.
    curves : dict of (model, fill, kind) to (shares, proba), default=None
        Curves of both models, of the kinds "deletion" and "insertion", see
        :func:`tsdistill.fidelity.deletion_curve`.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, set by :meth:`plot`.
    axes_ : ndarray of matplotlib.axes.Axes
        Its axes, set by :meth:`plot`.

    See Also
    --------
    SaliencyDisplay : The maps of student and teacher for single series.
    tsdistill.SaliencyDistilledClassifier.fidelity_report : A report with these pictures.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.display import FidelityDisplay
    >>> confidence = np.linspace(0.5, 1.0, 60)
    >>> FidelityDisplay(confidence, confidence > 0.6).plot().axes_[0].get_title()
    'agreement 0.800 over 60 series'
    """

    def __init__(
        self, confidence: FloatArray, agrees: BoolArray, curves: Curves | None = None
    ) -> None:
        self.confidence = confidence
        self.agrees = agrees
        self.curves = curves

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Series,
        *,
        curves: bool = True,
        n_explained: int = 200,
        figure: Figure | SubFigure | None = None,
    ) -> FidelityDisplay:
        """Query a fitted classifier and its teacher, and draw how their answers compare.

        Parameters
        ----------
        estimator : SaliencyDistilledClassifier or SaliencyDistilledTSC
            Fitted; or a fitted search or Pipeline around one.
        X : array-like, as the estimator takes it
            Series held out from ``fit``.
        curves : bool, default=True
            Whether to draw deletion and insertion curves too.
        n_explained : int, default=200
            Number of series, at most, for the curves.
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        FidelityDisplay
            The display, drawn.
        """
        check_count("n_explained", n_explained)
        estimator, X = holder_of_student(estimator, X, "_compare", "FidelityDisplay cannot draw")
        comparison = estimator._compare(X)
        answers = comparison.log_proba["student"]
        confidence = np.exp(answers.max(axis=1))
        agrees = answers.argmax(axis=1) == comparison.target
        drawn = None
        if curves:
            rows = np.random.default_rng(0).permutation(len(agrees))[:n_explained]
            drawn = comparison.rows(np.sort(rows)).all_curves()
        return cls(confidence, agrees, drawn).plot(figure=figure)

    def plot(self, *, figure: Figure | SubFigure | None = None) -> FidelityDisplay:
        """Draw agreement against confidence and, if there are curves, the curves beside it.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        FidelityDisplay
            This display.
        """
        if np.shape(self.confidence) != np.shape(self.agrees) or np.ndim(self.agrees) != 1:
            raise ParameterError(
                f"confidence has shape {np.shape(self.confidence)} and agrees "
                f"{np.shape(self.agrees)}; expected (n_instances,) for both."
            )
        n_axes = 1 if self.curves is None else 3
        if figure is None:
            figure = pyplot().figure(figsize=(4.2 * n_axes, 3.6), layout="constrained")
        axes = figure.subplots(1, n_axes, squeeze=False)[0]
        draw_agreement(axes[0], self.confidence, self.agrees)
        if self.curves is not None:
            for ax, kind in zip(axes[1:], KINDS, strict=True):
                draw_curves(ax, self.curves, kind, legend=False)
            # One legend for both, since they fill their axes.
            handles = axes[1].get_legend_handles_labels()
            ncols = 6 if figure.bbox.width >= WIDTH_OF_SIX_ENTRIES * figure.dpi else 3
            figure.legend(
                *handles, fontsize=8, frameon=False, ncols=ncols, loc="outside lower right"
            )
        self.figure_, self.axes_ = figure, axes
        return self


def draw_agreement(ax: Axes, confidence: FloatArray, agrees: BoolArray) -> None:
    """Draw the share of equal predictions against the student's confidence.

    The series are divided by confidence into up to ten bins of equal size.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    confidence : ndarray of shape (n_instances,)
    agrees : ndarray of shape (n_instances,), bool
    """
    confidence, agrees = np.asarray(confidence), np.asarray(agrees, dtype=bool)
    order = np.argsort(confidence, kind="stable")
    bins = np.array_split(order, min(MOST_BINS, max(1, len(order) // FEWEST_A_BIN)))
    centre = np.array([confidence[rows].mean() for rows in bins])
    share = np.array([agrees[rows].mean() for rows in bins])
    bounds = np.array([clopper_pearson(agrees[rows].sum(), len(rows)) for rows in bins])
    errors = np.abs(bounds - share[:, np.newaxis]).T
    ax.errorbar(centre, share, yerr=errors, fmt="o", color=STUDENT, markersize=5, linewidth=1.2,
                capsize=2)  # fmt: skip
    least, lowest = min(centre.min(), 0.98), min(bounds.min(), 0.9)
    ax.set(xlim=(least - 0.05 * (1 - least), 1 + 0.05 * (1 - least)))
    ax.set(ylim=(lowest - 0.06 * (1 - lowest), 1 + 0.05 * (1 - lowest)))
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("student's confidence, in bins of equal size")
    ax.set_ylabel("share with the teacher's prediction")
    ax.set_title(f"agreement {agrees.mean():.3f} over {len(agrees)} series", fontsize=10)
    ax.grid(alpha=0.25)


def draw_curves(ax: Axes, curves: Curves, kind: Kind, legend: bool = True) -> None:
    """Draw the mean curve of each model with each baseline.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    curves : dict of (model, fill, kind) to (shares, proba)
    kind : {"deletion", "insertion"}
    legend : bool, default=True
    """
    looks = {"teacher": (TEACHER, "o"), "student": (STUDENT, "s")}
    random_order = ("0.6", "")
    dashes = dict(zip(sorted({fill for _, fill, _ in curves}), ("-", "--", ":"), strict=False))
    for (model, fill, drawn), (shares, proba) in curves.items():
        if drawn == kind:
            colour, marker = looks.get(model, random_order)
            ax.plot(
                100 * shares, proba.mean(axis=0), color=colour, linestyle=dashes[fill],
                marker=marker, markersize=3, label=f"{model.removeprefix('student, ')}, {fill}",
            )  # fmt: skip
    done, moves = ("replaced", "falls") if kind == "deletion" else ("put in", "rises")
    ax.set(xlabel=f"% of timesteps {done}, highest in the map first", ylim=(-0.03, 1.03))
    ax.set_ylabel("probability of the class")
    ax.set_title(f"{kind}: {moves} early where the map is right", fontsize=10)
    if legend:
        ax.legend(fontsize=8, frameon=False)
    ax.grid(alpha=0.25)
