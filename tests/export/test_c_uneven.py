"""C files of students of series of unequal length, or with gaps."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.estimators import test_missing, test_uneven
from tests.export.conftest import bumps, small
from tests.export.test_c import COMPILER, CROSS, STRICT, needs_compiler
from tsdistill.exceptions import ExportError
from tsdistill.export.c import c_source
from tsdistill.inputs.forms import UnevenForm
from tsdistill.students import FCN, GRU, STUDENTS, Lite, Student
from tsdistill.students.base import Standardise

MAIN = r"""
#include <stdio.h>
#include "student.c"
int main(void)
{
    static float series[TSDISTILL_N_CHANNELS * 1000];
    float proba[TSDISTILL_N_CLASSES] = {0.0f};
    int n, k;
    while (fread(&n, sizeof n, 1, stdin) == 1) {
        if (fread(series, sizeof *series, (size_t)(n * TSDISTILL_N_CHANNELS), stdin) == 0) {
            return 1;
        }
        printf("%d", tsdistill_predict(series, n, proba));
        for (k = 0; k < TSDISTILL_N_CLASSES; k++) {
            printf(" %.9g", (double)proba[k]);
        }
        printf("\n");
    }
    return 0;
}
"""


@pytest.fixture
def run(tmp_path):
    """Compiles a classifier with the checks of memory and arithmetic, and asks it about series."""

    def compiled(classifier, X):
        classifier.to_c(tmp_path / "student.c")
        (tmp_path / "main.c").write_text(MAIN)
        checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
        subprocess.run(
            [COMPILER, *STRICT, "-g", *checks, "-o", tmp_path / "main", tmp_path / "main.c", "-lm"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        content = b"".join(
            np.int32(one.shape[-1]).tobytes() + np.float32(one).tobytes() for one in X
        )
        answered = subprocess.run(
            [tmp_path / "main"], input=content, capture_output=True, check=True
        )
        rows = np.array([line.split() for line in answered.stdout.decode().splitlines()])
        return rows[:, 0].astype(int), rows[:, 1:].astype(float)

    return compiled


STUDENTS_OF_TESTS = [
    *STUDENTS, Lite(2, (5, 3), stride=3, pool=3, bottleneck=1),
    GRU(4, n_layers=2, bidirectional=True),
]  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("n_channels", [None, 2])
@pytest.mark.parametrize("student", STUDENTS_OF_TESTS, ids=str)
def test_series_of_any_length_get_the_answers_of_the_classifier(student, n_channels, run):
    X, new = (test_uneven.bumps(n, 0, n_channels)[0] for n in (16, 20))
    longest = max(one.shape[-1] for one in X)
    new = [one[..., :longest] for one in new] + [one[..., :12] for one in new[:3]]
    classifier = test_uneven.quick(student=student, max_epochs=10).fit(X)
    for one in (classifier, classifier.quantised()):
        best, proba = run(one, new)
        np.testing.assert_allclose(proba, one.predict_proba(new), atol=1e-5)
        np.testing.assert_array_equal(one.classes_[best], one.predict(new))
    assert classifier.student_costs()["weights"] > 0


@needs_compiler
@pytest.mark.parametrize("n_channels", [None, 2])
@pytest.mark.parametrize("student", STUDENTS_OF_TESTS, ids=str)
def test_series_with_gaps_get_the_answers_of_the_classifier(student, n_channels, run):
    classifier = test_missing.quick(student=student, max_epochs=10).fit(
        test_missing.bumps(16, 0, n_channels=n_channels)[0]
    )
    new, _ = test_missing.bumps(20, 1, n_channels=n_channels)
    new[0, ..., :7], new[1, ..., 1:-1], new[2, ..., 33:] = np.nan, np.nan, np.nan
    new[2, ..., 32] = 0.5
    if n_channels:
        new[3, 1, 34:] = np.nan  # while the other channel goes on
    best, proba = run(classifier, [new[0], new[1], new[2][..., :33], *new[3:]])
    np.testing.assert_allclose(proba, classifier.predict_proba(new), atol=1e-5)
    np.testing.assert_array_equal(classifier.classes_[best], classifier.predict(new))


@needs_compiler
def test_series_that_it_cannot_take_get_no_answer(run):
    uneven = test_uneven.quick(student=FCN(2)).fit(test_uneven.bumps(16, 0)[0])
    _, longest = uneven._series_lengths
    lengths = [1, 2, longest, longest + 1]
    best, _ = run(uneven, [np.zeros(n) for n in lengths])
    assert best[0] == best[3] == -1 and min(best[1:3]) >= 0
    best, _ = run(uneven, [np.full(30, value) for value in (np.nan, np.inf, -np.inf, 1.0)])
    assert best.tolist()[:3] == [-1, -1, -1] and best[3] >= 0
    gaps = test_missing.quick(student=FCN(2)).fit(test_missing.bumps(16, 0)[0])
    one_value = np.r_[1.0, np.full(29, np.nan)]
    one_value = one_value[::-1]
    ends_in_a_gap = np.r_[np.zeros(29), np.nan]
    series = [np.full(30, np.nan), np.full(30, np.inf), one_value, np.zeros(41), ends_in_a_gap]
    best, _ = run(gaps, series)
    assert best[[0, 1, 3, 4]].tolist() == [-1] * 4 and best[2] >= 0


@pytest.mark.skipif(CROSS is None or shutil.which("size") is None, reason="no compiler for ARM")
def test_it_compiles_for_a_small_processor(tmp_path):
    classifier = test_missing.quick().fit(test_missing.bumps(16, 0)[0]).quantised()
    classifier.to_c(tmp_path / "student.c")
    command = [CROSS, *STRICT, "-mcpu=cortex-m4", "-mthumb", "-Os", "-c", "student.c"]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)


class EvenKernels(nn.Module):
    """Layers whose padding differs on both sides, a sum with a join, and a stride."""

    def __init__(self, n_channels, n_timepoints, n_classes):
        super().__init__()
        self.first = nn.Conv1d(n_channels, 3, 4, padding="same")
        self.second = nn.Conv1d(3, 3, 2, padding="same", dilation=3)
        self.parts = nn.ModuleList([nn.Conv1d(3, 1, 1), nn.Conv1d(3, 2, 1)])
        self.pool = nn.MaxPool1d(3, stride=2, padding=1)
        self.linear = nn.Linear(3, n_classes)

    def forward(self, x):
        x = self.second(self.first(x).relu())
        x = x + torch.cat([self.parts[0](x), self.parts[1](x)], 1)
        return self.linear(self.pool(x).mean(2))


@needs_compiler
def test_even_kernels_of_the_users_module_see_as_far_as_in_torch(run):
    class OfAnyLength:
        def to_c(self, path):
            uneven = UnevenForm("list", 2, 24, ())
            model = replace(classifier._fitted_student(), uneven=uneven, lengths=(20, 24))
            path.write_text(c_source(model), encoding="utf-8")

    classifier = small(EvenKernels, 2, n_timepoints=24)
    X = [bumps(2, n)[0][0] for n in (20, 21, 24)]
    _, proba = run(OfAnyLength(), X)
    with torch.no_grad():
        network = classifier.student_.module_
        expected = [network(torch.tensor(one[None])).softmax(1)[0].tolist() for one in X]
    np.testing.assert_allclose(proba, expected, atol=1e-5)


class Flattened(Student):
    def build(self, n_channels, n_timepoints, n_classes):
        return nn.Sequential(
            Standardise(n_channels), nn.Flatten(), nn.Linear(n_channels * n_timepoints, n_classes)
        )


def test_a_module_that_fills_no_gaps_is_refused(tmp_path):
    classifier = test_missing.quick(student=FCN(2).build(1, 40, 2)).fit(
        test_missing.bumps(16, 0)[0]
    )
    for write in (classifier.to_c, classifier.to_html):
        with pytest.raises(ExportError, match="does not fill the gaps"):
            write(tmp_path / "a")


def test_a_layer_over_all_timesteps_is_refused(tmp_path):
    X = [one[:40] for one in np.nan_to_num(test_missing.bumps(16, 0)[0])]
    classifier = test_missing.quick(student=Flattened()).fit(X)
    with pytest.raises(ExportError, match="linear layer over time.*series of one length"):
        classifier.to_c(tmp_path / "a.c")
