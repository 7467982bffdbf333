"""Modules of the user: each layer becomes steps that compute the same, or is refused by name."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tsdistill.exceptions import ExportError
from tsdistill.export.lowering import program_of
from tsdistill.export.running import run
from tsdistill.students import FCN
from tsdistill.students.base import built_for


class Own(nn.Module):
    """A module whose forward is a function of itself and the series (n, 2, 12)."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        self.kernel = nn.Parameter(torch.zeros(3, 2, 4))
        self.matrix = nn.Parameter(torch.zeros(3, 2))
        self.of_batch = nn.Parameter(torch.zeros(2, 2, 12))
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


def built(function, **layers):
    """A module in eval mode whose parameters and buffers are all random."""
    module = Own(function, **layers).eval()
    generator = torch.Generator().manual_seed(0)
    for values in (*module.parameters(), *module.buffers()):
        if values.is_floating_point():
            values.data = torch.rand(values.shape, generator=generator) + 0.1
    return module


def series(n=3):
    return np.random.default_rng(1).normal(size=(n, 2, 12)).astype(np.float32)


def assert_same(module, **settings):
    """A program of the module answers as the module does; its logits, if it has a softmax."""
    program = program_of(module, 2, 12, **settings)
    with torch.no_grad():
        expected = module(torch.tensor(series()))
    found = torch.tensor(np.array([run(program, one) for one in series()]))
    if program.is_softmaxed:
        found = found.softmax(dim=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    return program


def ends(x):
    """The series with their timesteps before their channels."""
    return x.transpose(1, 2)


def operations(program):
    return [step.operation + " relu" * step.relu for step in program.steps]


GRUS = {
    "a GRU": nn.GRU(2, 3, batch_first=True),
    "a GRU without bias": nn.GRU(2, 3, batch_first=True, bias=False),
    "a GRU with dropout": nn.GRU(2, 3, 2, batch_first=True, dropout=0.5),
    "a GRU of both directions": nn.GRU(2, 3, 2, batch_first=True, bidirectional=True),
}
WRITTEN = {
    "an even kernel": (lambda m, x: m.layer(x).mean(2), nn.Conv1d(2, 3, 4, padding="same")),
    "an even kernel that is dilated": (
        lambda m, x: m.layer(x).mean(2), nn.Conv1d(2, 3, 2, padding="same", dilation=3)
    ),
    "valid": (lambda m, x: m.layer(x).mean(-1), nn.Conv1d(2, 3, 4, padding="valid", bias=False)),
    "strides": (lambda m, x: m.layer(x).mean(2), nn.Conv1d(2, 3, 4, 2, 3, dilation=2)),
    "groups": (lambda m, x: m.layer(x).mean(2), nn.Conv1d(2, 4, 5, groups=2)),
    "a function with positions": (
        lambda m, x: torch.conv1d(x, m.kernel, m.matrix[:, 0], 2, 1, 2).mean(2), None
    ),
    "a function with names": (
        lambda m, x: F.conv1d(x, m.kernel, stride=(3,), padding=(2,)).mean(2), None
    ),
    "a function by itself": (lambda m, x: F.conv1d(x, m.kernel).mean(2), None),
    "a batch normalisation": (lambda m, x: m.layer(x).mean(2), nn.BatchNorm1d(2, eps=0.3)),
    "one without weights": (lambda m, x: m.layer(x).mean(2), nn.BatchNorm1d(2, affine=False)),
    "a maximum": (lambda m, x: m.layer(x).mean(2), nn.MaxPool1d(3, stride=2, padding=1)),
    "an average": (lambda m, x: m.layer(x).mean(2), nn.AvgPool1d(3, stride=2, padding=1)),
    "an average of its own stride": (lambda m, x: m.layer(x).mean(2), nn.AvgPool1d(5)),
    "a linear layer": (lambda m, x: m.layer(x.mean(dim=2)), nn.Linear(2, 4, bias=False)),
    "a linear function": (lambda m, x: F.linear(torch.mean(x, 2), m.matrix), None),
    "flattened": (lambda m, x: m.layer(torch.flatten(x, 1)), nn.Linear(24, 3)),
    "flattened by a method": (lambda m, x: m.layer(x.flatten(1)), nn.Linear(24, 3)),
    "flattened as layer": (lambda m, x: m.layer(x), nn.Sequential(nn.Flatten(), nn.Linear(24, 3))),
    "a vector flattened": (lambda m, x: x.mean(2).flatten(1), None),
    "joined channels": (lambda m, x: m.layer(torch.cat([x, x], 1)).mean(2), nn.Conv1d(4, 3, 3)),
    "joined before the last axis": (
        lambda m, x: m.layer(torch.concat([x, x.relu()], dim=-2)).mean(2), nn.Conv1d(4, 3, 3)
    ),
    "joined vectors": (lambda m, x: torch.cat([x.mean(2), ends(x)[:, -1]], -1), None),
    "joined at the end of timesteps": (
        lambda m, x: torch.cat([ends(x), ends(x.relu())], 2)[:, -1], None
    ),
    "joined by the last axis": (lambda m, x: torch.cat([ends(x), ends(x)], -1).mean(1), None),
    "a sum": (lambda m, x: torch.add(x, m.layer(x)).mean(2), nn.Conv1d(2, 2, 3, padding=1)),
    "a sum of vectors": (lambda m, x: x.mean(2) + ends(x)[:, -1], None),
    "transposed twice": (lambda m, x: ends(x).transpose(-1, -2).mean(2), None),
    "a ReLU in place": (
        lambda m, x: m.layer(x).mean(2), nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(inplace=True))
    ),
    "layers that do nothing": (
        lambda m, x: m.layer(x.clone()).contiguous().mean(2), nn.Sequential(nn.Identity())
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_a_layer_is_written_as_torch_runs_it(name):
    function, layer = WRITTEN[name]
    assert_same(built(function, layer=layer))


@pytest.mark.parametrize("name", GRUS)
def test_all_states_of_a_gru_and_its_last_are_written(name):
    layer = GRUS[name]
    assert_same(built(lambda m, x: m.layer(ends(x))[0].mean(1), layer=layer))
    assert_same(built(lambda m, x: m.layer(ends(x))[0][:, -1], layer=layer))
    if layer.num_layers == 1:
        assert_same(built(lambda m, x: m.layer(ends(x))[1][-1], layer=layer))


SOFTMAXES = {
    "a layer": lambda m, x: m.layer(x.mean(2)),
    "a method": lambda m, x: x.mean(2).softmax(1),
    "a function": lambda m, x: torch.softmax(x.mean(2), dim=-1),
    "a function of nn": lambda m, x: F.softmax(x.mean(2), 1),
}


@pytest.mark.parametrize("name", SOFTMAXES)
def test_the_last_softmax_is_left_out_of_probabilities_and_of_nothing_else(name):
    module = built(SOFTMAXES[name], layer=nn.Softmax(1))
    program = assert_same(module, gives_proba=True)
    assert program.is_softmaxed and not program.gives_proba
    with pytest.raises(ExportError, match="a softmax that is not its last layer"):
        program_of(module, 2, 12)


def test_probabilities_without_a_softmax_stay_as_they_are():
    program = assert_same(built(lambda m, x: x.relu().mean(2)), gives_proba=True)
    assert program.gives_proba and not program.is_softmaxed


REFUSED = {
    "a pooling": [
        (lambda m, x: m.layer(x).mean(2), nn.MaxPool1d(5, ceil_mode=True)),
        (lambda m, x: m.layer(x).mean(2), nn.MaxPool1d(3, dilation=2)),
        (lambda m, x: m.layer(x)[0].mean(2), nn.MaxPool1d(3, return_indices=True)),
        (lambda m, x: m.layer(ends(x)).mean(1), nn.MaxPool1d(2)),
        (lambda m, x: m.layer(x).mean(2), nn.AvgPool1d(5, ceil_mode=True)),
        (lambda m, x: m.layer(x).mean(2), nn.AvgPool1d(3, padding=1, count_include_pad=False)),
        (lambda m, x: m.layer(ends(x)).mean(1), nn.AvgPool1d(2)),
    ],
    "a batch normalisation": [
        (lambda m, x: m.layer(x).mean(2), nn.BatchNorm1d(2, track_running_stats=False)),
        (lambda m, x: m.layer(ends(x)).mean(1), nn.BatchNorm1d(12)),
    ],
    "a convolution": [
        (lambda m, x: m.layer(ends(x)).mean(2), nn.Conv1d(12, 3, 1)),
        (lambda m, x: F.conv1d(x, x).mean(2), None),
    ],
    "a convolution with padding 'reflect'": [
        (lambda m, x: m.layer(x).mean(2), nn.Conv1d(2, 3, 3, padding=1, padding_mode="reflect")),
    ],
    "a sum": [
        (lambda m, x: torch.add(x, x, alpha=2).mean(2), None),
        (lambda m, x: (x + 1.0).mean(2), None),
        (lambda m, x: (1.0 + x).mean(2), None),
        (lambda m, x: (m.layer(x) + ends(m.layer(x))).mean(2), nn.Conv1d(2, 12, 1)),
        (lambda m, x: (x + m.layer(x)).mean(2), nn.Conv1d(2, 1, 1)),
    ],
    "a concatenation": [
        (lambda m, x: torch.cat([x, x], 2).mean(2), None),
        (lambda m, x: torch.cat([x, x], -1).mean(2), None),
        (lambda m, x: torch.cat([x, x]).mean(2), None),
        (lambda m, x: torch.cat([ends(x), ends(x)], 1).mean(1), None),
        (lambda m, x: torch.cat([x, m.of_batch], 1).mean(2), None),
        (lambda m, x: torch.cat([m.of_batch, x], 1).mean(2), None),
        (lambda m, x: torch.cat([m.layer(x), ends(m.layer(x))], 1).mean(2), nn.Conv1d(2, 12, 1)),
    ],
    "a mean": [
        (lambda m, x: x.mean(1), None),
        (lambda m, x: x.mean(0), None),
        (lambda m, x: x.mean(), None),
        (lambda m, x: x.mean((2, 1)), None),
        (lambda m, x: x.mean(2, keepdim=True), None),
        (lambda m, x: x.mean(2).mean(0), None),
        (lambda m, x: x.mean(2).mean(1), None),
    ],
    "a linear layer over time": [
        (lambda m, x: m.layer(x).mean(2), nn.Linear(12, 3)),
        (lambda m, x: F.linear(x.mean(2), x.mean(2)), None),
    ],
    "a flattening": [
        (lambda m, x: torch.flatten(x), None),
        (lambda m, x: x.flatten(0, 1), None),
        (lambda m, x: x.flatten(2).mean(2), None),
        (lambda m, x: m.layer(x).mean(2), nn.Flatten(1, 1)),
        (lambda m, x: ends(x).flatten(1), None),
    ],
    "a softmax": [
        (lambda m, x: x.softmax(1).mean(2), None),
        (lambda m, x: x.mean(2).softmax(0), None),
    ],
    "a transposition": [
        (lambda m, x: x.transpose(0, 1).mean(2), None),
        (lambda m, x: x.mean(2).transpose(0, 1), None),
        (lambda m, x: torch.transpose(x, 0, 2).mean(2), None),
    ],
    "a choice of timesteps": [
        (lambda m, x: x[:, -1], None),
        (lambda m, x: ends(x)[:, 0], None),
        (lambda m, x: ends(x)[:1, -1], None),
        (lambda m, x: ends(x)[-1], None),
        (lambda m, x: ends(x)[:, -1, :1], None),
    ],
    "a GRU": [
        (lambda m, x: m.layer(x)[0].mean(1), nn.GRU(12, 3, batch_first=True)),
        (lambda m, x: m.layer(ends(x))[0].mean(1), nn.GRU(2, 3)),
        (
            lambda m, x: m.layer(ends(x), m.of_batch[:1, :, :3])[0].mean(1),
            nn.GRU(2, 3, batch_first=True),
        ),
    ],
}


@pytest.mark.parametrize(
    ("what", "function", "layer"), [(what, *case) for what in REFUSED for case in REFUSED[what]]
)
def test_a_layer_that_cannot_be_written_is_refused_by_its_name(what, function, layer):
    module = built(function, layer=layer)
    with pytest.raises(ExportError, match=rf"^{what} of the student can be written neither"):
        program_of(module, 2, 12)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m, x: x, "does not return one number for each class"),
        (lambda m, x: None, "does not return one number for each class"),
        (lambda m, x: m.matrix, "does not return one number for each class"),
        (lambda m, x: x.mean(2).sin(), "a layer sin that can"),
        (lambda m, x: torch.cos(x).mean(2), "a layer cos that can"),
        (lambda m, x: m.layer(x).mean(2), r"a layer Tanh \(layer\) that can"),
        (lambda m, x: x.mean(7), "^mean of the student fails: IndexError"),
        (lambda m, x: F.conv1d(input=x, weight=m.kernel).mean(2), "is used in an unknown way"),
        (lambda m, x: (F.relu(x, inplace=True) + x).mean(2), "inplace=True has overwritten"),
        (lambda m, x: (F.relu(x, True) + x).mean(2), "inplace=True has overwritten"),
    ],
)
def test_what_else_cannot_be_written_is_said(function, message):
    with pytest.raises(ExportError, match=message):
        program_of(built(function, layer=nn.Tanh()), 2, 12)


