"""Series that do not fit into memory: a student of a memory-mapped file, its answers in another.

Run with ``python examples/memory_mapped.py --folder FOLDER``; the files take 80 MB. For one
that fits into no memory pass a larger ``--n-series``: the time grows, the memory hardly does.
"""

import argparse
import pathlib

import numpy as np

from tsdistill import SaliencyDistilledClassifier

N_TIMEPOINTS, A_BATCH = 500, 10_000


def write_series(path, n_series, seed=0):
    """Write series of noise, with a slow or a fast wave for the two classes; return the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n_series)
    shape = (n_series, 1, N_TIMEPOINTS)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    time = np.linspace(0, 2 * np.pi, N_TIMEPOINTS)
    for start in range(0, n_series, A_BATCH):  # never all of them in memory
        some = slice(start, min(start + A_BATCH, n_series))
        cycles = np.where(y[some] == 1, 9, 6)[:, np.newaxis]
        phase = 2 * np.pi * rng.random((len(cycles), 1))
        wave = np.sin(cycles * time + phase)
        file[some, 0] = wave + 0.5 * rng.standard_normal(wave.shape)
    return y


def slow_waves(X):
    """A teacher that compares how much of each wave is in the series."""
    time = np.linspace(0, 2 * np.pi, X.shape[-1])
    power = [np.abs(X[:, 0] @ np.exp(1j * cycles * time)) for cycles in (6, 9)]
    p = 1 / (1 + np.exp((power[0] - power[1]) / 20))
    return np.column_stack([1 - p, p])


def main():
    """Write a file of series, train on it, and write the student's answers to another."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="for the files")
    parser.add_argument("--n-series", type=int, default=40_000)
    parser.add_argument("--max-epochs", type=int, default=1)
    options = parser.parse_args()

    options.folder.mkdir(parents=True, exist_ok=True)
    y = write_series(options.folder / "series.npy", options.n_series)
    X = np.load(options.folder / "series.npy", mmap_mode="r")  # or a Zarr or Dask array

    student = SaliencyDistilledClassifier(slow_waves, max_epochs=options.max_epochs, random_state=0)
    student.fit(X)  # the teacher labels the series; labels are passed as usual
    shape = (len(X), 2)
    proba = np.lib.format.open_memmap(
        options.folder / "proba.npy", mode="w+", dtype=np.float32, shape=shape
    )
    student.predict_proba(X, out=proba)
    maps = student.explain(X[:3])
    print(f"{X.nbytes / 1e6:.0f} MB of series, {proba.nbytes / 1e6:.1f} MB of answers")
    print(f"agreement with the teacher {student.fidelity_score(X):.3f}")
    print(f"accuracy {np.mean(proba.argmax(axis=1) == y):.3f}; maps of shape {maps.shape}")


if __name__ == "__main__":
    main()
