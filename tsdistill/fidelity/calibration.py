"""How far a model's confidence in its answers can be believed."""

import numpy as np
from numpy.typing import ArrayLike

from tsdistill.fidelity.answers import check_log_proba, with_truth
from tsdistill.inputs.checks import check_count
from tsdistill.inputs.types import BoolArray, FloatArray, IntArray
from tsdistill.numerics.logits import usual_float_errors


def expected_calibration_error(log_proba: ArrayLike, y: ArrayLike, n_bins: int = 10) -> float:
    """Mean distance between accuracy and confidence over bins of confidence.

    Each bin is weighted by its number of series::

        ECE = sum_b |series in b| / n * | accuracy in b - mean confidence in b |

    with bins ``(b / n_bins, (b + 1) / n_bins]`` of the probability of the predicted class.

    Parameters
    ----------
    log_proba : array-like of shape (n_instances, n_classes)
        Log-probabilities.
    y : array-like of shape (n_instances,), of int
        Class index of the true class of each series.
    n_bins : int, default=10
        Number of bins of equal width.

    Returns
    -------
    float
        From 0 to 1.

    See Also
    --------
    negative_log_likelihood : Judges confidences and predictions at once.

    References
    ----------
    Guo et al.: On calibration of modern neural networks. ICML 2017, arXiv 1706.04599.

    Examples
    --------
    >>> import numpy as np
    >>> from tsdistill.fidelity import expected_calibration_error
    >>> sure = np.log([[0.9, 0.1], [0.9, 0.1]])
    >>> round(expected_calibration_error(sure, np.array([0, 1])), 3)
    0.4
    """
    log_proba, y = with_truth(log_proba, y)
    check_log_proba("log_proba", log_proba)
    check_count("n_bins", n_bins)
    return float(calibration_error(*confidence_and_success(log_proba, y), n_bins))


@usual_float_errors()
def confidence_and_success(log_proba: FloatArray, y: IntArray) -> tuple[FloatArray, BoolArray]:
    """Probability of each series' predicted class, and whether that class is the true one."""
    confidence: FloatArray = np.exp(np.minimum(log_proba.max(axis=1), 0))  # 1 at most if rounded
    return confidence, log_proba.argmax(axis=1) == y


def bins_of(confidence: FloatArray, n_bins: int) -> IntArray:
    """The bin of each confidence, from 0 on, see :func:`expected_calibration_error`."""
    bins: IntArray = np.maximum(np.ceil(confidence * n_bins).astype(int) - 1, 0)
    return bins


@usual_float_errors()
def calibration_error(
    confidence: FloatArray, success: BoolArray, n_bins: int = 10, axis: int = -1
) -> FloatArray:
    """Calibration error of given confidences, see :func:`expected_calibration_error`.

    Parameters
    ----------
    confidence, success : ndarray of the same shape
        Probability of the predicted class, in [0, 1], and whether the prediction is right.
    n_bins : int, default=10
    axis : int, default=-1
        The axis of the series.

    Returns
    -------
    ece : ndarray, of the shape of confidence without ``axis``
    """
    bins = bins_of(confidence, n_bins)
    gap = success - confidence
    used = np.unique(bins)  # few of n_bins, which may be billions
    total: FloatArray = sum(np.abs(np.sum(gap * (bins == b), axis=axis)) for b in used)
    ece: FloatArray = total / confidence.shape[axis]
    return ece
