"""Weights of few bits."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.students import FCN, GRU, Inception, Lite
from tsdistill.students.masking import take_uneven
from tsdistill.students.rounding import (
    ROUNDING,
    SHRINKS,
    input_products,
    round_weights,
    rounding_of,
)


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
    setattr(network, ROUNDING, "something else")
    assert rounding_of(network) is None


def test_outputs_of_zeros_stay_zeros():
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight[0] = 0
    round_weights(layer, 8)
    assert not layer.weight[0].any() and layer.weight[1].any()


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_errors_are_made_up_for_as_far_as_inputs_go_together(bits):
    generator = torch.Generator().manual_seed(0)
    walks = torch.randn(60, 2, 60, generator=generator).cumsum(dim=2)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = nn.Sequential(nn.Conv1d(2, 8, 21), nn.ReLU(), nn.Flatten(), nn.Linear(320, 3))
    errors = []
    for series in (None, walks[:30]):
        rounded = copy.deepcopy(network)
        round_weights(rounded, bits, series)
        assert rounding_of(rounded).bits == bits
        difference = rounded[0](walks[30:]) - network[0](walks[30:])
        errors.append(float(difference.abs().mean().detach()))
    assert errors[1] < (0.4 if bits == 8 else 0.8) * errors[0]


@pytest.mark.parametrize("student", [Lite(2), Inception(2, n_blocks=3), GRU(6)], ids=str)
def test_all_weights_of_a_student_are_rounded_whatever_its_layers(student):
    network = student.build(1, 30, 3).eval()
    round_weights(network, 8, torch.randn(4, 1, 30, generator=torch.Generator().manual_seed(0)))
    names = {name for name, weight in network.named_parameters() if weight.ndim >= 2}
    assert rounding_of(network).codes.keys() == names


def test_products_are_those_of_the_inputs_of_each_place():
    conv = nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2, bias=False)
    network = nn.Sequential(conv, nn.Flatten(), nn.Linear(12, 2))
    series = torch.randn(4, 2, 9, generator=torch.Generator().manual_seed(0))
    products = input_products(network, series)
    padded, expected = nn.functional.pad(series, (1, 1)), np.zeros((6, 6))
    for one in padded:  # a slow obvious loop
        for place in range(4):
            seen = [float(one[c, 2 * place + 2 * k]) for c in range(2) for k in range(3)]
            expected += np.outer(seen, seen)
    np.testing.assert_allclose(products["0.weight"], expected, rtol=1e-5)
    hidden = conv(series).flatten(1).detach().double().numpy()
    np.testing.assert_allclose(products["2.weight"], hidden.T @ hidden, rtol=1e-5)


def test_inputs_that_are_always_zero_do_no_harm():
    layer = nn.Linear(4, 2)
    round_weights(layer, 8, torch.zeros(3, 4))
    assert np.isfinite(layer.weight.detach().numpy()).all()


@pytest.mark.parametrize("student", [Lite(2, (5, 3)), FCN(2)], ids=repr)
def test_what_lies_beyond_the_end_of_series_changes_no_rounding(student):
    torch.manual_seed(0)
    network = student.build(1, 40, 3).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d):  # not 0 beyond the end by itself
            nn.init.constant_(part.bias, 1.0)
    take_uneven(network)
    series = torch.randn(6, 1, 40)
    series[::2, :, 25:] = torch.nan
    padded = torch.nn.functional.pad(series, (0, 40), value=torch.nan)
    found, expected = (input_products(network, one) for one in (padded, series))
    assert found.keys() == expected.keys() and len(found) >= 3
    for name, products in expected.items():  # but for windows that reach over an end
        assert found[name].trace() == pytest.approx(products.trace(), rel=0.4), name
