"""Does the autoencoder predict the teacher's maps of unseen series, and how fast is it?

Distils Inception teachers with and without ``ExplanationAutoencoder``. For held-out series, it
correlates the autoencoder's maps, and the mean map of the training set, with the teacher's own
maps (occlusion). It then times ``explain`` by autoencoder and by occlusion alternately. The second
table measures the students themselves; its saliency is by occlusion with zeros, on which no arm
trains.

    python benchmarks/explanations.py --data-dir DIR
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import inception_teacher, read_ucr, zero_occlusion
from joblib import Parallel, delayed

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.objectives import ExplanationAutoencoder
from tsdistill.teachers.teacher import as_teacher

ARMS = {
    "KD": {"saliency_weight": 0},
    "KD + autoencoder": {"saliency_weight": 0, "auxiliary": ExplanationAutoencoder()},
    "default": {},
    "default + autoencoder": {"auxiliary": ExplanationAutoencoder()},
}
ROUNDS = 5


def seconds(explain):
    """Seconds that a call takes."""
    start = time.perf_counter()
    explain()
    return time.perf_counter() - start


def run(data_dir, name, seed, most_test):
    """Distil one teacher by every arm; return one dict for each arm."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    X, y, X_test, y_test = read_ucr(data_dir, name)
    classes, class_indices = np.unique(y, return_inverse=True)
    kept = np.random.default_rng(0).permutation(len(X_test))[:most_test]
    X_test, y_test = X_test[kept], y_test[kept]
    teacher = Teacher(inception_teacher(X, class_indices, seed), classes=classes)
    bound = as_teacher(teacher).bind(X_test, classes)
    log_teacher = bound.log_proba(X_test)
    target = log_teacher.argmax(axis=1)
    map_teacher = zero_occlusion(bound, X_test, target)
    rows = []
    for arm, settings in ARMS.items():
        student = SaliencyDistilledClassifier(teacher, random_state=100 + seed, **settings)
        fit = seconds(lambda: student.fit(X, y))  # noqa: B023
        answers = Teacher.of_student(student.student_, classes)
        log_student = answers.log_proba(X_test)
        row = {
            "set": name,
            "seed": seed,
            "arm": arm,
            "accuracy": student.score(X_test, y_test),
            "agreement": fidelity.agreement(log_teacher, log_student),
            "KL": fidelity.predictive_kl(log_teacher, log_student),
            "saliency": fidelity.saliency_correlation(
                map_teacher, zero_occlusion(answers, X_test, target)
            ),
            "fit s": fit,
            "weights": sum(p.numel() for p in student.student_.module_.parameters()),
        }
        if "autoencoder" in arm:
            teacher_maps = student.explain(X_test, of="teacher")
            mean_map = student.explain(X, of="teacher").mean(axis=0)
            row["maps"] = fidelity.saliency_correlation(
                teacher_maps, student.explain(X_test, method="autoencoder")
            )
            row["mean map"] = fidelity.saliency_correlation(
                teacher_maps, np.tile(mean_map, (len(teacher_maps), 1))
            )
            ratios = [
                seconds(lambda: student.explain(X_test))  # noqa: B023
                / seconds(lambda: student.explain(X_test, method="autoencoder"))  # noqa: B023
                for _ in range(ROUNDS)
            ]
            row["times faster"] = np.median(ratios)
        rows.append(row)
    return rows


def main():
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder of the UCR sets")
    parser.add_argument("--sets", nargs="+", default=["GunPoint", "CBF", "Plane"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--most-test", type=int, default=300, help="test series a set, at most")
    options = parser.parse_args()
    runs = Parallel(n_jobs=options.n_jobs)(
        delayed(run)(options.data_dir, name, seed, options.most_test)
        for name in options.sets
        for seed in range(options.seeds)
    )
    table = pd.DataFrame([row for rows in runs for row in rows])
    maps = table[table["maps"].notna()]
    by_set = maps.pivot_table(index="arm", columns="set", values=["maps", "mean map"])
    print("correlation with the teacher's own maps, by set\n" + by_set.round(3).to_string())
    figures = ["accuracy", "agreement", "KL", "saliency", "fit s", "weights"]
    print(
        "\nstudents\n" + table.groupby("arm")[figures].mean().loc[list(ARMS)].round(4).to_string()
    )
    spread = table.groupby(["arm", "seed"])[figures[:4]].mean().groupby("arm").std()
    print("\nstandard deviation over seeds\n" + spread.loc[list(ARMS)].round(4).to_string() + "\n")
    ours = maps[maps["arm"] == "default + autoencoder"].groupby("set").mean(numeric_only=True)
    mean = table.groupby("arm")[figures].mean()
    lost = mean.loc["KD", "accuracy"] - mean.loc["default + autoencoder", "accuracy"]
    gain = mean.loc["default + autoencoder", "saliency"] - mean.loc["KD", "saliency"]
    for target, value, met in (
        ("maps, mean over sets >= 0.88", ours["maps"].mean(), ours["maps"].mean() >= 0.88),
        (
            "maps - mean map, smallest > 0",
            (ours["maps"] - ours["mean map"]).min(),
            (ours["maps"] > ours["mean map"]).all(),
        ),
        ("times faster, least >= 20", ours["times faster"].min(), ours["times faster"].min() >= 20),
        ("accuracy below KD's <= 0.005", lost, lost <= 0.005),
        ("saliency above KD's > 0", gain, gain > 0),
    ):
        print(f"{'ok  ' if met else 'MISS'} {target:32} {value:.4f}")


if __name__ == "__main__":
    main()
