"""What a GPU gives a fit, and what is left idle: the card beside two processor cores.

    python benchmarks/gpu.py --data-dir DIR

DIR holds FordA and ElectricDevices in the layout of the UCR archive. The teacher is an Inception
network of 157,000 weights, trained here for ten epochs. Arms on the card:

- "as skorch": each step waits until the loss of the last has been read;
- "no waits": losses are read once an epoch;
- "replayed": steps are captured as a CUDA graph, too; this is what the package does;
- "replayed, bf16": with a student that computes in bfloat16 in training.

Milliseconds of a step are medians over the epochs of alternating rounds, the first epoch of each
training left out; the teacher's answers are kept. "Busy" is the share of an epoch in which the
card computes, by torch's profiler. A whole fit asks the teacher, too.
"""

import argparse
import contextlib
import tempfile
import time
from unittest import mock

import numpy as np
import pandas as pd
import torch
from heavy import HalfPrecision, inception_teacher, read_ucr
from skorch.callbacks import Callback
from torch.profiler import ProfilerActivity

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.students import Lite
from tsdistill.teachers.teacher import as_teacher
from tsdistill.training import captured, loop

SETS = ["FordA", "ElectricDevices"]
ARMS = ["as skorch", "no waits", "replayed", "replayed, bf16"]
CORES = "two cores"


class HalfLite(Lite):
    """Lite in bfloat16; its steps are replayed as those of Lite."""

    capturable = True

    def build(self, n_channels, n_timepoints, n_classes):
        return HalfPrecision(super().build(n_channels, n_timepoints, n_classes))


@contextlib.contextmanager
def arm(name):
    """Context in which trainings are of an arm."""
    with contextlib.ExitStack() as stack:
        if name in ("as skorch", "no waits"):
            stack.enter_context(mock.patch.object(loop, "can_capture", lambda *_: False))
        if name == "as skorch":
            stack.enter_context(mock.patch.object(loop, "wait_once_an_epoch", lambda _: None))
        if name.endswith("bf16"):  # a class that is not ours is not replayed otherwise
            may = captured.can_capture

            def of_half(net, tensors, loss, n_steps):
                setattr(net.module_, captured.CONFIGURATION, Lite())
                return may(net, tensors, loss, n_steps)

            stack.enter_context(mock.patch.object(loop, "can_capture", of_half))
        yield


def fitted(name, X, y, teacher, **settings):
    """A student of an arm."""
    device = "cpu" if name == CORES else "cuda"
    student = HalfLite() if name.endswith("bf16") else "lite"
    with arm(name):
        return SaliencyDistilledClassifier(teacher, student, device=device, **settings).fit(X, y)


