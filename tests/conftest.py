import importlib
import importlib.util
import os
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from sktime.datasets import load_basic_motions, load_gunpoint, load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import Inception
from tsdistill.training.transfer_set import TransferSet

torch.set_num_threads(1)  # small networks: more threads only wait for each other

MOVED = {
    **dict.fromkeys(("interpolate", "padder", "truncation"), "panel"),
    **dict.fromkeys(("adapt", "exponent", "impute", "summarize"), "series"),
}
"""Modules of sktime.transformations, and the folder in which they lay before sktime 1.0."""
for name, folder in MOVED.items():
    if importlib.util.find_spec(f"sktime.transformations.{name}") is None:
        before = importlib.import_module(f"sktime.transformations.{folder}.{name}")
        sys.modules[f"sktime.transformations.{name}"] = before


@pytest.fixture(scope="session")
def gunpoint():
    """X (50, 1, 150), y, X_test (150, 1, 150), y_test; labels '1' and '2'."""
    return (
        *load_gunpoint(split="train", return_type="numpy3D"),
        *load_gunpoint(split="test", return_type="numpy3D"),
    )


@pytest.fixture(scope="session")
def italy():
    """X (67, 1, 24), y, X_test, y_test."""
    return (
        *load_italy_power_demand(split="train", return_type="numpy3D"),
        *load_italy_power_demand(split="test", return_type="numpy3D"),
    )


@pytest.fixture(scope="session")
def motions():
    """X (40, 6, 100), y, X_test, y_test; four classes, strings."""
    return (
        *load_basic_motions(split="train", return_type="numpy3D"),
        *load_basic_motions(split="test", return_type="numpy3D"),
    )


def train_network(X, y, n_filters, epochs, seed=0):
    """A small Inception network trained through skorch, on labels 0 .. K - 1."""
    codes = np.unique(y, return_inverse=True)[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return NeuralNetClassifier(
            Inception(n_filters=n_filters).build(*X.shape[1:], codes.max() + 1),
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=0.003,
            max_epochs=epochs,
            batch_size=16,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).fit(X.astype(np.float32), codes)


@pytest.fixture(scope="session")
def gunpoint_net(gunpoint):
    """A fitted skorch net on GunPoint, its classes 0 and 1."""
    return train_network(gunpoint[0], gunpoint[1], n_filters=8, epochs=40)


@pytest.fixture(scope="session")
def gunpoint_answers(tmp_path_factory):
    """Where the answers of ``gunpoint_net`` are kept, so that no two tests ask for the same."""
    return tmp_path_factory.mktemp("gunpoint_answers")


@pytest.fixture
def toy():
    """Twelve series of 20 steps in three classes, told apart by where the bump is."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    X = rng.normal(scale=0.1, size=(12, 20))
    for row, k in enumerate(y):
        X[row, 2 + 6 * k : 6 + 6 * k] += 1.0
    return X, y


def bump_teacher(X):
    """Probabilities of a model that looks where the toy bumps are."""
    X = np.asarray(X).reshape(len(X), -1)
    scores = np.stack([X[:, 2 + 6 * k : 6 + 6 * k].mean(axis=1) for k in range(3)], axis=1)
    weights = np.exp(3 * scores)
    return weights / weights.sum(axis=1, keepdims=True)


class Counted:
    """A black box that counts the series it is asked about."""

    def __init__(self):
        self.n_asked = 0

    def __call__(self, X):
        self.n_asked += len(X)
        return bump_teacher(X)


class Holder:
    """A black box around a module."""

    def __init__(self, module):
        self.module = module

    def __call__(self, X):
        with torch.no_grad():
            return self.module(torch.tensor(np.asarray(X))).softmax(1).numpy()


def transfer_set_of(panel, class_index, answers, plan=None):
    """A transfer set made of these parts."""
    return TransferSet(
        source=None, teacher=None, panel=panel, labels=class_index, class_index=class_index,
        answers=answers, plan=plan,
    )  # fmt: skip


@pytest.fixture
def quick():
    """The estimator with settings that train in a moment."""

    def make(teacher=bump_teacher, **settings):
        settings = {"max_epochs": 3, "n_windows": 4, "random_state": 0} | settings
        return SaliencyDistilledClassifier(teacher, **settings)

    return make


SLOW_DOCTESTS = {
    *("teachers.md", "searches.md", "how_small.md", "how_sure.md", "watching.md", "series.md"),
    *("start.md", "tracking.md", "methods.md", "saliency_maps.md", "deployment.md"),
    "tsdistill.sktime.SaliencyDistilledTSC",
}
SLOW_FIXTURES = {"distilled", "kd", "explained"}
"""Students of GunPoint, trained for 150 epochs."""


def pytest_collection_modifyitems(items):
    """Mark what cannot be marked where it stands, and all tests of a slow fixture."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.name in SLOW_DOCTESTS or not SLOW_FIXTURES.isdisjoint(fixtures):
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter):
    """Say how many checks of scikit-learn and sktime, faults, files and cases there were."""
    _tell_of_faults(terminalreporter)
    _tell_of_files(terminalreporter)
    _tell_of_cases(terminalreporter)
    for name, test in (
        ("scikit-learn", "::test_scikit_learn_check["),
        ("sktime", "::test_sktime_check["),
    ):
        counts = {
            outcome: sum(
                dict(report.user_properties).get("checks", 1)
                for report in reports
                if test in getattr(report, "nodeid", "")
            )
            for outcome, reports in terminalreporter.stats.items()
            if outcome in ("passed", "failed", "xfailed", "skipped", "error")
        }
        if any(counts.values()):
            told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
            terminalreporter.write_line(f"{name}'s own checks: {told}")


def _tell_of_faults(terminalreporter):
    """A line for each kind of fault that the tests in ``faults/`` injected, and their sum."""
    counts = Counter()
    for report in terminalreporter.stats.get("passed", []):
        counts.update(dict(getattr(report, "user_properties", ())).get("faults", {}))
    for kind, n in sorted(counts.items()):
        terminalreporter.write_line(f"faults injected, {kind}: {n}")
    if counts:
        terminalreporter.write_line(f"faults injected in all: {counts.total()}")


def _tell_of_files(terminalreporter):
    """How many files, changed by an attacker, the tests in ``security/`` read."""
    reports = terminalreporter.stats.get("passed", [])
    n_files = sum(dict(getattr(r, "user_properties", ())).get("hostile", 0) for r in reports)
    if n_files:
        terminalreporter.write_line(f"hostile files read: {n_files:,}")


def _tell_of_cases(terminalreporter):
    """On how many cases the properties in ``fuzz/`` were tried; each of them in `make fuzz`."""
    counts = {
        report.nodeid: dict(report.user_properties)["cases"]
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "cases" in dict(getattr(report, "user_properties", ()))
    }
    if "FUZZ_EXAMPLES" in os.environ:
        for name, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:>9,}  {name}")
    if counts:
        n_cases = sum(counts.values())
        terminalreporter.write_line(f"fuzzed: {n_cases:,} cases of {len(counts)} properties")
