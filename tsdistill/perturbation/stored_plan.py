"""Draws the windows of series that are not in memory, whose donors are some of them."""

import numpy as np

from tsdistill.exceptions import PanelError
from tsdistill.numerics.batches import batches, rows_that_fit
from tsdistill.numerics.large_arrays import large_array
from tsdistill.perturbation.baselines import STAND_INS, stand_ins_of
from tsdistill.perturbation.plan import (
    WindowPlan,
    draw_plan,
    even_starts,
    some_from_the_series_itself,
)

DONOR_BYTES, MOST_DONORS, FEWEST_A_CLASS = 16 * 2**20, 2**14, 8
ROWS_AT_ONCE = 2**16


def some_rows(class_index, bytes_a_row, rng):
    """A bounded part of the series, of every class as large a share as it has.

    Parameters
    ----------
    class_index : ndarray of shape (n_instances,)
    bytes_a_row : int
    rng : numpy.random.Generator
        Used only if some series are left out.

    Returns
    -------
    rows : ndarray of int64
        Sorted; all rows if they take at most 16 MiB and are at most 16,384. Otherwise about so
        many, of each class at least 8, if it has them.
    """
    n, most = len(class_index), min(MOST_DONORS, rows_that_fit(bytes_a_row, DONOR_BYTES))
    if n <= most:
        return np.arange(n)
    rows = []
    for k in np.unique(class_index):
        members = np.flatnonzero(class_index == k)
        wanted = max(FEWEST_A_CLASS, round(most * len(members) / n))
        rows.append(rng.permutation(members)[:wanted])
    return np.sort(np.concatenate(rows))


def draw_stored_plan(panel, class_index, classes, statistics, *, width, n_windows, donors, rng,
                     folder=None):  # fmt: skip
    """Draw windows and donors for every series of a stored panel.

    As :func:`~tsdistill.perturbation.plan.draw_plan` does, and with the same result where
    :func:`some_rows` are all rows. Otherwise donors are drawn among those rows, which are read into
    memory once.

    Parameters
    ----------
    panel : StoredPanel
    class_index : ndarray of shape (n_instances,), int64
    classes : ndarray of shape (n_classes,)
        Labels, for errors.
    statistics : Statistics
        Of the series, for stand-ins.
    width, n_windows, donors, rng
        As for ``draw_plan``.
    folder : path, default=None
        Where large arrays lie.

    Returns
    -------
    plan : WindowPlan
        With integers of 32 bits where there are many series.
    """
    rows = some_rows(class_index, panel.bytes_a_row, rng)
    settings = {"width": width, "n_windows": n_windows, "donors": donors, "rng": rng}
    if len(rows) == len(panel):
        return draw_plan(panel[rows], classes[class_index], **settings)
    shape = len(panel), n_windows
    start, donor = (large_array(shape, np.int32, folder) for _ in range(2))
    if donors in STAND_INS:
        series = stand_ins_of(donors, statistics.mean, statistics.std, panel.shape[2], rng)
    else:
        series = panel[rows]
        rings = _rings(class_index[rows], len(classes), donors, rng)
    for part in batches(len(panel), ROWS_AT_ONCE):
        n = part.stop - part.start
        n_starts = np.full((n, 1), panel.shape[2] - width + 1)
        start[part] = even_starts(n_windows, n_starts, rng)
        if donors in STAND_INS:
            donor[part] = rng.integers(len(series), size=(n, n_windows))
            continue
        of_series = _donors_of(
            np.arange(n) + part.start, class_index[part], rows, rings, n_windows, classes, donors,
            rng,
        )  # fmt: skip
        if donors == "varied":
            of_series = some_from_the_series_itself(of_series, width, rng)
        donor[part] = of_series
    return WindowPlan(start=start, donor=donor, width=width, donors=series)


def _rings(class_index, n_classes, kind, rng):
    """Positions of the donors for each class, in random order."""
    candidates = {
        "same": lambda k: np.flatnonzero(class_index == k),
        "any": lambda k: np.arange(len(class_index)),
    }.get(kind, lambda k: np.flatnonzero(class_index != k))
    return [rng.permutation(candidates(k)) for k in range(n_classes)]


def _donors_of(rows, class_index, donor_rows, rings, n_windows, classes, kind, rng):
    """Position of the donor of each window, (n, n_windows), which is never the series itself."""
    donor = np.empty((len(rows), n_windows), dtype=np.int64)
    for k in np.unique(class_index):
        members, ring = np.flatnonzero(class_index == k), rings[k]
        if len(ring) < 1 + (kind == "same"):
            raise PanelError(
                f"donors={kind!r}: class {classes[k].item()!r} has no donor among the series; pass "
                "more series, or donors='any'."
            )
        turn = rng.integers(len(ring), size=(len(members), 1)) + np.arange(n_windows)
        place = np.zeros(len(donor_rows), dtype=np.int64)
        place[ring] = np.arange(len(ring))
        nearest = np.minimum(np.searchsorted(donor_rows, rows[members]), len(donor_rows) - 1)
        own = place[nearest][:, np.newaxis]
        itself = donor_rows[ring[own]] == rows[members][:, np.newaxis]
        # Starting after its own position, a series is never its own donor.
        turn = np.where(itself, own + 1 + turn % max(1, len(ring) - 1), turn)
        donor[members] = ring[turn % len(ring)]
    return donor
