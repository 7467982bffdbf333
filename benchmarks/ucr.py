"""Sets x seeds x teachers x arms: which student is most faithful to strong teachers?

Every run is a row of a CSV file, and runs that stand there are not repeated; teachers are kept in a
folder. Tables and the picture come from the CSV alone.

    python benchmarks/ucr.py run --data-dir DIR --work-dir WORK --csv ucr.csv --teachers multirocket
    python benchmarks/ucr.py tables --csv ucr.csv --published published_accuracy.csv
    python benchmarks/ucr.py draw --csv ucr.csv --picture ucr.png
    python benchmarks/ucr.py run ... --sets development --arms default "no mixtures"

Hyperparameters were chosen on other sets (see docs/benchmarks.md). Saliency is by occlusion with
zeros, on which no arm trains, of up to 300 test series.
"""

import argparse
import pathlib
import pickle
import time
import warnings

import matplotlib
import numpy as np
import pandas as pd
import torch
from heavy import read_ucr, zero_occlusion
from joblib import Parallel, delayed
from strong import TEACHERS
from ucr_tables import draw, print_tables

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.objectives import AttributionMatching, PerturbedSoftTargets
from tsdistill.teachers.teacher import as_teacher
from tsdistill.training.budget import FEWEST_MIXTURES, MOST_MIXTURES

TWELVE = [
    "ArrowHead", "CBF", "Coffee", "GunPoint", "Lightning7", "MedicalImages",
    "MoteStrain", "Plane", "ProximalPhalanxTW", "SwedishLeaf", "UMD", "Wine",
]  # fmt: skip
DEVELOPMENT = [
    "DistalPhalanxOutlineCorrect", "ECG200", "FaceAll", "FaceFour", "ItalyPowerDemand",
    "PowerCons", "SonyAIBORobotSurface1", "ToeSegmentation1",
]  # fmt: skip
"""Sets on which the defaults were chosen."""
LEAST_A_SERIES = 3
"""Questions that a budget has to hold for each series, or its arm is left out for the set."""
AS_MANY_MIXTURES = "as many mixtures as the default"
MAIN_ARMS = {
    "labels": {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0},
    "KD": {"saliency_weight": 0},
    "KD, same copies": {"saliency_weight": 0, "auxiliary": PerturbedSoftTargets()},
    "TSD as published": {
        "label_weight": 1.0,
        "soft_target_weight": 0,
        "saliency": "class",
        "saliency_weight": 1.0,
    },
    "default": {},
    "KD, same inputs": {
        "saliency_weight": 0,
        "auxiliary": PerturbedSoftTargets(),
        "n_mixtures": AS_MANY_MIXTURES,
    },
    "e2KD": {"saliency": "gradient"},
    "attribution": {"saliency_weight": 0, "auxiliary": AttributionMatching()},
}
"""With "KD, same inputs" a student learns all that the default learns but the saliency term."""
ABLATIONS = {
    "KD, mixtures": {"saliency_weight": 0, "n_mixtures": 400},
    "no mixtures": {"n_mixtures": 0},
    "opposing donors": {"donors": "opposing"},
    "1,000 mixtures": {"n_mixtures": 1000},
    "copies not targets": {"auxiliary": PerturbedSoftTargets(weight=0)},
    "half the copies": {"windows_per_step": 0.5},
    "1,000 queries": {"n_queries": 1000},
    "saliency 2.5": {"saliency_weight": 2.5},
    "saliency 10": {"saliency_weight": 10.0},
}
"""The default with one setting changed."""
ARMS = MAIN_ARMS | ABLATIONS
DIFFERENTIABLE = {"inceptiontime", "inception"}
OF_GRADIENTS = {"e2KD", "attribution"}
"""Arms that need a teacher of torch modules."""
KEY = ["teacher", "set", "seed", "arm"]
MOST_MAPS = 300


