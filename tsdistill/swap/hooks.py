"""The user's functions that a SwapMonitor calls when an alarm rings."""

from typing import Any

from tsdistill.estimators.holds_teacher import short_repr
from tsdistill.exceptions import HookWarning, ParameterError, warn_user
from tsdistill.inputs.checks import as_list, shown


def check_hooks(on_alarm: Any) -> None:
    """Raise ParameterError if one of them cannot be called."""
    for hook in as_list(on_alarm):
        if not callable(hook):
            raise ParameterError(
                f"on_alarm has {shown(hook)}; expected functions that take the monitor."
            )


def call_hooks(on_alarm: Any, monitor: Any) -> None:
    """Call each; one that raises ends in a warning.

    Parameters
    ----------
    on_alarm : callable or list of callables
    monitor : SwapMonitor
        What they are called with.
    """
    for hook in as_list(on_alarm):
        try:
            hook(monitor)
        except Exception as error:  # the hook is the user's
            warn_user(
                f"on_alarm {short_repr(hook)} raised {type(error).__name__}: "
                f"{str(error)[:200]}; the answers are returned all the same.",
                HookWarning,
            )
