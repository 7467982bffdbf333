"""All that a SwapMonitor remembers, and how one more series changes it."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tsdistill.inputs.types import FloatArray
from tsdistill.swap.martingales import (
    N_RANK_BETS,
    ODDS_RATIOS,
    Evidence,
    audit_bets,
    disagreement_bound,
    rank_bets,
    rank_of,
    unused_share,
)
from tsdistill.swap.reference import Reference

START_SCALES = {"disagreement": 200.0, "confidence": 100.0, "input": 100.0}
"""Steps after which bets start more rarely: audited series, or series; what an alarm may take."""
ERROR_SHARES = {"disagreement": 0.5, "confidence": 0.25, "input": 0.25}
DISAGREEMENTS_A_STRETCH = 32
"""A recent stretch begins where so many audited series may have differed since the last one."""
STRETCH_SCALE = 4.0
MOST_MOMENTS = 256
MOST_TO_SKIP = 64
MOMENT = (
    "n_seen",
    "n_audited",
    "n_deferred",
    "n_disagreed",
    "n_watched",
    "n_watched_lately",
    "n_disagreed_lately",
    "stretch",
)
"""What is kept of a moment in the history, all whole numbers."""


@dataclass(frozen=True)
class Promise:
    """What a monitor watches for.

    Attributes
    ----------
    audit_rate : float in (0, 1]
    max_disagreement, confidence : float in (0, 1)
    """

    audit_rate: float
    max_disagreement: float
    confidence: float

    @property
    def error(self):
        """Largest probability that a bound is ever too small, or that any false alarm rings."""
        return 1 - self.confidence

    @property
    def series_a_stretch(self):
        """Number of series after which the recent stretch moves on."""
        return math.ceil(DISAGREEMENTS_A_STRETCH / (self.audit_rate * self.max_disagreement))

    def limit(self, alarm):
        """The evidence at which an alarm rings, by Ville's inequality."""
        return 1 / (ERROR_SHARES[alarm] * self.error)

    def stretch_error(self, stretch):
        """The share of the error that the bound of a stretch may use; all add up to the whole."""
        before, after = (unused_share(n, STRETCH_SCALE) for n in (stretch - 1, stretch))
        return self.error * (before - after)


@dataclass
class Drift:
    """Ranks of one score among all before it, and the evidence that they are not uniform.

    Attributes
    ----------
    edges : list of float
    counts : list of int
        Scores so far in each bin, those of the swap's ``fit`` included.
    evidence : Evidence
    """

    edges: list
    counts: list
    evidence: Evidence

    def __post_init__(self):
        self._n_counted = sum(self.counts)

    def update(self, score, tie):
        """Count a score, and return the evidence that the scores have changed."""
        place = bisect_left(self.edges, score)
        rank = rank_of(self.counts, place, tie, self._n_counted)
        self.counts[place] += 1
        self._n_counted += 1
        return self.evidence.update(rank_bets(rank))


