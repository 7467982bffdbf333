"""Deletion and insertion: does a model's answer hang on the timesteps that a map names?"""

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import check_log_proba
from tsdistill.inputs.checks import check_count
from tsdistill.numerics.batches import batches, rows_that_fit

COPIES_A_QUERY = 4096
BYTES_A_QUERY = 64 * 2**20


def deletion_curve(log_proba, panel, maps, target, fill, *, n_points=11):
    """Probability of the target while the timesteps that speak most for it are replaced.

    At the share s, the round(s * n_timepoints) timesteps of each series with the highest values
    of its map are replaced by those of ``fill``, on all channels (with maps of channels, values
    of single channels). The sooner the probability falls, the more of what the model goes by
    was named first. One fill alone can mislead: it may itself speak for a class, or be like no
    series at all; compare at least two.

    Parameters
    ----------
    log_proba : callable
        From a panel of float32 to log-probabilities of shape (n_instances, n_classes).
    panel : ndarray of shape (n_instances, n_channels, n_timepoints)
    maps : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the target.
    target : ndarray of shape (n_instances,), integer
        The column whose probability is followed.
    fill : ndarray that broadcasts to the panel
        What takes a timestep's place, such as ``panel.mean(axis=(0, 2), keepdims=True)``.
    n_points : int, default=11
        Shares, evenly from 0 to 1.

    Returns
    -------
    shares : ndarray of shape (n_points,)
    proba : ndarray of shape (n_instances, n_points)
        The curve is its mean over series.

    References
    ----------
    Petsiuk, Das, Saenko: RISE: Randomized input sampling for explanation of black-box models.
    BMVC 2018, arXiv 1806.07421.

    Examples
    --------
    >>> import numpy as np
    >>> def log_proba(X):
    ...     z = X.sum(axis=(1, 2))
    ...     return -np.logaddexp(0, np.stack([z, -z], axis=1))
    >>> X = np.array([[[3.0, 0.0, 0.0, 1.0]]])
    >>> shares, proba = deletion_curve(
    ...     log_proba, X, X[:, 0], np.array([1]), np.zeros((1, 1, 1)), n_points=3
    ... )
    >>> proba.round(2).tolist()
    [[0.98, 0.5, 0.5]]
    """
    return _curve(log_proba, panel, maps, target, fill, n_points, inserted=False)


def insertion_curve(log_proba, panel, maps, target, fill, *, n_points=11):
    """Probability of the target while the timesteps that speak most for it come in.

    As :func:`deletion_curve`, from the other end: at the share 0 all is fill, and the series'
    own values come in by the map's order. The sooner the probability rises, the better.

    Parameters
    ----------
    log_proba, panel, maps, target, fill, n_points
        As in :func:`deletion_curve`.

    Returns
    -------
    shares : ndarray of shape (n_points,)
    proba : ndarray of shape (n_instances, n_points)
    """
    return _curve(log_proba, panel, maps, target, fill, n_points, inserted=True)


def area(shares, proba):
    """Area under each series' curve, by trapezoids.

    Parameters
    ----------
    shares : ndarray of shape (n_points,)
    proba : ndarray of shape (n_instances, n_points)

    Returns
    -------
    area : ndarray of shape (n_instances,), in [0, 1]
    """
    return ((proba[:, 1:] + proba[:, :-1]) / 2) @ np.diff(shares)


def _curve(log_proba, panel, maps, target, fill, n_points, *, inserted):
    panel, maps, target = np.asarray(panel), np.asarray(maps), np.asarray(target)
    fits = panel.ndim == 3 and panel.size and maps.shape in (panel.shape, panel[:, 0].shape)
    if not fits or target.shape != maps.shape[:1] or target.dtype.kind not in "iu":
        raise ParameterError(
            f"maps have shape {maps.shape} and target {target.shape} of {target.dtype} for a "
            f"panel of shape {panel.shape}; expected (n_instances, n_timepoints), or the panel's "
            "(n_instances, n_channels, n_timepoints), and columns (n_instances,)."
        )
    try:
        fill = np.broadcast_to(np.asarray(fill, dtype=np.float32), panel.shape)
    except ValueError as error:
        raise ParameterError(
            f"fill={fill!r} is no array that broadcasts to the panel's shape {panel.shape}; pass "
            "such as panel.mean(axis=(0, 2), keepdims=True)."
        ) from error
    check_count("n_points", n_points, least=2)
    for name, values in (("panel", panel), ("maps", maps), ("fill", fill)):
        if not np.isfinite(values).all():
            raise ParameterError(f"{name} has NaN or infinity.")
    shares = np.linspace(0, 1, n_points)
    proba = np.empty((len(panel), n_points))
    most_copies = min(COPIES_A_QUERY, rows_that_fit(panel[0:1].nbytes, BYTES_A_QUERY))
    for part in batches(len(panel), max(1, most_copies // n_points)):
        flat = maps[part].reshape(len(maps[part]), -1)
        place = np.empty(flat.shape, dtype=np.int64)  # 0 for the highest value
        order = np.argsort(-flat, axis=1, kind="stable")
        np.put_along_axis(place, order, np.broadcast_to(np.arange(flat.shape[1]), flat.shape), 1)
        reached = place[:, None] < np.round(shares * flat.shape[1])[:, None]
        reached = reached.reshape(len(flat), n_points, *maps.shape[1:])
        if maps.ndim == 2:
            reached = reached[:, :, None]
        series = reached if inserted else ~reached
        copies = np.where(series, panel[part][:, None], fill[part][:, None])
        answers = np.asarray(log_proba(copies.reshape(-1, *panel.shape[1:]).astype(np.float32)))
        check_log_proba("log_proba(...)", answers)
        n_classes = answers.shape[1]
        if target.min() < 0 or target.max() >= n_classes:
            raise ParameterError(
                f"target has columns from {target.min()} to {target.max()}; log_proba answers for "
                f"{n_classes} classes, 0 .. {n_classes - 1}."
            )
        columns = np.repeat(target[part], n_points)
        found = answers[np.arange(len(columns)), columns]
        proba[part] = np.exp(found.astype(np.float64)).reshape(-1, n_points)
    return shares, proba
