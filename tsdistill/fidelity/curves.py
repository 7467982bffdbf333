"""Deletion and insertion curves: does the answer depend on the timesteps that a map ranks first?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import check_log_proba
from tsdistill.inputs.checks import check_count
from tsdistill.inputs.lengths import lengths_of
from tsdistill.inputs.plain import as_array, as_real
from tsdistill.inputs.types import Float32Array, FloatArray, IntArray
from tsdistill.numerics.batches import batches, rows_that_fit
from tsdistill.numerics.logits import usual_float_errors

COPIES_A_QUERY = 4096
BYTES_A_QUERY = 64 * 2**20

LogProba = Callable[[Float32Array], ArrayLike]
"""A model: it takes a panel, and gives log-probabilities of shape (n_instances, n_classes)."""


def deletion_curve(
    log_proba: LogProba,
    panel: ArrayLike,
    maps: ArrayLike,
    target: ArrayLike,
    fill: ArrayLike,
    *,
    n_points: int = 11,
) -> tuple[FloatArray, FloatArray]:
    """Probability of the target while the timesteps that speak most for it are replaced.

    At the share s, the round(s * n_timepoints) timesteps with the highest values in the map of
    each series are replaced by the baseline ``fill``, on all channels; if maps have channels,
    values of single channels are replaced. The sooner the probability falls, the better the map
    ranks what the model relies on. A single baseline can mislead, because it may itself speak
    for a class or resemble no series at all: compare at least two.

    Parameters
    ----------
    log_proba : callable
        Takes a panel, float32, and gives log-probabilities of shape (n_instances, n_classes).
    panel : array-like of shape (n_instances, n_channels, n_timepoints)
        The series.
    maps : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the target.
    target : array-like of shape (n_instances,), of int
        Class index whose probability is followed.
    fill : array-like that broadcasts to the panel
        The baseline, such as ``panel.mean(axis=(0, 2), keepdims=True)``.
    n_points : int, default=11
        Number of shares, evenly spaced from 0 to 1.

    Returns
    -------
    shares : ndarray of shape (n_points,)
        Shares of the timesteps that are replaced.
    proba : ndarray of shape (n_instances, n_points)
        Probability of the target at each share. The mean over series is the curve.

    See Also
    --------
    insertion_curve : The reverse, which begins with the baseline alone.
    area : One number for each curve.

    References
    ----------
    Petsiuk, Das, Saenko: RISE: Randomized input sampling for explanation of black-box models.
    BMVC 2018, arXiv 1806.07421.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import deletion_curve
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


def insertion_curve(
    log_proba: LogProba,
    panel: ArrayLike,
    maps: ArrayLike,
    target: ArrayLike,
    fill: ArrayLike,
    *,
    n_points: int = 11,
) -> tuple[FloatArray, FloatArray]:
    """Probability of the target while the timesteps that speak most for it are inserted.

    The reverse of :func:`deletion_curve`: at the share 0 every timestep is the baseline, and the
    series' own values are inserted in the order of the map. The sooner the probability rises,
    the better.

    Parameters
    ----------
    log_proba : callable
        Takes a panel, float32, and gives log-probabilities of shape (n_instances, n_classes).
    panel : array-like of shape (n_instances, n_channels, n_timepoints)
        The series.
    maps : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the target.
    target : array-like of shape (n_instances,), of int
        Class index whose probability is followed.
    fill : array-like that broadcasts to the panel
        The baseline, such as ``panel.mean(axis=(0, 2), keepdims=True)``.
    n_points : int, default=11
        Number of shares, evenly spaced from 0 to 1.

    Returns
    -------
    shares : ndarray of shape (n_points,)
        Shares of the timesteps that are inserted.
    proba : ndarray of shape (n_instances, n_points)
        Probability of the target at each share. The mean over series is the curve.

    See Also
    --------
    deletion_curve : The reverse, which begins with the series.
    area : One number for each curve.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import insertion_curve
    >>> def log_proba(X):
    ...     z = X.sum(axis=(1, 2))
    ...     return -np.logaddexp(0, np.stack([z, -z], axis=1))
    >>> X = np.array([[[3.0, 0.0, 0.0, 1.0]]])
    >>> shares, proba = insertion_curve(
    ...     log_proba, X, X[:, 0], np.array([1]), np.zeros((1, 1, 1)), n_points=3
    ... )
    >>> proba.round(2).tolist()
    [[0.5, 0.98, 0.98]]
    """
    return _curve(log_proba, panel, maps, target, fill, n_points, inserted=True)


