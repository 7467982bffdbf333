"""How closely two models' saliency maps agree, and how well a map finds a known truth.

Maps have shape ``(n_instances, n_timepoints)`` or ``(n_instances, n_channels, n_timepoints)``; the
channels and timesteps of a series are pooled. Means over series are unweighted. Maps of series of
unequal length are NaN after the end of each, which counts nowhere.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import pair
from tsdistill.fidelity.over_series import FloatArray
from tsdistill.inputs.checks import check_share, is_whole
from tsdistill.inputs.plain import as_plain, as_real
from tsdistill.inputs.random_state import generator
from tsdistill.numerics.logits import usual_float_errors


def saliency_correlation(teacher: ArrayLike, student: ArrayLike) -> float:
    """Mean over series of Pearson's correlation between two saliency maps.

    A series whose map is constant in either model has no correlation and counts as 0.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.

    Returns
    -------
    correlation : float in [-1, 1]

    Examples
    --------
    >>> import numpy as np
    >>> saliency_correlation(np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, 2.0, 4.0]]))
    1.0
    """
    return float(np.mean(per_series_correlation(teacher, student)))


@usual_float_errors()
def per_series_correlation(
    teacher: ArrayLike, student: ArrayLike, undefined: float = 0.0
) -> FloatArray:
    """Pearson's correlation between two models' maps of each series.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    undefined : float, default=0.0
        The value for a series whose map is constant in either model.

    Returns
    -------
    correlation : ndarray of shape (n_instances,)
    """
    maps = pair(teacher, student, "n_instances, n_timepoints", ends=True)
    maps = [_of_moderate_size(m.reshape(len(m), -1)) for m in maps]
    constant = _any_constant(maps)
    a, b = (np.nan_to_num(m - np.nanmean(m, axis=1, keepdims=True), copy=False) for m in maps)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    counted = ~constant & (size > 0)
    product = (a * b).sum(axis=1)
    correlation = np.clip(np.divide(product, size, out=np.zeros_like(size), where=counted), -1, 1)
    return np.where(counted, correlation, undefined)


def _of_moderate_size(maps: FloatArray) -> FloatArray:
    """Maps divided by a power of 2 each, which is exact, so that squares do not overflow."""
    _, exponent = np.frexp(np.fmax.reduce(np.abs(maps), axis=1, keepdims=True))
    smaller: FloatArray = np.ldexp(maps, -exponent)
    return smaller


def _any_constant(maps: list[FloatArray]) -> NDArray[np.bool_]:
    """For which series one of the maps is constant; its computed variance may differ from 0."""
    both = [(np.fmax.reduce(m, axis=1), np.fmin.reduce(m, axis=1)) for m in maps]
    constant: NDArray[np.bool_] = np.any([high == low for high, low in both], axis=0)
    return constant


def top_overlap(teacher: ArrayLike, student: ArrayLike, share: float = 0.1) -> float:
    """Mean overlap of the timesteps that speak most for the target in each model.

    ::

        IoU = | top_t & top_s | / | top_t | top_s |

    with the timesteps ``top_t`` in the top of the teacher's map and ``top_s`` in the top of the
    student's. A series whose map is constant in either model has no top and counts as 0.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.
    share : float in (0, 1), default=0.1
        Share of a map's values that form its top, at least one value. Of equal values the
        earlier ones come first.

    Returns
    -------
    overlap : float in [0, 1]

    Examples
    --------
    >>> import numpy as np
    >>> teacher, student = np.array([[3, 2, 1, 0]]), np.array([[3, 0, 1, 2]])
    >>> round(top_overlap(teacher, student, share=0.5), 3)
    0.333
    """
    return float(np.mean(per_series_overlap(teacher, student, share)))


def per_series_overlap(teacher: ArrayLike, student: ArrayLike, share: float = 0.1) -> FloatArray:
    """Overlap of the tops of both maps of each series, see :func:`top_overlap`.

    Parameters
    ----------
    teacher, student, share
        See :func:`top_overlap`.

    Returns
    -------
    overlap : ndarray of shape (n_instances,)
    """
    check_share("share", share)
    maps = pair(teacher, student, "n_instances, n_timepoints", ends=True)
    flat = [m.reshape(len(m), -1) for m in maps]
    n_values = (~np.isnan(flat[0])).sum(axis=1, keepdims=True)
    n_top = np.maximum(1, np.round(share * n_values))
    tops = [np.zeros(m.shape, dtype=bool) for m in flat]
    for top, m in zip(tops, flat, strict=True):
        order = np.argsort(-m, axis=1, kind="stable")  # NaN last
        np.put_along_axis(top, order, np.arange(m.shape[1]) < n_top, axis=1)
    both = (tops[0] & tops[1]).sum(axis=1)
    return np.where(_any_constant(flat), 0.0, both / (tops[0] | tops[1]).sum(axis=1))


def auprc(maps: ArrayLike, mask: ArrayLike) -> float:
    """Mean over series of the average precision with which a map finds the true timesteps.

    Equal values are found together. A random map reaches, on average, the share of true
    timesteps. Series in which no timestep is true, or every timestep is, are left out.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    mask : ndarray of the same shape, bool
        The timesteps that show the class of a series.

    Returns
    -------
    auprc : float in [0, 1]

    Raises
    ------
    ParameterError
        If shapes differ, or no series has both true and other timesteps.

    Examples
    --------
    >>> import numpy as np
    >>> auprc(np.array([[0.9, 0.1, 0.8, 0.0]]), np.array([[True, False, False, True]]))
    0.75
    """
    return _mean_of_counted(per_series_auprc(maps, mask))


def per_series_auprc(maps: ArrayLike, mask: ArrayLike) -> FloatArray:
    """Average precision for each series; NaN for a series that :func:`auprc` leaves out.

    Parameters
    ----------
    maps, mask
        See :func:`auprc`.

    Returns
    -------
    auprc : ndarray of shape (n_instances,)
    """
    maps, mask = _with_mask(maps, mask)
    order = np.argsort(-maps, axis=1, kind="stable")
    maps, found = np.take_along_axis(maps, order, 1), np.take_along_axis(mask, order, 1)
    is_last = np.ones_like(mask)  # among the values equal to it
    is_last[:, :-1] = maps[:, :-1] != maps[:, 1:]
    last = np.where(is_last, np.arange(mask.shape[1]), mask.shape[1] - 1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(found.cumsum(axis=1), last, 1)
    precision = (found * hits / (last + 1)).sum(axis=1)
    return _where_counted(precision, mask.sum(axis=1), mask, ~np.isnan(maps))


def auroc(maps: ArrayLike, mask: ArrayLike) -> float:
    """Mean over series of the probability that a true timestep has a higher value than another.

    Equal values count half. A random map reaches 0.5 on average. Series in which no timestep is
    true, or every timestep is, are left out.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    mask : ndarray of the same shape, bool
        The timesteps that show the class of a series.

    Returns
    -------
    auroc : float in [0, 1]

    Raises
    ------
    ParameterError
        If shapes differ, or no series has both true and other timesteps.

    Examples
    --------
    >>> import numpy as np
    >>> auroc(np.array([[0.9, 0.1, 0.8, 0.0]]), np.array([[True, False, False, True]]))
    0.5
    """
    return _mean_of_counted(per_series_auroc(maps, mask))


def per_series_auroc(maps: ArrayLike, mask: ArrayLike) -> FloatArray:
    """Area under the ROC curve for each series; NaN for a series that :func:`auroc` leaves out.

    Parameters
    ----------
    maps, mask
        See :func:`auroc`.

    Returns
    -------
    auroc : ndarray of shape (n_instances,)
    """
    maps, mask = _with_mask(maps, mask)
    n_true = mask.sum(axis=1)
    real = ~np.isnan(maps)
    rank = (rankdata(np.where(real, maps, np.inf), axis=1) * mask).sum(axis=1)
    above = rank - n_true * (n_true + 1) / 2
    return _where_counted(above, n_true * (real.sum(axis=1) - n_true), mask, real)


def _with_mask(maps: ArrayLike, mask: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    values: FloatArray = as_real(maps, "maps")
    true = np.asarray(as_plain(mask, "mask"))
    if true.ndim == 3 and true.shape[1] == 1 and values.ndim == 2:
        true = true[:, 0]
    if values.shape != true.shape or values.ndim < 2 or true.dtype != bool:
        raise ParameterError(
            f"maps have shape {values.shape} and mask shape {true.shape} of {true.dtype}; expected "
            "the same shape, (n_instances, n_timepoints) or (n_instances, n_channels, "
            "n_timepoints), and a boolean mask (mask.astype(bool))."
        )
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


def random_maps(shape: tuple[int, ...], random_state: Any = None) -> FloatArray:
    """Maps of normal noise, for comparison with a measure of real maps.

    Parameters
    ----------
    shape : tuple of int
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None

    Returns
    -------
    maps : ndarray of the given shape, float64
    """
    if not isinstance(shape, tuple) or not all(is_whole(size) and size >= 0 for size in shape):
        raise ParameterError(f"shape={shape!r}; expected a tuple of whole numbers of 0 or more.")
    maps: FloatArray = generator(random_state).standard_normal(shape)
    return maps


def by_class(measure: Callable[..., Any], groups: ArrayLike, *arrays: ArrayLike) -> dict[Any, Any]:
    """A measure for the series of each class separately.

    Parameters
    ----------
    measure : callable
        A measure of this package, such as :func:`saliency_correlation`.
    groups : ndarray of shape (n_instances,)
        The class of each series: a label or a class index.
    *arrays : ndarray of shape (n_instances, ...)
        The arguments of the measure.

    Returns
    -------
    values : dict of class to float

    Examples
    --------
    >>> import numpy as np
    >>> teacher = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    >>> student = np.array([[0.7, 0.3], [0.6, 0.4], [0.1, 0.9]])
    >>> from tsdistill.fidelity import agreement
    >>> by_class(agreement, teacher.argmax(axis=1), teacher, student)
    {0: 1.0, 1: 0.5}
    """
    classes = np.asarray(as_plain(groups, "groups"))
    columns = [np.asarray(as_plain(array, "arrays")) for array in arrays]
    if classes.ndim != 1 or any(column.shape[:1] != classes.shape for column in columns):
        raise ParameterError(
            f"groups has shape {classes.shape} and the arrays have shapes "
            f"{[column.shape for column in columns]}; expected shape (n_instances,), one class for "
            "each instance of every array."
        )
    try:
        different = np.unique(classes).tolist()
    except TypeError as error:
        raise ParameterError(f"groups hold classes of several types: {error}") from error
    return {one: measure(*(column[classes == one] for column in columns)) for one in different}
