"""FidelityReport: the evidence to show before a teacher is replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsdistill.display.fidelity import FidelityDisplay
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.curves import area
from tsdistill.inputs.files import check_folder, write_whole
from tsdistill.inputs.labels import few
from tsdistill.inputs.types import BoolArray, FloatArray, Path
from tsdistill.reporting.html import NAMES, number, page_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


@dataclass(frozen=True, eq=False, repr=False)
class FidelityReport:
    """How closely a student follows its teacher, in answers and in reasons, and at what cost.

    Made by :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

    Parameters
    ----------
    n_instances, n_explained : int
        Number of all series, and of the series, drawn at random, with maps and curves.
    n_differ : int
        Number of series with different predictions.
    left_out : list
        Classes that the teacher knows and the student does not, since y in ``fit`` had no series
        of them. All measures compare the teacher's answers among the other classes.
    n_left_out : int
        Number of series for which the teacher predicts a left-out class.
    about : str
        Which models were compared.
    confidence : float
        Level of the intervals.
    agreement, kl, js : float
        Measures of the answers, see :mod:`tsdistill.fidelity`.
    saliency, top_overlap : float
        Measures of the maps for the class that the teacher predicts, with a baseline on which the
        student was not trained.
    intervals : dict of str to tuple of float
        Low and high end of the interval of each measure: Clopper-Pearson for shares, bootstrap
        percentiles for the others. Resampling raises a calibration error, so its interval lies too
        high.
    beside : dict of str to dict of str to float
        For comparison: "saliency" and "top_overlap" of a random map and, if a student trained on
        labels alone was given, all measures of that student.
    per_class : pandas.DataFrame
        One row for each class that the teacher predicts: number of series, agreement with the
        bounds of its interval, mean KL, and the measures of the maps; for comparison the
        measures of a random map (``_random``) and of the student trained on labels alone
        (``_labels``).
    worst : pandas.DataFrame
        The ten series on which teacher and student differ most, by their row in X: different
        predictions first, then by KL. Columns: y if it was given, the prediction of each model
        and its probability, KL, and the correlation of the maps.
    models : pandas.DataFrame
        Teacher, student and their ratio: weights (of torch modules), megabytes (of the weights,
        or of the pickled model), milliseconds for one series, and for each of up to 256 at once.
    curves : dict of tuple of str to tuple of ndarray
        Shares and proba by model, fill and kind, see :func:`tsdistill.fidelity.deletion_curve`.
    examples : dict of str to list of dict
        "typical" series (the same prediction, KL close to the median of these; empty if no
        prediction is the same) and "worst" ones, with the maps of both models, for the pictures.
    answers : tuple of ndarray
        For each series the student's confidence, and whether the teacher agrees.
    accuracy, nll, ece, teacher_accuracy, teacher_nll, teacher_ece : float or None
        Measures of the student's and the teacher's answers against y; None without y.
    negative_flips, positive_flips : float or None
        Shares of series for which the teacher alone is right, and for which the student alone is;
        None without y. The student's accuracy is the teacher's, minus the former, plus the latter.

    See Also
    --------
    tsdistill.SwapContract : Says whether what is demanded of a student is shown.
    tsdistill.fidelity : The measures.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktime.datasets import load_italy_power_demand
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> teacher = LogisticRegression(max_iter=1000).fit(X[:40], y[:40])
    >>> settings = {"max_epochs": 5, "n_mixtures": 0, "random_state": 0}  # for this example
    >>> student = SaliencyDistilledClassifier(teacher, **settings).fit(X[:40], y[:40])
    >>> report = student.fidelity_report(X[40:], y[40:], n_explained=10)
    >>> report.n_instances, report.n_explained
    (27, 10)
    >>> report.to_frame().index.tolist()[:5]
    ['agreement', 'kl', 'js', 'saliency', 'top_overlap']
    """

    n_instances: int
    n_explained: int
    n_differ: int
    left_out: list[Any]
    n_left_out: int
    about: str
    confidence: float
    agreement: float
    kl: float
    js: float
    saliency: float
    top_overlap: float
    intervals: dict[str, tuple[float, float]]
    beside: dict[str, dict[str, float]]
    per_class: pd.DataFrame
    worst: pd.DataFrame
    models: pd.DataFrame
    curves: dict[tuple[str, str, str], tuple[FloatArray, FloatArray]] = field(repr=False)
    examples: dict[str, list[dict[str, Any]]] = field(repr=False)
    answers: tuple[NDArray[Any], BoolArray] = field(repr=False)
    accuracy: float | None = None
    nll: float | None = None
    ece: float | None = None
    teacher_accuracy: float | None = None
    teacher_nll: float | None = None
    teacher_ece: float | None = None
    negative_flips: float | None = None
    positive_flips: float | None = None

    def to_frame(self) -> pd.DataFrame:
        """Show all measures with their intervals, and the measures for comparison.

        Returns
        -------
        pandas.DataFrame
            One row for each measure; columns ``value``, ``low``, ``high``, ``n_series``,
            ``random_map`` and, if a student trained on labels alone was given, ``label_only``.
            NaN if a measure has no such value.
        """
        rows = {}
        for name in self.intervals:
            low, high = self.intervals[name]
            of_maps = name in ("saliency", "top_overlap")
            n_series = self.n_explained if of_maps else self.n_instances
            row = {"value": getattr(self, name), "low": low, "high": high, "n_series": n_series}
            rows[name] = row | {"random_map": np.nan} | self.beside.get(name, {})
        frame: pd.DataFrame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "measure"
        return frame

    def areas(self) -> pd.DataFrame:
        """Compute the areas under the deletion and insertion curves.

        Returns
        -------
        pandas.DataFrame
            One row for each kind and baseline; columns for teacher, student, and the student
            with its timesteps in random order. Lower is better for deletion, higher for insertion.
        """
        areas = pd.Series({key: area(*curve).mean() for key, curve in self.curves.items()})
        areas.index.names = ["model", "fill", "kind"]
        models = list(dict.fromkeys(model for model, _, _ in self.curves))
        frame: pd.DataFrame = areas.unstack("model").swaplevel().sort_index()[models]
        return frame

    @property
    def warnings(self) -> list[str]:
        """Sentences to read with every figure of the report; empty if there are none."""
        if not self.left_out:
            return []
        return [
            f"The teacher also knows class {few(self.left_out)}, which the student does not know. "
            "Every measure leaves it out, although it is the teacher's own answer for "
            f"{self.n_left_out} of the {self.n_instances} series."
        ]

    def __repr__(self) -> str:
        return (
            f"<FidelityReport: {self.n_instances} series, agreement {self.agreement:.3f}, saliency "
            f"{self.saliency:.3f}; print it, or write it with to_html(path)>"
        )

    def __str__(self) -> str:
        percent = f"{100 * self.confidence:g} %"
        lines = [
            f"Fidelity of a student to its teacher: {self.n_instances} series, {self.n_explained} "
            f"explained; {percent} intervals",
            self.about,
            *self.warnings,
            "",
        ]
        table = self.to_frame()
        for name, row in table.iterrows():
            beside = [f"random map {row['random_map']:.3f}"] * (not np.isnan(row["random_map"]))
            if not np.isnan(row.get("label_only", np.nan)):
                beside.append(f"labels only {row['label_only']:.3f}")
            interval = f"[{row['low']:.3f}, {row['high']:.3f}]"
            interval = "" if np.isnan(row["low"]) else interval
            text = f"  {NAMES[str(name)]:<40}{row['value']:>8.3f}  {interval:<16} "
            lines.append((text + "; ".join(beside)).rstrip())
        for title, frame in (
            ("By the class that the teacher predicts", self.per_class),
            (f"Where they differ most ({self.n_differ} predictions differ)", self.worst),
            ("Areas under the curves (deletion: lower is better)", self.areas()),
            ("Models", self.models),
        ):
            shown = frame.to_string(float_format=number, na_rep="", line_width=120)
            lines += ["", title, shown]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return page_of(self)

    def plot(self, *, figure: Figure | SubFigure | None = None) -> FidelityDisplay:
        """Draw agreement against confidence, and the deletion and insertion curves.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        FidelityDisplay
            Its ``axes_`` and ``figure_`` can be changed.
        """
        return FidelityDisplay(*self.answers, self.curves).plot(figure=figure)

    def to_html(self, path: Path, *, title: str = "Fidelity report") -> None:
        """Write all tables and pictures as one self-contained HTML page.

        Parameters
        ----------
        path : str or path
            An existing file is replaced, but not if writing fails. The folder has to exist.
        title : str, default="Fidelity report"
            Title of the page, such as the name of the data set.
        """
        if not isinstance(title, str):
            raise ParameterError(f"title={title!r}; expected a str.")
        check_folder(path)
        write_whole(path, page_of(self, title=title))
