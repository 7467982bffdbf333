"""What the tests of the exports share."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from torch import nn

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import FCN


def bumps(n_channels=1, n_timepoints=20):
    """Twelve series in three classes; the bumps are in the last channel."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    X = rng.normal(scale=0.1, size=(12, n_channels, n_timepoints))
    for row, k in enumerate(y):
        X[row, -1, 2 + 6 * k : 6 + 6 * k] += 1.0
    return X.astype(np.float32), y


def teacher_of_last(X):
    return bump_teacher(np.asarray(X)[:, -1, :20])


def small(student=None, n_channels=1, n_timepoints=20, labels=None, **settings):
    """A student of bumps that trains in a moment."""
    X, y = bumps(n_channels, n_timepoints)
    settings = {"max_epochs": 3, "n_windows": 4, "n_mixtures": 4, "random_state": 0} | settings
    student = FCN(n_filters=4) if student is None else student
    model = SaliencyDistilledClassifier(teacher_of_last, student, **settings)
    return model.fit(X, y if labels is None else np.asarray(labels)[y])


@pytest.fixture(scope="session")
def fitted():
    """A fitted classifier that no test changes."""
    return small()


class OwnNetwork(nn.Module):
    """A module that tsdistill does not know."""

    def __init__(self, n_channels, n_timepoints, n_classes, scale=1.0):
        super().__init__()
        self.linear = nn.Linear(n_channels * n_timepoints, n_classes)
        self.scale = scale

    def forward(self, x):
        return self.scale * self.linear(x.flatten(1))


NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
needs_node = pytest.mark.skipif(NODE is None, reason="no node")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no browser")


def script(page, name):
    return re.search(rf'<script id="{name}">(.*?)</script>', page, flags=re.DOTALL)[1]


@pytest.fixture
def in_javascript(tmp_path):
    """Runs an expression on the parts of a page that need no browser."""

    def run(path, expression):
        page = path.read_text(encoding="utf-8")
        program = tmp_path / "run.js"
        told = f"console.log(JSON.stringify({expression}));"
        program.write_text(script(page, "model") + script(page, "network") + told, encoding="utf-8")
        shown = subprocess.run([NODE, program], capture_output=True, text=True, check=True)
        return json.loads(shown.stdout)

    return run


@pytest.fixture
def page(tmp_path):
    """Writes the page of a classifier."""

    def written(classifier, *X, **settings):
        path = tmp_path / "student.html"
        classifier.to_html(path, *X, **settings)
        return path

    return written


@pytest.fixture
def in_browser(tmp_path):
    """What a page has become in a browser that shows one of its series."""

    def shown(path, number=0):
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"{path.as_uri()}#{number}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    return shown