def of_a_step(name, X, y, teacher, batch_size, options):
    """Milliseconds of a step in each epoch but the first."""
    epochs = 2 if name == CORES else options.epochs
    settings = {"batch_size": batch_size, "max_epochs": epochs, "memory": options.memory}
    student = fitted(name, X, y, teacher, random_state=0, **settings)
    steps = -(-len(X) // batch_size)
    return [1000 * row["dur"] / steps for row in student.history_[1:]]


def times(sets, teachers, options):
    """Milliseconds of a step, of all arms in turn."""
    rows = []
    for name, (X, y, *_) in sets.items():
        for batch_size in options.batch_sizes:
            taken = {}
            for _ in range(options.rounds):
                for one in ARMS[:3] if batch_size != options.batch_sizes[-1] else ARMS:
                    ms = of_a_step(one, X, y, teachers[name], batch_size, options)
                    taken.setdefault(one, []).extend(ms)
            if options.cores:
                taken[CORES] = of_a_step(CORES, X, y, teachers[name], batch_size, options)
            for one, ms in taken.items():
                rows.append({"set": name, "batch": batch_size, "arm": one, "ms": np.median(ms)})
    table = pd.DataFrame(rows)
    table["per_second"] = table["batch"] * 1000 / table["ms"]
    as_skorch = table["ms"].where(table["arm"] == "as skorch")
    base = as_skorch.groupby([table["set"], table["batch"]]).transform("first")
    table["times as fast"] = base / table["ms"]
    print(table.round(3).to_string(index=False), flush=True)


class Profile(Callback):
    """Profiles the last epoch of a training."""

    def on_epoch_begin(self, net, **kwargs):
        self.profiler_ = None
        if net.history[-1, "epoch"] == net.max_epochs:
            torch.cuda.synchronize()
            self.profiler_ = torch.profiler.profile(activities=[ProfilerActivity.CUDA])
            self.profiler_.start()
            self.start_ = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        if self.profiler_ is not None:
            torch.cuda.synchronize()
            seconds = time.perf_counter() - self.start_
            self.profiler_.stop()
            events = self.profiler_.events()
            busy = sum(event.device_time_total for event in events) / 1e6
            MEASURED.append((busy / seconds, len(events)))


MEASURED = []


def busy(sets, teachers, options):
    """Share of the last epoch of a training in which the card computes."""
    with mock.patch.object(captured, "CONTENT", captured.CONTENT | {Profile}):
        for name, (X, y, *_) in sets.items():
            for one in ARMS[:3]:
                settings = {"max_epochs": options.epochs, "random_state": 0}
                settings |= {"callbacks": [Profile()], "memory": options.memory}
                fitted(one, X, y, teachers[name], **settings)
                share, n_events = MEASURED[-1]
                print(f"{name}: {one}: busy {share:.2f}, {n_events} operations", flush=True)


def fidelities(sets, teachers, options):
    """Students of the default number of epochs: seconds of training, and fidelity on test series.

    Those of the first arm take larger steps, too, at several learning rates.
    """
    rows = []
    for name, (X, y, X_test, _) in sets.items():
        theirs = as_teacher(teachers[name]).bind(X, np.unique(y)).log_proba(X_test)
        arms = [(one, {}) for one in options.arms]
        arms += [(options.arms[0], {"batch_size": 256, "lr": lr}) for lr in (0.01, 0.02, 0.04)]
        for seed in range(options.seeds):
            for one, settings in arms:
                student = fitted(
                    one, X, y, teachers[name], random_state=seed, memory=options.memory, **settings
                )
                mine = student.predict_log_proba(X_test)
                rows.append({
                    "set": name, "arm": one, "batch": student.batch_size, "lr": student.lr,
                    "training, s": sum(row["dur"] for row in student.history_),
                    "agreement": fidelity.agreement(theirs, mine),
                    "KL": fidelity.predictive_kl(theirs, mine),
                })  # fmt: skip
    table = pd.DataFrame(rows).groupby(["set", "arm", "batch", "lr"], sort=False).mean()
    print(table.round(4).to_string(), flush=True)


def whole_fits(sets, teachers, options):
    """Seconds of a complete fit on the card, by the defaults, the teacher's answers included."""
    for name, (X, y, *_) in sets.items():
        start = time.perf_counter()
        student = fitted("replayed", X, y, teachers[name], random_state=0)
        seconds = time.perf_counter() - start
        print(
            f"{name}: whole fit {seconds:.1f} s, of which training "
            f"{sum(row['dur'] for row in student.history_):.1f} s, {student.n_queries_} queries",
            flush=True,
        )


PARTS = {"times": times, "busy": busy, "fits": whole_fits, "fidelities": fidelities}


def main():
    """Read the arguments and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--parts", nargs="+", default=[*PARTS], choices=PARTS)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[32, 256])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--arms", nargs="+", default=ARMS, help="of the fidelities")
    parser.add_argument("--no-cores", dest="cores", action="store_false")
    options = parser.parse_args()
    torch.set_num_threads(2)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no card"
    print(f"torch {torch.__version__}, {card}", flush=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sets, teachers = {}, {}
    for name in options.sets:
        X, y, X_test, y_test = read_ucr(options.data_dir, name)
        y, y_test = (np.searchsorted(np.unique(y), part) for part in (y, y_test))
        mean, std = X.mean(), X.std()
        sets[name] = [np.float32((X - mean) / std), y, np.float32((X_test - mean) / std), y_test]
        net = inception_teacher(sets[name][0], y, seed=0, epochs=10, device=device)
        teachers[name] = Teacher(net.module_.eval().cpu(), classes=np.unique(y))
    with tempfile.TemporaryDirectory() as options.memory:
        for part in options.parts:
            PARTS[part](sets, teachers, options)


if __name__ == "__main__":
    main()
