"""Validated series as a float32 panel, (n_instances, n_channels, n_timepoints), and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.exceptions import PanelError
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.types import Float32Array
from tsdistill.numerics.logits import usual_float_errors

LOST_SHARE = 0.01
SMALLEST_DEVIATION = float(np.finfo(np.float32).tiny) / LOST_SHARE


def check_resolution(X: NDArray[Any], panel: Float32Array) -> None:
    """Raise PanelError if float32 is too coarse for the variation of a channel.

    A channel that does not vary at all has nothing to lose.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The same series.

    Raises
    ------
    PanelError
        If rounding a channel costs more than a hundredth of its standard deviation, or that
        deviation is close to the smallest number of float32.
    """
    exact = with_channels(X)
    if X.dtype.kind in "biu" and X.dtype.itemsize <= 2:
        return
    for channel in range(panel.shape[1]):
        values, rounded = exact[:, channel], panel[:, channel]
        if X.dtype.kind == "f" and np.isnan(rounded).any():
            values, rounded = values[~np.isnan(values)], rounded[~np.isnan(rounded)]
        above = _above_lowest(values)
        highest = above.max()
        deviation = highest * (above / highest).std() if highest else 0.0  # squares may underflow
        if not deviation:
            continue
        rounded = rounded.astype(np.float64)
        lost = np.abs(above - (rounded - rounded.min())).max()
        check_variation(channel, deviation, lost, np.abs(rounded).max())


def check_variation(channel, deviation, lost, size):
    """Raise PanelError if a channel varies too little for float32.

    Parameters
    ----------
    channel : int
    deviation : float
        Its standard deviation; 0 if it does not vary.
    lost : float
        What rounding to float32 costs at most.
    size : float
        Its largest absolute value.
    """
    if 0 < deviation < SMALLEST_DEVIATION:
        raise PanelError(
            f"X varies by {deviation:.3g} in channel {channel}, too little for float32; "
            "multiply the series by a constant before fitting, so that they vary by about 1."
        )
    if deviation and lost > LOST_SHARE * deviation:
        raise PanelError(
            f"X varies by {deviation:.3g} in channel {channel} around values of "
            f"{size:.3g}, too little for float32 to tell apart; subtract the "
            "mean before fitting."
        )


def _above_lowest(values):
    """How far values lie above the lowest one, float64; integers are subtracted as such."""
    lowest = values.min()
    if values.dtype.kind in "iu":
        return (values.astype(np.uint64) - lowest.astype(np.uint64)).astype(np.float64)
    dtype = np.promote_types(values.dtype, np.float64)
    return (values.astype(dtype) - lowest.astype(dtype)).astype(np.float64)


def as_panel(X: NDArray[Any]) -> Float32Array:
    """Convert validated series to a float32 panel.

    Parameters
    ----------
    X : ndarray of shape (n_instances, n_timepoints) or \
            (n_instances, n_channels, n_timepoints)

    Returns
    -------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints)
        C-contiguous float32; shares memory with X if X is that already.

    Examples
    --------
    >>> import numpy as np
    >>> as_panel(np.zeros((4, 20))).shape
    (4, 1, 20)
    """
    with usual_float_errors():
        return np.ascontiguousarray(with_channels(X), dtype=np.float32)


def with_channels(X):
    """A view of series with three axes, where 2-D series have one channel."""
    return X[:, np.newaxis] if X.ndim == 2 else X


def in_layout(panel: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Reshape a panel to the 2-D or 3-D shape that a model was fitted on.

    Parameters
    ----------
    panel : array or tensor of shape (n_instances, n_channels, n_timepoints)
    ndim : {2, 3} or UnevenForm
        2 gives ``(n_instances, n_timepoints)``, and needs a panel of one channel. Series of
        unequal length are converted to their form.
    """
    if isinstance(ndim, UnevenForm):
        return ndim.of(panel)
    return panel[:, 0, :] if ndim == 2 else panel
