"""Weights of few bits: whole numbers, and one scale for each output channel."""

from dataclasses import dataclass

import numpy as np
import torch

FEWEST_BITS, MOST_BITS = 2, 8
SHRINKS = np.linspace(1.0, 0.6, 17)
"""Scales that are tried, as shares of the one under which no weight is cut off."""


@dataclass(frozen=True)
class Rounding:
    """How the weights of a network were rounded; kept as its attribute ``rounding``.

    Attributes
    ----------
    bits : int
    codes : dict of str to ndarray of int8
        Whole numbers from ``-(2 ** (bits - 1) - 1)`` to ``2 ** (bits - 1) - 1``, by the name of
        the weight and in its shape.
    scales : dict of str to ndarray of shape (n_outputs,), float32
        The weight is the code times the scale of its output, the first axis.
    """

    bits: int
    codes: dict
    scales: dict

    def weights(self, name):
        """The rounded weight of a name, float32."""
        return dequantised(self.codes[name], self.scales[name])

    @property
    def n_bytes(self):
        """Bytes of all codes and scales, the codes packed."""
        n_codes = sum(codes.size for codes in self.codes.values())
        return -(-n_codes * self.bits // 8) + sum(scale.nbytes for scale in self.scales.values())


def dequantised(codes, scale):
    """Codes times scales, ndarray of float32."""
    return codes.astype(np.float32) * scale.reshape(-1, *[1] * (codes.ndim - 1))


def round_weights(network, bits):
    """Round all weights of a network with two axes or more, in place.

    Each output has the scale, out of :data:`SHRINKS`, with the smallest squared error: with few
    bits it pays to cut off the largest weights. Biases, batch normalisation and standardisation
    stay as they are.

    Parameters
    ----------
    network : torch.nn.Module
    bits : int
        2 to 8, the sign included.
    """
    codes, scales = {}, {}
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim < 2 or weight.dtype != torch.float32:
                continue
            values = weight.detach().cpu().numpy()
            codes[name], scales[name] = _rounded(values, 2 ** (bits - 1) - 1)
            rounded = dequantised(codes[name], scales[name])
            weight.copy_(torch.from_numpy(rounded))
    network.rounding = Rounding(bits, codes, scales)


def rounding_of(network):
    """The Rounding of a network; None if it has none, or if its weights have changed since."""
    rounding = getattr(network, "rounding", None)
    if not isinstance(rounding, Rounding):
        return None
    weights = dict(network.named_parameters())
    for name in rounding.codes:
        weight = weights.get(name)
        rounded = rounding.weights(name)
        if weight is None or not np.array_equal(weight.detach().cpu().numpy(), rounded):
            return None
    return rounding


def _rounded(weight, largest):
    """Codes and scales of one weight."""
    rows = weight.reshape(len(weight), -1)
    top = np.abs(rows).max(axis=1)
    top[top == 0] = 1.0
    best = np.full(len(rows), np.inf)
    scale = top / largest
    for share in SHRINKS:
        tried = (share * top / largest).astype(np.float32)
        codes = np.clip(np.rint(rows / tried[:, np.newaxis]), -largest, largest)
        error = ((codes * tried[:, np.newaxis] - rows) ** 2).sum(axis=1)
        scale = np.where(error < best, tried, scale)
        best = np.minimum(best, error)
    codes = np.clip(np.rint(rows / scale[:, np.newaxis]), -largest, largest).astype(np.int8)
    return codes.reshape(weight.shape), scale.astype(np.float32)
