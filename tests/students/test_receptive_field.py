"""Only what a window reaches is worked out anew, and the answers are those of the whole network."""

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from tsdistill import Teacher
from tsdistill.exceptions import TeacherError
from tsdistill.explainers.occlusion import occlusion
from tsdistill.numerics import batches
from tsdistill.perturbation.copies import replace_windows
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet
from tsdistill.students.lite import _LiteNetwork
from tsdistill.students.receptive_field import is_local, window_answers
from tsdistill.teachers.querying import QueryOptions
from tsdistill.teachers.teacher import as_teacher


def trained(student, n_channels, n_timepoints, n_classes=3):
    """A network in eval mode whose normalisation has seen series."""
    torch.manual_seed(0)
    network = student.build(n_channels, n_timepoints, n_classes)
    panel = 2 * torch.randn(30, n_channels, n_timepoints) + 1
    next(m for m in network.modules() if hasattr(m, "learn")).learn(panel)
    network.train()
    for _ in range(5):
        network(panel)
    for p in network.parameters():
        nn.init.normal_(p, std=0.3)
    return network.eval()


STUDENTS = {
    "default": Lite(),
    "stride 1": Lite(3, (9, 5), stride=1),
    "stride 3": Lite(3, (9, 5, 1), stride=3, dilation=2),
    "stride beyond the kernel": Lite(2, (1,), stride=2),
    "fcn": FCN(),
    "bottleneck": Lite(3, (9, 5), bottleneck=1),
}


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize(
    ("n_channels", "n_timepoints", "width"), [(1, 90, 9), (2, 31, 4), (1, 8, 8)]
)
@pytest.mark.parametrize("per_channel", [False, True])
def test_answers_are_those_of_the_whole_network(name, n_channels, n_timepoints, width, per_channel):
    network = trained(STUDENTS[name], n_channels, n_timepoints)
    rng = np.random.default_rng(1)
    series, donors = (
        torch.from_numpy(rng.normal(size=(n, n_channels, n_timepoints)).astype(np.float32))
        for n in (6, 4)
    )
    start = torch.arange(n_timepoints - width + 1).repeat(4)  # the first and the last included
    row, donor = (torch.from_numpy(rng.integers(n, size=len(start))) for n in (6, 4))
    channel = torch.from_numpy(rng.integers(n_channels, size=len(start))) if per_channel else None
    assert is_local(network)
    found = window_answers(network, series, donors, row, donor, start, width, channel)
    copies = replace_windows(series[row], donors[donor], start, width, channel)
    with torch.no_grad():
        expected = network(copies)
    scale = expected.std()
    torch.testing.assert_close(found / scale, expected / scale, atol=2e-5, rtol=1e-4)


def test_maps_are_those_of_a_network_that_hides_its_parts(monkeypatch):
    network = trained(Lite(), 2, 60)
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(7, 2, 60)).astype(np.float32)
    donors = rng.normal(size=(5, 2, 60)).astype(np.float32)
    rows = np.array([[0, 1], [2, 3], [4, 0]])
    model = as_teacher(network).bind(panel)
    target = rng.integers(3, size=7)
    for per_channel in (False, True):
        plain = as_teacher(nn.Sequential(network)).bind(panel)
        whole = occlusion(plain, panel, target, donors, rows, 6, per_channel=per_channel)
        for n_bytes in (batches.BYTES_A_BATCH, 32 * 2 * panel[0].nbytes):
            monkeypatch.setattr(batches, "BYTES_A_BATCH", n_bytes)
            maps = occlusion(model, panel, target, donors, rows, 6, per_channel=per_channel)
            np.testing.assert_allclose(maps, whole, atol=1e-4 * np.abs(whole).max())


def test_networks_of_another_kind_are_asked_whole():
    for student in (Inception(), ResNet(), GRU()):
        assert not is_local(student.build(1, 30, 2))
    assert not is_local(Lite().build(1, 30, 2).double())
    assert not is_local(Lite(kernel_sizes=(8,)).build(1, 30, 2))  # its output is of another length
    circular = Lite().build(1, 30, 2)
    circular.combine[0].padding_mode = "circular"
    assert not is_local(circular)


