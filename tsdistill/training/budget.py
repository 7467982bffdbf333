"""How much the teacher is asked: mixtures, windows of each series, and questions in all."""

from typing import NamedTuple

import numpy as np

from tsdistill.exceptions import ParameterError

WINDOWS, MOST_WINDOWS = 4000, 64
FEWEST_WINDOWS, FEWEST_WITH_MIXTURES = 8, 3
MANY_WINDOWS, FEWEST_OF_MANY = 12_000, 4
"""Without mixtures, eight windows of each series are the fewest up to 12,000 in all; then four."""
FEWEST_MIXTURES, MOST_MIXTURES = 400, 2000
ENOUGH_SERIES = 1000
"""From which on mixtures cost more than they give, unless the teacher knows the series by heart."""


class Budget(NamedTuple):
    """What the teacher is asked about, beside the series themselves.

    Attributes
    ----------
    n_mixtures : int
    n_windows : int
        Of each series and each mixture; 0 where no windows are asked about.
    """

    n_mixtures: int
    n_windows: int


def budget_of(n_series, n_queries, n_mixtures, n_windows, *, mixes, asks_windows, n_probes=0):
    """Mixtures and windows, as set or within the number of queries.

    Parameters
    ----------
    n_series : int
    n_queries : int or None
        Series, mixtures, windows and probes in all; None: what the other defaults make.
    n_mixtures, n_windows : int or None
        As set by the user. None for mixtures: as many as series, from 400 to 2,000. None for
        windows: about 4,000 in all, from 3 (without mixtures 8, or 4 where those are more than
        12,000) to 64 a series.
    mixes : bool
        Whether mixtures are used unless they are set.
    asks_windows : bool
        Whether an objective needs windows.
    n_probes : int, default=0
        Queries that tell whether the teacher knows the series by heart.

    Returns
    -------
    budget : Budget

    Raises
    ------
    ParameterError
        If ``n_queries`` is too few for the series, mixtures and windows.

    Examples
    --------
    >>> budget_of(50, None, None, None, mixes=True, asks_windows=True)
    Budget(n_mixtures=400, n_windows=8)
    >>> budget_of(3000, None, 0, None, mixes=True, asks_windows=True)
    Budget(n_mixtures=0, n_windows=4)
    >>> budget_of(50, 1000, None, None, mixes=True, asks_windows=True, n_probes=50)
    Budget(n_mixtures=266, n_windows=2)
    """
    # Plain ints: those of NumPy may be too short for the products below.
    n_mixtures, n_windows = (None if n is None else int(n) for n in (n_mixtures, n_windows))
    as_set = n_mixtures is not None
    if not as_set:
        n_mixtures = int(np.clip(n_series, FEWEST_MIXTURES, MOST_MIXTURES)) if mixes else 0
    if n_queries is None:
        if n_windows is None:
            fewest = FEWEST_WITH_MIXTURES
            if not n_mixtures:
                fewest = np.clip(MANY_WINDOWS // n_series, FEWEST_OF_MANY, FEWEST_WINDOWS)
            n_windows = np.clip(WINDOWS // (n_series + n_mixtures), fewest, MOST_WINDOWS)
        return Budget(int(n_mixtures), int(n_windows) if asks_windows else 0)
    left = int(n_queries) - n_probes
    per_series = 1 + asks_windows * (2 if n_windows is None else n_windows)
    if not as_set:
        n_mixtures = int(np.clip(left // per_series - n_series, 0, n_mixtures))
    asked = n_series + n_mixtures
    if asks_windows and n_windows is None:
        n_windows = min(left // asked - 1, MOST_WINDOWS)
    fewest = asked * (1 + asks_windows * max(n_windows or 1, 1))
    if left < fewest:
        parts = {"series": n_series, "mixtures": n_mixtures, "probes": n_probes}
        parts = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
        windows = f", each series with {max(n_windows or 1, 1)} windows" if asks_windows else ""
        raise ParameterError(
            f"n_queries={n_queries} is too few for {parts}{windows}; expected {fewest + n_probes} "
            "or more. Pass fewer series, or a smaller n_mixtures or n_windows."
        )
    return Budget(int(n_mixtures), int(n_windows) if asks_windows else 0)
