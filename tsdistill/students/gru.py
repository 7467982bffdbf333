"""GRU: a recurrent student."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tsdistill.inputs.checks import check_flag
from tsdistill.students.base import Standardise, Student, check_shape
from tsdistill.students.masking import standardised


class GRU(Student):
    """A gated recurrent network; the mean and the last of its states give the logits.

    It is slower to train than the convolutional students, because it computes timesteps in turn.

    Parameters
    ----------
    hidden_size : int, default=24
        Features of the state.
    n_layers : int, default=1
        Number of recurrent layers.
    bidirectional : bool, default=False
        Whether a second network reads the series from its end.

    See Also
    --------
    Lite : The default student, which is convolutional.

    Notes
    -----
    With one channel the defaults have 2,042 weights at two classes, and 49 more for each
    further class.

    Examples
    --------
    >>> from tsdistill.students import GRU
    >>> network = GRU().build(n_channels=1, n_timepoints=150, n_classes=2)
    >>> sum(p.numel() for p in network.parameters())
    2042
    """

    capturable = True

    def __init__(
        self, hidden_size: int = 24, n_layers: int = 1, bidirectional: bool = False
    ) -> None:
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.bidirectional = bidirectional

    def build(self, n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
        check_shape(n_channels, n_timepoints, n_classes)
        hidden_size, n_layers = self.counts("hidden_size", "n_layers")
        check_flag("GRU.bidirectional", self.bidirectional)
        return _GRUNetwork(n_channels, n_classes, hidden_size, n_layers, bool(self.bidirectional))


class _GRUNetwork(nn.Module):
    stages = ("recurrent",)

    def __init__(
        self,
        n_channels: int,
        n_classes: int,
        hidden_size: int,
        n_layers: int,
        bidirectional: bool,
    ) -> None:
        super().__init__()
        self.standardise = Standardise(n_channels)
        self.recurrent = nn.GRU(
            n_channels, hidden_size, n_layers, batch_first=True, bidirectional=bidirectional
        )
        n_states = hidden_size * (2 if bidirectional else 1)
        self.linear = nn.Linear(2 * n_states, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x, real = standardised(self.standardise, x)
        if real is None:
            states, _ = self.recurrent(x.transpose(1, 2))
            logits: Tensor = self.linear(torch.cat([states.mean(dim=1), states[:, -1]], dim=1))
            return logits
        lengths = real.sum(dim=-1)
        states = self._states(x.transpose(1, 2), lengths[:, 0]) * real.transpose(1, 2)
        at = (lengths[..., None] - 1).expand(-1, -1, states.shape[2])
        last = states.gather(1, at)[:, 0]
        logits = self.linear(torch.cat([states.sum(dim=1) / lengths, last], dim=1))
        return logits

    def _states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """States of all timesteps; in reverse, each series begins at its own end."""
        if hasattr(self.recurrent, "states"):  # what stands for it in a file of ONNX
            stand_in: Any = self.recurrent
            states: Tensor = stand_in.states(x, lengths)
            return states
        if not self.recurrent.bidirectional:
            states, _ = self.recurrent(x)
            return states
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed_states, _ = self.recurrent(packed)
        states, _ = pad_packed_sequence(packed_states, batch_first=True, total_length=x.shape[1])
        return states
