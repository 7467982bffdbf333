"""Weights of few bits: whole numbers, and one scale for each output channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.exceptions import ExportError
from tsdistill.students.extension import student_inside
from tsdistill.students.masking import standardised

ROUNDING = "_tsdistill_rounding"
FEWEST_BITS, MOST_BITS = 2, 8
MOST_INPUTS = 2048  # of an output, whose errors are made up for
DAMPING = 0.01
SHRINKS = np.linspace(1.0, 0.6, 17)
"""Scales that are tried, as shares of the one under which no weight is cut off."""


@dataclass(frozen=True)
class Rounding:
    """How the weights of a network were rounded; kept as its attribute :data:`ROUNDING`.

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


def round_weights(network: nn.Module, bits: int, series: torch.Tensor | None = None) -> None:
    """Round all weights of a network with two axes or more, in place.

    Each output has the scale, out of :data:`SHRINKS`, with the smallest squared error: with few
    bits it pays to cut off the largest weights. In convolutions and linear layers the error of a
    weight is made up for by those that are rounded after it, as far as their inputs for some
    series go together (GPTQ, Frantar et al., ICLR 2023, arXiv 2210.17323). Biases, batch
    normalisation and standardisation stay as they are.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode.
    bits : int
        2 to 8, the sign included.
    series : Tensor of shape (n_instances, n_channels, n_timepoints), default=None
        On the device of the network. Without them, each weight is rounded by itself.

    Raises
    ------
    ExportError
        If there is no such weight.
    """
    products = {} if series is None else input_products(network, series)
    codes, scales = {}, {}
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim < 2 or weight.dtype != torch.float32:
                continue
            values = weight.detach().cpu().numpy()
            scales[name] = _scales(values, 2 ** (bits - 1) - 1)
            codes[name] = _codes(values, scales[name], 2 ** (bits - 1) - 1, products.get(name))
            rounded = dequantised(codes[name], scales[name])
            weight.copy_(torch.from_numpy(rounded))
    if not codes:
        raise ExportError(
            f"the student {type(network).__name__} has no float32 weights of two axes or more that "
            "could be rounded."
        )
    setattr(network, ROUNDING, Rounding(bits, codes, scales))


@torch.no_grad()
def input_products(network, series):
    """For each weight of a convolution or linear layer, how its inputs go together.

    Parameters
    ----------
    network : torch.nn.Module
    series : Tensor of shape (n_instances, n_channels, n_timepoints)

    Returns
    -------
    products : dict of str to ndarray of shape (n_inputs, n_inputs), float64
        Sums of ``x x^T`` over all series and places at which a layer is applied, by the name of
        the weight. Layers that are not called one by one have none.
    """
    products, hooks = {}, []

    def note(name):
        def hook(layer, given):
            x = given[0].detach()
            if isinstance(layer, nn.Conv1d):
                padding = layer.padding if isinstance(layer.padding, tuple) else (0,)
                x = F.unfold(
                    x[:, :, None], (1, layer.kernel_size[0]), (1, layer.dilation[0]),
                    (0, padding[0]), (1, layer.stride[0]),
                ).transpose(1, 2)  # fmt: skip
            rows = x.reshape(-1, x.shape[-1]).double()
            products[name] = products.get(name, 0.0) + (rows.T @ rows).cpu().numpy()

        return hook

    for name, layer in network.named_modules():
        usual = type(layer) is nn.Linear or (type(layer) is nn.Conv1d and layer.groups == 1)
        if usual and layer.weight[0].numel() <= MOST_INPUTS:
            key = f"{name}.weight" if name else "weight"
            hooks.append(layer.register_forward_pre_hook(note(key)))
    try:
        inner, _ = student_inside(network)
        parts = inner.local_parts() if hasattr(inner, "local_parts") else None
        if network is inner and parts is not None:  # calls layers one by one
            standardise, stages, head = parts
            x, real = standardised(standardise, series)
            for stage in stages:
                x = stage.on_series(x)
                if real is not None:
                    real = real[..., :: stage.stride]
                    x = x * real
            head(x, real)
        else:
            network(series)
    finally:
        for hook in hooks:
            hook.remove()
    return products


def rounding_of(network: nn.Module) -> Rounding | None:
    """The Rounding of a network; None if it has none, or if its weights have changed since."""
    rounding = getattr(network, ROUNDING, None)
    if not isinstance(rounding, Rounding):
        return None
    weights = dict(network.named_parameters())
    for name in rounding.codes:
        weight = weights.get(name)
        rounded = rounding.weights(name)
        if weight is None or not np.array_equal(weight.detach().cpu().numpy(), rounded):
            return None
    return rounding


def _scales(weight, largest):
    """The scale of each output of a weight."""
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
    return scale.astype(np.float32)


def _codes(weight, scale, largest, products=None):
    """The codes of a weight; with products, each input makes up for the errors of those before."""
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    scale = scale.astype(np.float64)
    if products is None:
        codes = np.clip(np.rint(rows / scale[:, np.newaxis]), -largest, largest)
        return codes.astype(np.int8).reshape(weight.shape)
    damped = products + DAMPING * products.diagonal().mean() * np.eye(len(products))
    damped[np.diag_indices(len(damped))] += np.finfo(float).tiny + (damped.trace() == 0)
    # Row k of the factor says how the inputs after k make up for an error of k.
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    codes = np.empty(rows.shape, dtype=np.int8)
    for k in range(rows.shape[1]):
        codes[:, k] = np.clip(np.rint(rows[:, k] / scale), -largest, largest)
        error = (rows[:, k] - codes[:, k] * scale) / factor[k, k]
        rows[:, k + 1 :] -= np.outer(error, factor[k, k + 1 :])
    return codes.reshape(weight.shape)
