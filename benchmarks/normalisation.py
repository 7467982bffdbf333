"""Do the perturbed copies harm batch normalisation? Compares three kinds of normalisation.

A step passes series and perturbed copies through the student together, so the batch statistics
describe the mixture, while users pass series alone. The default student is trained with:

* settled: batch normalisation whose running statistics are recomputed from the series alone after
  training, as the package does;
* mixed: batch normalisation with the running statistics of training;
* group: group normalisation of each series by itself, which copies cannot affect.

    python benchmarks/normalisation.py --data-dir DIR
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import inception_teacher, read_ucr
from joblib import Parallel, delayed
from torch import nn

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.students import Lite
from tsdistill.training import loop

SETS = ["ECGFiveDays", "ItalyPowerDemand", "ECG200"]


def without_batch_norm(n_channels, n_timepoints, n_classes):
    """The default student with group normalisation instead of batch normalisation."""
    network = Lite().build(n_channels, n_timepoints, n_classes)
    for block in (network.normalise, network.combine, network.reach):
        for i, layer in enumerate(block):
            if isinstance(layer, nn.BatchNorm1d):
                block[i] = nn.GroupNorm(1, layer.num_features)
    return network


def run(data_dir, name, seed):
    """Distil one teacher into the three students; return one dict for each student."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    X, y, X_test, y_test = read_ucr(data_dir, name)
    classes, class_indices = np.unique(y, return_inverse=True)
    kept = np.random.default_rng(0).permutation(len(X_test))[:300]
    X_test, y_test = X_test[kept], y_test[kept]
    teacher = Teacher(inception_teacher(X, class_indices, seed), classes=classes)
    settle_batch_norm = loop.settle_batch_norm
    rows = []
    for normalisation in ("settled", "mixed", "group"):
        if normalisation != "settled":
            loop.settle_batch_norm = lambda *_, **__: None
        student = SaliencyDistilledClassifier(
            teacher,
            "lite" if normalisation != "group" else without_batch_norm,
            random_state=100 + seed,
        ).fit(X, y)
        loop.settle_batch_norm = settle_batch_norm
        rows.append(
            {
                "normalisation": normalisation,
                "accuracy": student.score(X_test, y_test),
                "agreement": student.fidelity_score(X_test),
                "KL": -student.fidelity_score(X_test, metric="kl"),
                "saliency": student.fidelity_score(X_test, metric="saliency"),
            }
        )
    return rows


def main():
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder of the UCR sets")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()
    runs = Parallel(n_jobs=options.n_jobs)(
        delayed(run)(options.data_dir, name, seed)
        for name in options.sets
        for seed in range(options.seeds)
    )
    table = pd.DataFrame([row for rows in runs for row in rows])
    print(f"means over {', '.join(options.sets)} and {options.seeds} seeds")
    print(table.groupby("normalisation", sort=False).mean().round(4).to_string())


if __name__ == "__main__":
    main()
