"""Pictures of saliency and of fidelity, in the manner of scikit-learn's displays."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tsdistill.checks import check_count
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import clopper_pearson
from tsdistill.fidelity.scorers import holder_of_student

COLOURS = "RdBu_r"
FOR, AGAINST = "#b2182b", "#2166ac"
TEACHER, STUDENT = "#1b4f72", "#d95f02"
MOST_PANELS = 60
MOST_BINS, FEWEST_A_BIN = 10, 20


def check_n_panels(n_instances, n_channels, n_maps):
    """Refuse to draw more panels than anyone can read, or none."""
    n_panels = n_instances * n_channels * n_maps
    if not 0 < n_panels <= MOST_PANELS:
        raise ParameterError(
            f"X has {n_instances} series of {n_channels} channels, with {n_maps} maps each that is "
            f"{n_panels} panels; pass from one to {MOST_PANELS} in all, such as X[:4]."
        )


class SaliencyDisplay:
    """Series, and what one or more models make of each timestep.

    Red timesteps speak for the class and blue ones against it, on a scale that is the same in
    both directions; below each series its map is drawn once more as an area, above the line for
    and hatched below it against, so that the picture can be read in grey and by the colour-blind.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_channels, n_timepoints)
    maps : dict of str to ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        For each model, by name: positive speaks for the class.
    titles : list of str, default=None
        One a series.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes
        Channels times models down, series across. After :meth:`plot`.

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
        fill=None, per_channel=False, kind="line", scale="series", figure=None,
    ):  # fmt: skip
        """Explain series by a fitted classifier, and draw them.

        Parameters
        ----------
        estimator : fitted SaliencyDistilledClassifier or SaliencyDistilledTSC
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            A few series: each has a column of its own.
        target : label, or array-like of shape (n_instances,), default=None
            The class to speak for. None takes the teacher's prediction, for both models.
        of : "student", "teacher", or a tuple of them, default=("student", "teacher")
            Whose maps are drawn, from top to bottom.
        method, fill, per_channel
            As in :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
        kind, scale, figure
            As in :meth:`plot`.

        Returns
        -------
        display : SaliencyDisplay
        """
        of = (of,) if isinstance(of, str) else tuple(of)
        estimator, X = holder_of_student(estimator, X, "_compare", "SaliencyDisplay cannot draw")
        comparison = estimator._compare(X)
        check_n_panels(len(comparison.panel), comparison.panel.shape[1], len(of))
        if target is None:
            target = estimator.classes_[comparison.target]
        asked = {"method": method, "fill": fill, "per_channel": per_channel}
        if method != "autoencoder":  # which speaks for the teacher's prediction only
            asked["target"] = target
        maps = {name: estimator.explain(X, of=name, **asked) for name in of}
        labels = np.broadcast_to(target, len(comparison.panel))
        titles = [f"series {i}, class {label}" for i, label in enumerate(labels)]
        return cls(comparison.panel, maps, titles=titles).plot(
            kind=kind, scale=scale, figure=figure
        )

    def plot(self, *, kind="line", scale="series", figure=None):
        """Draw every series with the map of every model.

        Parameters
        ----------
        kind : {"line", "shade"}, default="line"
            Colour the line, or the ground behind it.
        scale : {"series", "all"}, default="series"
            Whether colours are at their strongest at the largest value of each series, or of
            all. Models always share a scale, so that their strength can be compared.
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw; an own one without it.

        Returns
        -------
        display : SaliencyDisplay
        """
        maps = self._checked(kind, scale)
        n, n_channels, _ = self.X.shape
        names = list(maps)
        n_rows = n_channels * len(names)
        if figure is None:
            size = (max(4.5, 0.8 + 3.2 * n), 0.9 + 1.65 * n_rows)
            figure = _pyplot().figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n, sharex=True, squeeze=False)
        largest = np.max([np.abs(m).max(axis=(1, 2)) for m in maps.values()], axis=0)
        largest = np.full(n, largest.max()) if scale == "all" else largest
        for row, (channel, name) in enumerate(
            (c, name) for c in range(n_channels) for name in names
        ):
            for i in range(n):
                ax = axes[row, i]
                saliency = maps[name][i, channel % maps[name].shape[1]]
                image = _draw_map(ax, self.X[i, channel], saliency, largest[i] or 1.0, kind)
                if i == 0:
                    of_channel = f"\nchannel {channel}" if n_channels > 1 else ""
                    ax.set_ylabel(f"{name}{of_channel}", fontsize=9)
                if row == 0 and self.titles is not None:
                    ax.set_title(self.titles[i], fontsize=9)
                if row == n_rows - 1:
                    ax.set_xlabel("timestep", fontsize=9)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.01, aspect=30)
        bar.set_label("against the class       for the class", fontsize=9)
        bar.set_ticks([0] if scale == "series" else [-largest[0], 0, largest[0]])
        if scale == "all":
            bar.ax.set_yticklabels([f"{v:+.2g}" if v else "0" for v in bar.get_ticks()])
        self.figure_, self.axes_ = figure, axes
        return self

    def _checked(self, kind, scale):
        for name, value, known in (("kind", kind, ("line", "shade")),
                                   ("scale", scale, ("series", "all"))):  # fmt: skip
            if value not in known:
                raise ParameterError(f"{name}={value!r}; expected {' or '.join(map(repr, known))}.")
        X = self.X
        maps = {name: np.asarray(m) for name, m in self.maps.items()}
        for name, m in maps.items():
            if X.ndim != 3 or m.shape not in (X.shape, X[:, 0].shape):
                raise ParameterError(
                    f"maps[{name!r}] has shape {m.shape} for X of shape {X.shape}; expected "
                    "(n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints), as X."
                )
        check_n_panels(len(X), X.shape[1], len(maps))
        return {name: m[:, np.newaxis] if m.ndim == 2 else m for name, m in maps.items()}


