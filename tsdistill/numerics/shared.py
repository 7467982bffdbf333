"""Contexts of the whole process that several threads may be in at the same time."""

import contextlib
import threading
import warnings

from tsdistill.numerics.forks import now_and_in_children


def _start():
    global _LOCK, _OPEN
    _LOCK, _OPEN = threading.RLock(), {}


now_and_in_children(_start)


@contextlib.contextmanager
def shared(key, make):
    """Enter a context unless another thread is in it; the last thread leaves it.

    If each thread entered and left by itself, one would restore what another still needs.

    Parameters
    ----------
    key : object
        By which the context is known.
    make : callable () -> context manager
    """
    with _LOCK:
        if key not in _OPEN:
            _OPEN[key] = [make(), 0]
            _OPEN[key][0].__enter__()
        entry = _OPEN[key]
        entry[1] += 1
    try:
        yield
    finally:
        with _LOCK:
            entry[1] -= 1
            if not entry[1]:
                _OPEN.pop(key, None)
                entry[0].__exit__(None, None, None)


def quiet():
    """Context without two warnings, for all threads.

    They are those of models that were fitted on data frames (scikit-learn warns at every query),
    and of tensors made of read-only arrays, to which callers never write (torch).
    """
    return shared("quiet", _ignored_warnings)


@contextlib.contextmanager
def _ignored_warnings():
    with warnings.catch_warnings():
        for message in ("X does not have valid feature names", ".*not writable.*"):
            warnings.filterwarnings("ignore", message=message)
        yield
