"""Which window of which series is replaced by what: the plan, and the gather that applies it.

A plan is integers only. The perturbed copies it describes exist a batch at a time, on
the device that needs them.
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.checks import check_choice
from tsdistill.perturbation.baselines import stand_in_donors

DONORS = ("opposing", "same", "any", "mean", "zero", "noise")


@dataclass(frozen=True)
class WindowPlan:
    """Windows to replace, and by which donors.

    Attributes
    ----------
    start : ndarray of shape (n_instances, n_windows), int64
        First timestep of each window, in 0 .. n_timepoints - width.
    donor : ndarray of shape (n_instances, n_windows), int64
        Row of ``donors`` that gives the window's new values.
    width : int
        Timesteps in a window.
    donors : ndarray of shape (n_donors, n_channels, n_timepoints), float32
        The series themselves for the kinds "opposing", "same" and "any"; stand-ins otherwise.
    """

    start: np.ndarray
    donor: np.ndarray
    width: int
    donors: np.ndarray


def window_width(window_size, n_timepoints):
    """Resolve ``window_size`` to a number of timesteps.

    Parameters
    ----------
    window_size : int or float
        Steps (int, 1 .. n_timepoints) or a fraction of the series (float in (0, 1]),
        which gives at least one step.
    n_timepoints : int

    Raises
    ------
    ParameterError
        If it is neither, or longer than the series.

    Examples
    --------
    >>> window_width(0.1, 150), window_width(12, 150), window_width(0.1, 5)
    (15, 12, 1)
    """
    if isinstance(window_size, Integral) and not isinstance(window_size, (bool, np.bool_)):
        if 1 <= window_size <= n_timepoints:
            return int(window_size)
        raise ParameterError(
            f"window_size={window_size} steps does not fit series of {n_timepoints} timepoints; "
            f"expected 1 to {n_timepoints}, or a fraction such as 0.1."
        )
    is_number = isinstance(window_size, Real) and not isinstance(window_size, (bool, np.bool_))
    if is_number and 0 < window_size <= 1:
        return max(1, round(float(window_size) * n_timepoints))
    raise ParameterError(
        f"window_size={window_size!r}; expected an int (steps) or a float in (0, 1] (a fraction "
        "of the series)."
    )


def draw_plan(panel, groups, *, width, n_windows, donors, rng):
    """Draw windows and donors for every series.

    Starts are stratified: each series has one in every n_windows-th part of the range
    0 .. n_timepoints - width, both ends included, so they are distinct wherever there are
    enough, and cover the series evenly. Donors do not repeat within a series until
    all that qualify were used.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    groups : ndarray of shape (n_instances,)
        The class of each series, by its label or by the teacher's answer.
    width : int
        Timesteps in a window.
    n_windows : int
        Windows a series.
    donors : {"opposing", "same", "any", "mean", "zero", "noise"}
        Who gives the new values: a series of another class, of the same class, any other
        series, each channel's mean over the panel, zeros, or Gaussian noise with each
        channel's mean and standard deviation.
    rng : numpy.random.Generator

    Returns
    -------
    plan : WindowPlan

    Raises
    ------
    PanelError
        If a class has no donor of the kind asked for.
    ParameterError
        If donors is none of the kinds.
    """
    check_choice("donors", donors, DONORS)
    n_instances, _, n_timepoints = panel.shape
    start = _even_starts(n_instances, n_windows, n_timepoints - width + 1, rng)
    if donors in ("opposing", "same", "any"):
        series, donor = panel, _series_donors(np.asarray(groups), n_windows, donors, rng)
    else:
        series = stand_in_donors(panel, donors, rng)
        donor = rng.integers(len(series), size=(n_instances, n_windows))
    return WindowPlan(start=start, donor=donor, width=width, donors=series)


def _even_starts(n_instances, n_windows, n_starts, rng):
    """One start in each of n_windows equal strata of 0 .. n_starts - 1, in random order."""
    strata = np.arange(n_windows) + rng.random((n_instances, n_windows))
    start = np.minimum(np.floor(strata * (n_starts / n_windows)), n_starts - 1).astype(np.int64)
    # Rounding can put neighbours of adjoining strata on one start: pull those apart again.
    if n_windows <= n_starts:
        for m in range(1, n_windows):
            clash = start[:, m] <= start[:, m - 1]
            start[clash, m] = start[clash, m - 1] + 1
        start = np.minimum(start, n_starts - n_windows + np.arange(n_windows))
    return rng.permuted(start, axis=1)


def _series_donors(groups, n_windows, kind, rng):
    """Rows of the panel to take windows from, (n_instances, n_windows)."""
    n_instances = len(groups)
    donor = np.empty((n_instances, n_windows), dtype=np.int64)
    everyone = np.arange(n_instances)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        candidates = {
            "opposing": np.flatnonzero(groups != group),
            "same": members,
            "any": everyone,
        }[kind]
        n_usable = len(candidates) - (kind != "opposing")
        if n_usable < 1:
            raise PanelError(
                f"donors={kind!r}: class {group.item()!r} has no donor, of {n_instances} series "
                f"{len(members)} are of that class; pass more series or donors='any'."
            )
        ring = rng.permutation(candidates)
        turn = rng.integers(n_usable, size=(len(members), 1)) + np.arange(n_windows)
        if kind == "opposing":
            position = turn % n_usable
        else:
            # Count from the series' own place in the ring, so that it is never its own donor.
            own = np.argsort(ring)[np.searchsorted(np.sort(ring), members)][:, np.newaxis]
            position = (own + 1 + turn % n_usable) % len(ring)
        donor[members] = ring[position]
    return donor