@dataclass
class Record:
    """The memory of a monitor; its size does not depend on the number of series.

    Attributes
    ----------
    promise : Promise
    evidence : Evidence
        That the disagreement exceeds what is promised.
    drifts : dict of str to Drift
        "confidence" and "input"; empty if the swap does not know the series of its ``fit``.
    alarms : dict of str to int
        The number of series seen when each alarm rang.
    n_announced : int
        Alarms of which the user's functions have been told.
    n_seen, n_deferred, n_audited, n_asked, n_disagreed : int
        See :class:`tsdistill.SwapMonitor`.
    n_watched : int
        Series seen while the teacher could be asked. It is known to be there whenever it answers,
        so the series since its last answer wait in ``n_waiting``, and do not count if the next
        question finds it away: otherwise series would count because they were not audited.
    stretches : list of (int, int, int)
        Of the last two recent stretches: the number, from 1, ``n_watched`` and ``n_disagreed`` at
        the start.
    moments : list of tuple of int
        See :data:`MOMENT`.
    spacing : int
        Series between two moments.
    n_failures, n_to_skip : int
        Questions in a row that the teacher did not answer, and those left out until the next try.
    """

    promise: Promise
    evidence: Evidence
    drifts: dict
    alarms: dict = field(default_factory=dict)
    n_announced: int = 0
    n_seen: int = 0
    n_deferred: int = 0
    n_audited: int = 0
    n_asked: int = 0
    n_disagreed: int = 0
    n_watched: int = 0
    n_waiting: int = 0
    stretches: list = field(default_factory=lambda: [(1, 0, 0)])
    moments: list = field(default_factory=list)
    spacing: int = 1
    n_failures: int = 0
    n_to_skip: int = 0

    def __post_init__(self):
        self._agree, self._differ = audit_bets(self.promise.max_disagreement)
        self._limits = {name: self.promise.limit(name) for name in ERROR_SHARES}
        self._stretch = self.promise.series_a_stretch
        self._next_mark = self._mark_after(self.n_seen)

    @classmethod
    def new(cls, promise: Promise, reference: Reference | None) -> Record:
        """The record before the first series.

        Parameters
        ----------
        promise : Promise
        reference : Reference or None
            Of the swap.
        """
        drifts = {}
        if reference is not None:
            for name, edges, counts in (
                ("confidence", reference.uncertainty_edges, reference.uncertainty_counts),
                ("input", reference.input_edges, reference.input_counts),
            ):
                evidence = Evidence([0.0] * N_RANK_BETS, START_SCALES[name])
                drifts[name] = Drift(edges.tolist(), counts.tolist(), evidence)
        wealth = [0.0] * len(ODDS_RATIOS)
        return cls(promise, Evidence(wealth, START_SCALES["disagreement"]), drifts)

    def see(
        self, deferred: list[bool], audited: list[bool] | None, differs: list[bool] | None
    ) -> None:
        """Take in series, one after the other.

        Parameters
        ----------
        deferred : list of bool
        audited : list of bool, or None
            Whether the disagreement of each is known; None while the teacher is away.
        differs : list of bool
        """
        for i, is_deferred in enumerate(deferred):
            self.n_seen += 1
            self.n_deferred += is_deferred
            if audited is not None:
                self.n_waiting += 1
                if audited[i]:
                    self._audit(differs[i])
                if audited[i] or is_deferred:
                    self.n_watched, self.n_waiting = self.n_watched + self.n_waiting, 0
            if self.n_seen >= self._next_mark:
                self._mark()

    def rank(self, name: str, numbers: list[int], scores: list[float], ties: list[float]) -> None:
        """Rank the scores of series, one after the other.

        Parameters
        ----------
        name : str
            One of ``drifts``.
        numbers : sequence of int
            How many series had been seen with each of them.
        scores : list of float
        ties : list of float
            Random numbers from 0 to 1, 1 excluded.
        """
        if name in self.alarms:
            return
        update, limit = self.drifts[name].update, self._limits[name]
        for number, score, tie in zip(numbers, scores, ties, strict=True):
            if update(score, 1.0 - tie) >= limit:
                self.alarms[name] = number
                return

    def drift(self) -> dict[str, dict[str, Any]]:
        """What is known of either drift, see :attr:`tsdistill.SwapMonitor.drift_`."""
        return {
            name: {
                "watched": name in self.drifts,
                "evidence": self.drifts[name].evidence.total if name in self.drifts else None,
                "limit": self.promise.limit(name),
                "alarm_at": self.alarms.get(name),
            }
            for name in ("confidence", "input")
        }

    def _audit(self, differs):
        self.n_audited += 1
        self.n_disagreed += differs
        if "disagreement" not in self.alarms:
            wealth = self.evidence.update(self._differ if differs else self._agree)
            if wealth >= self._limits["disagreement"]:
                self.alarms["disagreement"] = self.n_seen

    def _mark_after(self, n_seen):
        """The next number of series at which a moment is kept, or a stretch begins."""
        return min(every * (n_seen // every + 1) for every in (self.spacing, self._stretch))

    def _mark(self):
        if self.n_seen % self._stretch == 0:
            number = self.stretches[-1][0] + 1
            begun = (number, self.n_watched + self.n_waiting, self.n_disagreed)
            self.stretches = [self.stretches[-1], begun]
        if self.n_seen % self.spacing == 0:
            self.moments.append(self.moment())
            if len(self.moments) == MOST_MOMENTS:
                self.moments, self.spacing = self.moments[1::2], 2 * self.spacing
        self._next_mark = self._mark_after(self.n_seen)

    def moment(self) -> tuple[int, ...]:
        """Where the monitor stands, see :data:`MOMENT`."""
        stretch, n_watched, n_disagreed = self.stretches[0]
        return (
            *(self.n_seen, self.n_audited, self.n_deferred, self.n_disagreed, self.n_watched),
            *(max(self.n_watched - n_watched, 0), self.n_disagreed - n_disagreed, stretch),
        )

    def announced(self) -> int:
        """How many alarms have rung since the last call."""
        n_new = len(self.alarms) - self.n_announced
        self.n_announced += n_new
        return n_new

    @property
    def teacher_is_away(self):
        """Whether nothing is audited at present."""
        return self.n_failures > 0

    def skips_question(self):
        """Whether to leave out a question, since the teacher was away just before."""
        skips = self.n_to_skip > 0
        self.n_to_skip -= skips
        return skips

    def teacher_answered(self, n_asked):
        """Note that the teacher is there, and has answered so many questions of the monitor."""
        self.n_asked += n_asked
        self.n_failures = self.n_to_skip = 0

    def teacher_failed(self) -> None:
        """Note that it did not answer; each time, more questions are left out before the next."""
        self.n_failures += 1
        self.n_to_skip = min(2 ** (self.n_failures - 1), MOST_TO_SKIP)
        self.n_waiting = 0

    def bounds(self, moments: list[tuple[int, ...]]) -> dict[str, FloatArray]:
        """The columns of moments, and the bounds that held then.

        Parameters
        ----------
        moments : list of tuple of int

        Returns
        -------
        history : dict of str to ndarray of shape (n_moments,)
            The columns "n_seen", "n_audited", "n_deferred" and "n_disagreed", then "bound" and
            "recent_bound".
        """
        rows = np.array(moments, dtype=np.int64).reshape(-1, len(MOMENT))
        columns = dict(zip(MOMENT, rows.T, strict=True))
        rate, error = self.promise.audit_rate, self.promise.error
        numbers, of_row = np.unique(columns["stretch"], return_inverse=True)
        errors = np.array([self.promise.stretch_error(int(number)) for number in numbers])
        lately = columns["n_disagreed_lately"], columns["n_watched_lately"]
        return {name: columns[name] for name in MOMENT[:4]} | {
            "bound": disagreement_bound(columns["n_disagreed"], columns["n_watched"], rate, error),
            "recent_bound": disagreement_bound(*lately, rate, errors[of_row]),
        }
