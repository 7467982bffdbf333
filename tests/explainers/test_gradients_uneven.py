"""Gradients and integrated gradients of series of unequal length, and with gaps."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.explainers.conftest import centred
from tsdistill.exceptions import TeacherError
from tsdistill.explainers.gradients import check_gradients, gradient, integrated_gradients
from tsdistill.inputs.forms import UnevenForm
from tsdistill.students import STUDENTS
from tsdistill.students.base import built_for
from tsdistill.students.masking import take_uneven
from tsdistill.teachers.teacher import as_teacher

LENGTHS = np.array([17, 9, 17, 5, 12, 2])
TARGET = np.array([0, 1, 2, 2, 0, 1])
BASELINE = np.array([0.5, -1.0], dtype=np.float32)
NAN = np.float32("nan")


def padded_series(gaps):
    """Six series of two channels; with ``gaps`` some values are missing before the end."""
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(6, 2, 17)).astype(np.float32)
    if gaps:
        panel[0, 0, 3:6] = panel[0, :, 9] = panel[1, 1, 0] = panel[2, 0, -1] = NAN
        panel[4, 1, 8:] = NAN
    for one, length in zip(panel, LENGTHS, strict=True):
        one[:, length:] = NAN
    return panel


class TakesMask(nn.Module):
    """Is given zeros after the end; takes gaps for zeros."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv1d(2, 6, 5, padding=2), nn.Linear(6, 3)

    def forward(self, series, mask):
        features = torch.tanh(self.body(series.nan_to_num(nan=0.0))) * mask[:, None]
        return self.head(features.sum(dim=-1) / mask.sum(dim=1, keepdim=True))


