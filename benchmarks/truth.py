"""Does a student's map find the true timesteps of a class as well as its teacher's map does?

Makes synthetic sets whose truth is known, that is, the timesteps (and channels) at which a class
can be recognised. Trains an Inception teacher on each, distils it into the default student by three
arms, and scores the maps of the test series for the class that the teacher predicts. The score is
the average precision with which a map finds the true timesteps, averaged over the series that have
any. "signed" ranks timesteps by how much they speak for the class, "absolute" by how much they
matter in either direction. Maps are by occlusion with the channel's mean (or zeros), on which no
arm trains. For comparison: random maps, the correlation of every map with the teacher's
("saliency"), and accuracy and agreement of the answers.

    python benchmarks/truth.py --csv truth.csv
    python benchmarks/truth.py --sets rare_time rare_feature --width 3
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import inception_teacher
from joblib import Parallel, delayed

from tsdistill import SaliencyDistilledClassifier, Teacher, datasets, fidelity
from tsdistill.explainers.occlusion import occlusion
from tsdistill.perturbation.baselines import stand_in_donors
from tsdistill.teachers.teacher import as_teacher

ARMS = {
    "labels": {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0},
    "KD": {"saliency_weight": 0},
    "default": {},
}
ORDER = ["teacher", *ARMS, "random map"]
SETS = {
    "freq_shapes": datasets.make_freq_shapes,
    "seq_comb": datasets.make_seq_comb,
    "low_var": datasets.make_low_var,
    "middle_box": datasets.make_middle_box,
    "rare_time": datasets.make_rare_time,
    "rare_feature": datasets.make_rare_feature,
}
FIGURES = ["signed", "absolute", "accuracy", "agreement", "saliency", "seconds"]


def run(name, seed, options):
    """Distil one teacher by every arm; one dict for each arm, the teacher and a random map."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    X, y, _ = SETS[name](options.n_train, random_state=rng)
    X_test, y_test, mask = SETS[name](options.n_test, random_state=rng)
    classes = np.unique(y)
    baseline = stand_in_donors(X, options.fill)
    rows = np.zeros((len(classes), 1), dtype=np.int64)

    def explain(model, target):
        return occlusion(model, X_test, target, baseline, rows, options.width, per_channel=True)

    teacher = Teacher(inception_teacher(X, y, seed, options.teacher_epochs), classes=classes)
    bound = as_teacher(teacher).bind(X_test, classes)
    log_teacher = bound.log_proba(X_test)
    target = log_teacher.argmax(axis=1)
    map_teacher = explain(bound, target)

    def score(who, maps, log_proba=None, seconds=np.nan):
        row = {
            "set": name,
            "seed": seed,
            "who": who,
            "signed": fidelity.auprc(maps, mask),
            "absolute": fidelity.auprc(np.abs(maps), mask),
            "truth": mask[mask.any(axis=(1, 2))].mean(),
            "saliency": fidelity.saliency_correlation(map_teacher, maps),
            "seconds": seconds,
        }
        if log_proba is not None:
            row["accuracy"] = np.mean(classes[log_proba.argmax(axis=1)] == y_test)
            row["agreement"] = fidelity.agreement(log_teacher, log_proba)
        return row

    run_rows = [score("teacher", map_teacher, log_teacher)]
    for arm, settings in ARMS.items():
        student = SaliencyDistilledClassifier(
            teacher, max_epochs=options.max_epochs, random_state=100 + seed, **settings
        )
        start = time.perf_counter()
        student.fit(X, y)
        seconds = time.perf_counter() - start
        answers = Teacher.of_student(student.student_, classes)
        maps = explain(answers, target)
        run_rows.append(score(arm, maps, answers.log_proba(X_test), seconds))
    run_rows.append(score("random map", rng.standard_normal(mask.shape)))
    return run_rows


def report(table):
    """Print the means, by set and over sets, and the standard deviation over seeds."""
    for name, part in table.groupby("set", sort=False):
        mean = part.groupby("who")[FIGURES].mean().loc[ORDER]
        print(f"\n{name}: {part['truth'].mean():.3f} of a series with a truth is true")
        print(mean.round(4).to_string(na_rep=""))
    if table["set"].nunique() > 1:
        mean = table.groupby("who")[FIGURES].mean().loc[ORDER]
        print(f"\nmeans over {table['set'].nunique()} sets and {table['seed'].nunique()} seeds")
        print(mean.round(4).to_string(na_rep=""))
    if table["seed"].nunique() > 1:
        spread = table.groupby(["who", "seed"])[FIGURES[:5]].mean().groupby("who").std()
        print("\nstandard deviation over seeds")
        print(spread.loc[ORDER].round(4).to_string(na_rep=""))


def main():
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS)[:3])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-train", type=int, default=500)
    parser.add_argument("--n-test", type=int, default=200)
    parser.add_argument(
        "--width", type=int, default=5, help="timesteps in a window of the occlusion"
    )
    parser.add_argument("--fill", choices=["mean", "zero"], default="mean", help="baseline")
    parser.add_argument("--teacher-epochs", type=int, default=150)
    parser.add_argument(
        "--max-epochs", type=int, help="epochs of the students; default: the estimator's"
    )
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--csv", help="where to save every run")
    options = parser.parse_args()
    runs = Parallel(n_jobs=options.n_jobs, return_as="generator")(
        delayed(run)(name, seed, options) for name in options.sets for seed in range(options.seeds)
    )
    rows = []
    for run_rows in runs:  # save each run at once, since all of them take long
        rows += run_rows
        table = pd.DataFrame(rows)
        if options.csv:
            table.to_csv(options.csv, index=False)
    report(table)


if __name__ == "__main__":
    main()
