"""What a student takes where it is deployed, counted by hand."""

import re

import pytest
import torch
from torch import nn

from tests.export.conftest import small
from tsdistill._version import __version__


class Counted(nn.Module):
    """A convolution of 2 channels to 5, a GRU of 4 states, and a linear layer to 3 classes."""

    def __init__(self, n_channels, n_timepoints, n_classes):
        super().__init__()
        self.conv = nn.Conv1d(n_channels, 5, 5, padding=2, bias=False)
        self.gru = nn.GRU(5, 4, batch_first=True)
        self.linear = nn.Linear(4, n_classes)

    def forward(self, x):
        states, _ = self.gru(self.conv(x).relu().transpose(1, 2))
        return self.linear(states[:, -1])


CONV, GRU, LINEAR = 5 * 2 * 5, 3 * 4 * (5 + 4), 3 * 4
COSTS = {
    "weights": CONV + GRU + 24 + LINEAR + 3,
    "bits": 32,
    "constant_bytes": 4 * (CONV + 5 + GRU + 24 + LINEAR + 3),  # a bias of zeros is written too
    "memory_bytes": 4 * (20 * 5 + 20 * 4 + 2 * 4),  # states before and after a timestep
    "multiplications": 20 * CONV + 20 * GRU + LINEAR,
}
ROUNDED = COSTS | {
    "bits": 8,
    "constant_bytes": CONV + GRU + LINEAR + 4 * (5 + 12 + 12 + 3) + 4 * (5 + 24 + 3),
}


@pytest.fixture(scope="module")
def classifier():
    return small(Counted, 2)


@pytest.mark.parametrize(("bits", "expected"), [(None, COSTS), (8, ROUNDED)])
def test_costs_are_those_of_each_layer_in_every_form(bits, expected, classifier, tmp_path):
    one = classifier if bits is None else classifier.quantised(bits)
    assert one.student_costs() == expected
    one.to_c(tmp_path / "a.c")
    comment, code = (tmp_path / "a.c").read_text().split("#include", 1)
    assert code.count("static const int8_t") == (0 if bits is None else 4)
    text = re.sub(r"\s+\*?\s*", " ", comment)
    version = __version__ + ("" if bits is None else ", weights of 8 bits")
    assert text.startswith(f"/* A time-series classifier, written by tsdistill {version}. ")
    assert f"Constants take {expected['constant_bytes']} bytes." in text
    assert f"a static block of {expected['memory_bytes']} bytes" in text
    assert f"takes {expected['multiplications']} multiplications" in text
    one.to_html(tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    each = "" if bits is None else " of 8 bits each"
    assert f" {expected['constant_bytes']} bytes of weights{each}, and" in page
    assert f"its {expected['multiplications']} multiplications a series are" in page


def test_the_costs_of_a_gru_are_those_of_its_largest_layer():
    class Two(nn.Module):
        def __init__(self, n_channels, n_timepoints, n_classes):
            super().__init__()
            self.first = nn.GRU(n_channels, 25, batch_first=True)  # more states than timesteps
            self.second = nn.GRU(25, n_classes, batch_first=True)

        def forward(self, x):
            return self.second(self.first(x.transpose(1, 2))[0])[0].mean(1)

    with torch.random.fork_rng():
        classifier = small(Two)
    memory = 20 * 25 + 20 * 3 + 2 * 25
    assert classifier.student_costs()["memory_bytes"] == 4 * memory


def test_without_a_gru_there_are_no_states():
    with torch.random.fork_rng():
        classifier = small(nn.Sequential(nn.Flatten(), nn.Linear(20, 3)))
    assert classifier.student_costs() == {
        "weights": 63, "bits": 32, "constant_bytes": 4 * 63, "memory_bytes": 4 * (20 + 3),
        "multiplications": 60,
    }  # fmt: skip
