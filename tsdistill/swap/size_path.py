"""The size path: students of several sizes of one teacher, and the smallest that will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone

from tsdistill.display.size_path import SizePathDisplay
from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.estimators.types import StudentLike
from tsdistill.exceptions import OutOfReachError, ParameterError
from tsdistill.inputs.checks import check_count, check_positive, check_share, is_number, shown
from tsdistill.inputs.types import Float32Array, Series
from tsdistill.students import FCN, Lite
from tsdistill.swap.path_rows import measured, on_front

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STUDENTS: dict[str, StudentLike] = {
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
    classifier: SaliencyDistilledClassifier,
    X: Series,
    y: ArrayLike | None = None,
    X_val: Series | None = None,
    *,
    students: Mapping[str, StudentLike] | Sequence[StudentLike] | None = None,
    confidence: float = 0.95,
    n_explained: int = 200,
    sample_weight: ArrayLike | None = None,
    X_unlabelled: Series | None = None,
) -> SizePath:
    """Distil one teacher into students of several sizes, and compare them on held-out series.

    The teacher is asked once for all: the students learn the same series, mixtures and windows,
    and are compared by the same answers and maps.

    Parameters
    ----------
    classifier : SaliencyDistilledClassifier
        Holds the teacher and all settings but ``student``; it is not changed.
    X : array-like of shape (n_instances, n_channels, n_timepoints)
        Training series, as :meth:`tsdistill.SaliencyDistilledClassifier.fit` takes them.
    y : array-like of shape (n_instances,), default=None
        Labels; without them the teacher labels the series.
    X_val : array-like, shaped as X
        Series held out from the training, of teacher and students.
    students : dict of str to student, or list of students, default=None
        As the parameter ``student`` takes them. None: six of two families, from about 200 to
        9,000 weights.
    confidence : float in (0, 1), default=0.95
        Probability with which every bound of the path holds, for all students at once.
    n_explained : int, default=200
        Number of series of X_val, at most, whose maps are compared; drawn at random.
    sample_weight : array-like of shape (n_instances,), default=None
        Weight of each series in training.
    X_unlabelled : array-like, shaped as X, default=None
        Further training series, which only the teacher labels.

    Returns
    -------
    SizePath
        The students, with their fidelity and costs.

    Raises
    ------
    ParameterError
        If an argument cannot be used.
    PanelError, TeacherError, StudentError, TrainingError
        As fit raises them.

    See Also
    --------
    SaliencyDistilledClassifier : Distils one student.
    tsdistill.display.SizePathDisplay : Draws the path.

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
    rows: dict[str, dict[str, float]] = {}
    answers: Float32Array | None = None
    maps: Float32Array | None = None
    for name, one in fitted.items():
        whole = one._compare(X_val)
        if answers is not None:
            whole = whole.knowing("teacher", answers)
        answers = whole.answers("teacher")
        n = len(whole.panel)
        drawn = np.sort(np.random.default_rng(0).permutation(n)[: int(n_explained)])
        explained = whole.rows(drawn).knowing("teacher", answers[drawn], maps)
        maps = explained.map_of("teacher")
        rows[name] = measured(one, whole, explained, level)
    frame = pd.DataFrame.from_dict(rows, orient="index").sort_values("weights", kind="stable")
    frame.index.name = "student"
    frame["front"] = on_front(frame)
    fitted = {name: fitted[name] for name in frame.index}
    return SizePath(fitted, frame, n, len(drawn), float(confidence))


def _named(students: Any) -> dict[str, Any]:
    """The students by name."""
    if students is None:
        return STUDENTS
    if isinstance(students, dict):
        named = dict(students)
    elif isinstance(students, (list, tuple)):
        named = {str(one): one for one in students}
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