def changed_forward(network):
    network.forward = lambda x: 2 * _LiteNetwork.forward(network, x)
    return network


class Doubled(_LiteNetwork):
    def forward(self, x):
        return 2 * super().forward(x)


def with_part(name, part):
    def change(network):
        setattr(network, name, part)
        return network

    return change


def hooked(network):
    network.combine[0].register_forward_hook(lambda *_: None)
    return network


def subclassed(network):
    network.__class__ = Doubled
    return network


class Loud(nn.Conv1d):
    def forward(self, x):
        return 2 * super().forward(x)


CHANGED = {
    "forward of the instance": changed_forward,
    "forward of a subclass": subclassed,
    "a hook": hooked,
    "another head": with_part("head", nn.Sequential(nn.Flatten(), nn.LazyLinear(2))),
    "no stage": with_part("reach", nn.Identity()),
    "a convolution of its own": with_part(
        "reach", nn.Sequential(Loud(24, 24, 7, padding=3), nn.ReLU())
    ),
    "groups": with_part(
        "reach", nn.Sequential(nn.Conv1d(24, 24, 7, padding=3, groups=24), nn.ReLU())
    ),
    "even kernel": with_part("reach", nn.Sequential(nn.Conv1d(24, 24, 8, padding=3), nn.ReLU())),
    "no padding": with_part("reach", nn.Sequential(nn.Conv1d(24, 24, 7), nn.ReLU())),
    "softmax over time": with_part(
        "reach", nn.Sequential(nn.Conv1d(24, 24, 7, padding=3), nn.Softmax(dim=-1))
    ),
    "statistics of the batch": with_part(
        "reach",
        nn.Sequential(
            nn.Conv1d(24, 24, 7, padding=3), nn.BatchNorm1d(24, track_running_stats=False)
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_networks_that_were_changed_are_asked_whole(name):
    network = Lite().build(1, 60, 2)
    assert is_local(network)
    assert not is_local(CHANGED[name](network))


def test_only_what_is_needed_is_computed_and_only_where_nothing_is_kept(monkeypatch, tmp_path):
    model = as_teacher(trained(Lite(), 1, 40))
    panel = np.random.default_rng(0).normal(size=(4, 1, 40)).astype(np.float32)
    scene = model.bind(panel), panel, np.zeros(4, int), panel, np.zeros((3, 1), int), 5
    calls = []
    answers = window_answers
    monkeypatch.setattr(
        "tsdistill.explainers.occlusion.window_answers", lambda *a: calls.append(1) or answers(*a)
    )
    maps = occlusion(*scene)
    assert len(calls) == 1
    scene[0].fingerprint = (np.zeros(1), "digest")
    kept = occlusion(*scene, options=QueryOptions(memory=joblib.Memory(tmp_path, verbose=0)))
    assert len(calls) == 1
    np.testing.assert_allclose(maps, kept, atol=1e-5)


def test_answers_that_overflow_are_refused():
    model = as_teacher(trained(Lite(), 1, 40))
    panel = np.full((2, 1, 40), 1e38, dtype=np.float32)
    scene = panel, np.zeros(2, int), -panel, np.zeros((3, 1), int), 5
    with pytest.raises(TeacherError, match="NaN or infinity"):
        occlusion(model.bind(np.zeros((2, 1, 40))), *scene)


def test_a_lite_teacher_that_knows_more_classes_is_explained_too():
    network = trained(Lite(), 1, 40)
    panel = np.random.default_rng(0).normal(size=(4, 1, 40)).astype(np.float32)
    model = Teacher(network, classes=[0, 1, 2]).bind(panel, np.array([0, 2]))
    target, rows = np.array([0, 1, 0, 1]), np.zeros((2, 1), dtype=int)
    nothing = np.zeros((1, 1, 40), dtype=np.float32)
    maps = occlusion(model, panel, target, nothing, rows, 5)
    hidden = Teacher(nn.Sequential(network), classes=[0, 1, 2]).bind(panel, np.array([0, 2]))
    np.testing.assert_allclose(maps, occlusion(hidden, panel, target, nothing, rows, 5), atol=1e-5)
