"""Reads what comes next in a thread, while the caller works on what was read before."""

from concurrent.futures import ThreadPoolExecutor


def read_ahead(read, keys):
    """Results of ``read`` for all keys, in order, of which one is always read ahead.

    Parameters
    ----------
    read : callable (key) -> object
        Called in one other thread. What it raises is raised here, in its turn.
    keys : iterable

    Yields
    ------
    result : object

    Examples
    --------
    >>> list(read_ahead(str, [1, 2, 3]))
    ['1', '2', '3']
    """
    with ThreadPoolExecutor(1, "tsdistill-read-ahead") as thread:
        waiting = None
        for key in keys:
            following = thread.submit(read, key)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
