"""How well a saliency map finds the timesteps that are known to show the class.

Maps and masks have shape ``(n_instances, n_timepoints)`` or ``(n_instances, n_channels,
n_timepoints)``; the channels and timesteps of a series are pooled. Means over series are
unweighted. Maps of series of unequal length are NaN after the end of each, which counts
nowhere.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.over_series import FloatArray, check_no_infinity
from tsdistill.inputs.plain import as_array, as_real


def auprc(maps: ArrayLike, mask: ArrayLike) -> float:
    """Mean over series of the average precision with which a map finds the true timesteps.

    Equal values are found together. A random map reaches, on average, the share of true
    timesteps. Series in which no timestep is true, or every timestep is, are left out.

    Parameters
    ----------
    maps : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the class.
    mask : array-like of the same shape, bool
        The timesteps that show the class of a series.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ParameterError
        If shapes differ, or no series has both true and other timesteps.

    See Also
    --------
    per_series_auprc : The value of each series.
    auroc : The area under another curve.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import auprc
    >>> auprc(np.array([[0.9, 0.1, 0.8, 0.0]]), np.array([[True, False, False, True]]))
    0.75
    """
    return _mean_of_counted(per_series_auprc(maps, mask))


def per_series_auprc(maps: ArrayLike, mask: ArrayLike) -> FloatArray:
    """Average precision for each series; NaN for a series that :func:`auprc` leaves out.

    Parameters
    ----------
    maps : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the class.
    mask : array-like of the same shape, bool
        The timesteps that show the class of a series.

    Returns
    -------
    ndarray of shape (n_instances,)
        From 0 to 1, or NaN.

    See Also
    --------
    auprc : The mean over all series.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_auprc
    >>> mask = np.array([[True, False, False, True], [False, False, False, False]])
    >>> per_series_auprc(np.array([[0.9, 0.1, 0.8, 0.0]] * 2), mask).tolist()
    [0.75, nan]
    """
    maps, mask = _with_mask(maps, mask)
    real = ~np.isnan(maps)
    order = np.argsort(-maps, kind="stable")
    maps, found = np.take_along_axis(maps, order, 1), np.take_along_axis(mask, order, 1)
    is_last = np.ones_like(mask)  # among the values equal to it
    is_last[:, :-1] = maps[:, :-1] != maps[:, 1:]
    last = np.where(is_last, np.arange(mask.shape[1]), mask.shape[1] - 1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(found.cumsum(axis=1), last, 1)
    precision = (found * hits / (last + 1)).sum(axis=1)
    return _where_counted(precision, mask.sum(axis=1), mask, real)


def auroc(maps: ArrayLike, mask: ArrayLike) -> float:
    """Mean over series of the probability that a true timestep has a higher value than another.

    Equal values count half. A random map reaches 0.5 on average. Series in which no timestep is
    true, or every timestep is, are left out.

    Parameters
    ----------
    maps : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the class.
    mask : array-like of the same shape, bool
        The timesteps that show the class of a series.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ParameterError
        If shapes differ, or no series has both true and other timesteps.

    See Also
    --------
    per_series_auroc : The value of each series.
    auprc : Stricter where few timesteps are true.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import auroc
    >>> auroc(np.array([[0.9, 0.1, 0.8, 0.0]]), np.array([[True, False, False, True]]))
    0.5
    """
    return _mean_of_counted(per_series_auroc(maps, mask))


def per_series_auroc(maps: ArrayLike, mask: ArrayLike) -> FloatArray:
    """Area under the ROC curve for each series; NaN for a series that :func:`auroc` leaves out.

    Parameters
    ----------
    maps : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Higher speaks more for the class.
    mask : array-like of the same shape, bool
        The timesteps that show the class of a series.

    Returns
    -------
    ndarray of shape (n_instances,)
        From 0 to 1, or NaN.

    See Also
    --------
    auroc : The mean over all series.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_auroc
    >>> mask = np.array([[True, False, False, True], [False, False, False, False]])
    >>> per_series_auroc(np.array([[0.9, 0.1, 0.8, 0.0]] * 2), mask).tolist()
    [0.5, nan]
    """
    maps, mask = _with_mask(maps, mask)
    n_true = mask.sum(axis=1)
    real = ~np.isnan(maps)
    rank = (rankdata(np.where(real, maps, np.inf), axis=1) * mask).sum(axis=1)
    above = rank - n_true * (n_true + 1) / 2
    return _where_counted(above, n_true * (real.sum(axis=1) - n_true), mask, real)


def _with_mask(maps: ArrayLike, mask: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    values: FloatArray = as_real(maps, "maps")
    true = as_array(mask, "mask")
    if true.ndim == 3 and true.shape[1] == 1 and values.ndim == 2:
        true = true[:, 0]
    fits = values.shape == true.shape and values.ndim > 1 and values.size
    if not fits or true.dtype != bool:
        raise ParameterError(
            f"maps have shape {values.shape} and mask shape {true.shape} of {true.dtype}; expected "
            "the same shape, (n_instances, n_timepoints) or (n_instances, n_channels, "
            "n_timepoints) with none of them 0, and a boolean mask (mask.astype(bool))."
        )
    check_no_infinity("maps", values)
    missing = np.isnan(values)
    if (missing & true).any() or missing.all(axis=-1).any() or not _only_after_the_end(missing):
        raise ParameterError(
            f"maps have NaN in {missing.sum()} places; expected none but after the end of series, "
            "where the mask is False."
        )
    return values.reshape(len(values), -1), true.reshape(len(true), -1)


def _only_after_the_end(missing: NDArray[np.bool_]) -> bool:
    return not bool((missing[..., :-1] & ~missing[..., 1:]).any())


def _where_counted(
    total: FloatArray, size: NDArray[np.int64], mask: NDArray[np.bool_], real: NDArray[np.bool_]
) -> FloatArray:
    """Total over size for each series; NaN where the mask has only true or only other timesteps."""
    counted = mask.any(axis=1) & (real & ~mask).any(axis=1)
    found: FloatArray = np.divide(total, size, out=np.full(len(mask), np.nan), where=counted)
    return found


def _mean_of_counted(values: FloatArray) -> float:
    if np.isnan(values).all():
        raise ParameterError(
            f"mask has both true and other timesteps in none of the {len(values)} series; expected "
            "at least one such series."
        )
    return float(np.nanmean(values))
