"""Draws the windows to replace, and the donor of each.

A plan holds integers. Perturbed copies are built from it batch by batch, on the device that
needs them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.checks import check_choice, is_number, is_whole, shown
from tsdistill.inputs.lengths import lengths_of
from tsdistill.perturbation.baselines import stand_in_donors
from tsdistill.perturbation.uneven import FLAT, STRAIGHT, widths_of

DONORS = ("varied", "opposing", "same", "any", "mean", "zero", "noise")
OWN_SHARE = 0.25
"""Share of the windows of "varied" that are made flat, and of those that are made straight."""


class WindowSettings(NamedTuple):
    """Settings of a plan, see :func:`draw_plan`.

    Attributes
    ----------
    width : int or float
        Timesteps in a window; a float is a share of each series' own length, for series of
        unequal length.
    n_windows : int
        Windows of each series.
    donors : str
        One of ``DONORS``.
    """

    width: int
    n_windows: int
    donors: str


@dataclass(frozen=True)
class WindowPlan:
    """Windows to replace, and the donor of each.

    Attributes
    ----------
    start : ndarray of shape (n_instances, n_windows), int64
        First timestep of each window, in 0 .. n_timepoints - width (of each series).
    donor : ndarray of shape (n_instances, n_windows), int64
        Row of ``donors`` from which the window is taken; or ``FLAT`` or ``STRAIGHT``, if it is
        made from the series itself.
    width : int, or ndarray of shape (n_instances,), int64
        Timesteps in a window, of each series if they differ in length.
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
        The panel for the kinds "varied", "opposing", "same" and "any"; means, zeros or noise
        otherwise.
    """

    start: np.ndarray
    donor: np.ndarray
    width: int | np.ndarray
    donors: np.ndarray


def window_width(window_size, n_timepoints):
    """Convert ``window_size`` to a number of timesteps.

    Parameters
    ----------
    window_size : int or float
        An int counts timesteps, 1 .. n_timepoints; a float in (0, 1] is a fraction of the
        series, and gives at least one timestep.
    n_timepoints : int

    Raises
    ------
    ParameterError
        If window_size is neither, or longer than the series.

    Examples
    --------
    >>> window_width(0.1, 150), window_width(12, 150), window_width(0.1, 5)
    (15, 12, 1)
    """
    if is_whole(window_size):
        if 1 <= window_size <= n_timepoints:
            return int(window_size)
        raise ParameterError(
            f"window_size={shown(window_size)} does not fit series of {n_timepoints} timepoints; "
            f"expected an int from 1 to {n_timepoints}, or a fraction such as 0.1."
        )
    if is_number(window_size) and 0 < window_size <= 1:
        return max(1, round(float(window_size) * n_timepoints))
    raise ParameterError(
        f"window_size={shown(window_size)}; expected an int (timesteps) or a float in (0, 1] (a "
        "fraction of the series)."
    )


def draw_plan(panel, labels, *, width, n_windows, donors, rng):
    """Draw windows and donors for every series.

    Starts are stratified: the range 0 .. n_timepoints - width, both ends included, is cut into
    n_windows equal parts, and each series has one start in each part. Starts therefore cover the
    series evenly, and are distinct if the range has n_windows timesteps or more. The donors of a
    series do not repeat until all candidates were used.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    labels : ndarray of shape (n_instances,)
        Label of each series, given or predicted by the teacher.
    width : int or float
        As in :class:`WindowSettings`.
    n_windows : int
        Windows in each series.
    donors : {"varied", "opposing", "same", "any", "mean", "zero", "noise"}
        What a window is replaced by: a series of another class, of the same class, any other
        series, the mean of each channel over the panel, zeros, or Gaussian noise with the mean
        and standard deviation of each channel. "varied" is "opposing" for half of the windows; a
        quarter become flat, with the mean that they have, and a quarter a straight line between
        the timesteps beside them.
    rng : numpy.random.Generator

    Returns
    -------
    plan : WindowPlan

    Raises
    ------
    PanelError
        If a class has no donor of that kind.
    ParameterError
        If donors is none of these.
    """
    check_choice("donors", donors, DONORS)
    n_instances, _, n_timepoints = panel.shape
    if isinstance(width, float) or np.isnan(panel).any():
        n_timepoints = lengths_of(panel)
        width = widths_of(width, n_timepoints)
    n_starts = np.broadcast_to(n_timepoints - width + 1, n_instances)
    start = even_starts(n_windows, n_starts[:, np.newaxis], rng)
    if donors in ("varied", "opposing", "same", "any"):
        kind = "opposing" if donors == "varied" else donors
        series, donor = panel, _series_donors(np.asarray(labels), n_windows, kind, rng)
        if donors == "varied":
            donor = some_from_the_series_itself(donor, width, rng)
    else:
        series = stand_in_donors(panel, donors, rng)
        donor = rng.integers(len(series), size=(n_instances, n_windows))
    return WindowPlan(start=start, donor=donor, width=width, donors=series)


def some_from_the_series_itself(donor, width, rng):
    """Make windows flat or straight: of each series as near the shares as can be.

    A window of one timestep, which is flat already, becomes straight in either case.
    """
    n_instances, n_windows = donor.shape
    order = rng.permuted(np.tile(np.arange(n_windows), (n_instances, 1)), axis=1)
    place = (order + rng.random((n_instances, 1))) / n_windows
    kinds = [place < OWN_SHARE, place < 2 * OWN_SHARE]
    first = np.where(width > 1, FLAT, STRAIGHT).reshape(-1, 1)
    return np.select(kinds, [first, STRAIGHT], donor)


def even_starts(n_windows, n_starts, rng):
    """Draw one start in each of n_windows equal parts of 0 .. n_starts - 1, in random order.

    ``n_starts`` has a row for each series, (n_instances, 1).
    """
    strata = np.arange(n_windows) + rng.random((len(n_starts), n_windows))
    start = np.minimum(np.floor(strata * (n_starts / n_windows)), n_starts - 1).astype(np.int64)
    # Rounding can give adjacent strata the same start.
    fits = n_windows <= n_starts[:, 0]
    for m in range(1, n_windows):
        clash = fits & (start[:, m] <= start[:, m - 1])
        start[clash, m] = start[clash, m - 1] + 1
    last = n_starts - n_windows + np.arange(n_windows)
    start = np.where(fits[:, np.newaxis], np.minimum(start, last), start)
    return rng.permuted(start, axis=1)


def _series_donors(labels, n_windows, kind, rng):
    """Draw the donor of each window, as rows of the panel of shape (n_instances, n_windows)."""
    n_instances = len(labels)
    donor = np.empty((n_instances, n_windows), dtype=np.int64)
    # By position, since NumPy does not find every label equal to itself.
    known, kind_of = np.unique(labels, return_inverse=True)
    for k, label in enumerate(known):
        members = np.flatnonzero(kind_of == k)
        candidates = {
            "opposing": np.flatnonzero(kind_of != k),
            "same": members,
            "any": np.arange(n_instances),
        }[kind]
        n_usable = len(candidates) - (kind != "opposing")
        if n_usable < 1:
            raise PanelError(
                f"donors={kind!r}: class {label.item()!r} has no donor, because {len(members)} of "
                f"{n_instances} series are of that class; pass more series, or donors='any'."
            )
        ring = rng.permutation(candidates)
        turn = rng.integers(n_usable, size=(len(members), 1)) + np.arange(n_windows)
        if kind == "opposing":
            position = turn % n_usable
        else:
            # Starting after its own position, a series is never its own donor.
            own = np.argsort(ring)[np.searchsorted(np.sort(ring), members)][:, np.newaxis]
            position = (own + 1 + turn % n_usable) % len(ring)
        donor[members] = ring[position]
    return donor
