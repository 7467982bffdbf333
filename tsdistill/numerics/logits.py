"""Functions of logits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Logits = TypeVar("Logits", "Tensor", NDArray[Any])

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Smaller probabilities of a student are raised to it, so that their logs are finite."""


@contextlib.contextmanager
def usual_float_errors() -> Iterator[None]:
    """Context or decorator in which NumPy raises nothing, whatever the caller has set.

    Tiny numbers may become 0; other errors are warned of, as by default.
    """
    raised = [kind for kind, mode in np.geterr().items() if mode in ("raise", "call")]
    with np.errstate(**{kind: "ignore" if kind == "under" else "warn" for kind in raised}):
        yield


def proba_of(log_proba: NDArray[Any]) -> NDArray[Any]:
    """Probabilities from log-probabilities, in the same shape and dtype."""
    with usual_float_errors():
        return np.exp(log_proba)


def first_output(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits of a network, which may return a tuple with further outputs after them."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


def centred(logits: Logits) -> Logits:
    """Subtract the mean over the classes, ``c(z)_k = z_k - mean_k z``.

    Logits and their log-probabilities differ by one constant per series, so both have the same
    centred logits.

    Parameters
    ----------
    logits : ndarray or Tensor of shape (..., n_classes)
        Logits, log-probabilities, or differences of these.

    Returns
    -------
    centred : ndarray or Tensor of shape (..., n_classes)

    Examples
    --------
    >>> import numpy as np
    >>> centred(np.array([3.0, 1.0])).tolist()
    [1.0, -1.0]
    """
    return logits - logits.mean(axis=-1, keepdims=True)


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Convert logits to log-probabilities, ``z_k - log sum_j exp z_j``.

    Parameters
    ----------
    logits : ndarray of shape (n_instances, n_classes)

    Returns
    -------
    log_proba : ndarray of shape (n_instances, n_classes), float32
    """
    with usual_float_errors():
        shifted = logits - logits.max(axis=1, keepdims=True)
        return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(np.float32)
