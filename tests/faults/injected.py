"""Faults at every point where one can happen: calls are counted, and the k-th of them fails."""

import contextlib
from unittest import mock

from tests.fuzz.unchanged import shared_states


class Lost(BaseException):
    """What ends the work at once, as a loss of power does."""


class Points:
    """Counts the calls that can fail; the k-th does, or all from the k-th on.

    Parameters
    ----------
    fault : callable (), default=None
        Raises, or does whatever the fault is, in place of the call. None only counts.
    at : int, default=0
        Number of the call that fails, from 1 on.
    stays : bool, default=False
        Whether all later calls fail too.
    """

    def __init__(self, fault=None, at=0, stays=False):
        self.fault, self.at, self.stays, self.n = fault, at, stays, 0

    def fails_now(self):
        """Count a call, and tell whether it is to fail."""
        self.n += 1
        return self.fault is not None and (
            self.n == self.at or (self.stays and self.n > self.at > 0)
        )

    def pass_or_fail(self):
        """Count a call, which the fault takes the place of."""
        if self.fails_now():
            return self.fault()
        return None


def raising(make):
    """A fault that raises what ``make()`` returns, an exception of its own each time."""

    def fault():
        raise make()

    return fault


class FailsAt:
    """A function around another, the calls of which are points."""

    def __init__(self, function, points, answer=None):
        self.function, self.points, self.answer = function, points, answer

    def __call__(self, *arguments, **settings):
        if self.points.fails_now():
            if self.answer is None:
                return self.points.fault()
            return self.answer(self.function(*arguments, **settings))
        return self.function(*arguments, **settings)


@contextlib.contextmanager
def failing(owner, name, points):
    """Context in which the calls of a method, or of a function of a module, are points."""
    original = getattr(owner, name)

    def called(*arguments, **settings):
        points.pass_or_fail()
        return original(*arguments, **settings)

    with mock.patch.object(owner, name, called):
        yield points


@contextlib.contextmanager
def nothing_left_behind(*modules):
    """Context that leaves the states of the process, and modules of the user, as they were."""
    before = shared_states(), [module_state(one) for one in modules]
    yield
    assert (shared_states(), [module_state(one) for one in modules]) == before


def module_state(module):
    """Modes, weights, hooks and whatever else of a module a caller could notice."""
    return [
        (
            name, part.training, len(part._forward_hooks), len(part._forward_pre_hooks),
            len(part._backward_hooks),
            [(w.requires_grad, str(w.device), w.grad is None, w.detach().sum().item())
             for w in part.parameters(recurse=False)],
        )
        for name, part in module.named_modules()
    ]  # fmt: skip
