"""The size path: students of several sizes of one teacher, and the smallest that will do."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsdistill.display.size_path import SizePathDisplay
from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ExportError, OutOfReachError, ParameterError
from tsdistill.fidelity.answers import per_series_kl
from tsdistill.fidelity.betting import mean_bounds
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.inputs.checks import check_count, check_positive, check_share, is_number, shown
from tsdistill.reporting.costs import latency, n_bytes, n_weights
from tsdistill.students import FCN, Lite
from tsdistill.swap.demands import MOST_NATS
from tsdistill.swap.risk import upper_bound

STUDENTS = {
    "lite, 1 filter": Lite(n_filters=1),
    "lite, 2 filters": Lite(n_filters=2),
    "fcn, 8 filters": FCN(n_filters=8),
    "lite, 4 filters": Lite(n_filters=4),
    "fcn, 16 filters": FCN(n_filters=16),
    "lite, 8 filters": Lite(n_filters=8),
}
"""From 200 to 9,000 weights, for series of one channel and two classes."""
MEASURES = {"agreement": 1, "saliency": 1, "kl": -1}
"""Measures that can be demanded, and whether more is better."""
LIMITS = {
    "max_weights": "weights",
    "max_bytes": "bytes",
    "max_memory": "memory",
    "max_multiplications": "multiplications",
    "max_microseconds": "microseconds",
}
"""Limits, and the columns that they hold for."""


def size_path(
    classifier, X, y=None, X_val=None, *, students=None, confidence=0.95, n_explained=200,
    sample_weight=None, X_unlabelled=None,
):  # fmt: skip
    """Distil one teacher into students of several sizes, and compare them on held-out series.

    The teacher is asked once for all: the students learn the same series, mixtures and windows,
    and are compared by the same answers and maps.

    Parameters
    ----------
    classifier : SaliencyDistilledClassifier
        Holds the teacher and all settings but ``student``; it is not changed.
    X, y, sample_weight, X_unlabelled
        As in :meth:`tsdistill.SaliencyDistilledClassifier.fit`.
    X_val : array-like, shaped as X
        Series held out from the training, of teacher and students.
    students : dict of str to student, or list of students, default=None
        As the parameter ``student`` takes them. None: six of two families, from about 200 to
        9,000 weights.
    confidence : float in (0, 1), default=0.95
        Probability with which every bound of the path holds, for all students at once.
    n_explained : int, default=200
        Number of series of X_val, at most, whose maps are compared; drawn at random.

    Returns
    -------
    path : SizePath

    Raises
    ------
    ParameterError
        If an argument cannot be used.
    PanelError, TeacherError, StudentError, TrainingError
        As fit raises them.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktime.datasets import load_italy_power_demand
    >>> from tsdistill import SaliencyDistilledClassifier, size_path
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
    >>> teacher = LogisticRegression(max_iter=1000).fit(X, y)
    >>> settings = {"max_epochs": 5, "n_mixtures": 0, "random_state": 0}  # for this example
    >>> distilled = SaliencyDistilledClassifier(teacher, **settings)
    >>> path = size_path(distilled, X, y, X_new[:200], students=["gru", "lite"])
    >>> path.to_frame()["weights"].tolist()
    [2042, 8794]
    >>> path.smallest(agreement=0.5).student
    'gru'
    """
    if not isinstance(classifier, SaliencyDistilledClassifier):
        raise ParameterError(
            f"classifier is a {type(classifier).__name__}; expected a SaliencyDistilledClassifier, "
            "whose teacher and settings the students share."
        )
    if X_val is None:
        raise ParameterError(
            "X_val=None, but students are compared on held-out series; pass some of which neither "
            "the teacher nor a student has learnt."
        )
    check_share("confidence", confidence)
    check_count("n_explained", n_explained)
    named = _named(students)
    fitted = _fitted(classifier, named, X, y, sample_weight, X_unlabelled)
    level = 1 - (1 - float(confidence)) / len(named)
    rows, answers, maps = {}, None, None
    for name, one in fitted.items():
        whole = one._compare(X_val)
        if answers is not None:
            whole = whole.knowing("teacher", answers)
        answers = whole.answers("teacher")
        n = len(whole.panel)
        drawn = np.sort(np.random.default_rng(0).permutation(n)[: int(n_explained)])
        explained = whole.rows(drawn)
        if maps is not None:
            explained = explained.knowing("teacher", answers[drawn], maps)
        maps = explained.map_of("teacher")
        rows[name] = _measured(one, whole, explained, level)
    frame = pd.DataFrame.from_dict(rows, orient="index").sort_values("weights", kind="stable")
    frame.index.name = "student"
    frame["front"] = _on_front(frame)
    fitted = {name: fitted[name] for name in frame.index}
    return SizePath(fitted, frame, n, len(drawn), float(confidence))


def _named(students):
    """The students by name."""
    if students is None:
        return STUDENTS
    if isinstance(students, dict):
        named = dict(students)
    elif isinstance(students, (list, tuple)):
        named = {_name_of(one): one for one in students}
        if len(named) < len(students):
            raise ParameterError(
                f"students={shown(students)} holds two of one name; pass a dict of names instead."
            )
    else:
        named = {}
    if not named or not all(isinstance(name, str) for name in named):
        raise ParameterError(
            f"students={shown(students)}; expected a dict of names to students, or a list of "
            "students, with at least one."
        )
    return named


def _name_of(student):
    return student if isinstance(student, str) else str(student)


def _fitted(classifier, students, X, y, sample_weight, X_unlabelled):
    """Every student, fitted on what the teacher has answered once."""
    fitted, transfer_set = {}, None
    for name, student in students.items():
        one = clone(classifier).set_params(student=student, warm_start=True)
        one._transfer_set = transfer_set
        one.fit(X, y, sample_weight=sample_weight, X_unlabelled=X_unlabelled)
        transfer_set = one._transfer_set
        one.set_params(warm_start=classifier.warm_start)
        fitted[name] = one
    for one in fitted.values():
        if not classifier.warm_start:
            one._forget_transfer_set()
    return fitted


@dataclass(frozen=True, eq=False)
class SizePath:
    """Students of several sizes of one teacher, from the smallest to the largest.

    Made by :func:`size_path`.

    Attributes
    ----------
    students : dict of str to fitted SaliencyDistilledClassifier
        In the order of their weights.
    frame : pandas.DataFrame
        See :meth:`to_frame`.
    n_instances, n_explained : int
        Number of held-out series, and of those whose maps were compared.
    confidence : float
        Probability with which all bounds hold at once.
    """

    students: dict
    frame: pd.DataFrame
    n_instances: int
    n_explained: int
    confidence: float

    def to_frame(self):
        """Fidelity and costs of each student.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each student. ``weights``; ``bytes`` in flash and ``memory`` in bytes, for
            one series, as :meth:`~tsdistill.SaliencyDistilledClassifier.to_c` writes it (NaN
            if it cannot; bytes are then those of the weights); ``multiplications`` for one series;
            ``microseconds`` for one series in this process; ``agreement``, ``saliency`` and
            ``kl`` on the held-out series, each with a bound that it clears (``_bound``: the least
            for agreement and saliency, the most for kl); ``seconds`` of training; and whether
            the student is on the ``front``: none with at most as many weights agrees more often.
        """
        return self.frame.copy()

    def smallest(self, agreement=None, saliency=None, kl=None, **limits):
        """The student of the fewest weights that meets all demands.

        Parameters
        ----------
        agreement, saliency : float, default=None
            Least agreement, in [0, 1], and least mean correlation of the maps, in [-1, 1].
        kl : float, default=None
            Largest mean KL(teacher || student), in nats.
        max_weights, max_bytes, max_memory, max_multiplications, max_microseconds : float
            Limits of the columns of :meth:`to_frame`.

        Returns
        -------
        student : fitted SaliencyDistilledClassifier

        Raises
        ------
        ParameterError
            If a demand is out of range or unknown, or none is made.
        OutOfReachError
            If no student meets all demands; the message says which is out of reach, and by how
            much.

        Notes
        -----
        A demand of fidelity holds if the *bound* clears it, not the measured value. The bound of
        each of J students has the level ``1 - (1 - confidence) / J`` (Bonferroni), so the
        one that is chosen meets its demands with probability ``confidence``, though it was
        chosen on the same series. Bounds of agreement are exact (Clopper and Pearson); those of
        means hold for any distribution, see :func:`tsdistill.fidelity.betting_interval`. A series
        counts 9.21 nats at most in that of kl.
        """
        demands = {"agreement": agreement, "saliency": saliency, "kl": kl}
        demands = {name: value for name, value in demands.items() if value is not None}
        _check_demands(demands, limits)
        cleared = {}
        for name, value in demands.items():
            cleared[name] = MEASURES[name] * (self.frame[f"{name}_bound"] - value) >= 0
        for name, value in limits.items():
            cleared[name] = self.frame[LIMITS[name]] <= value
        meets = pd.DataFrame(cleared, index=self.frame.index).all(axis=1)
        if not meets.any():
            raise OutOfReachError(self._out_of_reach(demands, limits, pd.DataFrame(cleared)))
        return self.students[meets.idxmax()]

    def _out_of_reach(self, demands, limits, cleared):
        """Which demand no student meets, alone or beside the others, and by how much."""
        alone = [name for name in cleared if not cleared[name].any()]
        if alone:
            parts = [self._nearest(name, (demands | limits)[name], self.frame) for name in alone]
            return f"no student of the path meets {'; nor '.join(parts)}."
        within = self.frame[cleared[list(limits)].all(axis=1)] if limits else self.frame
        if not len(within):
            return (
                f"no student meets all of {', '.join(limits)} at once, though each is met by one; "
                "ease one of them, or pass smaller students."
            )
        parts = [
            self._nearest(name, value, within)
            for name, value in demands.items()
            if not cleared.loc[within.index, name].any()
        ]
        if not parts:
            return (
                f"no student meets all of {', '.join(cleared)} at once, though each is met by one; "
                "ease one of them, or pass further students."
            )
        return f"no student within the limits meets {'; nor '.join(parts)}."

    def _nearest(self, name, value, frame):
        """A demand, and how near the best of some students comes."""
        if name in LIMITS:
            column = frame[LIMITS[name]]
            return f"{name}={value:g} (the least is {column.min():g}, of {column.idxmin()!r})"
        bound = frame[f"{name}_bound"]
        best = bound.idxmax() if MEASURES[name] > 0 else bound.idxmin()
        sign = ">=" if MEASURES[name] > 0 else "<="
        n = self.n_instances if name != "saliency" else self.n_explained
        return (
            f"{name} {sign} {value:g} (the best, {best!r}, has {frame.loc[best, name]:.4g}, its "
            f"bound on {n} series is {bound[best]:.4g}, {abs(value - bound[best]):.2g} off)"
        )

    def plot(self, *, figure=None):
        """Draw fidelity over size, see :class:`tsdistill.display.SizePathDisplay`."""
        return SizePathDisplay(self.frame, self.confidence).plot(figure=figure)


def _check_demands(demands, limits):
    unknown = [name for name in limits if name not in LIMITS]
    if unknown:
        raise ParameterError(
            f"{unknown[0]}={shown(limits[unknown[0]])} is no limit; expected some of "
            f"{', '.join(LIMITS)}."
        )
    for name, value in limits.items():
        check_positive(name, value)
    for name, (low, high) in {"agreement": (0, 1), "saliency": (-1, 1), "kl": (0, np.inf)}.items():
        value = demands.get(name)
        if name in demands and not (is_number(value) and low <= value <= high):
            raise ParameterError(f"{name}={shown(value)}; expected a number in [{low}, {high}].")
    if not demands and not limits:
        raise ParameterError("no demand was made; pass agreement, saliency, kl or a limit.")


def _measured(student, comparison, explained, level):
    """The row of one student, from all series and from those with maps."""
    model, panel = comparison.models["student"], comparison.panel
    agrees = comparison.answers("student").argmax(axis=1) == comparison.target
    kl = per_series_kl(*comparison.log_proba.values())
    correlation = per_series_correlation(*explained.maps.values())
    return {
        **_costs(student, model),
        "microseconds": 1e6 * latency(model, panel[:1], comparison.options),
        "agreement": agrees.mean(),
        "agreement_bound": 1 - float(upper_bound((~agrees).sum(), len(agrees), level)),
        "saliency": correlation.mean(),
        "saliency_bound": mean_bounds(correlation, -1.0, 1.0, level)[0],
        "kl": kl.mean(),
        "kl_bound": mean_bounds(np.minimum(kl, MOST_NATS), 0.0, MOST_NATS, level)[1],
        "seconds": sum(row["dur"] for row in student.history_),
    }


def _costs(student, model):
    """Weights, bytes and multiplications."""
    try:
        costs = student.student_costs()
    except ExportError:  # a network of the user's
        return {
            "weights": n_weights(model), "bytes": n_bytes(model), "memory": np.nan,
            "multiplications": np.nan,
        }  # fmt: skip
    return {
        "weights": costs["weights"],
        "bytes": costs["constant_bytes"],
        "memory": costs["memory_bytes"],
        "multiplications": costs["multiplications"],
    }


def _on_front(frame):
    """Whether no student with at most as many weights agrees more often; rows by weights."""
    best = frame["agreement"].cummax()
    return (frame["agreement"] == best) & (best > best.shift(fill_value=-1.0))