def fitted_teacher(kind, name, seed, data, work_dir, device):
    """The teacher, trained or read from the folder, and the seconds that its training took."""
    X, y, _, _ = data
    path = work_dir / f"{kind}-{name}-{seed}.pkl"
    if not path.exists():
        classes, class_index = np.unique(y, return_inverse=True)
        start = time.perf_counter()
        teacher = TEACHERS[kind](X, class_index, seed, classes, device)
        seconds = time.perf_counter() - start
        part = path.with_suffix(".part")
        part.write_bytes(pickle.dumps((teacher, seconds)))
        part.rename(path)
    return pickle.loads(path.read_bytes())


def answers_to_tests(teacher, data, path):
    """Log-probabilities of the test series and maps of up to 300 of them, kept in a file."""
    _, y, X_test, _ = data
    if not path.exists():
        bound = as_teacher(teacher).bind(X_test, np.unique(y))
        log_proba = bound.log_proba(X_test)
        mapped = np.random.default_rng(0).permutation(len(X_test))[:MOST_MAPS]
        maps = zero_occlusion(bound, X_test[mapped], log_proba[mapped].argmax(axis=1))
        part = path.with_suffix(".part")
        part.write_bytes(pickle.dumps((log_proba, mapped, maps)))
        part.rename(path)
    return pickle.loads(path.read_bytes())


def run(kind, name, seed, arms, options):
    """Distil one teacher by some arms, a dict of settings by name; one row for each."""
    warnings.filterwarnings("ignore")
    data = X, y, X_test, y_test = read_ucr(options.data_dir, name)
    classes = np.unique(y)
    kept = options.work_dir, options.teacher_device
    teacher, teacher_seconds = fitted_teacher(kind, name, seed, data, *kept)
    torch.set_num_threads(1)  # fitting a Rocket changes it
    path = options.work_dir / f"{kind}-{name}-{seed}-answers.pkl"
    log_teacher, mapped, map_teacher = answers_to_tests(teacher, data, path)
    target = log_teacher.argmax(axis=1)
    right = classes[target] == y_test
    rows = []
    for arm, settings in arms.items():
        if settings.get("n_queries", len(X) * LEAST_A_SERIES) < len(X) * LEAST_A_SERIES:
            continue
        start, busy = time.perf_counter(), time.process_time()
        settings = {"max_epochs": options.max_epochs, "device": options.device, **settings}
        if settings.get("n_mixtures") == AS_MANY_MIXTURES:
            settings["n_mixtures"] = int(np.clip(len(X), FEWEST_MIXTURES, MOST_MIXTURES))
        student = SaliencyDistilledClassifier(
            teacher, random_state=100 + seed,
            memory=options.work_dir / "answers", **settings,
        ).fit(X, y)  # fmt: skip
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        # Of the processor, where one thread works: whatever else runs there counts less.
        share = min(1.0, busy / seconds) if options.device == "cpu" else 1.0
        answers = Teacher.of_student(student.student_, classes)
        log_student = answers.log_proba(X_test)
        map_student = zero_occlusion(answers, X_test[mapped], target[mapped])
        correct = classes[log_student.argmax(axis=1)] == y_test
        start = time.perf_counter()
        student.predict_proba(X_test)
        predicting = time.perf_counter() - start
        rows.append({
            "teacher": kind, "set": name, "seed": seed, "arm": arm,
            "accuracy": correct.mean(),
            "agreement": fidelity.agreement(log_teacher, log_student),
            "KL": fidelity.predictive_kl(log_teacher, log_student),
            "saliency": fidelity.saliency_correlation(map_teacher, map_student),
            "negative flips": (right & ~correct).mean(),
            "queries": student.n_queries_,
            "weights": sum(p.numel() for p in student.student_.module_.parameters()),
            "training seconds": share * sum(row["dur"] for row in student.history_),
            "seconds": seconds,
            "us a series": 1e6 * predicting / len(X_test),
            "teacher accuracy": right.mean(),
            "teacher seconds": teacher_seconds,
        })  # fmt: skip
    return rows


def run_all(options):
    """Run what the CSV file does not hold yet, the largest sets last."""
    options.work_dir.mkdir(parents=True, exist_ok=True)
    folders = sorted(path.name for path in pathlib.Path(options.data_dir).iterdir())
    groups = {"twelve": TWELVE, "development": DEVELOPMENT, "all": folders}
    sets = dict.fromkeys(name for group in options.sets for name in groups.get(group, [group]))
    run_missing({arm: ARMS[arm] for arm in options.arms}, list(sets), options)


