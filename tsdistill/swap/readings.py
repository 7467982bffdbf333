"""What a monitor shows of its record: counts, bounds, alarms and history."""

from __future__ import annotations

import threading
from typing import Any, Literal

from tsdistill.inputs.types import FloatArray
from tsdistill.swap.record import Record


class MonitorReadings:
    """Mixin for the SwapMonitor: its status and fitted attributes, read from the record."""

    _record: Record
    _lock: threading.RLock

    @property
    def n_seen_(self) -> int:
        """Number of series answered."""
        return self._record.n_seen

    @property
    def n_deferred_(self) -> int:
        """Number of series that the swap passed on to the teacher."""
        return self._record.n_deferred

    @property
    def n_audited_(self) -> int:
        """Number of series whose coin won."""
        return self._record.n_audited

    @property
    def n_asked_(self) -> int:
        """Number of audited series about which the teacher had to be asked."""
        return self._record.n_asked

    @property
    def n_disagreed_(self) -> int:
        """Number of audited series on which swap and teacher differ."""
        return self._record.n_disagreed

    @property
    def alarm_at_(self) -> int | None:
        """Number of series seen when the alarm of disagreement rang; None if it has not."""
        return self._record.alarms.get("disagreement")

    @property
    def bound_(self) -> float:
        """Upper bound of the disagreement since the start."""
        return float(self._now()["bound"][0])

    @property
    def recent_bound_(self) -> float:
        """Upper bound of the disagreement of late."""
        return float(self._now()["recent_bound"][0])

    @property
    def status(self) -> Literal["kept", "broken", "unknown"]:
        """Whether the promise is "kept", "broken", or "unknown" so far."""
        if self.alarm_at_ is not None:
            return "broken"
        return "kept" if self.bound_ <= self._record.promise.max_disagreement else "unknown"

    @property
    def alarms_(self) -> dict[str, int]:
        """Number of series seen when each alarm rang, by its name, in the order of ringing."""
        alarms = self._up_to_date().alarms
        return dict(sorted(alarms.items(), key=lambda alarm: alarm[1]))

    @property
    def drift_(self) -> dict[str, dict[str, Any]]:
        """Evidence of drift, of the student's confidence and of the series."""
        return self._up_to_date().drift()

    @property
    def history_(self) -> dict[str, FloatArray]:
        """Counts and bounds at up to 256 moments, evenly spaced, and now."""
        with self._lock:
            moments, now = list(self._record.moments), self._record.moment()
        if not moments or moments[-1][0] != now[0]:
            moments.append(now)
        return self._record.bounds(moments)

    def _now(self) -> dict[str, FloatArray]:
        """Counts and bounds of this moment."""
        with self._lock:
            moment = self._record.moment()
        return self._record.bounds([moment])

    def _up_to_date(self) -> Record:
        """The record, with the ranks of all series."""
        with self._lock:
            if self._record.drifts:
                self._rank_waiting()
        return self._record

    def _rank_waiting(self) -> None:
        """Rank the series that wait for it."""
        raise NotImplementedError
