"""Does a distilled student's map find what the class can be seen by, as its teacher's does?

Makes sets whose truth is known, trains an Inception teacher on each, distils it into the default
student by three arms, and marks everyone's map of the test series for the teacher's class: the
mean over series of the average precision with which it finds the true timesteps (and channels).
"signed" ranks timesteps by how much they speak for the class, "absolute" by how much they matter
either way. Maps are by occlusion with the channel's mean (or zeros), which no arm trains on.
Series without a truth are left out. Beside it: a map of noise, the correlation of every map with
the teacher's ("saliency"), and the answers' accuracy and agreement.

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
    """One teacher, distilled by every arm; one dict an arm, one of the teacher, one of chance."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    X, y, _ = SETS[name](options.n_train, random_state=rng)
    X_test, y_test, mask = SETS[name](options.n_test, random_state=rng)
    classes = np.unique(y)
    fill = stand_in_donors(X, options.fill)
    rows = np.zeros((len(classes), 1), dtype=np.int64)

    def explained(model, target):
        return occlusion(model, X_test, target, fill, rows, options.width, per_channel=True)

    teacher = Teacher(inception_teacher(X, y, seed, options.teacher_epochs), classes=classes)
    asked = as_teacher(teacher).bind(X_test, classes)
    log_teacher = asked.log_proba(X_test)
    target = log_teacher.argmax(axis=1)
    map_teacher = explained(asked, target)

    def marked(who, maps, log_proba=None, seconds=np.nan):
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

    found = [marked("teacher", map_teacher, log_teacher)]
    for arm, settings in ARMS.items():
        student = SaliencyDistilledClassifier(
            teacher, max_epochs=options.max_epochs, random_state=100 + seed, **settings
        )
        start = time.perf_counter()
        student.fit(X, y)
        seconds = time.perf_counter() - start
        answers = Teacher.of_student(student.student_, classes)
        maps = explained(answers, target)
        found.append(marked(arm, maps, answers.log_proba(X_test), seconds))
    found.append(marked("random map", rng.standard_normal(mask.shape)))
    return found


def report(table):
    """Print the means, by set and over sets, and how the seeds spread."""
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
    parser.add_argument("--width", type=int, default=5, help="timesteps that occlusion replaces")
    parser.add_argument("--fill", choices=["mean", "zero"], default="mean", help="by what")
    parser.add_argument("--teacher-epochs", type=int, default=150)
    parser.add_argument("--max-epochs", type=int, help="of students; default: the estimator's")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--csv", help="where to save every run")
    options = parser.parse_args()
    runs = Parallel(n_jobs=options.n_jobs, return_as="generator")(
        delayed(run)(name, seed, options) for name in options.sets for seed in range(options.seeds)
    )
    rows = []
    for found in runs:  # saved as they come: the whole takes long
        rows += found
        table = pd.DataFrame(rows)
        if options.csv:
            table.to_csv(options.csv, index=False)
    report(table)


if __name__ == "__main__":
    main()