def _fitted(
    classifier: SaliencyDistilledClassifier,
    students: Mapping[str, StudentLike],
    X: Series,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    X_unlabelled: Series | None,
) -> dict[str, SaliencyDistilledClassifier]:
    """Every student, fitted on what the teacher has answered once."""
    fitted: dict[str, SaliencyDistilledClassifier] = {}
    transfer_set = None
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

    Parameters
    ----------
    students : dict of str to fitted SaliencyDistilledClassifier
        In the order of their weights.
    frame : pandas.DataFrame
        See :meth:`to_frame`.
    n_instances, n_explained : int
        Number of held-out series, and of those whose maps were compared.
    confidence : float
        Probability with which all bounds hold at once.

    See Also
    --------
    size_path : Makes it.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktime.datasets import load_italy_power_demand
    >>> from tsdistill import SaliencyDistilledClassifier, size_path
    >>> from tsdistill.students import Lite
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> teacher = LogisticRegression(max_iter=1000).fit(X[:40], y[:40])
    >>> settings = {"max_epochs": 5, "n_mixtures": 0, "random_state": 0}  # for this example
    >>> distilled = SaliencyDistilledClassifier(teacher, **settings)
    >>> students = {"small": Lite(n_filters=2), "large": Lite()}
    >>> path = size_path(distilled, X[:40], y[:40], X[40:], students=students)
    >>> path.n_instances, list(path.students)
    (27, ['small', 'large'])
    >>> path.smallest(max_weights=9_000) is path.students["small"]
    True
    """

    students: dict[str, SaliencyDistilledClassifier]
    frame: pd.DataFrame
    n_instances: int
    n_explained: int
    confidence: float

    def to_frame(self) -> pd.DataFrame:
        """Show fidelity and costs of each student.

        Returns
        -------
        pandas.DataFrame
            One row for each student. ``weights``; ``bytes`` in flash and ``memory`` in bytes, for
            one series, as :meth:`~tsdistill.SaliencyDistilledClassifier.to_c` writes it (NaN
            if it cannot; bytes are then those of the weights); ``multiplications`` for one series;
            ``microseconds`` for one series in this process; ``agreement``, ``saliency`` and
            ``kl`` on the held-out series, each with a bound that it clears (``_bound``: the least
            for agreement and saliency, the most for kl); ``seconds`` of training; and whether
            the student is on the ``front``: none with at most as many weights agrees more often.
        """
        frame: pd.DataFrame = self.frame.copy()
        return frame

    def smallest(
        self,
        agreement: float | None = None,
        saliency: float | None = None,
        kl: float | None = None,
        **limits: float,
    ) -> SaliencyDistilledClassifier:
        """Return the student of the fewest weights that meets all demands.

        Parameters
        ----------
        agreement, saliency : float, default=None
            Least agreement, in [0, 1], and least mean correlation of the maps, in [-1, 1].
        kl : float, default=None
            Largest mean KL(teacher || student), in nats.
        **limits : float
            Limits of the columns of :meth:`to_frame`: ``max_weights``, ``max_bytes``,
            ``max_memory``, ``max_multiplications`` and ``max_microseconds``.

        Returns
        -------
        SaliencyDistilledClassifier
            One of ``students``, fitted.

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
        fidelity = {"agreement": agreement, "saliency": saliency, "kl": kl}
        demands = {name: value for name, value in fidelity.items() if value is not None}
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

    def _out_of_reach(
        self, demands: dict[str, float], limits: dict[str, float], cleared: pd.DataFrame
    ) -> str:
        """Which demand no student meets, alone or beside the others, and by how much."""
        alone = [str(name) for name in cleared if not cleared[name].any()]
        if alone:
            parts = [self._nearest(name, (demands | limits)[name], self.frame) for name in alone]
            return f"no student of the path meets {'; nor '.join(parts)}."
        within = self.frame[cleared[list(limits)].all(axis=1)]
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
                f"no student meets all of {', '.join(demands | limits)} at once, though each is "
                "met by one; ease one of them, or pass further students."
            )
        return f"no student within the limits meets {'; nor '.join(parts)}."

    def _nearest(self, name: str, value: float, frame: pd.DataFrame) -> str:
        """A demand, and how near the best of some students comes."""
        if name in LIMITS:
            column = frame[LIMITS[name]]
            return f"{name}={value:g} (the least is {column.min():g}, of {column.idxmin()!r})"
        bound = frame[f"{name}_bound"]
        best: Any = bound.idxmax() if MEASURES[name] > 0 else bound.idxmin()
        sign = ">=" if MEASURES[name] > 0 else "<="
        n = self.n_instances if name != "saliency" else self.n_explained
        return (
            f"{name} {sign} {value:g} (the best, {best!r}, has {frame.loc[best, name]:.4g}, its "
            f"bound on {n} series is {bound[best]:.4g}, {abs(value - bound[best]):.2g} off)"
        )

    def plot(self, *, figure: Figure | None = None) -> SizePathDisplay:
        """Draw fidelity over size, see :class:`tsdistill.display.SizePathDisplay`.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        SizePathDisplay
            Its ``axes_`` and ``figure_`` can be changed.
        """
        return SizePathDisplay(self.frame, self.confidence).plot(figure=figure)


def _check_demands(demands: dict[str, float], limits: dict[str, float]) -> None:
    unknown = [name for name in limits if name not in LIMITS]
    if unknown:
        raise ParameterError(
            f"{unknown[0]}={shown(limits[unknown[0]])} is no limit; expected some of "
            f"{', '.join(LIMITS)}."
        )
    for name, value in limits.items():
        check_positive(name, value)
    for name, (low, high) in {"agreement": (0, 1), "saliency": (-1, 1), "kl": (0, np.inf)}.items():
        value = demands.get(name, low)
        if not (is_number(value) and low <= value <= high):
            raise ParameterError(f"{name}={shown(value)}; expected a number in [{low}, {high}].")
    if not demands and not limits:
        raise ParameterError("no demand was made; pass agreement, saliency, kl or a limit.")