def test_weights_that_a_module_computes_from_others_are_written():
    assert_same(built(lambda m, x: F.linear(x.mean(2), m.matrix * 2 + 1, m.matrix[:, 0])))
    with pytest.raises(ExportError, match="linear.* is used in an unknown way"):
        program_of(built(lambda m, x: F.linear(m.matrix, x.mean(2))), 2, 12)


def test_normalisation_and_relu_become_part_of_the_convolution_before_them():
    layers = {"conv": nn.Conv1d(2, 3, 3), "norm": nn.BatchNorm1d(3, eps=0.1)}
    program = assert_same(built(lambda m, x: m.norm(m.conv(x)).relu().mean(2), **layers))
    assert operations(program) == ["conv relu", "mean"]
    program = assert_same(built(lambda m, x: m.norm(m.conv(x).relu()).relu().mean(2), **layers))
    assert operations(program) == ["conv relu", "affine relu", "mean"]

    def residual(m, x):
        x = m.conv(x)
        return (m.norm(x).relu() + x).relu().mean(2)

    program = assert_same(built(residual, **layers))
    assert operations(program) == ["conv", "affine relu", "add relu", "mean"]
    program = assert_same(built(lambda m, x: m.pool(x).relu().mean(2), pool=nn.MaxPool1d(2)))
    assert operations(program) == ["max_pool", "relu", "mean"]


