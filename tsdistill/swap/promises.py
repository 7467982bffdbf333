"""What a DeferringClassifier promises, and the largest threshold that keeps every promise.

"all", "class" and "saliency" bound risks that can only grow with the threshold, so they hold
together at the full level (:mod:`tsdistill.swap.risk`). "answered" bounds a risk that may fall
again (:mod:`tsdistill.swap.answered`). Beside "class" or "saliency", each side has half the error
``1 - confidence``: a promise is broken only if one of the sides fails, so by the union bound all
are kept with the probability ``confidence``. Beside "all" nothing is split, since
``P(answered and differs) <= P(differs | answered)``: "answered" implies "all", as "class" does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_share, is_number, quoted, shown
from tsdistill.inputs.types import BoolArray, FloatArray, LabelArray
from tsdistill.swap.answered import calibration_ranks, each_of, largest_answered
from tsdistill.swap.risk import (
    Risk,
    largest_uncertainty,
    series_needed,
    smallest_limit,
    upper_bound,
)

ALL, ANSWERED, CLASS, SALIENCY = "all", "answered", "class", "saliency"
CHOICES = (ALL, ANSWERED, CLASS)
MOST_NAMED = 6
PromiseName: TypeAlias = Literal["all", "answered", "class"]


@dataclass(frozen=True)
class CalibrationAnswers:
    """What the two models said of the series of ``fit``.

    Attributes
    ----------
    uncertainty : ndarray of shape (n_instances,)
        The student's; infinite where it has no answer, and so is never alone.
    differs : ndarray of shape (n_instances,), bool
        Whether the teacher names another class; False where the student has no answer.
    named : dict of label to ndarray of shape (n_instances,), bool
        For every class that the teacher knows: for which series it names the class.
    unlike : ndarray of shape (n_instances,), bool, or None
        Whether the student's saliency map is unlike the teacher's.
    """

    uncertainty: np.ndarray
    differs: np.ndarray
    named: dict
    unlike: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        labels: LabelArray,
        teacher_labels: LabelArray,
        uncertainty: FloatArray,
        known: LabelArray,
    ) -> CalibrationAnswers:
        """The answers of a student and a teacher that knows the classes ``known``."""
        return cls(
            uncertainty,
            (labels != teacher_labels) & np.isfinite(uncertainty),
            {name: teacher_labels == k for name, k in zip(known.tolist(), known, strict=True)},
        )


@dataclass(frozen=True)
class Promises:
    """The promises of a DeferringClassifier, as plain values.

    Attributes
    ----------
    names : tuple of {"all", "answered", "class"}
    max_disagreement, confidence : float in (0, 1)
    min_saliency : float in (-1, 1) or None
    max_unlike : float in (0, 1)
    """

    names: tuple
    max_disagreement: float
    confidence: float
    min_saliency: float | None
    max_unlike: float

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> Promises:
        """Check the parameters of a DeferringClassifier, a dict, and make plain values of them.

        Raises
        ------
        ParameterError
            If one of them is out of its range.
        """
        for name in ("max_disagreement", "confidence", "max_unlike"):
            check_share(name, parameters[name])
        saliency = parameters["min_saliency"]
        if saliency is not None and not (is_number(saliency) and -1 < saliency < 1):
            raise ParameterError(
                f"min_saliency={shown(saliency)}; expected None, or a correlation between -1 and "
                "1, both excluded, such as 0.8."
            )
        return cls(
            _names_of(parameters["promise"]),
            float(parameters["max_disagreement"]),
            float(parameters["confidence"]),
            None if saliency is None else float(saliency),
            float(parameters["max_unlike"]),
        )

    @property
    def part(self):
        """Confidence of "answered", and of all other promises together."""
        shared = ANSWERED in self.names and (CLASS in self.names or self.min_saliency is not None)
        return each_of(2 if shared else 1, self.confidence)

    def check_enough_series(self, n: int) -> None:
        """Raise ParameterError if n series are too few for a promise about all of them."""
        told = [("max_disagreement", self.max_disagreement, "the student differs from the teacher")]
        if self.min_saliency is not None:
            told.append(("max_unlike", self.max_unlike, "the maps of both models are unlike"))
        for name, limit, event in told:
            needed = series_needed(limit, self.part)
            if n < needed:
                possible = smallest_limit(n, self.part)
                larger = f": with {n} series {possible:.3g} is possible" if possible < 1 else ""
                raise ParameterError(
                    f"{name}={limit} with confidence={self.confidence}{self._shared()} needs at "
                    f"least {needed} series, and more if {event} on any of them, but X has {n}. "
                    f"Pass more series, a smaller confidence, or a larger {name}{larger}."
                )

    def _shared(self):
        half = self.part != self.confidence
        return " (its error is split between 'answered' and the other promises)" if half else ""

    def check_enough_of_each_class(self, named: dict[Any, BoolArray]) -> None:
        """Raise ParameterError if a class of the teacher has too few series for its promise.

        Parameters
        ----------
        named : dict of label to ndarray of shape (n_instances,), bool
            See :class:`CalibrationAnswers`.
        """
        needed = series_needed(self.max_disagreement, self.part)
        counts = {label: int(members.sum()) for label, members in named.items()}
        few = {label: count for label, count in counts.items() if count < needed}
        if CLASS not in self.names or not few:
            return
        n = len(next(iter(named.values())))
        told = [_told(label, count, n, needed) for label, count in list(few.items())[:MOST_NAMED]]
        told += [f"{len(few) - MOST_NAMED} more classes too seldom"] * (len(few) > MOST_NAMED)
        fewest = min(few.values())
        possible = smallest_limit(fewest, self.part) if fewest else 1.0
        larger = f": with these series {possible:.3g} is possible" if possible < 1 else ""
        raise ParameterError(
            f"promise={CLASS!r} with max_disagreement={self.max_disagreement} and confidence="
            f"{self.confidence}{self._shared()} needs at least {needed} series of each class that "
            "the teacher knows, and more if the student differs from the teacher on any of them, "
            f"but for the {n} series of X it names {'; '.join(told)}. Pass more series, a "
            f"smaller confidence, a promise without {CLASS!r}, or a larger "
            f"max_disagreement{larger}."
        )

    def risks(self, answers):
        """The risks that can only grow, a list of :class:`~tsdistill.swap.risk.Risk`."""
        n, limit = len(answers.differs), self.max_disagreement
        risks = []
        if ALL in self.names:  # beside ANSWERED it always passes
            risks.append(Risk(answers.differs, n, limit))
        if CLASS in self.names:
            for members in answers.named.values():
                risks.append(Risk(answers.differs & members, int(members.sum()), limit))
        if answers.unlike is not None:
            risks.append(Risk(answers.unlike, n, self.max_unlike))
        return risks

    def largest_uncertainty(self, answers: CalibrationAnswers) -> float:
        """The largest uncertainty with which the student may answer alone.

        Parameters
        ----------
        answers : CalibrationAnswers
            Without ``unlike``, the promise about the maps is left out.

        Returns
        -------
        largest : float
            1 if the student may answer all series, minus infinity if it may answer none.
        """
        most = largest_uncertainty(answers.uncertainty, self.risks(answers), self.part)
        if ANSWERED not in self.names:
            return most
        return largest_answered(
            answers.uncertainty, answers.differs, self.max_disagreement, self.part, most
        )

    def shares(
        self, answers: CalibrationAnswers, largest: float
    ) -> tuple[dict[str, dict[str, float]], dict[Any, dict[str, float]]]:
        """What the calibration series show, promise by promise and class by class.

        Parameters
        ----------
        answers : CalibrationAnswers
        largest : float
            The largest uncertainty with which the student answers alone.

        Returns
        -------
        promises : dict of str to dict
            :attr:`tsdistill.DeferringClassifier.promises_`.
        classes : dict of label to dict
            :attr:`tsdistill.DeferringClassifier.class_disagreement_`.
        """
        n, limit, alone = (
            len(answers.differs),
            self.max_disagreement,
            answers.uncertainty <= largest,
        )
        wrong = answers.differs & alone
        of_part = self.part if CLASS in self.names else self.confidence
        classes = {
            label: share_of((wrong & members).sum(), members.sum(), of_part)
            for label, members in answers.named.items()
        }
        ranks = calibration_ranks(n, limit, self.part)
        found = {
            ALL: share_of(wrong.sum(), n, self.confidence),
            ANSWERED: share_of(wrong.sum(), alone.sum(), each_of(len(ranks), self.part)),
            CLASS: max(classes.values(), key=lambda one: one["bound"]),
        }
        promises = {name: found[name] | {"limit": limit} for name in self.names}
        if answers.unlike is not None:
            n_unlike = (answers.unlike & alone).sum()
            promises[SALIENCY] = share_of(n_unlike, n, self.part) | {"limit": self.max_unlike}
        return promises, classes


def share_of(n_events: int, n_members: int, confidence: float) -> dict[str, float]:
    """A share among calibration series, and its exact upper bound; NaN without any members."""
    n_events, n_members = int(n_events), int(n_members)
    return {
        "share": n_events / n_members if n_members else float("nan"),
        "bound": float(upper_bound(n_events, n_members, confidence)) if n_members else float("nan"),
        "n": n_members,
    }


def _names_of(promise):
    """The names of promises, each once, from a name or a list of names."""
    names = [promise] if isinstance(promise, str) else promise
    known = isinstance(names, (list, tuple)) and len(names) > 0
    if not known or not all(isinstance(name, str) and name in CHOICES for name in names):
        raise ParameterError(
            f"promise={shown(promise)}; expected one of {quoted(CHOICES)}, or a list of several."
        )
    return tuple(dict.fromkeys(names))


def _told(label, count, n, needed):
    if not count:
        return f"class {shown(label)} never"
    in_all = math.ceil(needed * n / count)
    return f"class {shown(label)} {count} times (in some {in_all:,} series it would {needed} times)"
