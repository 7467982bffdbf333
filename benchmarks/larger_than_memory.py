"""Series larger than memory: what a fit holds, what streaming costs, and what it does to students.

    OMP_NUM_THREADS=1 python benchmarks/larger_than_memory.py memory --folder DIR
    OMP_NUM_THREADS=1 python benchmarks/larger_than_memory.py time --folder DIR
    OMP_NUM_THREADS=1 python benchmarks/larger_than_memory.py growth --folder DIR
    OMP_NUM_THREADS=1 python benchmarks/larger_than_memory.py quality --folder DIR --data-dir UCR

DIR is a folder for files, of which ``memory`` writes one of 20 GB: it is sparse, and takes 0.5 GB.

* ``memory``: 100,000 series of 50,000 timesteps in a memory map; one epoch. Memory is the highest
  resident size of the process, pages of the map included, less what it held after its imports and
  a small fit; the answers and the places of windows are part of it, and are told beside it.
* ``time``: 3,600 series of 500 timesteps, the size of FordA, in memory and in a memory map of which
  a pool holds a seventh; fits take turns, and medians are told.
* ``growth``: up to 1,000,000 series of 50 timesteps in a memory map; one epoch.
* ``quality``: MiniRocket with a ridge classifier as teacher; students of the series in memory, and
  of a memory map of which a pool holds an eighth, in 16 blocks; of that in the order of the
  archive, and sorted by class, the worst order for blocks. Five seeds.

The teachers of all but ``quality`` compare two means, and cost next to nothing.
"""

import argparse
import contextlib
import json
import pathlib
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd

SIZES = {"memory": [(100_000, 50_000)], "growth": [(10**k, 50) for k in (4, 5, 6)]}
FORDA = 3600, 500
SETS = ["FordA", "ElectricDevices"]
MOST_TESTED, BUMP = 800, 200


def made(path, n_series, n_timepoints):
    """A sparse file of series with a bump at the beginning or a little later."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        file.truncate(n_series * n_timepoints * 4)
        for row in range(n_series):
            head = np.zeros(min(n_timepoints, 2 * BUMP), np.float32)
            half = len(head) // 2
            head[row % 2 * half : (row % 2 + 1) * half] = 1 + rng.random()
            file.seek(row * n_timepoints * 4)
            file.write(head.tobytes())
    return np.memmap(path, np.float32, "r", shape=(n_series, 1, n_timepoints))


def teacher(X):
    """Compare two means of the first timesteps of each series."""
    X = X[:, 0, : 2 * BUMP]
    half = X.shape[1] // 2
    p = 1 / (1 + np.exp(X[:, :half].mean(axis=1) - X[:, half:].mean(axis=1)))
    return np.column_stack([1 - p, p])


def thinned(n_channels, n_timepoints, n_classes):
    """The default student, of which a long series is pooled to at most 250 timesteps."""
    from torch import nn

    from tsdistill.students import Lite

    every = -(-n_timepoints // 250)
    network = Lite().build(n_channels, n_timepoints // every, n_classes)
    return network if every == 1 else nn.Sequential(nn.AvgPool1d(every), network)


@contextlib.contextmanager
def streamed(pool_rows=None, block_rows=None, bytes_a_row=1):
    """Context in which memory maps of any size are read in batches, and pools may be smaller."""
    from tsdistill.inputs import stored
    from tsdistill.training import stored_tensors

    before = stored.LARGEST_READ_WHOLE, stored_tensors.POOL_BYTES, stored_tensors.BLOCK_BYTES
    stored.LARGEST_READ_WHOLE = 0
    if pool_rows is not None:
        stored_tensors.POOL_BYTES = pool_rows * bytes_a_row
        stored_tensors.BLOCK_BYTES = block_rows * bytes_a_row
    try:
        yield
    finally:
        stored.LARGEST_READ_WHOLE, stored_tensors.POOL_BYTES, stored_tensors.BLOCK_BYTES = before


def fit(X, y, model=teacher, **settings):
    """A student, and the seconds that its fit took."""
    from tsdistill import SaliencyDistilledClassifier

    settings = {"random_state": 0} | settings
    start = time.perf_counter()
    student = SaliencyDistilledClassifier(model, **settings).fit(X, y)
    return student, time.perf_counter() - start


def megabytes():
    """The largest resident size that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path, n_series, n_timepoints):
    """Figures of one streamed fit and of answers; for a process of its own."""
    warnings.filterwarnings("ignore")
    settings = {"student": thinned, "max_epochs": 1}
    with streamed():
        few = made(path.with_suffix(".few"), 2000, 200)  # all that is loaded once
        fit(few, np.arange(2000) % 2, **settings)[0].predict(few)
        X, y = made(path, n_series, n_timepoints), np.arange(n_series) % 2
        before = megabytes()
        student, seconds = fit(X, y, **settings)
        after_fit, start = megabytes(), time.perf_counter()
        out = np.memmap(path.with_suffix(".proba"), np.float32, "w+", shape=(n_series, 2))
        student.predict_proba(X, out=out)
    n_windows = (student.n_queries_ - 64) // n_series - 1
    for file in path.parent.glob(f"{path.stem}.*"):
        file.unlink()
    return {
        "series": n_series,
        "timesteps": n_timepoints,
        "GB": 4e-9 * n_series * n_timepoints,
        "fit s": seconds,
        "fit MB": after_fit - before,
        "of it answers MB": n_series * (8 * (1 + n_windows) + 8 * n_windows) / 2**20,
        "predict s": time.perf_counter() - start,
        "predict MB": megabytes() - before,
        "accuracy": np.mean(out.argmax(axis=1) == y),
    }


