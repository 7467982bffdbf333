"""Does the student give the teacher's answers, and for the same reasons?

Trains teachers on UCR sets, distils each into the default student by every arm, and prints
accuracy, agreement, KL and saliency correlation on the test split, as means over sets and seeds,
followed by the targets that the project set itself. Saliency is by occlusion with zeros, on which
no arm trains.

    python benchmarks/quality.py --data-dir DIR                       # Inception teacher
    python benchmarks/quality.py --data-dir DIR --teacher minirocket  # black box
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import MiniRocketRidge, inception_teacher, read_ucr, zero_occlusion
from joblib import Parallel, delayed

from tsdistill import SaliencyDistilledClassifier, fidelity
from tsdistill.objectives import PerturbedSoftTargets
from tsdistill.teachers.teacher import Teacher, as_teacher

ARMS = {
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
}
SETS = {
    "inception": ["GunPoint", "CBF", "ArrowHead", "MoteStrain", "Lightning7", "Plane"],
    "minirocket": ["GunPoint", "CBF", "ArrowHead"],
}


def run(data_dir, name, seed, kind, settings, most_test):
    """Distil one teacher by every arm; return one dict for each arm."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    X, y, X_test, y_test = read_ucr(data_dir, name)
    classes, class_indices = np.unique(y, return_inverse=True)
    kept = np.random.default_rng(0).permutation(len(X_test))[:most_test]
    X_test, y_test = X_test[kept], y_test[kept]
    if kind == "inception":
        teacher = Teacher(inception_teacher(X, class_indices, seed), classes=classes)
    else:
        teacher = MiniRocketRidge(seed).fit(X, y)
    bound = as_teacher(teacher).bind(X_test, classes)
    log_teacher = bound.log_proba(X_test)
    target = log_teacher.argmax(axis=1)
    map_teacher = zero_occlusion(bound, X_test, target)
    rows = []
    for arm, weights in ARMS.items():
        start = time.perf_counter()
        student = SaliencyDistilledClassifier(
            teacher, random_state=100 + seed, **settings, **weights
        ).fit(X, y)
        seconds = time.perf_counter() - start
        answers = Teacher.of_student(student.student_, classes)
        log_student = answers.log_proba(X_test)
        map_student = zero_occlusion(answers, X_test, target)
        rows.append(
            {
                "set": name,
                "seed": seed,
                "arm": arm,
                "accuracy": student.score(X_test, y_test),
                "agreement": fidelity.agreement(log_teacher, log_student),
                "KL": fidelity.predictive_kl(log_teacher, log_student),
                "saliency": fidelity.saliency_correlation(map_teacher, map_student),
                "seconds": seconds,
                "weights": sum(p.numel() for p in student.student_.module_.parameters()),
                "teacher accuracy": np.mean(classes[target] == y_test),
            }
        )
    return rows


def targets(mean, by_set, kind):
    """Yield each target of the project for the default arm, the value, and whether it is met."""
    ours, kd = mean.loc["default"], mean.loc["KD"]
    others = mean.loc[["KD, same copies", "TSD as published"]]
    ratio = ours["KL"] / kd["KL"]
    if kind == "minirocket":
        yield from (
            (
                f"saliency on {name} >= {threshold}",
                by_set.loc["default", name],
                by_set.loc["default", name] >= threshold,
            )
            for name, threshold in (("GunPoint", 0.85), ("CBF", 0.85), ("ArrowHead", 0.7))
            if name in by_set
        )
        yield "KL / KD's KL <= 0.35", ratio, ratio <= 0.35
        return
    gain = ours["saliency"] - kd["saliency"]
    yield "saliency >= 0.90", ours["saliency"], ours["saliency"] >= 0.90
    yield "saliency - KD's >= 0.15", gain, gain >= 0.15
    yield "KL / KD's KL <= 0.35", ratio, ratio <= 0.35
    yield (
        "KL / best other arm's KL < 1",
        ours["KL"] / others["KL"].min(),
        ours["KL"] < others["KL"].min(),
    )
    gain = ours["agreement"] - kd["agreement"]
    yield "agreement - KD's >= 0.01", gain, gain >= 0.01
    gain = ours["accuracy"] - kd["accuracy"]
    yield "accuracy - KD's >= -0.005", gain, gain >= -0.005


def main():
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder of the UCR sets")
    parser.add_argument("--teacher", choices=SETS, default="inception")
    parser.add_argument("--sets", nargs="+", help="default: the sets of the project's targets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--max-epochs", type=int, help="default: the estimator's")
    parser.add_argument("--most-test", type=int, default=10**9, help="test series a set, at most")
    parser.add_argument("--csv", help="where to save every run")
    options = parser.parse_args()
    settings = {"max_epochs": options.max_epochs}
    runs = Parallel(n_jobs=options.n_jobs)(
        delayed(run)(options.data_dir, name, seed, options.teacher, settings, options.most_test)
        for name in options.sets or SETS[options.teacher]
        for seed in range(options.seeds)
    )
    table = pd.DataFrame([row for rows in runs for row in rows])
    if options.csv:
        table.to_csv(options.csv, index=False)
    order = list(ARMS)
    figures = ["accuracy", "agreement", "KL", "saliency", "seconds", "weights"]
    mean = table.groupby("arm")[figures].mean().loc[order]
    spread = table.groupby(["arm", "seed"])[figures[:4]].mean().groupby("arm").std().loc[order]
    by_set = table.pivot_table(index="arm", columns="set", values="saliency").loc[order]
    kl_by_set = table.pivot_table(index="arm", columns="set", values="KL").loc[order]
    print(f"{options.teacher} teacher, accuracy {table['teacher accuracy'].mean():.3f}; means over "
          f"{table['set'].nunique()} sets and {table['seed'].nunique()} seeds\n")  # fmt: skip
    print(mean.round(4).to_string(), "\n\nstandard deviation over seeds")
    print(spread.round(4).to_string(), "\n\nsaliency correlation by set")
    print(by_set.round(3).to_string(), "\n\nKL by set")
    print(kl_by_set.round(4).to_string(), "\n")
    for target, value, met in targets(mean, by_set, options.teacher):
        print(f"{'ok  ' if met else 'MISS'} {target:32} {value:.4f}")


if __name__ == "__main__":
    main()
