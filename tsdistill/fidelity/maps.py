"""How far two models' saliency maps agree, and whether a map finds the truth where it is known.

Maps are ``(n_instances, n_timepoints)`` or ``(n_instances, n_channels, n_timepoints)``; channels
and timesteps of a series are taken together. All measures are plain means over series.
"""

import numpy as np
from scipy.stats import rankdata

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity.answers import pair
from tsdistill.inputs.checks import check_share
from tsdistill.inputs.random_state import generator


def saliency_correlation(teacher, student):
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


def per_series_correlation(teacher, student):
    """Pearson's correlation between two models' maps, of each series; 0 of a constant map.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)

    Returns
    -------
    correlation : ndarray of shape (n_instances,)
    """
    maps = [m.reshape(len(m), -1) for m in pair(teacher, student, "n_instances, n_timepoints")]
    constant = _any_constant(maps)
    a, b = (m - m.mean(axis=1, keepdims=True) for m in maps)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    counted = ~constant & (size > 0)
    together = (a * b).sum(axis=1)
    return np.clip(np.divide(together, size, out=np.zeros_like(size), where=counted), -1, 1)


def _any_constant(maps):
    """For which series one map or the other is constant; rounding leaves it a spread of its own."""
    return np.any([np.ptp(m, axis=1) == 0 for m in maps], axis=0)


def top_overlap(teacher, student, share=0.1):
    """Mean overlap of the timesteps that speak most for the target in either model.

    ::

        IoU = | top_t & top_s | / | top_t | top_s |

    A series whose map is constant in either model has no top and counts as 0.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
        Maps of the same series, for the same target.
    share : float in (0, 1), default=0.1
        Share of a map's values in its top, at least one; of equal values the first.

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


def per_series_overlap(teacher, student, share=0.1):
    """Overlap of both tops of each series, as :func:`top_overlap` averages it.

    Parameters
    ----------
    teacher, student, share
        As in :func:`top_overlap`.

    Returns
    -------
    overlap : ndarray of shape (n_instances,)
    """
    check_share("share", share)
    maps = pair(teacher, student, "n_instances, n_timepoints")
    flat = [m.reshape(len(m), -1) for m in maps]
    n_top = max(1, round(share * flat[0].shape[1]))
    tops = [np.zeros(m.shape, dtype=bool) for m in flat]
    for top, m in zip(tops, flat, strict=True):
        np.put_along_axis(top, np.argsort(-m, axis=1, kind="stable")[:, :n_top], True, axis=1)
    both = (tops[0] & tops[1]).sum(axis=1)
    return np.where(_any_constant(flat), 0.0, both / (tops[0] | tops[1]).sum(axis=1))


def auprc(maps, mask):
    """Mean over series of the average precision with which a map finds the true timesteps.

    Equal values count as found together. A map that knows nothing has the share of true
    timesteps on average. Series without a true timestep, or with nothing else, are left out.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    mask : ndarray of the same shape, bool
        Where the class of a series can be seen.

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


def per_series_auprc(maps, mask):
    """Average precision of each series; NaN where :func:`auprc` leaves it out.

    Parameters
    ----------
    maps, mask
        As in :func:`auprc`.

    Returns
    -------
    auprc : ndarray of shape (n_instances,)
    """
    maps, mask = _with_mask(maps, mask)
    order = np.argsort(-maps, axis=1, kind="stable")
    maps, found = np.take_along_axis(maps, order, 1), np.take_along_axis(mask, order, 1)
    last = np.ones_like(mask)  # of the values that are equal to it
    last[:, :-1] = maps[:, :-1] != maps[:, 1:]
    place = np.where(last, np.arange(mask.shape[1]), mask.shape[1] - 1)
    place = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(found.cumsum(axis=1), place, 1)
    precision = (found * hits / (place + 1)).sum(axis=1)
    return _where_counted(precision, mask.sum(axis=1), mask)


def auroc(maps, mask):
    """Mean over series of the chance that a true timestep has a higher value than another.

    Equal values count half; a map that knows nothing has 0.5. Series without a true timestep,
    or with nothing else, are left out.

    Parameters
    ----------
    maps : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    mask : ndarray of the same shape, bool

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


def per_series_auroc(maps, mask):
    """Area under the ROC curve of each series; NaN where :func:`auroc` leaves it out.

    Parameters
    ----------
    maps, mask
        As in :func:`auroc`.

    Returns
    -------
    auroc : ndarray of shape (n_instances,)
    """
    maps, mask = _with_mask(maps, mask)
    n_true = mask.sum(axis=1)
    rank = (rankdata(maps, axis=1) * mask).sum(axis=1)
    above = rank - n_true * (n_true + 1) / 2
    return _where_counted(above, n_true * (mask.shape[1] - n_true), mask)


def _with_mask(maps, mask):
    maps, mask = np.asarray(maps, dtype=np.float64), np.asarray(mask)
    if mask.ndim == 3 and mask.shape[1] == 1 and maps.ndim == 2:
        mask = mask[:, 0]
    if np.isnan(maps).any():
        raise ParameterError(f"maps have NaN in {np.isnan(maps).sum()} places.")
    if maps.shape != mask.shape or maps.ndim < 2 or mask.dtype != bool:
        raise ParameterError(
            f"maps have shape {maps.shape} and mask shape {mask.shape} of {mask.dtype}; expected "
            "the same shape (n_instances, n_timepoints), or with channels between, the mask of "
            "bool (mask.astype(bool))."
        )
    return maps.reshape(len(maps), -1), mask.reshape(len(mask), -1)


def _where_counted(total, of, mask):
    counted = mask.any(axis=1) & ~mask.all(axis=1)
    return np.divide(total, of, out=np.full(len(mask), np.nan), where=counted)


def _mean_of_counted(values):
    if np.isnan(values).all():
        raise ParameterError(
            f"mask has no series, of {len(values)}, with both true and other timesteps; there is "
            "nothing to find."
        )
    return float(np.nanmean(values))


def random_maps(shape, random_state=None):
    """Maps of normal noise, which know nothing: what a measure of maps stands beside.

    Parameters
    ----------
    shape : tuple of int
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None

    Returns
    -------
    maps : ndarray of that shape, float64
    """
    return generator(random_state).standard_normal(shape)


def by_class(measure, groups, *arrays):
    """A measure of the series of each class.

    Parameters
    ----------
    measure : callable
        Any of this package, such as :func:`saliency_correlation`.
    groups : ndarray of shape (n_instances,)
        The class of each series: a label or a column.
    *arrays : ndarray of shape (n_instances, ...)
        What the measure takes.

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
    groups = np.asarray(groups)
    if groups.ndim != 1 or any(len(array) != len(groups) for array in arrays):
        raise ParameterError(
            f"groups has shape {groups.shape} and the arrays have {[len(a) for a in arrays]} "
            "instances; expected one class for each."
        )
    return {
        group.item(): measure(*(np.asarray(array)[groups == group] for array in arrays))
        for group in np.unique(groups)
    }
