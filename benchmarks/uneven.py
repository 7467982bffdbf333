"""Series of unequal length or with gaps: students that see them, beside series shaped by hand.

    python benchmarks/uneven.py run --data-dir DIR --csv uneven.csv
    python benchmarks/uneven.py run --data-dir DIR --csv struck.csv --struck 0 0.1 --sets GunPoint
    python benchmarks/uneven.py tables --csv uneven.csv

DIR holds sets of the UCR archive whose series differ in length (NaN after their end) or have gaps
(NaN before); ``--struck`` makes gaps in any set, by that share of all values. Two teachers:
MiniRocket on series whose gaps are filled and which are resampled to one length, with a ridge
classifier; and an Inception network whose layers leave the padding out and see where gaps are.
Both are asked about the series as they are. Saliency is by occlusion with the mean of the training
series, on which no arm trains.

"resampled" and "padded" are what users can do without masks: gaps are filled and all series
resampled to the length of the longest, or padded by their last value, before teacher and student
see them. Their teachers are fitted on such series.
"""

import argparse
import pathlib
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import inception_teacher
from joblib import Parallel, delayed
from strong import CalibratedRidge

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.datasets import load_ucr
from tsdistill.explainers.occlusion import occlusion
from tsdistill.inputs.lengths import has_gaps, lengths_of
from tsdistill.objectives import PerturbedSoftTargets
from tsdistill.perturbation.uneven import stretched, without_gaps
from tsdistill.students import Inception
from tsdistill.students.base import let_fill_gaps
from tsdistill.students.masking import take_uneven
from tsdistill.teachers.teacher import as_teacher

SETS = [
    "PickupGestureWiimoteZ", "GesturePebbleZ1", "AllGestureWiimoteX", "DodgerLoopDay",
    "DodgerLoopWeekend", "MelbournePedestrian",
]  # fmt: skip
ARMS = {
    "labels": {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0},
    "KD": {"saliency_weight": 0},
    "KD, same copies": {"saliency_weight": 0, "auxiliary": PerturbedSoftTargets()},
    "default": {},
}
SHAPED = ("resampled", "padded")
KEY = ["teacher", "set", "struck", "seed", "arm"]
FIGURES = ["accuracy", "agreement", "KL", "saliency", "teacher accuracy"]
MOST_MAPS, WINDOW = 200, 0.1


class Resampled:
    """A classifier of series of one length without gaps, to which all series are brought first.

    Parameters
    ----------
    classifier : classifier with decision values
    n_timepoints : int
    """

    def __init__(self, classifier, n_timepoints):
        self.classifier, self.n_timepoints = classifier, n_timepoints

    def fit(self, X, y):
        self.classifier.fit(self._of_one_length(X), y)
        self.classes_ = self.classifier.classes_
        return self

    def _of_one_length(self, X):
        return stretched(without_gaps(np.asarray(X)), self.n_timepoints)

    def decision_function(self, X):
        return self.classifier.decision_function(self._of_one_length(X))


def shaped(X, how, n_timepoints):
    """Series of one length without gaps: "resampled", or "padded" by their last value."""
    X = without_gaps(X)
    if how == "resampled":
        return stretched(X, n_timepoints)
    place = np.minimum(np.arange(n_timepoints), lengths_of(X)[:, np.newaxis] - 1)
    return np.take_along_axis(X, place[:, np.newaxis], axis=2)


def struck_out(X, share, rng):
    """Series in which a share of all values is missing; the first and last value stay."""
    X = X.copy()
    gone = rng.random(X.shape) < share
    gone[..., 0] = gone[..., -1] = False
    X[gone] = np.nan
    return X


def make_teacher(kind, X, y, seed, epochs):
    """A teacher that takes series of unequal length and with gaps, as NaN."""
    classes, class_index = np.unique(y, return_inverse=True)
    if kind == "minirocket":
        from sktime.transformations.panel.rocket import MiniRocket

        ridge = CalibratedRidge(MiniRocket(random_state=seed))
        return Resampled(ridge, int(lengths_of(X).max())).fit(X, y)

    _, n_channels, n_timepoints = X.shape

    def leave_padding_out(network):
        if has_gaps(X):
            network = Inception(n_filters=32).build(2 * n_channels, n_timepoints, len(classes))
            let_fill_gaps(network, n_channels)
        take_uneven(network)
        network.standardise.learn(torch.as_tensor(X))
        return network

    net = inception_teacher(X, class_index, seed, epochs, wrap=leave_padding_out)
    return Teacher(net.module_.eval(), classes=classes)


def maps_of(bound, X, target, mean):
    """Occlusion maps with each channel's mean; of each series' own length."""
    donors = np.repeat(mean, X.shape[-1], axis=2).astype(np.float32)
    rows = np.zeros((target.max() + 1, 1), dtype=int)
    return occlusion(bound, X, target, donors, rows, WINDOW)


