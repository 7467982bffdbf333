"""How time and memory of fit and explain grow with series, timesteps, channels and classes.

    python benchmarks/growth.py run --csv docs/growth.csv
    python benchmarks/growth.py draw --csv docs/growth.csv --folder docs

Starting from 200 series of 100 timesteps, one channel and two classes, one size at a time grows.
Every run is a process of its own, with all defaults but one epoch, since the default number of
epochs falls with the number of series; and an explanation of 20 series. The teacher is a callable
whose cost is next to nothing. Seconds are those of one core. Memory is the highest that the process
held, less what it held after its imports and with the series read.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd

START = {"series": 200, "timesteps": 100, "channels": 1, "classes": 2}
SIZES = {
    "series": [100, 300, 1000, 3000, 10_000, 30_000, 100_000],
    "timesteps": [50, 100, 300, 1000, 3000, 10_000, 20_000],
    "channels": [1, 5, 20, 50, 100, 200, 500],
    "classes": [2, 5, 10, 20, 40, 60],
}
MEASURES = ["fit seconds", "explain seconds", "megabytes"]
KEY = ["axis", "size", "repeat"]
N_EXPLAINED = 20
LARGEST = 3
"""The exponent is that of the sizes from the third largest on, where constants matter least."""


def made(series, timesteps, channels, classes):
    """Noise, with a bump in the first channel whose place tells the class."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((series, channels, timesteps), dtype=np.float32)
    y = np.arange(series) % classes
    width = max(1, timesteps // (2 * classes))
    for one, k in zip(X, y, strict=True):
        one[0, k * timesteps // classes :][:width] += 3
    return X, y


def teacher_of(classes):
    """A callable that compares means of the parts of the first channel."""

    def teacher(X):
        edges = np.arange(classes) * X.shape[-1] // classes
        means = np.add.reduceat(X[:, 0], edges, axis=1) * classes / X.shape[-1]
        p = np.exp(4 * (means - means.max(axis=1, keepdims=True)))
        return p / p.sum(axis=1, keepdims=True)

    return teacher


def measure(sizes):
    """Figures of one fit, and of an explanation; for a process of its own."""
    import torch

    from tsdistill import SaliencyDistilledClassifier

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    teacher = teacher_of(sizes["classes"])
    small = SaliencyDistilledClassifier(teacher_of(2), max_epochs=1, n_queries=100)
    small.fit(*made(20, 20, 1, 2)).explain(made(20, 20, 1, 2)[0])  # all that is loaded once
    X, y = made(**sizes)
    before, start = _megabytes(), time.process_time()
    student = SaliencyDistilledClassifier(teacher, max_epochs=1, random_state=0).fit(X, y)
    fitted = time.process_time()
    student.explain(X[:N_EXPLAINED])
    return {
        "fit seconds": fitted - start,
        "explain seconds": time.process_time() - fitted,
        "megabytes": _megabytes() - before,
        "weights": sum(p.numel() for p in student.student_.module_.parameters()),
        "queries": student.n_queries_,
    }


def _megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_all(options):
    """Run what the CSV file does not hold yet."""
    done = set()
    if options.csv.exists():
        done = set(pd.read_csv(options.csv)[KEY].itertuples(index=False, name=None))
    for repeat in range(options.repeats):
        for axis in options.axes:
            for size in SIZES[axis]:
                if size > options.largest or (axis, size, repeat) in done:
                    continue
                sizes = START | {axis: size}
                sizes["series"] = max(sizes["series"], 2 * sizes["classes"])
                command = [sys.executable, __file__, "measure", json.dumps(sizes)]
                printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                row = {"axis": axis, "size": size, "repeat": repeat, **json.loads(printed)}
                table = pd.DataFrame([row])
                table.to_csv(options.csv, mode="a", index=False, header=not options.csv.exists())
                print(table.round(3).to_string(index=False, header=False), flush=True)


def exponent(sizes, values):
    """The power of the size with which values grow, from the third largest size on."""
    largest = np.sort(np.unique(sizes))[-LARGEST:]
    chosen = np.isin(sizes, largest)
    slope, _ = np.polyfit(np.log(sizes[chosen]), np.log(values[chosen]), 1)
    return slope


def draw(options):
    """Draw each measure over each size, and print the exponents."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runs = pd.read_csv(options.csv)
    medians = runs.groupby(KEY[:2])[MEASURES].median().reset_index()
    figure, axes = plt.subplots(
        len(MEASURES), len(SIZES), figsize=(11, 6.5), sharey="row", layout="constrained"
    )
    exponents = pd.DataFrame(index=MEASURES, columns=list(SIZES), dtype=float)
    for column, axis in enumerate(SIZES):
        of_axis = medians[medians["axis"] == axis].sort_values("size")
        for row, measure in enumerate(MEASURES):
            size, value = of_axis["size"].to_numpy(), of_axis[measure].to_numpy()
            power = exponents.loc[measure, axis] = exponent(size, value)
            ax = axes[row, column]
            ax.loglog(size, value, marker="o", color="#0072b2", markersize=4)
            line = value[-1] * (size / size[-1]) ** power
            ax.loglog(size[-LARGEST:], line[-LARGEST:], color="#d55e00", linewidth=3, alpha=0.6)
            ax.set_xticks(size[[0, len(size) // 2, -1]], labels=size[[0, len(size) // 2, -1]])
            ax.minorticks_off()
            ax.set_title(f"size$^{{{power:.2f}}}$", fontsize=9)
            if row == len(MEASURES) - 1:
                ax.set_xlabel(axis)
            if column == 0:
                ax.set_ylabel(measure)
                ax.yaxis.set_major_formatter("{x:g}")
            ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.folder / "growth.png", dpi=130)
    print(exponents.round(2).to_string())
    print(medians.round(2).to_string(index=False))


def main():
    """Read the arguments, run or draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running, drawing = commands.add_parser("run"), commands.add_parser("draw")
    for one in (running, drawing):
        one.add_argument("--csv", required=True, type=pathlib.Path)
    running.add_argument("--axes", nargs="+", default=list(SIZES), choices=SIZES)
    running.add_argument("--repeats", type=int, default=3)
    running.add_argument("--largest", type=int, default=10**9, help="largest size to run")
    drawing.add_argument("--folder", required=True, type=pathlib.Path)
    commands.add_parser("measure").add_argument("sizes", type=json.loads)
    options = parser.parse_args()
    if options.command == "measure":
        print(json.dumps(measure(options.sizes)))
        return
    {"run": run_all, "draw": draw}[options.command](options)


if __name__ == "__main__":
    main()
