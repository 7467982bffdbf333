"""A small student's probabilities, map and history, to be compared with those of golden.json.

From the root of the project, with the torch of constraints.txt::

    OMP_NUM_THREADS=1 python -m tests.numbers.make_golden --write

Without ``--write`` they are printed. The teacher is made of NumPy's additions and products alone.
"""

import argparse
import json
import os
import pathlib
import platform

import numpy as np
import torch
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier

PATH = pathlib.Path(__file__).parent / "golden.json"


def teacher(X):
    """Probabilities of a model that compares the evening with the morning."""
    X = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
    contrast = X[:, 17:21].sum(axis=1) - X[:, 7:11].sum(axis=1)
    first = np.clip(0.5 + contrast / 16, 0.02, 0.98)
    return np.column_stack([first, 1 - first])


def machine():
    """What decides in which order sums are taken, as far as it can be told."""
    return {
        "torch": torch.__version__.partition("+")[0],
        "numpy": np.__version__,
        "machine": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": processor(),
        "oneDNN limited to": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
    }


def processor():
    """Maker and vector instructions of the processor, by which libraries choose their code."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return [platform.processor()]
    values = {line.partition(":")[0].strip(): line.partition(":")[2].split() for line in lines}
    vector = [flag for flag in values.get("flags", ()) if flag.startswith(("avx", "fma", "amx"))]
    return [*values.get("vendor_id", ()), *sorted(vector)]


def numbers(**settings):
    """What a student of a short fit answers, as numbers that JSON keeps to the last bit."""
    X, y = load_italy_power_demand(split="train", return_type="numpy3D")
    X_new, _ = load_italy_power_demand(split="test", return_type="numpy3D")
    settings = {"max_epochs": 6, "n_windows": 8, "random_state": 0} | settings
    student = SaliencyDistilledClassifier(teacher, **settings).fit(X, y)
    return {
        "proba": student.predict_proba(X_new[:8]).astype(float).tolist(),
        "map": student.explain(X_new[:2]).astype(float).tolist(),
        "history": [
            {name: value for name, value in row.items() if name != "dur"}  # which is in seconds
            for row in student.history_
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write golden.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = json.dumps({"made on": machine(), "numbers": numbers()}, indent=1) + "\n"
    if arguments.write:
        PATH.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
