"""Real small files, from which hostile ones are made."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.swap.bumps import TEACHER, bumps, fitted_student
from tsdistill import DeferringClassifier, SwapContract, SwapMonitor


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A student, its swap, the monitor of that swap, and files of all of them."""
    folder = tmp_path_factory.mktemp("real")
    student, (X, y) = fitted_student(), bumps(150, 0.8, seed=1)
    swap = DeferringClassifier(student, max_disagreement=0.3).fit(X)
    monitor = SwapMonitor(swap, audit_rate=0.5, random_state=0)
    monitor.predict(X[:60])
    student.save(folder / "student")
    swap.save(folder / "swap")
    monitor.save(folder / "monitor")
    contract = SwapContract(agreement=0.5, weights=20_000, meta={"model": "v3"})
    (folder / "contract").write_text(contract.to_toml())
    proba = student.teacher_.predict_proba(X)
    np.savez(folder / "arrays", X=X, y=y, teacher_proba=proba)
    (folder / "arrays.npz").rename(folder / "arrays")
    return SimpleNamespace(
        folder=folder, student=student, swap=swap, contract=contract, X=X, teacher=TEACHER
    )
