"""How closely two models' saliency maps agree.

Maps have shape ``(n_instances, n_timepoints)`` or ``(n_instances, n_channels, n_timepoints)``; the
channels and timesteps of a series are pooled. Means over series are unweighted. Maps of series of
unequal length are NaN after the end of each, which counts nowhere.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import pair
from tsdistill.fidelity.over_series import FloatArray, check_no_infinity
from tsdistill.inputs.checks import check_share, is_whole, shown
from tsdistill.inputs.plain import as_array
from tsdistill.inputs.random_state import generator
from tsdistill.numerics.logits import usual_float_errors


def saliency_correlation(teacher: ArrayLike, student: ArrayLike) -> float:
    """Mean over series of Pearson's correlation between two saliency maps.

    A series whose map is constant in either model has no correlation and counts as 0.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.

    Returns
    -------
    float
        From -1 to 1.

    See Also
    --------
    per_series_correlation : The correlation of each series.
    top_overlap : Compares the highest values alone.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import saliency_correlation
    >>> saliency_correlation(np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, 2.0, 4.0]]))
    1.0
    """
    return float(np.mean(per_series_correlation(teacher, student)))


@usual_float_errors()
def per_series_correlation(
    teacher: ArrayLike, student: ArrayLike, undefined: float = 0.0
) -> FloatArray:
    """Correlation (Pearson's) between two models' maps of each series.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.
    undefined : float, default=0.0
        The value for a series whose map is constant in either model.

    Returns
    -------
    ndarray of shape (n_instances,)
        From -1 to 1, or ``undefined``.

    See Also
    --------
    saliency_correlation : The mean over all series.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_correlation
    >>> teacher = np.array([[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]])
    >>> student = np.array([[1.0, 2.0, 4.0], [2.0, 2.0, 2.0]])
    >>> per_series_correlation(teacher, student).tolist()
    [1.0, 0.0]
    """
    maps = [_of_moderate_size(m) for m in _flat_pair(teacher, student)]
    constant = _any_constant(maps)
    for _ in range(2):  # the second time subtracts the rounding error of the first mean
        maps = [m - np.nanmean(m, axis=1, keepdims=True) for m in maps]
    a, b = (np.nan_to_num(m, copy=False) for m in maps)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    product = np.clip((a * b).sum(axis=1), -size, size)  # which rounding may exceed
    correlation: FloatArray = np.full(size.shape, undefined, np.float64)
    np.divide(product, size, out=correlation, where=~constant)
    return correlation


def _flat_pair(teacher: ArrayLike, student: ArrayLike) -> list[FloatArray]:
    """Both models' maps, (n_instances, n_values) each; infinity and maps of NaN are refused."""
    maps = pair(teacher, student, "n_instances, n_timepoints", ends=True)
    for name, m in zip(("teacher", "student"), maps, strict=True):
        check_no_infinity(name, m)
    flat = [m.reshape(len(m), -1) for m in maps]
    no_value = np.isnan(flat[0]).all(axis=1)
    if no_value.any():
        raise ParameterError(
            f"teacher and student have no value, only NaN, for {no_value.sum()} series; leave "
            "these series out."
        )
    return flat


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
    teacher, student : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.
    share : float, default=0.1
        Share of a map's values, between 0 and 1, that form its top, at least one value. Of equal
        values the earlier ones come first.

    Returns
    -------
    float
        From 0 to 1.

    See Also
    --------
    per_series_overlap : The overlap of each series.
    saliency_correlation : Compares all values.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import top_overlap
    >>> teacher, student = np.array([[3, 2, 1, 0]]), np.array([[3, 0, 1, 2]])
    >>> round(top_overlap(teacher, student, share=0.5), 3)
    0.333
    """
    return float(np.mean(per_series_overlap(teacher, student, share)))


def per_series_overlap(teacher: ArrayLike, student: ArrayLike, share: float = 0.1) -> FloatArray:
    """Overlap of the tops of both maps of each series, see :func:`top_overlap`.

    Parameters
    ----------
    teacher, student : array-like of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.
    share : float, default=0.1
        Share of a map's values, between 0 and 1, that form its top.

    Returns
    -------
    ndarray of shape (n_instances,)
        From 0 to 1.

    See Also
    --------
    top_overlap : The mean over all series.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import per_series_overlap
    >>> teacher, student = np.array([[3, 2, 1, 0]]), np.array([[3, 2, 0, 1]])
    >>> per_series_overlap(teacher, student, share=0.5).tolist()
    [1.0]
    """
    check_share("share", share)
    flat = _flat_pair(teacher, student)
    n_values = (~np.isnan(flat[0])).sum(axis=1, keepdims=True)
    n_top = np.maximum(1, np.round(share * n_values))
    ranks = [np.argsort(np.argsort(-m, kind="stable")) for m in flat]  # NaN last
    tops = [rank < n_top for rank in ranks]
    both = (tops[0] & tops[1]).sum(axis=1)
    return np.where(_any_constant(flat), 0.0, both / (tops[0] | tops[1]).sum(axis=1))


def random_maps(shape: tuple[int, ...], random_state: Any = None) -> FloatArray:
    """Draw maps of normal noise, for comparison with a measure of real maps.

    Parameters
    ----------
    shape : tuple of int
        Shape of the maps.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        Source of the noise.

    Returns
    -------
    ndarray of the given shape, float64
        The maps.

    See Also
    --------
    saliency_correlation : Near 0 for such maps.
    auprc : For such maps about the share of true timesteps.

    Examples
    --------
    >>> from tsdistill.fidelity import random_maps, saliency_correlation
    >>> maps = random_maps((1000, 50), random_state=0)
    >>> abs(saliency_correlation(maps[:500], maps[500:])) < 0.05
    True
    """
    if not isinstance(shape, tuple) or not all(is_whole(size) and size >= 0 for size in shape):
        raise ParameterError(
            f"shape={shown(shape)}; expected a tuple of whole numbers of 0 or more."
        )
    maps: FloatArray = generator(random_state).standard_normal(shape)
    return maps


def by_class(measure: Callable[..., Any], groups: ArrayLike, *arrays: ArrayLike) -> dict[Any, Any]:
    """A measure for the series of each class separately.

    Parameters
    ----------
    measure : callable
        A measure of this package, such as :func:`saliency_correlation`.
    groups : array-like of shape (n_instances,)
        The class of each series: a label or a class index.
    *arrays : array-like of shape (n_instances, ...)
        The arguments of the measure.

    Returns
    -------
    dict
        The value of the measure for each class.

    See Also
    --------
    agreement : A measure that is often wanted for each class.

    Examples
    --------
    >>> import numpy as np
    >>> teacher = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    >>> student = np.array([[0.7, 0.3], [0.6, 0.4], [0.1, 0.9]])
    >>> from tsdistill.fidelity import agreement, by_class
    >>> by_class(agreement, teacher.argmax(axis=1), teacher, student)
    {0: 1.0, 1: 0.5}
    """
    classes = as_array(groups, "groups")
    columns = [as_array(array, "arrays") for array in arrays]
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
