"""The perturbed copies."""

import numpy as np
import pytest
import torch

from tests.perturbation.conftest import plan_of
from tsdistill.perturbation.copies import PerturbedCopies, replace_windows
from tsdistill.perturbation.uneven import FLAT


def test_gather_equals_a_slow_loop():
    plan, panel, _ = plan_of()
    copies = replace_windows(
        torch.from_numpy(panel)[:, None],
        torch.from_numpy(plan.donors)[torch.from_numpy(plan.donor)],
        torch.from_numpy(plan.start),
        plan.width,
    )
    assert copies.shape == (30, 6, 2, 20)
    for i in range(30):
        for m in range(6):
            expected = panel[i].copy()
            a = plan.start[i, m]
            expected[:, a : a + 5] = panel[plan.donor[i, m]][:, a : a + 5]
            np.testing.assert_array_equal(copies[i, m].numpy(), expected)


def own_window(series, kind, start, width):
    """A window that is made flat or straight, by loops."""
    made = series.copy()
    for channel in made:
        before, after = start - 1, start + width
        if kind == FLAT or (before < 0 and after >= len(channel)):
            channel[start:after] = channel[start:after].mean()
            continue
        left = channel[after] if before < 0 else channel[before]
        right = channel[before] if after >= len(channel) else channel[after]
        for t in range(start, after):
            channel[t] = left + (right - left) * (t - before) / (width + 1)
    return made


@pytest.mark.parametrize("width", [1, 5, 19, 20])
@pytest.mark.parametrize("part", [slice(0, 180), slice(7, 20), slice(5, 6)])
def test_varied_windows_equal_a_slow_loop(width, part):
    plan, panel, _ = plan_of(donors="varied", width=width)
    row, donor, start = np.repeat(np.arange(30), 6), plan.donor.ravel(), plan.start.ravel()
    copies = PerturbedCopies(panel, plan.donors, row, donor, start, width)
    some = copies.part(part)
    np.testing.assert_array_equal(some[0 : len(some)], copies[part])
    for copy, i, d, a in zip(copies[part], row[part], donor[part], start[part], strict=True):
        if d < 0:
            expected = own_window(panel[i], d, a, width)
        else:
            expected = panel[i].copy()
            expected[:, a : a + width] = panel[d][:, a : a + width]
        np.testing.assert_allclose(copy, expected, atol=1e-5)


@pytest.mark.parametrize("channel", [None, 1])
def test_copies_are_built_on_any_device(channel):
    series = torch.zeros(3, 2, 6, device="meta")
    place = torch.zeros(3, dtype=torch.int64, device="meta")
    channel = None if channel is None else place + channel
    assert replace_windows(series, series, place, 2, channel).shape == (3, 2, 6)


def test_copies_replace_one_channel_where_channels_are_told_apart():
    panel, donors = np.zeros((1, 3, 6), dtype=np.float32), np.ones((1, 3, 6), dtype=np.float32)
    place = np.zeros(2, dtype=np.int64)
    copies = PerturbedCopies(panel, donors, place, place, place + 1, 2, np.array([0, 2]))
    expected = [[0, 0, 1], [0, 0, 2], [1, 2, 1], [1, 2, 2]]
    assert np.argwhere(copies[0:2]).tolist() == expected
    assert np.argwhere(copies.part(slice(0, 2))[0:2]).tolist() == expected


def test_gather_can_replace_one_channel():
    series, donor = torch.zeros(2, 3, 6), torch.ones(3, 6)
    copies = replace_windows(series, donor, torch.tensor([0, 4]), 2, torch.tensor([1, 2]))
    assert copies.nonzero().tolist() == [[0, 1, 0], [0, 1, 1], [1, 2, 4], [1, 2, 5]]


@pytest.mark.parametrize("channel", [None, np.arange(180) % 2])
@pytest.mark.parametrize("part", [slice(0, 180), slice(7, 20), slice(170, 180), slice(5, 6)])
def test_a_part_gives_the_same_copies_and_holds_only_what_they_need(part, channel):
    plan, panel, _ = plan_of()
    row = np.repeat(np.arange(30), 6)
    copies = PerturbedCopies(
        panel, plan.donors, row, plan.donor.ravel(), plan.start.ravel(), plan.width, channel
    )
    some = copies.part(part)
    assert len(some) == part.stop - part.start
    np.testing.assert_array_equal(some[0 : len(some)], copies[part])
    np.testing.assert_array_equal(some[0:1], copies[part.start : part.start + 1])
    assert len(some.panel) == len(set(row[part].tolist()))
    assert len(some.donors) == len(set(plan.donor.ravel()[part].tolist()))
