"""Weights of few bits."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.students import Lite
from tsdistill.students.rounding import SHRINKS, round_weights, rounding_of


def built(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Lite(n_filters=2).build(1, 30, 3)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_are_whole_multiples_of_a_scale_for_each_output(bits):
    network, before = built(), built().state_dict()
    round_weights(network, bits)
    rounding = rounding_of(network)
    largest = 2 ** (bits - 1) - 1
    assert rounding.bits == bits
    for name, weight in network.named_parameters():
        if weight.ndim < 2:
            assert torch.equal(weight, before[name])
            continue
        codes, scales = rounding.codes[name], rounding.scales[name]
        assert codes.dtype == np.int8 and np.abs(codes).max() <= largest
        for row, code, scale in zip(weight.detach().numpy(), codes, scales, strict=True):
            np.testing.assert_array_equal(row, code.astype(np.float32) * scale)


def test_a_scale_has_the_smallest_error_of_those_tried():
    weight = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    layer = nn.Linear(40, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
    round_weights(layer, 4)
    for row, rounded in zip(weight, layer.weight.detach().numpy(), strict=True):
        errors = []
        for share in SHRINKS:  # a slow obvious loop
            scale = np.float32(share * np.abs(row).max() / 7)
            errors.append(sum((min(max(round(v / scale), -7), 7) * scale - v) ** 2 for v in row))
        assert ((rounded - row) ** 2).sum() == pytest.approx(min(errors), rel=1e-4)


def test_more_bits_are_closer():
    series, errors = torch.randn(8, 1, 30, generator=torch.Generator().manual_seed(0)), []
    expected = built().eval()(series)
    for bits in (3, 5, 8):
        network = built().eval()
        round_weights(network, bits)
        errors.append(float((network(series) - expected).abs().mean()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_weights_that_changed_afterwards_are_not_called_rounded():
    network = built()
    assert rounding_of(network) is None
    round_weights(network, 8)
    assert rounding_of(copy.deepcopy(network)).bits == 8
    with torch.no_grad():
        network.head.linear.weight[0, 0] += 1e-3
    assert rounding_of(network) is None
    network.rounding = "something of the user's"
    assert rounding_of(network) is None


def test_outputs_of_zeros_stay_zeros():
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight[0] = 0
    round_weights(layer, 8)
    assert not layer.weight[0].any() and layer.weight[1].any()
