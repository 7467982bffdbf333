"""The maps inside a network, time last."""

import pytest
import torch
from torch import nn

from tsdistill.students.feature_maps import feature_maps


class Transformer(nn.Module):
    """Features last within, as torch's transformers have them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x.transpose(1, 2))).mean(dim=1))


@pytest.mark.parametrize("stage", ["encoder", "encoder.layers.0", "encoder.layers.0.self_attn"])
def test_maps_of_transformers_have_time_last(stage):
    torch.manual_seed(0)
    network, series = Transformer(), torch.randn(2, 1, 20)  # in training mode: no fused kernels
    (maps,) = feature_maps(network, [stage], lambda: network(series), 2)
    assert maps.shape == (2, 8, 20)


def test_maps_are_read_before_a_layer_that_works_in_place():
    torch.manual_seed(0)
    conv, series = nn.Conv1d(1, 4, 3), torch.randn(2, 1, 10)
    network = nn.Sequential(conv, nn.ReLU(inplace=True))
    (maps,) = feature_maps(network, ["0"], lambda: network(series), 2)
    torch.testing.assert_close(maps, conv(series))
