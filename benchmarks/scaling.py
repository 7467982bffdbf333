"""What will a fit cost? A model of measured rates, checked on three fits, and far beyond them.

    OMP_NUM_THREADS=1 python benchmarks/scaling.py measure
    python benchmarks/scaling.py plan --series 1000000 --timesteps 500 --teacher-ms 50 --workers 100

``measure`` takes the rates of a machine from small pieces (the teacher on one batch, some steps, a
batch that is cut), predicts the seconds of three fits from them, and runs these. ``plan`` puts
rates into the same model, prints each of its terms, and simulates the queries: one process cuts
batches for all workers, sends them over one line, and workers differ in speed, and die.
"""

import argparse
import dataclasses
import heapq
import math
import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from heavy import MiniRocketRidge, inception_teacher

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.numerics.batches import batches_of_series
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.perturbation.plan import draw_plan
from tsdistill.teachers.memorised import n_probes
from tsdistill.teachers.teacher import as_teacher
from tsdistill.training.budget import ENOUGH_SERIES, budget_of
from tsdistill.training.recipe import epochs_of


@dataclass(frozen=True)
class Fit:
    """A fit by the defaults."""

    series: int
    timesteps: int
    classes: int = 2
    batch: int = 32
    epochs: int | None = None

    @property
    def budget(self):
        mixes = self.series < ENOUGH_SERIES
        return budget_of(self.series, None, None, None, mixes=mixes, asks_windows=True)

    @property
    def queries(self):
        n_mixtures, n_windows = self.budget
        return (self.series + n_mixtures) * (1 + n_windows) + n_probes(self.series)

    @property
    def steps(self):
        epochs = self.epochs or epochs_of(self.series, self.batch, self.classes)
        return epochs * math.ceil(self.series / self.batch)


@dataclass(frozen=True)
class Rates:
    """Seconds of one piece of each kind of work."""

    query: float  # of one series, by one worker
    step: float
    cut: float  # of a batch that is made ready for a worker
    send: float = 1e9 / 8  # bytes a second to all workers
    workers: int = 1


def rows_of_a_batch(fit):
    """Series in a batch of queries, the package's rule."""
    example = np.broadcast_to(np.float32(0), (10**6, 1, fit.timesteps))
    first = batches_of_series(example)[0]
    return first.stop - first.start


def bytes_of_a_batch(fit):
    """A task carries the series and the donors of its copies, and the places of the windows."""
    rows = rows_of_a_batch(fit)
    series = math.ceil(rows / max(1, fit.budget.n_windows))
    return (series + rows) * fit.timesteps * 4 + 3 * 8 * rows


def predicted(fit, rates):
    """Seconds of each part; the slowest of three limits bounds the queries."""
    batches = math.ceil(fit.queries / rows_of_a_batch(fit))
    limits = {
        "teacher": fit.queries * rates.query / rates.workers,
        "cutting": batches * rates.cut,
        "line": batches * bytes_of_a_batch(fit) / rates.send if rates.workers > 1 else 0.0,
    }
    return {**limits, "queries": max(limits.values()), "training": fit.steps * rates.step}


def memory_of(fit):
    """Megabytes that grow with the series, in the process that fits."""
    n_mixtures, n_windows = fit.budget
    rows = fit.series + n_mixtures
    return {
        "series": rows * fit.timesteps * 4 / 1e6,
        "answers": rows * (1 + n_windows) * fit.classes * 4 / 1e6,
        "plan": rows * n_windows * 2 * 8 / 1e6,
    }


def simulated(fit, rates, *, spread=0.2, deaths_an_hour=0.1, seed=0):
    """Seconds of all queries: batches are cut in turn, sent over one line, and asked again if lost.

    The speed of workers varies by ``spread`` (a lognormal's sigma); each dies so many times an
    hour, loses its batch, and is back after a minute.
    """
    rng = np.random.default_rng(seed)
    left = math.ceil(fit.queries / rows_of_a_batch(fit))
    work = rows_of_a_batch(fit) * rates.query * np.exp(rng.normal(0, spread, rates.workers))
    send = bytes_of_a_batch(fit) / rates.send
    free = [(0.0, worker) for worker in range(rates.workers)]
    cut_until = line_until = done = 0.0
    lost = 0
    while left:
        now, worker = heapq.heappop(free)
        cut_until = max(cut_until, now - 2 * work[worker]) + rates.cut  # two batches ahead
        line_until = max(line_until, cut_until) + send
        end = max(now, line_until) + work[worker]
        if rng.random() < 1 - math.exp(-deaths_an_hour * work[worker] / 3600):
            lost += 1
            heapq.heappush(free, (end + 60, worker))
            continue
        left -= 1
        done = max(done, end)
        heapq.heappush(free, (end, worker))
    return done, lost


class Slow:
    """A black box that takes some milliseconds a series."""

    def __init__(self, ms):
        self.ms = ms

    def __call__(self, X):
        time.sleep(self.ms / 1000 * len(X))
        p = 1 / (1 + np.exp(-X.mean(axis=(1, 2))))
        return np.stack([1 - p, p], axis=1)