def test_what_is_read_twice_or_given_as_the_answer_is_not_changed_by_what_follows():
    def twice(m, x):
        x = m.conv(x)
        return torch.cat([x.relu(), x], 1).mean(2)

    assert_same(built(twice, conv=nn.Conv1d(2, 3, 3)))

    def with_a_further_output(m, x):
        x = m.conv(x).mean(2) + m.conv(x).transpose(1, 2)[:, -1]
        return x, x.relu()

    program = program_of(built(with_a_further_output, conv=nn.Conv1d(2, 3, 3)), 2, 12)
    assert operations(program) == ["conv", "mean", "conv", "last", "add"]  # nothing reads the rest
    assert program.shapes == [(2, 12), (3, 10), (3, 1), (3, 10), (3, 1), (3, 1)]
    assert program.result == 5


class OneClassMoved(nn.Sequential):
    """Its layers give the answers of all classes but one."""

    def __init__(self, by):
        super().__init__(nn.Flatten(), nn.Linear(24, 3))
        self.by = by
        self[1].register_forward_hook(lambda module, given, output: output + self.moved())

    def moved(self):
        return torch.tensor([0.0, 0.0, self.by])


def test_answers_may_differ_from_those_of_torch_by_rounding_and_no_further():
    def moved(by):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return OneClassMoved(by).eval()

    assert operations(program_of(moved(5e-4), 2, 12)) == ["join", "linear"]
    for by in (0.01, -0.01, float("nan")):
        with pytest.raises(ExportError, match="one after another, give other answers"):
            program_of(moved(by), 2, 12)


def test_answers_to_series_with_gaps_are_compared_too():
    network = built_for(FCN(2), (2, 12, 3), gaps=True).eval()
    assert operations(program_of(network, 2, 12))[:2] == ["affine", "fill"]
    network.register_forward_hook(lambda module, given, out: out + given[0].isnan().any())
    with pytest.raises(ExportError, match="one after another, give other answers"):
        program_of(network, 2, 12)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_said(value):
    module = built(lambda m, x: m.layer(x.mean(2)), layer=nn.Linear(2, 3))
    with torch.no_grad():
        module.layer.weight[1, 1] = value
    with pytest.raises(ExportError, match="the student Own has weights that are NaN or infinite"):
        program_of(module, 2, 12)


def test_large_logits_before_a_softmax_are_no_other_answers():
    module = built(lambda m, x: (m.layer(x.mean(2))).softmax(1), layer=nn.Linear(2, 3))
    with torch.no_grad():
        module.layer.weight *= torch.tensor([[-1e4], [1e4], [0.0]])
    assert program_of(module, 2, 12, gives_proba=True).is_softmaxed