def _draw_map(ax, series, saliency, largest, kind):
    """One series over its map; returns what has the colours."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    time = np.arange(len(series))
    height = np.ptp(series) or 1.0
    base, edges = series.min() - 0.6 * height, (-0.5, len(series) - 0.5)
    norm = Normalize(-largest, largest)
    if kind == "line" and len(series) > 1:
        points = np.column_stack([time, series])
        image = LineCollection(
            np.stack([points[:-1], points[1:]], axis=1),
            array=(saliency[:-1] + saliency[1:]) / 2,
            norm=norm, cmap=COLOURS, linewidth=2.6, zorder=3, capstyle="round",
        )  # fmt: skip
        ax.plot(time, series, color="0.25", linewidth=3.4, zorder=2)
        ax.add_collection(image)
    else:
        image = ax.imshow(
            saliency[np.newaxis], norm=norm, cmap=COLOURS, aspect="auto", interpolation="nearest",
            extent=(*edges, series.min() - 0.1 * height, series.max() + 0.1 * height),
        )  # fmt: skip
        ax.plot(time, series, color="0.1", linewidth=1.4)
    area = base + 0.4 * height * saliency / largest
    ax.fill_between(time, area, base, where=saliency >= 0, interpolate=True, color=FOR, alpha=0.55,
                    linewidth=0)  # fmt: skip
    ax.fill_between(time, area, base, where=saliency <= 0, interpolate=True, facecolor="none",
                    edgecolor=AGAINST, hatch="/////", linewidth=0.4)  # fmt: skip
    ax.axhline(base, color="0.5", linewidth=0.6)
    ax.set(xlim=edges, yticks=[])
    ax.set_ylim(base - 0.45 * height, series.max() + 0.12 * height)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return image


class FidelityDisplay:
    """Where a student can be relied on: agreement against confidence, and the curves of maps.

    Parameters
    ----------
    confidence : ndarray of shape (n_instances,)
        Probability that the student gives the class it predicts.
    agrees : ndarray of shape (n_instances,), bool
        Whether the teacher predicts that class too.
    curves : dict of (model, fill, kind) to (shares, proba), default=None
        Of both models, "deletion" and "insertion", see
        :func:`tsdistill.fidelity.deletion_curve`.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes
        After :meth:`plot`.
    """

    def __init__(self, confidence, agrees, curves=None):
        self.confidence = confidence
        self.agrees = agrees
        self.curves = curves

    @classmethod
    def from_estimator(cls, estimator, X, *, curves=True, n_explained=200, figure=None):
        """Ask a fitted classifier and its teacher about series, and draw what they answer.

        Parameters
        ----------
        estimator : fitted SaliencyDistilledClassifier or SaliencyDistilledTSC
        X : array-like, as the estimator takes it
            Series held out from ``fit``.
        curves : bool, default=True
            Whether deletion and insertion curves are drawn beside.
        n_explained : int, default=200
            Series, at most, for the curves.
        figure : matplotlib.figure.Figure or SubFigure, default=None

        Returns
        -------
        display : FidelityDisplay
        """
        estimator, X = holder_of_student(estimator, X, "_compare", "FidelityDisplay cannot draw")
        comparison = estimator._compare(X)
        answers = comparison.log_proba["student"]
        confidence = np.exp(answers.max(axis=1))
        agrees = answers.argmax(axis=1) == comparison.target
        found = None
        if curves:
            check_count("n_explained", n_explained)
            rows = np.random.default_rng(0).permutation(len(agrees))[:n_explained]
            found = comparison.rows(np.sort(rows)).all_curves()
        return cls(confidence, agrees, found).plot(figure=figure)

    def plot(self, *, figure=None):
        """Draw all that the display holds, side by side.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw; an own one without it.

        Returns
        -------
        display : FidelityDisplay
        """
        n_axes = 1 if self.curves is None else 3
        if figure is None:
            figure = _pyplot().figure(figsize=(4.2 * n_axes, 3.6), layout="constrained")
        axes = figure.subplots(1, n_axes, squeeze=False)[0]
        draw_agreement(axes[0], self.confidence, self.agrees)
        for ax, kind in zip(axes[1:], ("deletion", "insertion"), strict=False):
            draw_curves(ax, self.curves, kind)
        self.figure_, self.axes_ = figure, axes
        return self


class DeferralDisplay:
    """Cost against risk of a student that defers to its teacher.

    Parameters
    ----------
    curve : dict of str to ndarray of shape (n_thresholds,)
        "deferral_rate", "disagreement" and "bound", as
        :attr:`tsdistill.DeferringClassifier.curve_`.
    deferral_rate : float
        The one that was chosen.
    max_disagreement, confidence : float
        What was promised.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
        After :meth:`plot`.
    """

    def __init__(self, curve, deferral_rate, max_disagreement, confidence):
        self.curve = curve
        self.deferral_rate = deferral_rate
        self.max_disagreement = max_disagreement
        self.confidence = confidence

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the thresholds that a fitted DeferringClassifier chose from.

        Parameters
        ----------
        estimator : fitted DeferringClassifier
        ax : matplotlib.axes.Axes, default=None

        Returns
        -------
        display : DeferralDisplay
        """
        check_is_fitted(estimator, "threshold_")
        return cls(
            estimator.curve_, estimator.deferral_rate_, estimator.max_disagreement,
            estimator.confidence,
        ).plot(ax=ax)  # fmt: skip

    def plot(self, *, ax=None):
        """Draw the share of disagreements, and its bound, against that of deferred series.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None

        Returns
        -------
        display : DeferralDisplay
        """
        if ax is None:
            ax = _pyplot().figure(figsize=(5.2, 3.6), layout="constrained").subplots()
        cost = 100 * np.append(1.0, self.curve["deferral_rate"])
        found = 100 * np.append(0.0, self.curve["disagreement"])
        bound = 100 * self.curve["bound"]
        ax.step(cost, found, where="post", color=STUDENT, label="in the series of fit")
        ax.step(cost[1:], bound, where="post", color=TEACHER, linestyle="--",
                label=f"{100 * self.confidence:g} % upper bound")  # fmt: skip
        ax.axhline(100 * self.max_disagreement, color="0.4", linewidth=0.9, linestyle=":")
        ax.axvline(100 * self.deferral_rate, color="0.4", linewidth=0.9)
        ax.annotate(
            f"asks the teacher for {100 * self.deferral_rate:.1f} %",
            (100 * self.deferral_rate, 0.97), xycoords=("data", "axes fraction"), fontsize=8,
            xytext=(5, 0) if self.deferral_rate < 0.5 else (-5, 0), textcoords="offset points",
            ha="left" if self.deferral_rate < 0.5 else "right", va="top",
        )  # fmt: skip
        ax.set_xlabel("% of series for which the teacher is asked")
        ax.set_ylabel("% of all series answered otherwise")
        ax.set_title(f"at most {100 * self.max_disagreement:g} %, with {100 * self.confidence:g} % "
                     "confidence", fontsize=10)  # fmt: skip
        ax.set_xlim(-2, 102)
        ax.set_ylim(0, 1.1 * max(bound.max(), 100 * self.max_disagreement))
        ax.legend(fontsize=8, frameon=False, loc="center right")
        ax.grid(alpha=0.25)
        self.figure_, self.ax_ = ax.figure, ax
        return self


