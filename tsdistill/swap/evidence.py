"""What a SwapContract is judged by: answers, maps and costs of a student and its teacher."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsdistill.exceptions import ExportError, ParameterError
from tsdistill.fidelity.answers import per_series_flips
from tsdistill.fidelity.answers import per_series_js as js
from tsdistill.fidelity.answers import per_series_kl as kl
from tsdistill.fidelity.calibration import confidence_and_success
from tsdistill.fidelity.maps import per_series_correlation
from tsdistill.inputs.checks import check_count
from tsdistill.inputs.labels import few
from tsdistill.inputs.random_state import generator
from tsdistill.inputs.types import RandomSource
from tsdistill.reporting.costs import durations, n_weights
from tsdistill.swap.bounds import (
    Calibration,
    Counted,
    Found,
    Mean,
    Median,
    NetShare,
    Share,
    ShareOfEachClass,
    Unknown,
)
from tsdistill.swap.contract_inputs import (
    GivenAnswers,
    check_can_answer,
    given_log_proba,
    given_maps,
    student_inside,
    with_teacher,
)
from tsdistill.swap.demands import DEMANDS, LABELS, MOST_NATS, TEACHER
from tsdistill.swap.digests import digests_of

N_TIMED, N_WARM = 101, 3


class Evidence:
    """Student and teacher on some series; each is asked only for what is demanded.

    Parameters
    ----------
    student : fitted SaliencyDistilledClassifier, or a search or Pipeline around one
    X : array-like, as the student takes it
    y : array-like of shape (n_instances,), or None
    demanded : collection of str
        Names of demands.
    teacher : as :class:`~tsdistill.SaliencyDistilledClassifier` takes it, or None
        None takes the student's own.
    given : GivenAnswers
    n_explained : int
        Most series with maps.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        For the draw of these.

    Raises
    ------
    ParameterError
        If a demand needs labels or a teacher that there is not, or an argument cannot be used.
    """

    def __init__(
        self,
        student: Any,
        X: Any,
        y: Any,
        demanded: list[str],
        teacher: Any,
        given: GivenAnswers,
        n_explained: int,
        random_state: RandomSource,
    ) -> None:
        needs = {need for name in demanded for need in DEMANDS[name].needs}
        check_count("n_explained", n_explained)
        if y is None and LABELS in needs:
            raise ParameterError(
                f"{_first(demanded, LABELS)} needs y, but got None; pass the labels of X as y."
            )
        holder, X = student_inside(student, X)
        if teacher is not None:
            holder = with_teacher(holder, teacher, given)
        self.holder, self.given, self.classes = holder, given, holder.classes_
        comparison = holder._compare(X)
        self.n_series = len(comparison.panel)
        self.class_index = holder._class_index_of(y, self.n_series)
        if given.proba is not None:
            answers = given_log_proba(given.proba, (self.n_series, len(self.classes)))
            comparison = comparison.knowing(
                "teacher", answers, given_maps(given.maps, comparison.panel)
            )
        elif given.maps is not None:
            raise ParameterError(
                "teacher_maps were given without teacher_proba; expected both, or neither."
            )
        elif TEACHER in needs:
            check_can_answer(holder.teacher_, _first(demanded, TEACHER))
        self.comparison, self._needs_teacher = comparison, TEACHER in needs
        self._n_explained, self._random_state = n_explained, random_state

    def find(self, name: str) -> Found:
        """What is found for a demand, see :mod:`tsdistill.swap.bounds`: by the method of its name.

        Parameters
        ----------
        name : str

        Returns
        -------
        found : Found
        """
        return getattr(self, f"_{name}")()

    @property
    def _both(self):
        return self.comparison.answers("teacher"), self.comparison.answers("student")

    @property
    def _agrees(self):
        teacher, student = self._both
        return teacher.argmax(axis=1) == student.argmax(axis=1)

    def _agreement(self):
        return Share(int(self._agrees.sum()), self.n_series)

    def _class_agreement(self):
        called, agrees = self.comparison.target, self._agrees
        return ShareOfEachClass(
            tuple(
                Share(
                    int(agrees[called == k].sum()), int((called == k).sum()),
                    f"that the teacher calls {few([label])}",
                )
                for k, label in enumerate(self.classes)
            )
        )  # fmt: skip

    def _kl(self):
        values = kl(*self._both)
        n_above = int((values > MOST_NATS).sum())
        about = f"of which {n_above:,} count {MOST_NATS:.2f}, the most that one may"
        return Mean(np.minimum(values, MOST_NATS), 0.0, MOST_NATS, about if n_above else "")

    def _js(self):
        return Mean(js(*self._both), 0.0, float(np.log(2)))

    def _saliency(self):
        if self.given.proba is not None and self.given.maps is None:
            return Unknown(
                "the teacher's answers were given, but not its maps; pass teacher_maps, or a "
                "teacher."
            )
        drawn = generator(self._random_state).permutation(self.n_series)
        if self.given.maps is None:
            drawn = np.sort(drawn[: self._n_explained])
        _ = self._both  # so that the series drawn are not asked about again
        maps = self.comparison.rows(drawn).maps
        some = len(drawn) < self.n_series
        return Mean(
            per_series_correlation(maps["teacher"], maps["student"]), -1.0, 1.0,
            "with maps" if some else "", "series with maps (n_explained)",
        )  # fmt: skip

    def _negative_flips(self):
        negative, _ = per_series_flips(*self._both, self.class_index)
        return Share(int(negative.sum()), self.n_series)

    def _net_accuracy(self):
        negative, positive = per_series_flips(*self._both, self.class_index)
        return NetShare(int(positive.sum()), int(negative.sum()), self.n_series)

    def _ece(self):
        answers = self.comparison.answers("student").astype(np.float64)
        return Calibration(*confidence_and_success(answers, self.class_index), len(self.classes))

    def _weights(self):
        return Counted(n_weights(self.comparison.models["student"]))

    def _constant_bytes(self):
        return self._cost("constant_bytes")

    def _memory_bytes(self):
        return self._cost("memory_bytes")

    def _multiplications(self):
        return self._cost("multiplications")

    def _cost(self, name):
        try:
            return Counted(int(self.holder.student_costs()[name]))
        except ExportError as error:
            return Unknown(str(error))

    def _us_one_series(self):
        student, one = self.comparison.models["student"], self.comparison.panel[:1]
        durations(student, one, self.comparison.options, N_WARM)
        seconds = durations(student, one, self.comparison.options, N_TIMED)
        return Median(tuple(1e6 * np.array(seconds)))

    def digests(self) -> dict[str, str]:
        """Digests of what was compared, by name, see :func:`tsdistill.swap.digests.digests_of`."""
        return digests_of(
            self.comparison.panel,
            None if self.class_index is None else self.classes[self.class_index],
            self.holder.student_.module_,
            self.comparison.answers("teacher") if self._needs_teacher else None,
        )

    def about(self) -> dict[str, Any]:
        """What the student is, as plain values."""
        return {
            "network": type(self.holder.student_.module_).__name__.lstrip("_"),
            "weights": int(n_weights(self.comparison.models["student"])),
            "bits": int(self.holder.n_bits_),
            "classes": [str(label) for label in self.classes.tolist()],
        }


def _first(demanded, need):
    """The first of the demands that need something."""
    return next(name for name in demanded if need in DEMANDS[name].needs)
