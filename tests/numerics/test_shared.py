"""Contexts of the whole process that several threads share."""

import contextlib
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from tsdistill.numerics.shared import quiet, shared


class Stay:
    """A thread that is in a context until it is told to leave."""

    def __init__(self, pool, context):
        self._in, self._leave = threading.Event(), threading.Event()
        self._ended = pool.submit(self._stay, context)
        assert self._in.wait(10)

    def _stay(self, context):
        with context:
            self._in.set()
            assert self._leave.wait(10)

    def end(self):
        self._leave.set()
        self._ended.result(10)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_the_last_thread_to_leave_is_the_one_that_restores(pool):
    happened = []

    @contextlib.contextmanager
    def watched():
        happened.append("entered")
        try:
            yield
        finally:
            happened.append("restored")

    first, second = (Stay(pool, shared("watched", watched)) for _ in range(2))
    first.end()
    assert happened == ["entered"]
    second.end()
    assert happened == ["entered", "restored"]
    with shared("watched", watched):
        assert happened == ["entered", "restored", "entered"]


def test_a_context_is_left_after_an_error_too():
    happened, context = [], contextlib.ExitStack()
    context.callback(happened.append, "left")
    with pytest.raises(KeyError), shared("fails", lambda: context):
        raise KeyError
    assert happened == ["left"]


def test_warnings_are_as_before_when_the_last_thread_is_out(pool):
    before = list(warnings.filters)
    first, second = (Stay(pool, quiet()) for _ in range(2))
    first.end()
    with warnings.catch_warnings(record=True) as shown:
        warnings.warn("X does not have valid feature names, but others have", stacklevel=1)
    assert not shown
    second.end()
    assert warnings.filters == before
