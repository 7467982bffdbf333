"""A student with an autoencoder that reproduces the teacher's explanations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsdistill.numerics.logits import first_output
from tsdistill.students.base import Standardise

N_STRIDES = 3


class Autoencoder(nn.Module):
    """Maps a series to a map of the same length, through a bottleneck of an eighth of it.

    The encoder has three strided convolutions. The decoder has three steps of interpolation and
    convolution, each with a skip connection from the encoder features of the same length. What a
    timestep means depends on the entire series, so the first step also reads the bottleneck's
    mean over time; the first two steps also read the prediction to explain.

    Parameters
    ----------
    n_channels, n_classes, n_filters : int
    """

    unit: Tensor

    def __init__(self, n_channels: int, n_classes: int, n_filters: int) -> None:
        super().__init__()
        narrow, wide = n_filters, 2 * n_filters
        self.standardise = Standardise(n_channels)
        self.read = _convolution(n_channels, narrow, 9)
        self.down = nn.ModuleList(
            [
                _convolution(narrow, narrow, 9, stride=2),
                _convolution(narrow, wide, 9, stride=2),
                _convolution(wide, wide, 9, stride=2),
            ]
        )
        self.up = nn.ModuleList(
            [
                _convolution(3 * wide + n_classes, wide, 5),
                _convolution(wide + narrow + n_classes, narrow, 5),
                _convolution(narrow + narrow, narrow, 5),
            ]
        )
        self.write = nn.Conv1d(narrow, 1, 5, padding=2)
        self.register_buffer("unit", torch.ones(()))  # scales the maps: all layers work near 1

    def encode(self, x: Tensor) -> list[Tensor]:
        """Features of each layer of the encoder, the bottleneck last."""
        features = [self.read(self.standardise(x))]
        for layer in self.down:
            features.append(layer(features[-1]))
        return features

    def decode(self, features: list[Tensor], proba: Tensor) -> Tensor:
        """Map of each series, ``(n_instances, n_timepoints)``.

        Parameters
        ----------
        features : list of Tensor
            Output of :meth:`encode`.
        proba : Tensor of shape (n_instances, n_classes)
            The prediction to explain.
        """
        *skipped, features = features
        overall = features.mean(dim=-1, keepdim=True).expand_as(features)
        features = torch.cat([features, overall], dim=1)
        for i, layer in enumerate(self.up):
            skip = skipped.pop()
            length = skip.shape[-1]
            prediction = [proba[:, :, None].expand(-1, -1, length)] if i < 2 else []
            features = F.interpolate(features, size=length, mode="linear")
            features = layer(torch.cat([features, skip, *prediction], dim=1))
        return self.unit * self.write(features)[:, 0]

    def forward(self, x: Tensor, proba: Tensor) -> Tensor:
        """Map of each series for the prediction proba, ``(n_instances, n_timepoints)``."""
        return self.decode(self.encode(x), proba)


def _convolution(n_in, n_out, kernel_size, stride=1):
    # No batch normalisation: its statistics would differ with and without perturbed copies.
    return nn.Sequential(
        nn.Conv1d(n_in, n_out, kernel_size, stride=stride, padding=kernel_size // 2), nn.ReLU()
    )


class ExplainedStudent(nn.Module):
    """A student and an autoencoder, whose bottleneck adds to the logits.

    Parameters
    ----------
    extended : torch.nn.Module
        The student, which returns logits.
    n_channels, n_classes, n_filters : int
    """

    holds = "extended"

    def __init__(
        self, extended: nn.Module, n_channels: int, n_classes: int, n_filters: int
    ) -> None:
        super().__init__()
        self.extended = extended
        self.autoencoder = Autoencoder(n_channels, n_classes, n_filters)
        self.fusion = nn.Linear(2 * n_filters, n_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(n_instances, n_classes)``."""
        return self._logits(x, self.autoencoder.encode(x))

    def learnt_maps(self, x: Tensor) -> Tensor:
        """Estimate of the teacher's map of each series, ``(n_instances, n_timepoints)``."""
        features = self.autoencoder.encode(x)
        return self.autoencoder.decode(features, self._logits(x, features).softmax(dim=1))

    def _logits(self, x: Tensor, features: list[Tensor]) -> Tensor:
        logits = first_output(self.extended(x.clone()))  # a student may write to its input
        return logits + self.fusion(features[-1].mean(dim=-1))