def run_measures(options):
    """Measure each size in a process of its own, and print."""
    rows = []
    for n_series, n_timepoints in options.sizes or SIZES[options.command]:
        path = options.folder / f"series_{n_series}_{n_timepoints}.f4"
        command = [sys.executable, __file__, "measure", str(path), str(n_series), str(n_timepoints)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows.append(json.loads(printed))
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    if len(rows) > 1:
        first, last = rows[-2:]
        more = np.log(last["series"] / first["series"])
        print(f"exponent of the last step: {np.log(last['fit s'] / first['fit s']) / more:.2f}")


def compare_times(options):
    """Fits of one size, in memory and streamed in turn."""
    n_series, n_timepoints = (options.sizes or [FORDA])[0]
    path = options.folder / "series.f4"
    stored = made(path, n_series, n_timepoints)
    X, y = np.array(stored), np.arange(n_series) % 2
    settings = {"max_epochs": options.max_epochs}
    row = 4 * n_timepoints
    seconds = {"in memory": [], "streamed": []}
    for repeat in range(options.repeats + 1):
        _, in_memory = fit(X, y, **settings)
        with streamed(n_series // 7, n_series // 112, row):
            _, in_turn = fit(stored, y, **settings)
        if repeat:  # the first loads and compiles
            seconds["in memory"].append(in_memory)
            seconds["streamed"].append(in_turn)
            print(f"in memory {in_memory:.2f} s, streamed {in_turn:.2f} s", flush=True)
    medians = {name: np.median(found) for name, found in seconds.items()}
    ratios = np.divide(seconds["streamed"], seconds["in memory"])
    print(
        f"medians of {options.repeats}: in memory {medians['in memory']:.2f} s, streamed "
        f"{medians['streamed']:.2f} s; median ratio of neighbours {np.median(ratios):.3f}"
    )
    path.unlink()


def compare_quality(options):
    """Students of series that are shuffled as a whole, and in blocks."""
    import torch
    from many_series import drawn
    from strong import minirocket

    from tsdistill import fidelity
    from tsdistill.datasets import load_ucr
    from tsdistill.teachers.teacher import as_teacher

    rows = []
    for name in options.sets:
        rng = np.random.default_rng(0)
        (X, y), (X_test, y_test) = (
            drawn(*load_ucr(name, split, options.data_dir), n, rng)
            for split, n in (("train", options.most_train), ("test", MOST_TESTED))
        )
        classes, class_index = np.unique(y, return_inverse=True)
        model = minirocket(X, class_index, 0, classes)
        torch.set_num_threads(1)  # fitting a Rocket changes it
        log_teacher = as_teacher(model).bind(X, classes).log_proba(X_test)
        by_class = np.argsort(class_index, kind="stable")
        arms = {"in memory": None, "blocks": np.arange(len(X)), "blocks, by class": by_class}
        for seed in range(options.seeds):
            for arm, order in arms.items():
                settings = {"random_state": seed, "max_epochs": options.max_epochs}
                if order is None:
                    student, seconds = fit(X, y, model, **settings)
                else:
                    path = options.folder / "quality.f4"
                    X[order].tofile(path)
                    stored = np.memmap(path, np.float32, "r", shape=X.shape)
                    with streamed(len(X) // 8, len(X) // 128, 4 * X.shape[2]):
                        student, seconds = fit(stored, y[order], model, **settings)
                log_student = student.predict_log_proba(X_test)
                rows.append({
                    "set": name, "arm": arm, "seed": seed,
                    "accuracy": np.mean(classes[log_student.argmax(axis=1)] == y_test),
                    "agreement": fidelity.agreement(log_teacher, log_student),
                    "KL": fidelity.predictive_kl(log_teacher, log_student), "s": seconds,
                })  # fmt: skip
                print(pd.DataFrame(rows[-1:]).round(4).to_string(index=False, header=False))
                sys.stdout.flush()
    table = pd.DataFrame(rows).groupby(["set", "arm"], sort=False)
    measures = ["accuracy", "agreement", "KL"]
    means, spreads = table[measures].mean(), table[measures].std()
    print(means.join(spreads, rsuffix=" sd").round(4).to_string())


def main():
    """Read the arguments, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def size(text):
        return tuple(map(int, text.split("x")))

    for name in ("memory", "time", "growth", "quality"):
        one = commands.add_parser(name)
        one.add_argument("--folder", required=True, type=pathlib.Path, help="for files")
        one.add_argument("--sizes", nargs="+", type=size, help="such as 3600x500")
        one.add_argument("--max-epochs", type=int, default=5 if name == "time" else 20)
        one.add_argument("--repeats", type=int, default=5)
        one.add_argument("--data-dir", required=name == "quality", help="folder of the sets")
        one.add_argument("--sets", nargs="+", default=SETS)
        one.add_argument("--seeds", type=int, default=5)
        one.add_argument("--most-train", type=int, default=2000)
    measuring = commands.add_parser("measure")
    measuring.add_argument("path", type=pathlib.Path)
    measuring.add_argument("size", type=int, nargs=2)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.command == "measure":
        print(json.dumps(measure(options.path, *options.size)))
    elif options.command == "time":
        compare_times(options)
    elif options.command == "quality":
        compare_quality(options)
    else:
        run_measures(options)


if __name__ == "__main__":
    main()
