"""The C file compiles without a warning, and answers as the classifier does."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetClassifier
from torch import nn

from tests.conftest import bump_teacher
from tests.export.conftest import OwnNetwork, bumps, small
from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import ExportError, FolderMissingError
from tsdistill.export.c import texts_of
from tsdistill.objectives import ExplanationAutoencoder
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet

COMPILER = shutil.which("cc")
CROSS = shutil.which("arm-none-eabi-gcc")
STRICT = ("-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

MAIN = r"""
#include <stdio.h>
#include "student.c"
int main(void)
{
    static float series[TSDISTILL_N_CHANNELS * TSDISTILL_N_TIMEPOINTS];
    float proba[TSDISTILL_N_CLASSES] = {0.0f};
    const size_t n = sizeof series / sizeof *series;
    while (fread(series, sizeof *series, n, stdin) == n) {
        const int best = tsdistill_predict(series, proba);
        int k;
        printf("%d %s", best, best < 0 ? "-" : tsdistill_classes[best]);
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
        program = tmp_path / "main"
        checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
        subprocess.run(
            [COMPILER, *STRICT, "-g", *checks, "-o", program, tmp_path / "main.c", "-lm"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        content = np.ascontiguousarray(X, dtype=np.float32).tobytes()
        answered = subprocess.run([program], input=content, capture_output=True, check=True)
        rows = [line.split(" ") for line in answered.stdout.decode().splitlines()]
        best, labels = [int(row[0]) for row in rows], [row[1] for row in rows]
        return np.array(best), labels, np.array([row[2:] for row in rows], dtype=float)

    return compiled


STUDENTS = [
    "lite", "inception", "fcn", "resnet", "gru",
    Lite(2, (9, 5), stride=3), Lite(2, (9, 5), pool=3, bottleneck=2),
    Inception(2, n_blocks=6, kernel_sizes=(5, 3)),
    FCN(3, (7, 5, 3)), ResNet(3, n_blocks=2), GRU(4, n_layers=2, bidirectional=True),
]  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_answers_are_those_of_the_classifier(student, n_channels, run):
    classifier = small(student, n_channels, n_timepoints=41, labels=["a", "b", "c"])
    X = bumps(n_channels, 41)[0]
    for one in (classifier, classifier.quantised(), classifier.quantised(3)):
        best, labels, proba = run(one, X)
        np.testing.assert_allclose(proba, one.predict_proba(X), atol=1e-5)
        assert labels == one.predict(X).tolist()
        np.testing.assert_array_equal(one.classes_[best], one.predict(X))


@needs_compiler
def test_an_autoencoder_is_written_too(run):
    auxiliary = ExplanationAutoencoder(n_questions=200, n_filters=3)
    classifier = small("lite", auxiliary=auxiliary, n_mixtures=0)
    X = bumps()[0]
    np.testing.assert_allclose(run(classifier, X)[2], classifier.predict_proba(X), atol=1e-5)


@needs_compiler
def test_a_module_of_the_user_made_of_such_layers_is_written_too(run):
    class Own(nn.Module):
        def __init__(self, n_channels, n_timepoints, n_classes):
            super().__init__()
            self.first = nn.Conv1d(n_channels, 4, 5, padding="same")
            self.normalise = nn.BatchNorm1d(4, affine=False)
            self.second = nn.Conv1d(4, 4, 3, padding=1, groups=2)
            self.drop = nn.Dropout(0.5)
            self.linear = nn.Linear(8, n_classes, bias=False)

        def forward(self, x):
            x = self.drop(self.normalise(self.first(x)).relu())
            x = x + self.second(x)
            return self.linear(torch.cat([x.mean(dim=2), x.transpose(1, 2)[:, -1]], 1))

    classifier = small(Own, n_channels=2)
    X = bumps(2)[0]
    np.testing.assert_allclose(run(classifier, X)[2], classifier.predict_proba(X), atol=1e-5)


@needs_compiler
def test_probabilities_get_no_second_softmax(run):
    class Proba(nn.Sequential):
        def forward(self, x):
            return super().forward(x).softmax(1)

    net = NeuralNetClassifier(
        Proba(nn.Flatten(), nn.Linear(20, 3)), criterion=nn.NLLLoss, lr=0.1, max_epochs=2
    )
    classifier = small(net)
    X = bumps()[0]
    np.testing.assert_allclose(run(classifier, X)[2], classifier.predict_proba(X), atol=1e-5)
    twice = small(Proba(nn.Flatten(), nn.Linear(20, 3)))  # its outputs are taken as logits
    with pytest.raises(ExportError, match="a softmax that is not its last layer"):
        run(twice, X)


@needs_compiler
def test_series_that_are_not_finite_get_no_answer(run, fitted):
    X = bumps()[0][:3].copy()
    X[0, 0, 3], X[1, 0, 4] = np.nan, np.inf
    best, labels, proba = run(fitted, X)
    assert best[:2].tolist() == [-1, -1] and labels[:2] == ["-", "-"] and best[2] >= 0
    assert not proba[:2].any()


@needs_compiler
def test_labels_of_any_kind_can_be_written(run, tmp_path):
    odd = ['*/"quoted"\\??/', "ünïcode", "%s"]
    classifier = small(labels=odd)
    _, labels, proba = run(classifier, bumps()[0])
    assert labels == classifier.predict(bumps()[0]).tolist()
    np.testing.assert_allclose(proba, classifier.predict_proba(bumps()[0]), atol=1e-5)
    text = (tmp_path / "student.c").read_text()
    assert text.isascii() and "\\303\\274n" in text
    assert text.split("#include")[0].count("*/") == 1
    assert run(small(labels=[-1, 1, 2]), bumps()[0])[1] != []


@pytest.mark.skipif(CROSS is None, reason="no cross-compiler for Cortex-M")
def test_a_default_student_of_eight_bits_fits_a_small_processor(tmp_path):
    classifier = small("lite", n_timepoints=150).quantised()
    classifier.to_c(tmp_path / "student.c")
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Os")
    target = tmp_path / "student.o"
    subprocess.run([CROSS, *STRICT, *flags, "-c", tmp_path / "student.c", "-o", target], check=True)
    shown = subprocess.run(
        [CROSS.replace("gcc", "size"), target], capture_output=True, text=True, check=True
    )
    flash, data, ram = map(int, shown.stdout.splitlines()[1].split()[:3])
    assert flash + data <= 12_000 and ram <= 16_000


def test_bad_input_is_said(fitted, tmp_path):
    with pytest.raises(NotFittedError):
        SaliencyDistilledClassifier(bump_teacher).to_c(tmp_path / "student.c")
    with pytest.raises(FolderMissingError):
        fitted.to_c(tmp_path / "no" / "student.c")

    class Branching(OwnNetwork):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else super().forward(2 * x)

    with pytest.raises(ExportError, match="the student Branching cannot be traced"):
        small(Branching).to_c(tmp_path / "student.c")
    with pytest.raises(ExportError, match="a layer mul that can be written neither in C nor in"):
        small(OwnNetwork).to_c(tmp_path / "student.c")
    odd = nn.Sequential(nn.Conv1d(1, 3, 3, padding_mode="circular"), nn.Flatten(), nn.Linear(54, 3))
    with pytest.raises(ExportError, match="a convolution with padding 'circular'"):
        small(odd).to_c(tmp_path / "student.c")
    deep = nn.Sequential(nn.Flatten(), nn.Linear(20, 5), nn.Tanh(), nn.Linear(5, 3))
    with pytest.raises(ExportError, match=r"a layer Tanh \(2\)"):
        small(deep).to_c(tmp_path / "student.c")
    assert not list(tmp_path.iterdir())


class Residual(nn.Module):
    """A module whose ReLU may write over what is read again."""

    def __init__(self, n_channels, n_timepoints, n_classes, inplace=True):
        super().__init__()
        self.first, self.second = nn.Conv1d(n_channels, 4, 3), nn.Conv1d(4, 4, 3, padding=1)
        self.relu, self.linear = nn.ReLU(inplace=inplace), nn.Linear(4, n_classes)

    def forward(self, x):
        x = self.first(x)
        y = self.second(self.relu(x))
        return self.linear((x + y).mean(-1))


class LastState(nn.Module):
    """A GRU whose last state gives the answer, as it is usually written."""

    def __init__(self, n_channels, n_timepoints, n_classes, n_layers=1):
        super().__init__()
        self.gru = nn.GRU(n_channels, 5, n_layers, batch_first=True)
        self.linear = nn.Linear(5, n_classes)

    def forward(self, x):
        _, state = self.gru(x.transpose(1, 2))
        return self.linear(state[-1])


@needs_compiler
def test_modules_of_the_user_are_written_as_torch_runs_them_or_not_at_all(run, tmp_path):
    X = bumps()[0]
    for student in (LastState, lambda *shape: Residual(*shape, inplace=False)):
        classifier = small(student)
        np.testing.assert_allclose(run(classifier, X)[2], classifier.predict_proba(X), atol=1e-5)
    with pytest.raises(ExportError, match="a ReLU with inplace=True has overwritten"):
        small(Residual).to_c(tmp_path / "other.c")
    with pytest.raises(ExportError, match="of the student fails"):
        small(lambda *shape: LastState(*shape, n_layers=2)).to_c(tmp_path / "other.c")


@needs_compiler
def test_parts_that_are_joined_twice_are_copied(run):
    class Twice(nn.Module):
        """Two GRUs, the first of more states than a series has timesteps."""

        def __init__(self, n_channels, n_timepoints, n_classes):
            super().__init__()
            self.first = nn.GRU(2 * n_channels, 25, batch_first=True)
            self.second = nn.GRU(25, 2, batch_first=True)
            self.linear = nn.Linear(6, n_classes)

        def forward(self, x):
            x = torch.cat([x, x], 1).transpose(1, 2)
            states, last = self.second(self.first(x)[0])
            mean = states.mean(1)
            return self.linear(torch.cat([mean, last[-1], mean], 1))

    classifier = small(Twice)
    X = bumps()[0]
    np.testing.assert_allclose(run(classifier, X)[2], classifier.predict_proba(X), atol=1e-5)


def test_a_network_that_is_not_its_layers_one_after_another_is_refused(tmp_path):
    class Hooked(nn.Sequential):
        def __init__(self, n_channels, n_timepoints, n_classes):
            super().__init__(nn.Flatten(), nn.Linear(n_timepoints, n_classes))
            self[1].register_forward_hook(_doubled)

    with pytest.raises(ExportError, match="its layers, one after another, give other answers"):
        small(Hooked).to_c(tmp_path / "student.c")


def _doubled(module, given, output):
    return 2 * output


def test_labels_are_readable_in_the_comment_and_whole_in_the_strings(tmp_path):
    odd = ["a" * 501, "b??/\n", "c*/ /*\x7f~ ü"]
    small(labels=odd).to_c(tmp_path / "student.c")
    comment, code = (tmp_path / "student.c").read_text(encoding="ascii").split("#include", 1)
    assert f" *           {'a' * 60}, b? ?/?, c* / / *?~ ?.\n" in comment
    strings = f'"{"a" * 500}", "b\\077\\077/\\012", "c*/ /*\\177~ \\303\\274"'
    assert f"tsdistill_classes[TSDISTILL_N_CLASSES] = {{{strings}}};\n" in code


def test_bytes_and_dates_are_labels_as_they_are_read():
    dates = np.array(["2020-01-01", "2021-01-01"], dtype="M8[ns]")
    assert [text[:10] for text in texts_of(dates)] == ["2020-01-01", "2021-01-01"]
    assert texts_of(dates - dates[0]) == ["0 nanoseconds", "31622400000000000 nanoseconds"]
    assert texts_of(np.array([b"a\xff" * 300, b"b"])) == [b"a\xff" * 250, b"b"]
    assert texts_of(np.array([1.5, 2.0])) == ["1.5", "2.0"]


def test_numbers_are_written_as_short_as_they_are_read_back(fitted, tmp_path):
    fitted.to_c(tmp_path / "student.c")
    text = (tmp_path / "student.c").read_text()
    arrays = re.findall(r"static const float \w+\[(\d+)\] = \{\n(.*?)\n\};", text, flags=re.DOTALL)
    found = [row.replace("\n", " ").split(", ") for _, row in arrays]
    assert [len(numbers) for numbers in found] == [int(n) for n, _ in arrays]
    written = {one.strip() for numbers in found for one in numbers}
    assert all(re.fullmatch(r"-?\d\.\d+e[+-]\d\df", one) for one in written)
    linear = list(fitted.student_.module_.parameters())[-2].detach().numpy()
    expected = set(linear.ravel())
    assert expected <= {np.float32(one[:-1]) for one in written}
    assert max(map(len, written)) <= len("-1.23456789e-10f")


def test_parts_of_a_join_are_written_where_they_are_joined(tmp_path):
    small("inception").to_c(tmp_path / "student.c")
    text = (tmp_path / "student.c").read_text()
    assert "conv_f(" in text and "join(" not in text
