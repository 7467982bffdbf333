"""What worker processes gain on a slow black box, and what the engine and keeping answers cost.

    OMP_NUM_THREADS=1 python benchmarks/cluster.py

The black box sleeps, so that the figures hold on a busy machine too; the series are noise, 256 a
call. Printed are: the time of 20 ms calls on a Dask cluster of one and of two worker processes and
with joblib's own processes; by how much calls of 1 s take longer than 1 s each; what it costs to
keep the answers to a teacher that takes no time; and what a fit asks again that died midway.
"""

import argparse
import contextlib
import logging
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np

from tsdistill.exceptions import TeacherError
from tsdistill.numerics.batches import ROWS_A_BATCH
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import as_teacher

CLASSES = np.arange(3)


class Sleeping:
    """A black box that takes a fixed time for a call.

    Parameters
    ----------
    seconds : float
    fails_after : int, default=None
        Number of calls after which it raises.
    """

    def __init__(self, seconds, fails_after=None):
        self.seconds, self.fails_after, self.n_calls = seconds, fails_after, 0

    def predict_proba(self, X):
        if self.n_calls == self.fails_after:
            raise RuntimeError("out of power")
        self.n_calls += 1
        time.sleep(self.seconds)
        scores = np.exp(np.asarray(X).reshape(len(X), -1)[:, :3])
        return scores / scores.sum(axis=1, keepdims=True)


def bound(model, panel):
    """The black box, ready to be asked; it counts from here on."""
    teacher = as_teacher(model).bind(panel[:, 0], CLASSES).identified_by((0, "sleeping"))
    model.n_calls = 0
    return teacher


def noise(n_batches):
    """Series of so many batches."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_batches * ROWS_A_BATCH, 1, 50)).astype(np.float32)


def seconds_of(teacher, panel, options=None):
    """Time that a query takes."""
    start = time.perf_counter()
    query(teacher, panel, options)
    return time.perf_counter() - start


@contextlib.contextmanager
def cluster_of(n_workers):
    """Context of joblib on a Dask cluster of worker processes that are ready."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None,
            memory_limit=0, silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):  # fmt: skip
        panel = noise(2 * n_workers + 1)
        query(bound(Sleeping(0.05), panel), panel)  # the workers import what they need
        yield


@contextlib.contextmanager
def processes():
    """Context of two of joblib's own worker processes that are ready."""
    with joblib.parallel_config("loky", n_jobs=2):
        panel = noise(5)
        query(bound(Sleeping(0.05), panel), panel)
        yield


def speed(n_calls, repetitions):
    """Print how much faster two processes are than one."""
    panel = noise(n_calls)
    fastest = {}
    for name, context in (
        ("1 Dask worker", cluster_of(1)),
        ("2 Dask workers", cluster_of(2)),
        ("2 joblib processes", processes()),
    ):
        with context:
            teacher = bound(Sleeping(0.02), panel)
            fastest[name] = [seconds_of(teacher, panel) for _ in range(repetitions)]
    alone = np.median(fastest["1 Dask worker"])
    print(f"{n_calls} calls of 20 ms, median of {repetitions} runs")
    for name, seconds in fastest.items():
        median = np.median(seconds)
        print(f"  {name:20} {median:6.2f} s, {alone / median:.2f} times as fast as one worker")


def overhead(n_calls):
    """Print by how much longer calls of a second take on workers."""
    panel = noise(n_calls)
    print(f"{n_calls} calls of 1 s on two workers")
    for name, context in (("Dask", cluster_of(2)), ("joblib", processes())):
        with context:
            seconds = seconds_of(bound(Sleeping(1.0), panel), panel)
        print(f"  {name:20} {seconds:6.2f} s, {seconds / (n_calls / 2) - 1:.1%} above the sleep")


def keeping(n_batches):
    """Print what it costs to keep answers, and how large they are."""
    panel = noise(n_batches)
    teacher = bound(Sleeping(0.0), panel)
    plain = seconds_of(teacher, panel)
    with tempfile.TemporaryDirectory() as folder:
        options = QueryOptions(memory=joblib.Memory(folder, verbose=0))
        first, second = (seconds_of(teacher, panel, options) for _ in range(2))
        sizes = [path.stat().st_size for path in Path(folder).rglob("*.answers")]
    n_bytes = len(panel) * len(CLASSES) * 4
    print(f"{len(panel):,} answers of a teacher that takes no time")
    print(f"  not kept {plain:.2f} s, kept {first:.2f} s, recalled {second:.2f} s")
    print(f"  that is {(first - plain) / n_batches * 1e3:.2f} ms a batch to keep them")
    print(f"  {len(sizes)} files, {sum(sizes) / n_bytes:.3f} times the bytes of the answers")


def resuming(n_batches):
    """Print what is asked again after a teacher failed midway."""
    panel = noise(n_batches)
    with tempfile.TemporaryDirectory() as folder:
        options = QueryOptions(memory=joblib.Memory(folder, verbose=0))
        model = Sleeping(0.0)
        teacher = bound(model, panel)
        model.fails_after = n_batches // 2
        with contextlib.suppress(TeacherError):
            query(teacher, panel, options)
        done, model.fails_after = model.n_calls, None
        query(teacher, panel, options)
        print(
            f"{n_batches} batches, of which {done} were answered when the teacher failed: "
            f"{model.n_calls - n_batches} were asked about twice"
        )


def main():
    """Read the arguments, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=400, help="of 20 ms (default: 400)")
    parser.add_argument("--long-calls", type=int, default=20, help="of 1 s (default: 20)")
    parser.add_argument("--batches", type=int, default=400, help="to keep (default: 400)")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    speed(options.calls, options.repetitions)
    overhead(options.long_calls)
    keeping(options.batches)
    resuming(options.batches)


if __name__ == "__main__":
    main()