def run(kind, name, struck, seed, options):
    """Distil one teacher of one set by every arm; one row for each."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    (X, y), (X_test, y_test) = (
        load_ucr(name, split, options.data_dir, allow_nan=True) for split in ("train", "test")
    )
    if struck:
        rng = np.random.default_rng(seed)
        X, X_test = struck_out(X, struck, rng), struck_out(X_test, struck, rng)
    rows, n_timepoints = [], max(X.shape[-1], X_test.shape[-1])
    for form in (None, *(how for how in SHAPED if how in options.arms)):
        train, test = X, X_test
        if form is not None:
            train, test = (shaped(part, form, n_timepoints) for part in (X, X_test))
        teacher = make_teacher(kind, train, y, seed, options.teacher_epochs)
        arms = {arm: ARMS[arm] for arm in options.arms if arm in ARMS}
        arms = arms if form is None else {form: {}}
        rows += [
            {"teacher": kind, "set": name, "struck": struck, "seed": seed, "arm": arm, **figures}
            for arm, figures in _figures(teacher, train, y, test, y_test, arms, seed, options)
        ]
    return rows


def _figures(teacher, X, y, X_test, y_test, arms, seed, options):
    """The figures of each arm with one teacher."""
    classes, bound = np.unique(y), None
    mean = np.nanmean(X, axis=(0, 2), keepdims=True)
    mapped = np.random.default_rng(0).permutation(len(X_test))[:MOST_MAPS]
    missing = "mask" if has_gaps(X) or has_gaps(X_test) else "refuse"
    for arm, settings in arms.items():
        student = SaliencyDistilledClassifier(
            teacher, random_state=100 + seed, max_epochs=options.max_epochs, missing=missing,
            **settings,
        ).fit(X, y)  # fmt: skip
        if bound is None:
            bound = as_teacher(teacher).bind(X, classes, form=student._uneven_form)
            log_teacher = bound.log_proba(X_test)
            target = log_teacher.argmax(axis=1)
            map_teacher = maps_of(bound, X_test[mapped], target[mapped], mean)
        log_student = student.predict_log_proba(X_test)
        answers = Teacher.of_student(student.student_, classes)
        map_student = maps_of(answers, X_test[mapped], target[mapped], mean)
        yield (
            arm,
            {
                "accuracy": np.mean(classes[log_student.argmax(axis=1)] == y_test),
                "agreement": fidelity.agreement(log_teacher, log_student),
                "KL": fidelity.predictive_kl(log_teacher, log_student),
                "saliency": fidelity.saliency_correlation(map_teacher, map_student),
                "teacher accuracy": np.mean(classes[target] == y_test),
            },
        )


def run_all(options):
    """Run what the CSV file does not hold yet."""
    done = set()
    if options.csv.exists():
        done = set(pd.read_csv(options.csv)[KEY[:4]].itertuples(index=False, name=None))
    jobs = [
        (kind, name, struck, seed)
        for seed in range(options.seeds)
        for name in options.sets
        for struck in options.struck
        for kind in options.teachers
        if (kind, name, struck, seed) not in done
    ]
    results = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")(
        delayed(run)(*job, options) for job in jobs
    )
    for rows in results:
        table = pd.DataFrame(rows)
        table.to_csv(options.csv, mode="a", index=False, header=not options.csv.exists())
        print(table.round(4).to_string(index=False, header=False), flush=True)


def tables(options):
    """Print the figures of each teacher: means over sets, and each set."""
    runs = pd.read_csv(options.csv)
    order = [*ARMS, *SHAPED]
    for (kind, struck), of_teacher in runs.groupby(["teacher", "struck"]):
        by_set = of_teacher.groupby(["set", "arm"])[FIGURES].mean()
        n_sets, n_seeds = of_teacher["set"].nunique(), of_teacher["seed"].nunique()
        print(f"== {kind}, {struck:.0%} struck out, {n_sets} set(s), {n_seeds} seed(s) ==\n")
        print(by_set.groupby("arm").mean().reindex(order).round(4).to_string(), "\n")
        print(by_set.reindex(order, level="arm").round(4).to_string(), "\n")


def main():
    """Read the arguments, run or print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running, printing = commands.add_parser("run"), commands.add_parser("tables")
    for one in (running, printing):
        one.add_argument("--csv", required=True, type=pathlib.Path)
    running.add_argument("--data-dir", required=True, help="folder of the sets")
    running.add_argument("--sets", nargs="+", default=SETS)
    running.add_argument("--teachers", nargs="+", default=["minirocket", "inception"])
    running.add_argument("--struck", nargs="+", type=float, default=[0.0], help="shares of values")
    running.add_argument("--arms", nargs="+", default=[*ARMS, *SHAPED])
    running.add_argument("--seeds", type=int, default=3)
    running.add_argument("--n-jobs", type=int, default=2)
    running.add_argument("--max-epochs", type=int, help="default: the estimator's")
    running.add_argument("--teacher-epochs", type=int, default=150)
    options = parser.parse_args()
    {"run": run_all, "tables": tables}[options.command](options)


if __name__ == "__main__":
    main()
