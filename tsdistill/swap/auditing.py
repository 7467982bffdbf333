"""Audits of a SwapMonitor: what the teacher says of series that the student answered alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tsdistill.exceptions import TeacherAwayWarning, warn_user
from tsdistill.inputs.types import LabelArray
from tsdistill.swap.record import Record


def audit(
    record: Record,
    lock: AbstractContextManager[Any],
    labels: LabelArray,
    deferred: list[bool],
    audited: list[bool],
    ask: Callable[[list[int]], LabelArray],
) -> list[bool] | None:
    """Whether swap and teacher differ on each audited series; None while the teacher is away.

    Which call finds it back depends on the series of that call, so they do not count.

    Parameters
    ----------
    record : Record
        Takes note of whether the teacher is there.
    lock : context manager
        Held where the record is changed, and not while the teacher is asked.
    labels : ndarray of shape (n_instances,)
        The student's.
    deferred, audited : list of bool
        Which series the teacher has answered, and for which the coin won.
    ask : callable (list of int) -> ndarray of labels
        The teacher's labels of some rows.

    Returns
    -------
    differs : list of bool, or None
    """
    was_away = record.n_failures > 0
    if not was_away and True not in audited:
        return [False] * len(deferred)
    rows = [i for i, wins in enumerate(audited) if wins and not deferred[i]]
    if was_away:
        with lock:
            if any(deferred):
                record.teacher_answered(0)
            if any(deferred) or (rows and record.skips_question()):
                return None
    differs = [False] * len(deferred)
    if rows:
        try:
            theirs = ask(rows)
        except Exception as error:  # the teacher is the user's: any exception may come
            with lock:
                record.teacher_failed()
            if not was_away:
                _warn_of_absence(error)
            return None
        with lock:
            record.teacher_answered(len(rows))
        for i, differs_there in zip(rows, (labels[rows] != theirs).tolist(), strict=True):
            differs[i] = differs_there
    return None if was_away else differs


def _warn_of_absence(error):
    warn_user(
        f"the teacher could not be asked for an audit ({type(error).__name__}: "
        f"{str(error)[:200]}). Series that the student answers alone are answered, but nothing is "
        "audited until the teacher answers again; this is tried again and again, ever more rarely.",
        TeacherAwayWarning,
    )
