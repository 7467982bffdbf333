"""A GRU that torch's exporter writes as one operation of ONNX.

The exporter takes torch's own GRU apart into its timesteps, which takes a minute for a hundred of
them.
"""

import copy

import torch
from torch import nn


def with_onnx_gru(network):
    """A copy of a network to be exported: it cannot be run, since torch has no such operation.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    network : torch.nn.Module
        The same network if there is nothing to replace, or torch is too old for it.
    """
    names = [name for name, part in network.named_modules() if type(part) is nn.GRU and name]
    if not names or not hasattr(getattr(torch.onnx, "ops", None), "symbolic"):
        return network
    replaced = copy.deepcopy(network)
    for name in names:
        holder, _, own = name.rpartition(".")
        setattr(replaced.get_submodule(holder), own, _OnnxGRU(network.get_submodule(name)))
    return replaced


class _OnnxGRU(nn.Module):
    """The interface of torch's GRU, as far as students use it, with layers of ONNX."""

    def __init__(self, gru):
        super().__init__()
        self.batch_first, self.hidden_size = gru.batch_first, gru.hidden_size
        self.n_directions = 2 if gru.bidirectional else 1
        self.n_layers = gru.num_layers
        for layer in range(gru.num_layers):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                both = [self._part(gru, kind, layer, suffix) for suffix in ("", "_reverse")]
                stacked = torch.stack(both[: self.n_directions])
                self.register_buffer(f"{kind}_{layer}", stacked)

    def _part(self, gru, kind, layer, suffix):
        """Weights of one direction; ONNX has the update gate before the reset gate."""
        weight = getattr(gru, f"{kind}_l{layer}{suffix}", None)
        if weight is None:  # no bias
            weight = torch.zeros(3 * self.hidden_size)
        reset, update, new = weight.detach().cpu().chunk(3)
        return torch.cat([update, reset, new])

    def states(self, x, lengths):
        """States of all timesteps (n_instances, n_timepoints, n_states); 0 after each end."""
        return self(x, lengths)[0]

    def forward(self, x, lengths=None):
        x = x.transpose(0, 1) if self.batch_first else x
        ends = () if lengths is None else (lengths.to(torch.int32),)
        last = []
        for layer in range(self.n_layers):
            bias = [getattr(self, f"{kind}_{layer}") for kind in ("bias_ih", "bias_hh")]
            weights = [getattr(self, f"{kind}_{layer}") for kind in ("weight_ih", "weight_hh")]
            states = torch.onnx.ops.symbolic(
                "GRU",
                (x, *weights, torch.cat(bias, dim=1), *ends),
                {
                    "hidden_size": self.hidden_size,
                    "linear_before_reset": 1,
                    "direction": "bidirectional" if self.n_directions == 2 else "forward",
                },
                dtype=torch.float32,
                shape=(x.shape[0], self.n_directions, x.shape[1], self.hidden_size),
            )
            last += [states[-1, 0], *([states[0, 1]] if self.n_directions == 2 else [])]
            x = states.permute(0, 2, 1, 3).flatten(2)
        return (x.transpose(0, 1) if self.batch_first else x), torch.stack(last)
