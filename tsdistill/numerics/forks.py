"""What a fork of the process waits for, and what starts anew in the child."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager


def now_and_in_children(start):
    """Call a function now, and again in every child that is forked from this process.

    It makes new locks: a thread that held one does not exist in the child, and would never
    release it.
    """
    start()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=start)


def _start():
    global _NO_FORK
    _NO_FORK = threading.RLock()


now_and_in_children(_start)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _NO_FORK.acquire(), after_in_parent=lambda: _NO_FORK.release()
    )


def no_fork() -> AbstractContextManager[bool]:
    """Context for which a fork of the process waits.

    For short uses of torch's random generator and for imports: a child that is forked meanwhile
    would find their locks held for ever.
    """
    return _NO_FORK
