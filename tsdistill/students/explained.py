"""A student with an autoencoder beside it, which gives the teacher's explanation of a series."""

import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.numerics.logits import first_output
from tsdistill.students.base import Standardise

N_STRIDES = 3


class Autoencoder(nn.Module):
    """From a series to a map of its length, by a bottleneck of an eighth of it.

    Three strided convolutions down; three steps of interpolation and convolution up, each with
    the features of the same length on the way down beside. What a timestep means depends on the
    whole series, so the first step up reads the bottleneck's mean over time beside every
    timestep, and it and the second read the prediction that is to be explained.

    Parameters
    ----------
    n_channels, n_classes, n_filters : int
    """

    def __init__(self, n_channels, n_classes, n_filters):
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
        self.register_buffer("unit", torch.ones(()))  # of the maps, so that all layers work near 1

    def encode(self, x):
        """Features on the way down, the bottleneck last."""
        features = [self.read(self.standardise(x))]
        for layer in self.down:
            features.append(layer(features[-1]))
        return features

    def decode(self, features, proba):
        """Map of each series, ``(n_instances, n_timepoints)``.

        Parameters
        ----------
        features : list of Tensor
            As :meth:`encode` gives them.
        proba : Tensor of shape (n_instances, n_classes)
            The prediction to explain.
        """
        *skipped, features = features
        overall = features.mean(dim=-1, keepdim=True).expand_as(features)
        features = torch.cat([features, overall], dim=1)
        for i, layer in enumerate(self.up):
            beside = skipped.pop()
            length = beside.shape[-1]
            told = [proba[:, :, None].expand(-1, -1, length)] if i < 2 else []
            features = F.interpolate(features, size=length, mode="linear")
            features = layer(torch.cat([features, beside, *told], dim=1))
        return self.unit * self.write(features)[:, 0]

    def forward(self, x, proba):
        """Map of each series for a prediction, ``(n_instances, n_timepoints)``."""
        return self.decode(self.encode(x), proba)


def _convolution(n_in, n_out, kernel_size, stride=1):
    # No batch normalisation: its statistics would be of series and copies, or of series alone.
    return nn.Sequential(
        nn.Conv1d(n_in, n_out, kernel_size, stride=stride, padding=kernel_size // 2), nn.ReLU()
    )


class ExplainedStudent(nn.Module):
    """A student and an autoencoder whose bottleneck speaks in its logits.

    Parameters
    ----------
    extended : torch.nn.Module
        The student, which gives logits.
    n_channels, n_classes, n_filters : int
    """

    holds = "extended"

    def __init__(self, extended, n_channels, n_classes, n_filters):
        super().__init__()
        self.extended = extended
        self.autoencoder = Autoencoder(n_channels, n_classes, n_filters)
        self.fusion = nn.Linear(2 * n_filters, n_classes, bias=False)

    def forward(self, x):
        """Logits, ``(n_instances, n_classes)``."""
        return self._fused(x, self.autoencoder.encode(x))

    def learnt_maps(self, x):
        """The map that is expected of the teacher, ``(n_instances, n_timepoints)``."""
        features = self.autoencoder.encode(x)
        return self.autoencoder.decode(features, self._fused(x, features).softmax(dim=1))

    def _fused(self, x, features):
        logits = first_output(self.extended(x.clone()))  # a student may change what it is given
        return logits + self.fusion(features[-1].mean(dim=-1))
