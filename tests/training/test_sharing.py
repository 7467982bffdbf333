"""Several processes that train one student, on the CPU by gloo."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import tsdistill
from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError
from tsdistill.students import Lite
from tsdistill.training.sharing import ShareSteps, part_of_step

SCRIPT = """
import sys

import numpy as np
import torch

from tests.training.test_sharing import fits

rank, n_processes, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/group", rank=rank, world_size=n_processes
)
for name, (proba, losses) in fits(shared=True).items():
    np.savez(f"{folder}/{name}.{rank}.npz", proba=proba, losses=losses)
torch.distributed.destroy_process_group()
"""


def series():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(52, 1, 20)).astype(np.float32), np.arange(52) % 2
    X[y == 1, :, 5:10] += 1.5
    return X, y


def teacher(X):
    p = 1 / (1 + np.exp(-2 * (X[:, 0, 5:10].mean(axis=1) - 0.7)))
    return np.stack([1 - p, p], axis=1)


def fits(shared):
    """Probabilities and held-out losses of some fits, in one process or in its part of several."""
    X, y = series()
    common = {"max_epochs": 6, "batch_size": 14, "random_state": 0, "n_windows": 4}
    callbacks = {"callbacks": [ShareSteps()]} if shared else {}
    cases = {
        "gru": {"student": "gru", "n_mixtures": 0},
        "mixtures": {"student": "gru", "n_mixtures": 30, "windows_per_step": 2},
        "few copies": {"student": "gru", "n_mixtures": 0, "windows_per_step": 0.5},
        "lite": {"student": Lite(n_filters=2), "n_mixtures": 0, "validation_fraction": 0.3},
    }
    found = {}
    for name, settings in cases.items():
        student = SaliencyDistilledClassifier(teacher, **common, **settings, **callbacks).fit(X, y)
        losses = [row.get("valid_loss", 0.0) for row in student.history_]
        found[name] = student.predict_proba(X), np.array(losses)
    return found


@pytest.mark.slow
def test_two_processes_train_the_student_of_one(tmp_path):
    root = str(Path(tsdistill.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    processes = [
        subprocess.Popen([*arguments, str(rank), "2", str(tmp_path)], env=environment)
        for rank in range(2)
    ]
    try:
        alone = fits(shared=False)
        assert [process.wait(timeout=240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    for name, (proba, _) in alone.items():
        first, second = (np.load(tmp_path / f"{name}.{rank}.npz") for rank in range(2))
        np.testing.assert_allclose(first["proba"], second["proba"], atol=1e-6, err_msg=name)
        np.testing.assert_allclose(first["losses"], second["losses"], atol=1e-6, err_msg=name)
        # Batch normalisation takes the statistics of a process's own part.
        tolerance = 0.1 if name == "lite" else 2e-5
        if name == "few copies":  # the share of copied series differs a little
            tolerance = 0.01
        np.testing.assert_allclose(first["proba"], proba, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("copied", [None, [0, 1, 2], [1, 3]])
@pytest.mark.parametrize("n_processes", [1, 2, 3])
def test_the_parts_of_a_step_make_the_step(copied, n_processes):
    rows = torch.arange(10, 17)
    wanted = None if copied is None else rows[copied].tolist()
    copied = None if copied is None else torch.tensor(copied)
    parts = [part_of_step(rows, copied, (i, n_processes)) for i in range(n_processes)]
    assert sorted(torch.cat([mine for mine, _ in parts]).tolist()) == rows.tolist()
    if copied is not None:
        assert sorted(torch.cat([mine[some] for mine, some in parts]).tolist()) == wanted


def test_a_process_without_a_group_is_told_so():
    student = SaliencyDistilledClassifier(teacher, callbacks=[ShareSteps()], max_epochs=2)
    with pytest.raises(ParameterError, match=r"joined no group; call .*init_process_group"):
        student.fit(*series())


def test_too_few_series_for_all_processes_are_an_error(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1
    )
    try:
        settings = {"max_epochs": 2, "batch_size": 4, "n_mixtures": 0, "random_state": 0}
        model = SaliencyDistilledClassifier(teacher, callbacks=[ShareSteps], **settings)
        model.fit(*series())  # one process shares with nobody
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.distributed, "get_world_size", lambda: 3)
            with pytest.raises(ParameterError, match=r"3 processes share .* have 4 series; expect"):
                model.fit(*series())
    finally:
        torch.distributed.destroy_process_group()
