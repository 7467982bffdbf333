"""What changes the bits of a student, and by how much?

    OMP_NUM_THREADS=1 python benchmarks/repeatability.py --epochs 100

Every fit runs in a process of its own on ItalyPowerDemand, with the default student and a forest of
50 trees as teacher, and is compared with a first fit: the largest difference of a probability, of
a value of a map in units of the largest value, and the share of equal predictions. The second
table asks one fitted student in different ways.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier

AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
FITS = {
    "the same again": ([], {}),
    "other hashes of Python": ([], {"PYTHONHASHSEED": "1"}),
    "n_jobs=2": (["--n-jobs", "2"], {}),
    "memory": (["--memory"], {}),
    "two threads": (["--threads", "2"], {}),
    "torch's own code for AVX2": ([], {"ATEN_CPU_CAPABILITY": "avx2"}),
    "torch's own code without AVX": ([], {"ATEN_CPU_CAPABILITY": "default"}),
    "oneDNN for AVX2": ([], {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "MKL for AVX2": ([], {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    "NumPy without AVX-512": ([], {"NPY_DISABLE_CPU_FEATURES": AVX512}),
    "all four as without AVX-512": (
        [],
        {
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "NPY_DISABLE_CPU_FEATURES": AVX512,
        },
    ),
    "another random_state": (["--seed", "1"], {}),
}


def series():
    X, y = load_italy_power_demand(split="train", return_type="numpy3D")
    return X, y, load_italy_power_demand(split="test", return_type="numpy3D")[0][:200]


def fitted(arguments):
    X, y, _ = series()
    teacher = RandomForestClassifier(50, min_samples_leaf=2, random_state=0)
    teacher.fit(X[:, 0], y)
    with tempfile.TemporaryDirectory() as folder:
        return SaliencyDistilledClassifier(
            teacher, max_epochs=arguments.epochs, random_state=arguments.seed,
            n_jobs=arguments.n_jobs, memory=folder if arguments.memory else None,
        ).fit(X[:, 0], y)  # fmt: skip


def child(arguments):
    """Fit, and write what the student answers."""
    student, (_, _, X_new) = fitted(arguments), series()
    maps = student.explain(X_new[:50, 0], target=np.repeat(student.classes_[0], 50))
    np.savez(arguments.child, proba=student.predict_proba(X_new[:, 0]), maps=maps)


def answers_of(arguments, options, environment, folder):
    """Answers of a student that another process fits."""
    path = pathlib.Path(folder) / "answers.npz"
    command = [sys.executable, "-W", "ignore", __file__, "--child", str(path)]
    command += ["--epochs", str(arguments.epochs), *options]
    subprocess.run(command, env=os.environ | environment, check=True)
    with np.load(path) as found:
        return found["proba"], found["maps"]


def row(name, first, other):
    proba, maps = (np.abs(a - b).max() for a, b in zip(first, other, strict=True))
    maps = maps / np.abs(first[1]).max()
    same = np.mean(first[0].argmax(axis=1) == other[0].argmax(axis=1))
    print(f"{name:32}  {proba:8.1e}  {maps:8.1e}  {same:8.3f}", flush=True)


def compare_fits(arguments):
    print(f"{f'a fit of {arguments.epochs} epochs':32}  proba     map       same")
    with tempfile.TemporaryDirectory() as folder:
        first = answers_of(arguments, [], {}, folder)
        for name, (options, environment) in FITS.items():
            row(name, first, answers_of(arguments, options, environment, folder))


def compare_questions(arguments):
    """One student, asked about the same series in different ways."""
    student, X = fitted(arguments), series()[2][:, 0]
    target = np.repeat(student.classes_[0], len(X))

    def asked(order, size, threads=1):
        torch.set_num_threads(threads)
        parts = [order[i : i + size] for i in range(0, len(order), size)]
        proba = np.concatenate([student.predict_proba(X[part]) for part in parts])
        maps = np.concatenate([student.explain(X[part], target=target[part]) for part in parts])
        torch.set_num_threads(1)
        back = np.argsort(order)
        return proba[back], maps[back]

    rows = np.arange(len(X))
    whole = asked(rows, len(X))
    print(f"\n{'one student, asked':32}  proba     map       same")
    row("again", whole, asked(rows, len(X)))
    row("in reversed order", whole, asked(rows[::-1], len(X)))
    row("in batches of 32", whole, asked(rows, 32))
    row("in batches of 7", whole, asked(rows, 7))
    row("one by one", whole, asked(rows, 1))
    row("by two threads", whole, asked(rows, len(X), threads=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--child", help="file for the answers of one fit")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--n-jobs", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        return child(arguments)
    print(
        f"torch {torch.__version__}, NumPy {np.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}"
    )
    compare_fits(arguments)
    return compare_questions(arguments)


if __name__ == "__main__":
    main()
