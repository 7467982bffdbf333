"""Students answer a padded series as they answer the series alone."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.students import FCN, GRU, Inception, Lite, ResNet
from tsdistill.students.base import StandardiseFilled, let_fill_gaps
from tsdistill.students.masking import Chain, filled, lengths_of, normalised, take_uneven

STUDENTS = [
    Lite(),
    Lite(stride=3, kernel_sizes=(5, 3), pool=3, bottleneck=1),
    FCN(),
    ResNet(),
    Inception(),
    GRU(),
    GRU(bidirectional=True, n_layers=2),
]
LENGTHS = [40, 17, 40, 1, 23, 8]


def uneven_network(student, n_channels=2):
    torch.manual_seed(0)
    network = student.build(n_channels, 40, 3)
    for part in network.modules():  # statistics as after some training
        if isinstance(part, nn.BatchNorm1d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    for part in network.modules():
        if hasattr(part, "takes_uneven"):
            part.mean += 0.3
    take_uneven(network)
    return network


def padded(series, n_timepoints):
    return torch.stack([F.pad(x, (0, n_timepoints - x.shape[1]), value=torch.nan) for x in series])


@pytest.fixture
def series():
    torch.manual_seed(1)
    return [torch.randn(2, n) + 1 for n in LENGTHS]


@pytest.mark.parametrize("student", STUDENTS, ids=repr)
def test_a_padded_series_is_answered_as_the_series_alone(student, series):
    network = uneven_network(student).eval()
    alone = copy.deepcopy(network)
    for part in alone.modules():
        if hasattr(part, "takes_uneven"):
            part.takes_uneven = False
    with torch.no_grad():
        expected = torch.cat([alone(x[None]) for x in series])
        for n_timepoints in (40, 41, 80):
            found = network(padded(series, n_timepoints))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("student", STUDENTS, ids=repr)
def test_padding_more_changes_neither_gradients_nor_statistics(student, series):
    networks = [uneven_network(student).train() for _ in range(2)]
    for network, n_timepoints in zip(networks, (40, 80), strict=True):
        network(padded(series, n_timepoints)).square().sum().backward()
    for (name, one), other in zip(
        networks[0].named_parameters(), networks[1].parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4, msg=name)
        assert one.grad.isfinite().all()
    for one, other in zip(*(network.buffers() for network in networks), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("student", STUDENTS, ids=repr)
def test_series_of_one_length_are_trained_on_as_without_a_mask(student):
    x = torch.randn(6, 2, 40)
    plain, uneven = student.build(2, 40, 3), None
    uneven = copy.deepcopy(plain)
    take_uneven(uneven)
    answers = [network.train()(x) for network in (plain, uneven)]
    torch.testing.assert_close(*answers, atol=1e-5, rtol=1e-5)
    for one, other in zip(plain.buffers(), uneven.buffers(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_normalisation_counts_real_timesteps(momentum):
    x = torch.randn(len(LENGTHS), 3, 40)
    real = (torch.arange(40) < torch.tensor(LENGTHS)[:, None])[:, None]
    masked, plain = nn.BatchNorm1d(3, momentum=momentum), nn.BatchNorm1d(3, momentum=momentum)
    for _ in range(2):
        found = normalised(masked, x, real)
        values = torch.cat([one[:, :n] for one, n in zip(x, LENGTHS, strict=True)], dim=1)
        expected = plain(values.T)
        kept = torch.cat([one[:, :n] for one, n in zip(found, LENGTHS, strict=True)], dim=1).T
        torch.testing.assert_close(kept, expected, atol=1e-5, rtol=1e-5)
    for one, other in zip(masked.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_standardisation_learns_from_real_values_alone(series):
    network = Lite().build(2, 40, 3)
    network.standardise.learn(padded(series, 60))
    values = torch.cat(series, dim=1).double()
    std, mean = torch.std_mean(values, dim=1, correction=0)
    torch.testing.assert_close(network.standardise.mean[:, 0], mean.float())
    torch.testing.assert_close(network.standardise.std[:, 0], std.float())


def test_lengths_end_at_the_last_value_of_any_channel():
    x = torch.full((2, 2, 5), torch.nan)
    x[0, 0, 1], x[1, 1, 4] = 0.0, 1.0
    assert lengths_of(x).tolist() == [2, 5]


def test_stages_are_zero_beyond_the_end(series):
    for student in STUDENTS[:5]:
        network = uneven_network(student).train()
        outputs = []
        for name in network.stages:
            network.get_submodule(name).register_forward_hook(
                lambda _module, _inputs, out, kept=outputs: kept.append(out)
            )
        network(padded(series, 40))
        assert len(outputs) == len(network.stages)
        for out in outputs:
            ends = np.ceil(np.array(LENGTHS) * out.shape[-1] / 40).astype(int)
            for features, end in zip(out, ends, strict=True):
                assert not features[:, end:].any() and features[:, :end].any()


def test_a_chain_without_a_mask_is_a_sequence():
    layers = nn.Conv1d(1, 2, 3, padding=1), nn.BatchNorm1d(2), nn.ReLU()
    x = torch.randn(3, 1, 9)
    torch.testing.assert_close(Chain(*layers)(x), nn.Sequential(*layers)(x))


def with_gaps(n, n_timepoints, share=0.3):
    torch.manual_seed(2)
    x = torch.randn(n, 2, n_timepoints) + 1
    x[torch.rand(x.shape) < share] = torch.nan
    x[..., -1, 5] = 1.0  # some value in each channel
    x[..., 0, 7] = 2.0
    return x


def test_gaps_are_filled_as_by_numpy():
    x = with_gaps(20, 12)
    assert x[..., 0].isnan().any() and x[..., -1].isnan().any()
    for one, found in zip(x.reshape(-1, 12).numpy(), filled(x).reshape(-1, 12), strict=True):
        known = np.flatnonzero(~np.isnan(one))
        np.testing.assert_allclose(found, np.interp(np.arange(12), known, one[known]), atol=1e-6)
    nothing = filled(torch.full((1, 2, 4), torch.nan))
    assert nothing.isnan().all()


@pytest.mark.parametrize("student", STUDENTS, ids=repr)
def test_gaps_are_seen_and_padding_is_not(student):
    torch.manual_seed(0)
    network = student.build(4, 40, 3)
    assert let_fill_gaps(network, 2)
    network.eval()
    x = with_gaps(6, 40)
    x[2, :, 30:] = torch.nan
    assert x.isnan().any(dim=2).all()
    with torch.no_grad():
        plain = network(x)
        for part in network.modules():
            if isinstance(part, StandardiseFilled):
                part.heed += 1
        seen = network(x)
        assert (seen - plain).abs().max() > 1e-4
        torch.testing.assert_close(network(F.pad(x, (0, 40), value=torch.nan)), seen)
        alone = torch.cat([network(x[i : i + 1, :, : 30 if i == 2 else 40]) for i in range(6)])
        torch.testing.assert_close(alone, seen)
        complete = torch.where(x.isnan(), 0.0, x)
        torch.testing.assert_close(network(filled(complete)), network(complete))


def test_statistics_of_channels_leave_gaps_out():
    standardise, x = StandardiseFilled(2), with_gaps(30, 40)
    standardise.learn(x)
    for channel in range(2):
        values = x[:, channel][~x[:, channel].isnan()].double()
        assert standardise.mean[channel].item() == pytest.approx(values.mean().item(), rel=1e-5)
        assert standardise.std[channel].item() == pytest.approx(
            values.std(correction=0).item(), rel=1e-5
        )
    seen = standardise(x)
    assert seen.shape == (30, 4, 40) and (seen[:, 2:] == 0).all()
    with pytest.raises(ValueError, match=r"expected \(n_instances, 2, n_timepoints\)"):
        standardise(torch.zeros(1, 4, 40))


def test_a_network_without_standardisation_fills_nothing():
    assert not let_fill_gaps(nn.Sequential(nn.Linear(2, 2)), 1)
