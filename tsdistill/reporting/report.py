"""FidelityReport: what to show before a teacher is replaced."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tsdistill.display.fidelity import FidelityDisplay
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.curves import area
from tsdistill.inputs.files import check_folder, write_whole
from tsdistill.inputs.labels import few
from tsdistill.reporting.html import NAMES, number, page_of


@dataclass(frozen=True, eq=False, repr=False)
class FidelityReport:
    """How far a student answers as its teacher does, for the same reasons, and at what cost.

    Made by :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

    Attributes
    ----------
    n_instances, n_explained : int
        Series in all, and those, drawn at random, that maps and curves were asked for.
    left_out : list
        Classes that the teacher knows and the student does not, since the y of its ``fit`` had
        none; all measures are of the teacher's answers among the others.
    n_left_out : int
        Series for which the teacher, asked freely, names one of those.
    about : str
        Which models were compared.
    confidence : float
        Level of the intervals. Those of calibration errors are of a statistic that resampling
        raises, and lie high.
    agreement, kl, js : float
        Of the answers, see :mod:`tsdistill.fidelity`.
    saliency, top_overlap : float
        Of the maps, by fills that the student was not trained on, for the teacher's class.
    accuracy, nll, ece, teacher_accuracy, teacher_nll, teacher_ece : float or None
        Of student and teacher against y; None without y.
    intervals : dict of str to (low, high)
        Of each of the above: Clopper-Pearson of shares, bootstrap percentiles of the others.
    beside : dict of str to dict of str to float
        What "saliency" and "top_overlap" are of a random map, and of a student trained on labels
        alone where one was given; of that student also the measures of its answers.
    per_class : pandas.DataFrame
        One row for each class that the teacher predicts: series, agreement with the bounds of
        its interval, mean KL, and the measures of the maps; beside them those of a random map
        (``_random``) and of the student trained on labels alone (``_labels``).
    worst : pandas.DataFrame
        The ten series on which the two differ most, by their row in X: other predictions first,
        then by KL. Columns: y where it was given, what either predicts and with which
        probability, KL, and the correlation of their maps.
    n_differ : int
        Series with another prediction.
    models : pandas.DataFrame
        Of teacher and student, and their ratio: weights (of torch modules), megabytes (of their
        tensors, else pickled), milliseconds for one series, and for each of up to 256 at once.
    curves : dict of (model, fill, kind) to (shares, proba)
        See :func:`tsdistill.fidelity.deletion_curve`.
    examples : dict of str to list of dict
        "typical" and "worst" series with both maps, for the pictures.
    answers : tuple of ndarray
        The student's confidence, and whether it agrees, for each series.
    """

    n_instances: int
    n_explained: int
    n_differ: int
    left_out: list
    n_left_out: int
    about: str
    confidence: float
    agreement: float
    kl: float
    js: float
    saliency: float
    top_overlap: float
    intervals: dict
    beside: dict
    per_class: pd.DataFrame
    worst: pd.DataFrame
    models: pd.DataFrame
    curves: dict = field(repr=False)
    examples: dict = field(repr=False)
    answers: tuple = field(repr=False)
    accuracy: float | None = None
    nll: float | None = None
    ece: float | None = None
    teacher_accuracy: float | None = None
    teacher_nll: float | None = None
    teacher_ece: float | None = None

    def to_frame(self):
        """All measures with their intervals, and what stands beside them.

        Returns
        -------
        frame : pandas.DataFrame
            One row a measure; columns ``value``, ``low``, ``high``, ``n_series``,
            ``random_map`` and, where such a student was given, ``label_only``. NaN where a
            measure has no such value.
        """
        rows = {}
        for name in self.intervals:
            low, high = self.intervals[name]
            of_maps = name in ("saliency", "top_overlap")
            n_series = self.n_explained if of_maps else self.n_instances
            row = {"value": getattr(self, name), "low": low, "high": high, "n_series": n_series}
            rows[name] = row | {"random_map": np.nan} | self.beside.get(name, {})
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "measure"
        return frame

    def areas(self):
        """Areas under the deletion and insertion curves.

        Returns
        -------
        frame : pandas.DataFrame
            One row a kind and fill; a column each for teacher, student, and the student with
            timesteps in random order. Deletion: lower is better; insertion: higher.
        """
        found = pd.Series({key: area(*curve).mean() for key, curve in self.curves.items()})
        found.index.names = ["model", "fill", "kind"]
        models = list(dict.fromkeys(model for model, _, _ in self.curves))
        return found.unstack("model").swaplevel().sort_index()[models]

    @property
    def warnings(self):
        """Sentences that belong beside every figure; none where nothing has to be said."""
        if not self.left_out:
            return []
        return [
            f"The teacher also knows class {few(self.left_out)}, which the student does not: it "
            f"was left out of every measure, and is the teacher's own answer for {self.n_left_out} "
            f"of the {self.n_instances} series."
        ]

    def __repr__(self):
        return (
            f"<FidelityReport: {self.n_instances} series, agreement {self.agreement:.3f}, saliency "
            f"{self.saliency:.3f}; print it, or write it by to_html(path)>"
        )

    def __str__(self):
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
            text = f"  {NAMES[name]:<40}{row['value']:>8.3f}  {interval:<16} "
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

    def _repr_html_(self):
        return page_of(self)

    def plot(self, *, figure=None):
        """Draw agreement against confidence, and the curves.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, default=None

        Returns
        -------
        display : FidelityDisplay
        """
        return FidelityDisplay(*self.answers, self.curves).plot(figure=figure)

    def to_html(self, path, *, title="Fidelity report"):
        """Write one page with all tables and pictures, which needs nothing else to be read.

        Parameters
        ----------
        path : str or path
            Replaced if it exists, whole or not at all; its folder has to exist.
        title : str, default="Fidelity report"
            What stands on top, such as the name of the data.
        """
        if not isinstance(title, str):
            raise ParameterError(f"title={title!r}; expected text.")
        check_folder(path)
        write_whole(path, page_of(self, title=title))