def area(shares: ArrayLike, proba: ArrayLike) -> FloatArray:
    """Area under the curve of each series, by trapezoids.

    Parameters
    ----------
    shares : array-like of shape (n_points,)
        Shares of the timesteps, as :func:`deletion_curve` gives them.
    proba : array-like of shape (n_instances, n_points)
        Probability of the target at each share.

    Returns
    -------
    ndarray of shape (n_instances,)
        From 0 to 1.

    See Also
    --------
    deletion_curve : A small area is good.
    insertion_curve : A large area is good.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import area
    >>> area(np.array([0.0, 0.5, 1.0]), np.array([[1.0, 0.5, 0.0]])).tolist()
    [0.5]
    """
    shares, proba = as_real(shares, "shares"), as_real(proba, "proba")
    if shares.ndim != 1 or proba.ndim != 2 or proba.shape[1] != len(shares):
        raise ParameterError(
            f"shares has shape {shares.shape} and proba {proba.shape}; expected (n_points,) and "
            "(n_instances, n_points), as deletion_curve gives them."
        )
    finite = np.isfinite(shares).all() and np.isfinite(proba).all()
    if not finite or (np.diff(shares) < 0).any():
        raise ParameterError(
            "shares or proba hold NaN or infinity, or shares fall; expected finite values, and "
            "shares that rise, as deletion_curve gives them."
        )
    return ((proba[:, 1:] + proba[:, :-1]) / 2) @ np.diff(shares)


def _checked(
    panel: ArrayLike, maps: ArrayLike, target: ArrayLike, fill: ArrayLike
) -> tuple[NDArray[Any], FloatArray, IntArray, Float32Array]:
    """The arguments of a curve as arrays; a panel alone may hold NaN before the end of series."""
    panel, maps = as_real(panel, "panel", dtype=None), as_real(maps, "maps")
    target = as_array(target, "target")
    fits = panel.ndim == 3 and panel.size and maps.shape in (panel.shape, panel[:, 0].shape)
    if not fits or target.shape != maps.shape[:1] or target.dtype.kind not in "iu":
        raise ParameterError(
            f"maps have shape {maps.shape} and target {target.shape} of {target.dtype} for a "
            f"panel of shape {panel.shape}; expected maps of shape (n_instances, n_timepoints), "
            "or of the panel's shape (n_instances, n_channels, n_timepoints), and class indices "
            "of shape (n_instances,)."
        )
    try:
        fill = np.broadcast_to(as_real(fill, "fill").astype(np.float32), panel.shape)
    except ValueError as error:
        raise ParameterError(
            f"fill={fill!r} is not an array that broadcasts to the panel's shape {panel.shape}; "
            "pass an array such as panel.mean(axis=(0, 2), keepdims=True)."
        ) from error
    after_end = np.arange(panel.shape[-1]) >= lengths_of(panel)[:, np.newaxis]
    in_channels = np.broadcast_to(after_end[:, np.newaxis], panel.shape)
    ends_agree = np.array_equal(np.isnan(maps), after_end if maps.ndim == 2 else in_channels)
    for name, values, allowed in (
        ("panel", panel, True), ("maps", maps, True), ("fill", fill, in_channels),
    ):  # fmt: skip
        if not (np.isfinite(values) | (ends_agree & allowed & np.isnan(values))).all():
            raise ParameterError(
                f"{name} has NaN or infinity; expected finite values, but for NaN after the end of "
                "series in both panel and maps, and in gaps of the panel."
            )
    return panel, maps, target, np.where(in_channels, np.nan, fill)


@usual_float_errors()
def _curve(
    log_proba: LogProba,
    panel: ArrayLike,
    maps: ArrayLike,
    target: ArrayLike,
    fill: ArrayLike,
    n_points: int,
    *,
    inserted: bool,
) -> tuple[FloatArray, FloatArray]:
    panel, maps, target, fill = _checked(panel, maps, target, fill)
    check_count("n_points", n_points, least=2)
    n_points = int(n_points)
    shares = np.linspace(0, 1, n_points)
    proba = np.empty((len(panel), n_points))
    most_copies = min(COPIES_A_QUERY, rows_that_fit(panel[0].nbytes, BYTES_A_QUERY))
    for part in batches(len(panel), max(1, most_copies // n_points)):
        flat = maps[part].reshape(len(maps[part]), -1)
        rank = np.argsort(np.argsort(-flat, kind="stable"))  # 0 for the highest value of a series
        n_values = (~np.isnan(flat)).sum(axis=1)[:, None, None]
        reached = rank[:, None] < np.round(shares[:, None] * n_values)
        reached = reached.reshape(len(flat), n_points, *maps.shape[1:])
        if maps.ndim == 2:
            reached = reached[:, :, None]
        kept = reached if inserted else ~reached
        copies = np.where(kept, panel[part][:, None], fill[part][:, None])
        copies = copies.reshape(-1, *panel.shape[1:]).astype(np.float32)
        answers = as_real(log_proba(copies), "log_proba(...)")
        check_log_proba("log_proba(...)", answers)
        n_classes = answers.shape[1]
        if target.min() < 0 or target.max() >= n_classes:
            raise ParameterError(
                f"target has class indices from {target.min()} to {target.max()}; expected "
                f"0 .. {n_classes - 1}, since log_proba gives {n_classes} classes."
            )
        class_index = np.repeat(target[part], n_points)
        of_target = answers[np.arange(len(class_index)), class_index]
        proba[part] = np.exp(of_target.astype(np.float64)).reshape(-1, n_points)
    return shares, proba
