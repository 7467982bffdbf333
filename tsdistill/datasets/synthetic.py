"""Synthetic series whose class shows in known timesteps only, to evaluate saliency maps.

Every function returns ``(X, y, mask)``: series; their classes 0 .. K - 1, balanced and in random
order; and the timesteps and channels in which the class of each series shows.
"""

import numpy as np

from tsdistill.inputs.checks import check_count, check_positive
from tsdistill.inputs.random_state import generator
from tsdistill.inputs.types import BoolArray, Float32Array, FloatArray, IntArray, RandomSource

FREQ_SHAPES_LENGTH = 50
PERIODS = (10, 17)
SPIKE = 2 - 0.25 * np.arange(-1, 2) ** 2

EVENT_SET_LENGTH = 200  # of SeqComb and LowVar
EVENT_LENGTHS = (10, 19)
RAMPS = np.array([[0, 0], [-1, -1], [1, 1], [1, -1]])  # none, DD, UU, UD

SEGMENT_STARTS = (20, EVENT_SET_LENGTH - 41)
SEGMENT_MEAN, SEGMENT_SCALE = 1.5, 0.1

BURN_IN = 100
MOST_INPUT = 0.5

SyntheticSet = tuple[Float32Array, IntArray, BoolArray]


def make_freq_shapes(
    n_instances: int = 500, *, noise: float = 0.25, random_state: RandomSource = None
) -> SyntheticSet:
    """FreqShapes: spikes up or down, at one of two periods.

    A spike has three timesteps, ``+-(2 - 0.25 k^2)`` for k = -1, 0, 1, and recurs every 10 or 17
    timesteps. The start of the first spike is drawn from the first period; a spike that the end
    of the series would cut is left out, so a series has two to five spikes. Noise is added to all
    timesteps. Classes are 0: down, every 10; 1: up, every 10; 2: down, every 17;
    3: up, every 17.

    Parameters
    ----------
    n_instances : int, default=500
        At least 4, one for each class.
    noise : float, default=0.25
        Standard deviation of the normal noise, 0 or more.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        An int gives the same arrays in every call. None takes fresh entropy from the operating
        system. Drawing from a Generator or RandomState changes its state.

    Returns
    -------
    X : ndarray of shape (n_instances, 1, 50), float32
        The series.
    y : ndarray of shape (n_instances,), int64
        Their classes.
    mask : ndarray of shape (n_instances, 1, 50), bool
        True in the timesteps of all spikes.

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    See Also
    --------
    make_seq_comb : Its classes differ in the order of two events.

    References
    ----------
    Queen et al.: Encoding time-series explanations through self-supervised model behavior
    consistency. NeurIPS 2023, arXiv 2306.02109.

    Examples
    --------
    >>> from tsdistill.datasets import make_freq_shapes
    >>> X, y, mask = make_freq_shapes(8, noise=0, random_state=0)
    >>> X.shape, sorted(y.tolist())
    ((8, 1, 50), [0, 0, 1, 1, 2, 2, 3, 3])
    >>> X[y == 2][0, mask[y == 2][0]].tolist()
    [-1.75, -2.0, -1.75, -1.75, -2.0, -1.75, -1.75, -2.0, -1.75]
    """
    rng, y = balanced_classes(n_instances, 4, random_state)
    check_positive("noise", noise, zero=True)
    direction = np.array([-1, 1])[y % 2, np.newaxis]
    period = np.array(PERIODS)[y // 2, np.newaxis]
    first = rng.integers(period)
    time = np.arange(FREQ_SHAPES_LENGTH)
    since_start = (time - first) % period
    start = time - since_start
    width = len(SPIKE)
    mask = (since_start < width) & (start >= 0) & (start + width <= FREQ_SHAPES_LENGTH)
    spikes = direction * SPIKE[np.minimum(since_start, width - 1)]
    X = np.where(mask, spikes, 0) + noise * rng.standard_normal(mask.shape)
    return as_set(X[:, np.newaxis], y, mask[:, np.newaxis])


def make_seq_comb(
    n_instances: int = 500,
    *,
    noise: float = 0.01,
    amplitude: float = 1.0,
    random_state: RandomSource = None,
) -> SyntheticSet:
    """SeqComb-UV: two rising or falling ramps in an irregular series; their order is the class.

    The base is a NARMA(2) series, see Notes, between 0 and 0.4. Two ramps of 10 to 19 timesteps
    replace parts of it: the first starts in the first half of the series, the second after the
    end of the first, and ends within the series. A ramp is a straight line from ``-amplitude`` to
    ``+amplitude`` (up) or back (down), so both directions have the same values, in opposite
    order. Noise is added to all timesteps.
    Classes are 0: no ramp; 1: down, down; 2: up, up; 3: up, down.

    Parameters
    ----------
    n_instances : int, default=500
        At least 4, one for each class.
    noise : float, default=0.01
        Standard deviation of the normal noise, 0 or more.
    amplitude : float, default=1.0
        Largest absolute value of the ramps, above 0.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        See :func:`make_freq_shapes`.

    Returns
    -------
    X : ndarray of shape (n_instances, 1, 200), float32
        The series.
    y : ndarray of shape (n_instances,), int64
        Their classes.
    mask : ndarray of shape (n_instances, 1, 200), bool
        True in the timesteps of both ramps. It is all False in class 0: leave that class out of
        measures such as the area under the precision-recall curve.

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    See Also
    --------
    make_freq_shapes : Its classes differ in the direction and the period of spikes.
    make_low_var : One event in one of two channels.

    Notes
    -----
    The NARMA series of order 2 is from Atiya and Parlos. Its inputs u are uniform between 0 and
    0.5; it starts from y = 0, and the first 100 timesteps are dropped::

        y[t+1] = 0.4 y[t] + 0.4 y[t] y[t-1] + 0.6 u[t]^3 + 0.1

    It cannot diverge: if two successive values lie in 0 .. b, so does the next, for any b with
    0.4 b + 0.4 b^2 + 0.175 <= b, such as b = 0.397.

    References
    ----------
    Queen et al.: Encoding time-series explanations through self-supervised model behavior
    consistency. NeurIPS 2023, arXiv 2306.02109.

    Atiya, Parlos: New results on recurrent network training. IEEE Transactions on Neural
    Networks 11(3), 2000.

    Examples
    --------
    >>> from tsdistill.datasets import make_seq_comb
    >>> X, y, mask = make_seq_comb(8, noise=0, random_state=0)
    >>> X.shape, mask.any(axis=(1, 2)).tolist() == (y > 0).tolist()
    ((8, 1, 200), True)
    >>> up = X[y == 2][0, mask[y == 2][0]]
    >>> bool(up[0] == -1), bool((np.diff(up[:10]) > 0).all())
    (True, True)
    """
    rng, y = balanced_classes(n_instances, len(RAMPS), random_state)
    check_positive("noise", noise, zero=True)
    check_positive("amplitude", amplitude)
    X = _narma(n_instances, 1, rng)[:, 0]
    length = rng.integers(EVENT_LENGTHS[0], EVENT_LENGTHS[1] + 1, size=(n_instances, 2))
    first = rng.integers(EVENT_SET_LENGTH // 2, size=n_instances)
    second = rng.integers(first + length[:, 0], EVENT_SET_LENGTH - length[:, 1] + 1)
    mask = np.zeros(X.shape, dtype=bool)
    for i, start in enumerate((first, second)):
        direction = RAMPS[y, i, np.newaxis]
        since_start = np.arange(EVENT_SET_LENGTH) - start[:, np.newaxis]
        inside = _within(start, length[:, i]) & (direction != 0)
        ramp = direction * amplitude * (2 * since_start / (length[:, i, np.newaxis] - 1) - 1)
        X[inside] = ramp[inside]
        mask |= inside
    X += noise * rng.standard_normal(X.shape)
    return as_set(X[:, np.newaxis], y, mask[:, np.newaxis])


def make_low_var(
    n_instances: int = 500, *, noise: float = 1.0, random_state: RandomSource = None
) -> SyntheticSet:
    """LowVar: one short segment of low variance in one of two noisy channels.

    Both channels are NARMA(2) series, see :func:`make_seq_comb`, with normal noise. In one of
    them a segment of 10 to 19 timesteps, which starts at a timestep in 20 .. 159, is replaced by
    normal values of mean -1.5 or 1.5 and standard deviation 0.1. Single values do not reveal the
    segment, because the noise often reaches them too; its low variance does. Classes are
    0: channel 0, mean -1.5; 1: channel 0, mean 1.5; 2: channel 1, mean -1.5; 3: channel 1,
    mean 1.5.

    Parameters
    ----------
    n_instances : int, default=500
        At least 4, one for each class.
    noise : float, default=1.0
        Standard deviation of the noise outside the segment, 0 or more.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=None
        See :func:`make_freq_shapes`.

    Returns
    -------
    X : ndarray of shape (n_instances, 2, 200), float32
        The series.
    y : ndarray of shape (n_instances,), int64
        Their classes.
    mask : ndarray of shape (n_instances, 2, 200), bool
        True in the segment, in its channel.

    Raises
    ------
    ParameterError
        If an argument cannot be used.

    See Also
    --------
    make_seq_comb : Two events in a single channel.
    make_middle_box : Series of many channels.

    References
    ----------
    Queen et al.: Encoding time-series explanations through self-supervised model behavior
    consistency. NeurIPS 2023, arXiv 2306.02109.

    Examples
    --------
    >>> from tsdistill.datasets import make_low_var
    >>> X, y, mask = make_low_var(8, random_state=0)
    >>> X.shape, mask.any(axis=2).argmax(axis=1).tolist() == (y // 2).tolist()
    ((8, 2, 200), True)
    >>> segment = X[y == 1][0, mask[y == 1][0]]
    >>> bool(1.4 < segment.mean() < 1.6 and segment.std() < 0.2)
    True
    """
    rng, y = balanced_classes(n_instances, 4, random_state)
    check_positive("noise", noise, zero=True)
    X = _narma(n_instances, 2, rng)
    X += noise * rng.standard_normal(X.shape)
    length = rng.integers(EVENT_LENGTHS[0], EVENT_LENGTHS[1] + 1, size=n_instances)
    start = rng.integers(SEGMENT_STARTS[0], SEGMENT_STARTS[1] + 1, size=n_instances)
    of_channel = np.arange(2) == (y // 2)[:, np.newaxis]
    mask = of_channel[:, :, np.newaxis] & _within(start, length)[:, np.newaxis]
    mean = np.array([-SEGMENT_MEAN, SEGMENT_MEAN])[y % 2, np.newaxis, np.newaxis]
    X = np.where(mask, mean + SEGMENT_SCALE * rng.standard_normal(X.shape), X)
    return as_set(X, y, mask)


def balanced_classes(
    n_instances: int, n_classes: int, random_state: RandomSource
) -> tuple[np.random.Generator, IntArray]:
    """Check n_instances; return the generator, and balanced classes in random order."""
    check_count("n_instances", n_instances, least=n_classes)
    rng = generator(random_state)
    return rng, rng.permutation(np.arange(n_instances) % n_classes)


def _narma(n_instances: int, n_channels: int, rng: np.random.Generator) -> FloatArray:
    """NARMA(2) series (n_instances, n_channels, EVENT_SET_LENGTH); see make_seq_comb."""
    n_steps = BURN_IN + EVENT_SET_LENGTH
    drive = 0.6 * rng.uniform(0, MOST_INPUT, (n_steps, n_instances, n_channels)) ** 3 + 0.1
    series = np.zeros((n_steps + 2, n_instances, n_channels))
    for t in range(n_steps):
        previous, current = series[t], series[t + 1]
        series[t + 2] = 0.4 * current + 0.4 * current * previous + drive[t]
    return np.ascontiguousarray(np.moveaxis(series[-EVENT_SET_LENGTH:], 0, -1))


def _within(start: IntArray, length: IntArray) -> BoolArray:
    """Mask of the event of each series, (n_instances, EVENT_SET_LENGTH)."""
    since_start = np.arange(EVENT_SET_LENGTH) - start[:, np.newaxis]
    return (since_start >= 0) & (since_start < length[:, np.newaxis])


def as_set(X: FloatArray, y: IntArray, mask: BoolArray) -> SyntheticSet:
    """A set in the types that every function here returns."""
    return X.astype(np.float32), y.astype(np.int64), mask
