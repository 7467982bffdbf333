"""Compare every method of the library on the same teachers, at equal epochs and equal wall time.

Trains an Inception teacher on each UCR set, distils it into the default student by every arm, and
compares accuracy, agreement, KL and saliency correlation on the test split. Saliency is by
occlusion with zeros, on which no arm trains. For the second table, every arm gets the time that the
default arm took for the first, so slow arms get fewer epochs and fast ones more. Saves every run as
CSV, and draws the mean ranks over the sets with Nemenyi's critical difference.

    python benchmarks/methods.py --data-dir DIR --csv methods.csv --picture methods.png
    python benchmarks/methods.py --from-csv methods.csv --picture methods.png
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import inception_teacher, read_ucr, zero_occlusion
from joblib import Parallel, delayed
from scipy.stats import rankdata, studentized_range

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.objectives import (
    ExplanationAutoencoder,
    InputNoise,
    PerturbedSoftTargets,
    TemporalReview,
)
from tsdistill.teachers.teacher import as_teacher

PUBLISHED = {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 1.0}
ARMS = {
    "labels": {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0},
    "KD": {"saliency_weight": 0},
    "KD, input noise": {"saliency_weight": 0, "auxiliary": InputNoise()},
    "KD, same copies": {"saliency_weight": 0, "auxiliary": PerturbedSoftTargets()},
    "e2KD": {"saliency": "gradient", "saliency_weight": 5.0},
    "TSKD": {"saliency_weight": 0, "auxiliary": TemporalReview()},
    "XDistillation": {
        "saliency_weight": 0,
        "auxiliary": ExplanationAutoencoder(n_questions=5_000),
    },
    "TSD, class": {**PUBLISHED, "saliency": "class"},
    "TSD, sum": {**PUBLISHED, "saliency": "sum"},
    "TSD, decoupled": {**PUBLISHED, "saliency": "decoupled"},
    "TSD, same donors": {**PUBLISHED, "saliency": "class", "donors": "same"},
    "default": {},
}
SETS = [
    "ArrowHead",
    "CBF",
    "DistalPhalanxOutlineCorrect",
    "GunPoint",
    "Lightning7",
    "MedicalImages",
    "MoteStrain",
    "Plane",
]
FIGURES = {"accuracy": 1, "agreement": 1, "KL": -1, "saliency": 1}  # 1: higher is better
FEWEST_EPOCHS = 4  # the epochs in a cycle of TSKD


def run(data_dir, name, seed, options):
    """Distil one teacher by every arm, at equal epochs and equal time; one dict for each run."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    X, y, X_test, y_test = read_ucr(data_dir, name)
    classes, class_indices = np.unique(y, return_inverse=True)
    kept = np.random.default_rng(0).permutation(len(X_test))[: options.most_test]
    X_test, y_test = X_test[kept], y_test[kept]
    teacher = Teacher(
        inception_teacher(X, class_indices, seed, options.teacher_epochs), classes=classes
    )
    bound = as_teacher(teacher).bind(X_test, classes)
    log_teacher = bound.log_proba(X_test)
    target = log_teacher.argmax(axis=1)
    map_teacher = zero_occlusion(bound, X_test, target)
    n_steps = -(-len(X) // 32)
    epochs = max(options.fewest_epochs, options.steps // n_steps)

    def distil(arm, way, epochs):
        student = SaliencyDistilledClassifier(
            teacher, max_epochs=epochs, random_state=100 + seed, **ARMS[arm]
        )
        start = time.perf_counter()
        student.fit(X, y)
        seconds = time.perf_counter() - start
        answers = Teacher.of_student(student.student_, classes)
        log_student = answers.log_proba(X_test)
        map_student = zero_occlusion(answers, X_test, target)
        return {
            "set": name,
            "seed": seed,
            "way": way,
            "arm": arm,
            "epochs": epochs,
            "seconds": seconds,
            "s/epoch": np.mean([row["dur"] for row in student.history_]),
            "accuracy": student.score(X_test, y_test),
            "agreement": fidelity.agreement(log_teacher, log_student),
            "KL": fidelity.predictive_kl(log_teacher, log_student),
            "saliency": fidelity.saliency_correlation(map_teacher, map_student),
            "teacher accuracy": np.mean(classes[target] == y_test),
        }

    distil("KD", "warm-up", FEWEST_EPOCHS)
    rows = {arm: distil(arm, "epochs", epochs) for arm in options.arms}
    limit = rows.get("default", rows[options.arms[-1]])["seconds"]
    timed = []
    for arm, row in rows.items():
        once = row["seconds"] - row["s/epoch"] * epochs  # mostly the queries to the teacher
        fit_in = max(FEWEST_EPOCHS, int((limit - once) / row["s/epoch"]))
        timed.append(distil(arm, "seconds", fit_in))
    return [*rows.values(), *timed]


def mean_ranks(table, figure):
    """Mean rank of each arm over the sets, of the means over seeds; 1 is best."""
    by_set = table.pivot_table(index="set", columns="arm", values=figure)
    ranks = rankdata(-FIGURES[figure] * by_set.to_numpy(), axis=1)
    return pd.Series(ranks.mean(axis=0), index=by_set.columns)


def critical_difference(n_arms, n_sets, alpha=0.05):
    """Nemenyi's critical difference: mean ranks closer than this do not differ significantly."""
    q = studentized_range.ppf(1 - alpha, n_arms, np.inf) / np.sqrt(2)
    return q * np.sqrt(n_arms * (n_arms + 1) / (6 * n_sets))


def draw(table, path):
    """Draw the mean ranks of all arms: a panel for each measure, a colour for each table."""
    import matplotlib.pyplot as plt

    n_arms, n_sets = table["arm"].nunique(), table["set"].nunique()
    difference = critical_difference(n_arms, n_sets)
    figure, axes = plt.subplots(1, len(FIGURES), figsize=(13, 0.34 * n_arms + 1.6), sharey=True)
    order = mean_ranks(table[table["way"] == "epochs"], "saliency").sort_values().index[::-1]
    styles = {"epochs": ("o", "#1b4f72", "equal epochs"), "seconds": ("s", "#e67e22", "equal time")}
    for ax, name in zip(axes, FIGURES, strict=True):
        for way, (marker, colour, label) in styles.items():
            ranks = mean_ranks(table[table["way"] == way], name)[order]
            ax.plot(ranks, np.arange(n_arms), marker, color=colour, label=label, alpha=0.85)
            if way == "epochs":
                best = ranks.min()
        ax.axvspan(best, best + difference, color="#1b4f72", alpha=0.08, lw=0)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("mean rank")
        ax.set_xlim(0.5, n_arms + 0.5)
        ax.grid(axis="y", alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(np.arange(n_arms), order)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower left", ncols=2, frameon=False)
    figure.suptitle(
        f"Mean rank over {n_sets} sets, 1 is best; shaded: not told apart from the best at equal "
        f"epochs (Nemenyi, 5 %, {difference:.1f} ranks)",
        fontsize=11,
    )
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=130)


def report(table):
    """Print both tables, and how much the seeds differ."""
    print(f"Inception teachers, accuracy {table['teacher accuracy'].mean():.3f}; means over "
          f"{table['set'].nunique()} sets and {table['seed'].nunique()} seeds")  # fmt: skip
    order = [arm for arm in ARMS if arm in set(table["arm"])]
    for way, title in (("epochs", "equal epochs"), ("seconds", "equal wall time")):
        part = table[table["way"] == way]
        columns = ["accuracy", "agreement", "KL", "saliency", "seconds", "epochs"]
        mean = part.groupby("arm")[columns].mean().loc[order]
        for figure in FIGURES:
            mean[f"rank {figure}"] = mean_ranks(part, figure)
        print(f"\n{title}\n" + mean.round(4).round({"seconds": 1, "epochs": 0}).to_string())
        if "KD" not in order:
            continue
        for figure, sign in FIGURES.items():
            worse = sign * (mean[figure] - mean.loc["KD", figure]) < 0
            print(f"worse than KD in {figure}: {'; '.join(mean.index[worse]) or 'none'}")
    if table["seed"].nunique() == 1:
        return
    spread = table[table["way"] == "epochs"].groupby(["arm", "seed"])[list(FIGURES)].mean()
    print("\nstandard deviation over seeds, equal epochs")
    print(spread.groupby("arm").std().loc[order].round(4).to_string())


def main():
    """Read the arguments, run or read the runs, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", help="folder of the UCR sets")
    parser.add_argument("--from-csv", help="print and draw the runs that an earlier call saved")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000, help="steps of a fit, at equal epochs")
    parser.add_argument("--fewest-epochs", type=int, default=50)
    parser.add_argument("--teacher-epochs", type=int, default=150)
    parser.add_argument("--most-test", type=int, default=300, help="test series a set, at most")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--csv", help="where to save every run")
    parser.add_argument("--picture", help="where to draw the mean ranks")
    options = parser.parse_args()
    if (options.data_dir is None) == (options.from_csv is None):
        parser.error("pass --data-dir to run, or --from-csv to read")
    if options.from_csv:
        table = pd.read_csv(options.from_csv)
    else:
        runs = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")(
            delayed(run)(options.data_dir, name, seed, options)
            for seed in range(options.seeds)
            for name in options.sets
        )
        rows = []
        for run_rows in runs:  # save each run at once, since all of them take long
            rows += run_rows
            table = pd.DataFrame(rows)
            if options.csv:
                table.to_csv(options.csv, index=False)
    report(table)
    if options.picture:
        draw(table, options.picture)


if __name__ == "__main__":
    main()