class TakesNaN(nn.Module):
    """Weighs the mean and the mean square of the values there are."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, series):
        return self.head(torch.cat([series.nanmean(dim=2), (series**2).nanmean(dim=2)], dim=1))


def bound(network, panel):
    gaps = bool(np.isnan(panel[0]).any())
    form = UnevenForm("array", 3, panel.shape[-1], (0, 1), gaps=gaps)
    return as_teacher(network).bind(panel, form=form)


def model_of(kind, panel):
    torch.manual_seed(0)
    if kind in STUDENTS:
        network = built_for(STUDENTS[kind](), (2, 17, 3), gaps=True)
        take_uneven(network)
        with torch.no_grad():  # neither batch normalisation nor the gaps' weights are as at first
            for part in network.modules():
                if hasattr(part, "heed"):
                    part.heed.fill_(0.7)
                if isinstance(part, nn.BatchNorm1d):
                    part.momentum = None
            network(torch.as_tensor(panel))
        return bound(network, panel)
    networks = {"mask": TakesMask, "NaN": TakesNaN, "both": TakesMask}
    network = networks[kind]()
    return bound([network, TakesNaN()] if kind == "both" else network, panel)


KINDS = ("mask", "NaN", "both", *STUDENTS)
SOME = ("mask", "both", "lite", "gru")
EXPLAINERS = {"gradient": gradient, "integrated_gradients": integrated_gradients}
CASES = [
    *((kind, "gradient") for kind in KINDS),
    *((kind, "integrated_gradients") for kind in SOME),
]


@pytest.fixture(params=[False, True], ids=["uneven", "gaps"])
def panel(request):
    return padded_series(request.param)


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_a_series_is_explained_as_it_would_be_alone(panel, kind, method):
    model, explain = model_of(kind, panel), EXPLAINERS[method]
    maps = explain(model, panel, TARGET, BASELINE, per_channel=True)
    summed = explain(model, panel, TARGET, BASELINE)
    assert maps.dtype == summed.dtype == np.float32
    assert np.abs(np.nan_to_num(maps)).max() > 0.01
    for i, length in enumerate(LENGTHS):
        alone = panel[i : i + 1, :, :length]
        of_alone = explain(model, alone, TARGET[i : i + 1], BASELINE, per_channel=True)[0]
        np.testing.assert_allclose(maps[i, :, :length], of_alone, atol=1e-5)
        np.testing.assert_allclose(summed[i, :length], of_alone.sum(axis=0), atol=1e-5)
        assert np.isnan(maps[i, :, length:]).all() and np.isnan(summed[i, length:]).all()
        assert (of_alone[np.isnan(alone[0])] == 0).all()


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_padding_more_changes_no_map(panel, kind, method):
    model, explain = model_of(kind, panel), EXPLAINERS[method]
    wide = np.pad(panel, [(0, 0), (0, 0), (0, 14)], constant_values=NAN)
    maps, further = (explain(model, X, TARGET, BASELINE) for X in (panel, wide))
    np.testing.assert_allclose(further[:, :17], maps, atol=1e-5)
    assert np.isnan(further[:, 17:]).all()


@pytest.mark.parametrize("kind", ["mask", "NaN", "lite", "fcn"])
def test_gradient_equals_finite_differences(panel, kind):
    model = model_of(kind, panel)
    maps = gradient(model, panel, TARGET, BASELINE, per_channel=True)
    model.model.double()
    for i, c, t in [(0, 0, 2), (0, 0, 6), (1, 0, 8), (2, 1, 16), (3, 1, 4), (4, 1, 7), (5, 0, 0)]:
        shifted = torch.tensor(np.repeat(panel[i : i + 1], 2, axis=0), dtype=torch.float64)
        shifted[0, c, t] += 1e-5
        shifted[1, c, t] -= 1e-5
        with model.on_device("cpu"):
            z = model.logits(shifted).detach().numpy()
        slope = np.subtract(*centred(z)[:, TARGET[i]]) / 2e-5
        assert maps[i, c, t] == pytest.approx(slope * (panel[i, c, t] - BASELINE[c]), abs=1e-4)


@pytest.mark.parametrize("kind", SOME)
def test_integrated_gradients_add_up_over_the_timesteps_there_are(panel, kind):
    model = model_of(kind, panel)
    maps = integrated_gradients(model, panel, TARGET, BASELINE, n_steps=300)
    start = np.broadcast_to(BASELINE[:, None], panel.shape).copy()
    start[np.isnan(panel)] = NAN
    of_series, of_start = (
        centred(model.log_proba(X))[np.arange(6), TARGET] for X in (panel, start)
    )
    assert np.abs(of_series - of_start).max() > 0.05
    for one, length, difference in zip(maps, LENGTHS, of_series - of_start, strict=True):
        assert one[:length].sum() == pytest.approx(difference, abs=5e-3)


class Replaces(nn.Module):
    """Replaces NaN too late, so that torch gives NaN gradients for it."""

    def __init__(self, late):
        super().__init__()
        torch.manual_seed(0)
        self.head, self.late = nn.Linear(2, 3), late

    def forward(self, series):
        missing = series.isnan()
        if not self.late:
            series = series.nan_to_num(nan=0.0)
        return self.head(torch.where(missing, 0.0, torch.exp(series)).sum(dim=2).tanh())


@pytest.mark.parametrize("method", EXPLAINERS)
def test_nan_gradients_where_nan_is_are_of_no_account(panel, method):
    maps = [
        EXPLAINERS[method](bound(Replaces(late), panel), panel, TARGET, BASELINE)
        for late in (True, False)
    ]
    np.testing.assert_array_equal(*maps)
    assert np.isfinite(maps[0]).sum() == LENGTHS.sum()


class Normalises(nn.Module):
    """Its gradients are NaN in all of a series that has NaN somewhere."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, series):
        mean = series.nanmean(dim=2, keepdim=True)
        square = torch.where(series.isnan(), 0.0, (series - mean) ** 2)
        return self.head(square.sum(dim=2).tanh())


def test_gradients_that_nan_has_spoilt_are_refused(panel):
    model = bound(Normalises(), panel)
    n_spoilt = np.isnan(panel).any(axis=(1, 2)).sum()
    message = rf"Normalises.* has NaN or infinite gradients for {n_spoilt} of 6 series.*nan_to_num"
    for explain in EXPLAINERS.values():
        with pytest.raises(TeacherError, match=message):
            explain(model, panel, TARGET, BASELINE)
    with pytest.raises(
        TeacherError, match="infinite gradients for . of 2 series.*or use occlusion"
    ):
        check_gradients(model, panel)
    check_gradients(model_of("mask", panel), panel)


def test_a_black_box_is_refused_as_for_series_of_one_length(panel):
    model = bound(lambda X: np.full((len(X), 2), 0.5), panel)
    for explain in EXPLAINERS.values():
        with pytest.raises(TeacherError, match="gives no gradients; use method='occlusion'"):
            explain(model, panel, TARGET * 0, BASELINE)
