"""Series that are held out of training, for validation."""

import numpy as np

from tsdistill.exceptions import ParameterError


def held_out_rows(class_index, fraction, rng, weight=None):
    """Draw a stratified share of the series, at least one in all, never all of a class.

    Parameters
    ----------
    class_index : ndarray of shape (n_instances,)
        The class of each series.
    fraction : float in (0, 1), or None for no rows
    rng : numpy.random.Generator
    weight : ndarray of shape (n_instances,), default=None
        The share is drawn from the series whose weight is above 0, since only they count in a
        loss. None draws from all.

    Returns
    -------
    rows : ndarray of int64, or None

    Raises
    ------
    ParameterError
        If the share is less than one series of every class.
    """
    if fraction is None:
        return None
    counts = np.full(len(class_index), True) if weight is None else weight > 0
    rows = []
    for k in np.unique(class_index[counts]):
        members = rng.permutation(np.flatnonzero((class_index == k) & counts))
        rows.append(members[: min(len(members) - 1, round(fraction * len(members)))])
    rows = np.concatenate(rows)
    if not len(rows):
        raise ParameterError(
            f"validation_fraction={fraction} holds out none of {counts.sum()} series (those of "
            "weight above 0); pass a larger share."
        )
    return rows