def run_missing(arms, sets, options):
    """Run the arms that the CSV file does not hold yet."""
    done = set()
    if options.csv.exists():
        done = set(pd.read_csv(options.csv)[KEY].itertuples(index=False, name=None))
    jobs = []
    for kind in options.teachers:
        gradients = kind in DIFFERENTIABLE and options.teacher_device == "cpu"
        usable = [arm for arm in arms if gradients or arm not in OF_GRADIENTS]
        for seed in range(options.seeds):
            for name in sets:
                missing = {arm: arms[arm] for arm in usable if (kind, name, seed, arm) not in done}
                if missing:
                    jobs.append((kind, name, seed, missing))
    print(f"{len(jobs)} teachers to distil", flush=True)
    results = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")(
        delayed(run)(*job, options) for job in jobs
    )
    for rows in results:
        table = pd.DataFrame(rows)
        table.to_csv(options.csv, mode="a", index=False, header=not options.csv.exists())
        shown = table[[*KEY, "accuracy", "agreement", "KL", "saliency", "seconds"]]
        print(shown.round(4).to_string(index=False, header=False), flush=True)


def tables(options):
    """Print every table of a CSV file."""
    runs = pd.concat([pd.read_csv(path) for path in options.csv])
    runs = runs[~runs["set"].isin(options.without)]
    runs = runs[runs["seed"].isin(options.seeds)] if options.seeds else runs
    runs = runs[runs["arm"].isin(options.arms)]
    published = pd.read_csv(options.published, index_col=0) if options.published else None
    for kind, of_teacher in runs.groupby("teacher", sort=False):
        if not options.teachers or kind in options.teachers:
            print_tables(kind, of_teacher, list(ARMS), published)


def draw_picture(options):
    """Draw the figures of each set."""
    matplotlib.use("Agg")
    draw(pd.read_csv(options.csv)).savefig(options.picture, dpi=110)
    print(options.picture)


def add_run_options(parser, teachers, sets, seeds):
    """Options of whatever runs sets, seeds and teachers; the defaults are given."""
    parser.add_argument("--data-dir", required=True, help="folder of the UCR sets")
    parser.add_argument("--work-dir", required=True, type=pathlib.Path, help="keeps teachers")
    parser.add_argument("--csv", required=True, type=pathlib.Path)
    parser.add_argument("--teachers", nargs="+", choices=TEACHERS, default=teachers)
    parser.add_argument("--sets", nargs="+", default=sets)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--n-jobs", type=int, default=2)


def main():
    """Read the arguments, run, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", epilog="Sets: names, or twelve, development, or all.")
    add_run_options(running, ["multirocket"], ["twelve"], 3)
    running.add_argument("--arms", nargs="+", choices=ARMS, default=list(MAIN_ARMS))
    running.add_argument("--max-epochs", type=int, help="default: the estimator's")
    running.add_argument("--device", default="cpu", help="on which students train")
    running.add_argument(
        "--teacher-device", default="cpu",
        help="on which networks train; those on a GPU stay there, and give no gradients",
    )  # fmt: skip
    printing = commands.add_parser("tables")
    printing.add_argument("--csv", required=True, nargs="+", type=pathlib.Path)
    printing.add_argument("--seeds", nargs="+", type=int, help="default: all")
    printing.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    printing.add_argument("--published", help="CSV file of published accuracies, a column a method")
    printing.add_argument("--teachers", nargs="+", choices=TEACHERS)
    printing.add_argument("--without", nargs="+", default=[], help="sets to leave out")
    drawing = commands.add_parser("draw")
    drawing.add_argument("--csv", required=True, type=pathlib.Path)
    drawing.add_argument("--picture", required=True, type=pathlib.Path)
    options = parser.parse_args()
    {"run": run_all, "tables": tables, "draw": draw_picture}[options.command](options)


if __name__ == "__main__":
    main()