def made(n, n_timepoints, seed=0):
    """Noise, with a bump whose place tells the class."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 1, n_timepoints), dtype=np.float32)
    y = np.arange(n) % 2
    for one, k in zip(X, y, strict=True):
        one[0, k * n_timepoints // 2 :][: n_timepoints // 4] += 2
    return X, y


def median_of(run, repeats=5):
    """Median of the seconds of a call, after one that is not counted."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def rates_of(teacher, fit, workers):
    """Rates, from small pieces."""
    X, y = made(256, fit.timesteps)
    bound = as_teacher(teacher).bind(X, np.unique(y))
    asked = X[: rows_of_a_batch(fit)]
    query = median_of(lambda: bound.log_proba(asked.copy())) / len(asked)
    plan = draw_plan(X, y, width=fit.timesteps // 10, n_windows=4, donors="varied",
                     rng=np.random.default_rng(0))  # fmt: skip
    row = np.repeat(np.arange(len(X)), 4)
    copies = PerturbedCopies(X, X, row, plan.donor.ravel(), plan.start.ravel(), plan.width)
    cut = median_of(lambda: copies.part(slice(0, rows_of_a_batch(fit)))[:])
    quick = Slow(0)
    epochs = max(4, round(100 / math.ceil(len(X) / fit.batch)))
    pilot = SaliencyDistilledClassifier(
        quick, max_epochs=epochs, batch_size=fit.batch, random_state=0,
        n_mixtures=None if fit.budget.n_mixtures else 0,
    ).fit(X, y)  # fmt: skip
    step = np.median([row["dur"] for row in pilot.history_[1:]]) / math.ceil(len(X) / fit.batch)
    return Rates(query, float(step), cut, workers=workers)


def measure(options):
    """Predict three fits from the rates, and run them."""
    X, y = made(300, 500)
    rocket = MiniRocketRidge().fit(X, y)
    torch.set_num_threads(1)
    net = inception_teacher(*made(64, 96), seed=0, epochs=3)
    inception = Teacher(net.module_.eval(), classes=[0, 1])
    cases = [
        ("black box of 5 ms, two workers", Slow(5), Fit(1200, 150), 2),
        ("MiniRocket and ridge", rocket, Fit(300, 500, epochs=60), 1),
        ("Inception of 157,000 weights", inception, Fit(2000, 96, epochs=20), 1),
    ]
    for title, teacher, fit, workers in cases:
        X, y = made(fit.series, fit.timesteps, seed=1)
        rates = rates_of(teacher, fit, workers)
        parts = predicted(fit, rates)
        start = time.perf_counter()
        student = SaliencyDistilledClassifier(
            teacher, max_epochs=fit.epochs, batch_size=fit.batch, n_jobs=workers, random_state=0
        ).fit(X, y)
        seconds = time.perf_counter() - start
        training = sum(row["dur"] for row in student.history_)
        whole = parts["queries"] + parts["training"]
        print(
            f"{title}: {fit.series:,} x {fit.timesteps}, {fit.queries:,} queries "
            f"({student.n_queries_:,} made), {fit.steps:,} steps\n"
            f"  rates: {1000 * rates.query:.2f} ms a query, {1000 * rates.step:.1f} ms a step, "
            f"{1000 * rates.cut:.1f} ms a batch that is cut\n"
            f"  predicted {whole:.1f} s ({parts['queries']:.1f} + {parts['training']:.1f}), "
            f"took {seconds:.1f} s ({seconds - training:.1f} + {training:.1f}): "
            f"{seconds / whole:.2f} times as predicted",
            flush=True,
        )


def plan(options):
    """Print the terms of a fit, and simulate its queries."""
    fit = Fit(options.series, options.timesteps, options.classes, options.batch, options.epochs)
    rates = Rates(
        options.teacher_ms / 1000, options.step_ms / 1000, options.cut_ms / 1000,
        options.megabytes_a_second * 1e6, options.workers,
    )  # fmt: skip
    print(f"{fit.queries:,} queries: {fit.budget}; {fit.steps:,} steps")
    print("megabytes: " + ", ".join(f"{k} {v:,.0f}" for k, v in memory_of(fit).items()))
    print(f"a task carries {bytes_of_a_batch(fit) / 1e6:.2f} MB")
    for workers in sorted({1, 10, options.workers, 10 * options.workers, 100 * options.workers}):
        several = dataclasses.replace(rates, workers=workers)
        parts = predicted(fit, several)
        ideal = fit.queries * rates.query / workers
        done, lost = simulated(fit, several)
        print(
            f"{workers:>6} workers: teacher {ideal / 3600:9.2f} h, cutting "
            f"{parts['cutting'] / 3600:.2f} h, line {parts['line'] / 3600:.2f} h; simulated "
            f"{done / 3600:9.2f} h ({ideal / done:.0%} of the workers' time is of use; {lost} "
            f"batches lost with their workers); training {parts['training'] / 3600:.2f} h"
        )


def main():
    """Read the arguments, measure or plan."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("measure")
    planning = commands.add_parser("plan")
    planning.add_argument("--series", type=int, default=1_000_000)
    planning.add_argument("--timesteps", type=int, default=500)
    planning.add_argument("--classes", type=int, default=2)
    planning.add_argument("--batch", type=int, default=32)
    planning.add_argument("--epochs", type=int, help="default: the estimator's")
    planning.add_argument("--teacher-ms", type=float, default=50, help="of one series")
    planning.add_argument("--step-ms", type=float, default=12.5)
    planning.add_argument("--cut-ms", type=float, default=1.5, help="of a batch of queries")
    planning.add_argument("--megabytes-a-second", type=float, default=125, help="of the line")
    planning.add_argument("--workers", type=int, default=100)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    {"measure": measure, "plan": plan}[options.command](options)


if __name__ == "__main__":
    main()
