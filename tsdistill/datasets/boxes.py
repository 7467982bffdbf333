"""Noise in which the mean of a box of timesteps and channels is shifted, to evaluate saliency maps.

Every function returns ``(X, y, mask)``, as those of :mod:`tsdistill.datasets.synthetic` do.
"""

import numpy as np

from tsdistill.datasets.synthetic import SyntheticSet, as_set, balanced_classes
from tsdistill.inputs.checks import check_positive
from tsdistill.inputs.types import RandomSource

BOX_SET_SHAPE = (50, 50)


def make_middle_box(
    n_instances: int = 500, *, height: float = 1.0, random_state: RandomSource = None
) -> SyntheticSet:
    """Middle box: 30 of 50 timesteps in 30 of 50 channels have a shifted mean.

    Series are normal noise of variance 1. ``-height`` (class 0) or ``+height`` (class 1) is added
    in timesteps 10 .. 39 of channels 10 .. 39.

    Parameters
    ----------
    n_instances : int, default=500
        At least 2, one for each class.
    height : float, default=1.0
        Size of the shift, above 0.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        See :func:`make_freq_shapes`.

    Returns
    -------
    X : ndarray of shape (n_instances, 50, 50), float32
        The series.
    y : ndarray of shape (n_instances,), int64
        Their classes.
    mask : ndarray of shape (n_instances, 50, 50), bool
        True in the box, which is the same in every series.

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    See Also
    --------
    make_rare_time : Fewer timesteps show the class.
    make_rare_feature : Fewer channels show the class.

    References
    ----------
    Ismail et al.: Benchmarking deep learning interpretability in time series predictions.
    NeurIPS 2020, arXiv 2010.13924.

    Examples
    --------
    >>> from tsdistill.datasets import make_middle_box
    >>> X, y, mask = make_middle_box(4, random_state=0)
    >>> X.shape, mask[0].sum().item()
    ((4, 50, 50), 900)
    """
    return _make_box(n_instances, (10, 30), (10, 30), height, random_state)


def make_rare_time(
    n_instances: int = 500, *, height: float = 1.0, random_state: RandomSource = None
) -> SyntheticSet:
    """Rare time: 6 of 50 timesteps in 40 of 50 channels have a shifted mean.

    Series are normal noise of variance 1. ``-height`` (class 0) or ``+height`` (class 1) is added
    in timesteps 22 .. 27 of channels 5 .. 44.

    Parameters
    ----------
    n_instances : int, default=500
        At least 2, one for each class.
    height : float, default=1.0
        Size of the shift, above 0.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        See :func:`make_freq_shapes`.

    Returns
    -------
    X : ndarray of shape (n_instances, 50, 50), float32
        The series.
    y : ndarray of shape (n_instances,), int64
        Their classes.
    mask : ndarray of shape (n_instances, 50, 50), bool
        True in the box, which is the same in every series.

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    See Also
    --------
    make_middle_box : More timesteps show the class.
    make_rare_feature : Few channels show the class, not few timesteps.

    References
    ----------
    Ismail et al.: Benchmarking deep learning interpretability in time series predictions.
    NeurIPS 2020, arXiv 2010.13924.

    Examples
    --------
    >>> from tsdistill.datasets import make_rare_time
    >>> X, y, mask = make_rare_time(4, random_state=0)
    >>> mask.any(axis=1)[0].nonzero()[0].tolist()
    [22, 23, 24, 25, 26, 27]
    """
    return _make_box(n_instances, (5, 40), (22, 6), height, random_state)


def make_rare_feature(
    n_instances: int = 500, *, height: float = 1.0, random_state: RandomSource = None
) -> SyntheticSet:
    """Rare feature: 40 of 50 timesteps in 6 of 50 channels have a shifted mean.

    Series are normal noise of variance 1. ``-height`` (class 0) or ``+height`` (class 1) is added
    in timesteps 5 .. 44 of channels 22 .. 27.

    Parameters
    ----------
    n_instances : int, default=500
        At least 2, one for each class.
    height : float, default=1.0
        Size of the shift, above 0.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        See :func:`make_freq_shapes`.

    Returns
    -------
    X : ndarray of shape (n_instances, 50, 50), float32
        The series.
    y : ndarray of shape (n_instances,), int64
        Their classes.
    mask : ndarray of shape (n_instances, 50, 50), bool
        True in the box, which is the same in every series.

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    See Also
    --------
    make_middle_box : More channels show the class.
    make_rare_time : Few timesteps show the class, not few channels.

    References
    ----------
    Ismail et al.: Benchmarking deep learning interpretability in time series predictions.
    NeurIPS 2020, arXiv 2010.13924.

    Examples
    --------
    >>> from tsdistill.datasets import make_rare_feature
    >>> X, y, mask = make_rare_feature(4, random_state=0)
    >>> mask.any(axis=2)[0].nonzero()[0].tolist()
    [22, 23, 24, 25, 26, 27]
    """
    return _make_box(n_instances, (22, 6), (5, 40), height, random_state)


def _make_box(
    n_instances: int,
    channels: tuple[int, int],
    timesteps: tuple[int, int],
    height: float,
    random_state: RandomSource,
) -> SyntheticSet:
    """Make a set with a box; channels and timesteps are its (start, size) on either axis."""
    rng, y = balanced_classes(n_instances, 2, random_state)
    check_positive("height", height)
    box = np.zeros(BOX_SET_SHAPE, dtype=bool)
    box[channels[0] : sum(channels), timesteps[0] : sum(timesteps)] = True
    X = rng.standard_normal((n_instances, *BOX_SET_SHAPE))
    X[:, box] += height * np.array([-1, 1])[y, np.newaxis]
    return as_set(X, y, np.repeat(box[np.newaxis], n_instances, axis=0))