def draw_agreement(ax, confidence, agrees):
    """Share of equal predictions against the student's confidence, in up to ten equal parts.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    confidence : ndarray of shape (n_instances,)
    agrees : ndarray of shape (n_instances,), bool
    """
    confidence, agrees = np.asarray(confidence), np.asarray(agrees, dtype=bool)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(MOST_BINS, max(1, len(order) // FEWEST_A_BIN)))
    centre = np.array([confidence[rows].mean() for rows in parts])
    share = np.array([agrees[rows].mean() for rows in parts])
    bounds = np.array([clopper_pearson(agrees[rows].sum(), len(rows)) for rows in parts])
    errors = np.abs(bounds - share[:, np.newaxis]).T
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--", zorder=1)
    ax.errorbar(centre, share, yerr=errors, fmt="o", color=STUDENT, markersize=5, linewidth=1.2,
                capsize=2)  # fmt: skip
    ax.set(xlim=(min(centre.min(), 0.95) - 0.03, 1.02), ylim=(-0.03, 1.03))
    ax.set_xlabel("student's confidence")
    ax.set_ylabel("share with the teacher's prediction")
    ax.set_title(f"agreement {agrees.mean():.3f} over {len(agrees)} series", fontsize=10)
    ax.grid(alpha=0.25)


def draw_curves(ax, curves, kind):
    """Mean curves of all models and fills.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    curves : dict of (model, fill, kind) to (shares, proba)
    kind : {"deletion", "insertion"}
    """
    looks = {"teacher": (TEACHER, "o"), "student": (STUDENT, "s")}
    dashes = dict(zip(sorted({fill for _, fill, _ in curves}), ("-", "--", ":"), strict=False))
    for (model, fill, drawn), (shares, proba) in curves.items():
        if drawn == kind:
            colour, marker = looks[model]
            ax.plot(
                100 * shares, proba.mean(axis=0), color=colour, linestyle=dashes[fill],
                marker=marker, markersize=3, label=f"{model}, {fill}",
            )  # fmt: skip
    done, moves = ("replaced", "falls") if kind == "deletion" else ("put in", "rises")
    ax.set(xlabel=f"% of timesteps {done}, highest in the map first", ylim=(-0.03, 1.03))
    ax.set_ylabel("probability of the class")
    ax.set_title(f"{kind}: {moves} early where the map is right", fontsize=10)
    ax.legend(fontsize=8, frameon=False)
    ax.grid(alpha=0.25)


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install matplotlib, or tsdistill[plot]."
        ) from error
    return plt
