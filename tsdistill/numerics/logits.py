"""What networks and other models answer with: logits, and log-probabilities made of them."""

import numpy as np


def first_output(outputs):
    """The answers of a network that may return further outputs beside them, in a tuple."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


def centred(logits):
    """Logits less their mean over the classes, ``c(z)_k = z_k - mean_k z``.

    Logits and the log-probabilities that follow from them differ by a constant of each series,
    so both have the same centred logits.

    Parameters
    ----------
    logits : ndarray or Tensor of shape (..., n_classes)
        Logits, log-probabilities, or the difference of two of either.

    Returns
    -------
    centred : ndarray or Tensor of that shape

    Examples
    --------
    >>> import numpy as np
    >>> centred(np.array([3.0, 1.0])).tolist()
    [1.0, -1.0]
    """
    return logits - logits.mean(axis=-1, keepdims=True)


def log_softmax(logits):
    """Log-probabilities of logits, ``z_k - log sum_j exp z_j``.

    Parameters
    ----------
    logits : ndarray of shape (n_instances, n_classes)

    Returns
    -------
    log_proba : ndarray of shape (n_instances, n_classes), float32
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(np.float32)
