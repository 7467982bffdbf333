"""Calls functions for a limited time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from tsdistill.numerics.random_states import as_the_caller


class TimeLimit:
    """Calls functions in a thread, and stops waiting for them when the time is over.

    A function that is not waited for any more runs on, since Python cannot end a thread. Until it
    comes back no other is called, so that a teacher that hangs is left with one question, whatever
    happens.

    Parameters
    ----------
    seconds : float
        None is no limit.

    Examples
    --------
    >>> TimeLimit(10.0)(max, 3, 5)
    5
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._late: threading.Thread | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_late": None}  # a thread stays in its process

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns, or the exception that it raises.

        Raises
        ------
        TimeoutError
            If it does not come back in time, or one called before has not come back yet.
        """
        if self.is_waiting:
            raise TimeoutError("an earlier question has not been answered yet")
        outcome: list[tuple[Any, BaseException | None]] = []
        context, state = contextvars.copy_context(), as_the_caller()

        def ask() -> None:
            try:
                with state:
                    outcome.append((context.run(function, *arguments), None))
            except BaseException as error:
                outcome.append((None, error))

        thread = threading.Thread(target=ask, name="tsdistill-time-limit", daemon=True)
        thread.start()
        seconds = None if self.seconds is None else min(self.seconds, threading.TIMEOUT_MAX)
        thread.join(seconds)
        if not outcome:
            self._late = thread
            raise TimeoutError(f"no answer within {self.seconds:g} s")
        answer, error = outcome[0]
        if error is not None:
            raise error
        return answer

    @property
    def is_waiting(self) -> bool:
        """Whether an earlier function is still running."""
        return self._late is not None and self._late.is_alive()

    @property
    def gave_up(self) -> bool:
        """Whether a function was late; TimeoutErrors of functions themselves do not count."""
        return self._late is not None
