"""Do mixtures and copies harm batch normalisation? Compares four kinds of normalisation.

A step passes series, mixtures and perturbed copies through the student together, so the batch
statistics describe all of these, while users pass series alone. The default student is trained
with:

* settled: batch normalisation whose running statistics are recomputed in one more pass through
  the steps after training, as the package does;
* series: recomputed from the training series alone;
* running: the running statistics of training;
* group: group normalisation of each series by itself, which nothing else in a batch can affect.

    python benchmarks/normalisation.py --data-dir DIR
    python benchmarks/normalisation.py --data-dir DIR --max-epochs 150
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


def on_series_alone(module, learning, *_):
    """Recompute the running statistics from the training series, in one batch."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.reset_running_stats()
            layer.momentum = None
    with torch.no_grad():
        module(learning.tensors.panel[: learning.tensors.n_given])
    module.eval()


SETTLE = {
    "settled": loop.settle_batch_norm,
    "series": on_series_alone,
    "running": lambda module, *_: module.eval(),
    "group": lambda module, *_: module.eval(),
}


def run(data_dir, name, seed, max_epochs):
    """Distil one teacher into the four students; return one dict for each student."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    X, y, X_test, y_test = read_ucr(data_dir, name)
    classes, class_indices = np.unique(y, return_inverse=True)
    kept = np.random.default_rng(0).permutation(len(X_test))[:300]
    X_test, y_test = X_test[kept], y_test[kept]
    teacher = Teacher(inception_teacher(X, class_indices, seed), classes=classes)
    rows = []
    for normalisation, settle in SETTLE.items():
        loop.settle_batch_norm = settle
        student = SaliencyDistilledClassifier(
            teacher,
            "lite" if normalisation != "group" else without_batch_norm,
            max_epochs=max_epochs,
            random_state=100 + seed,
        ).fit(X, y)
        loop.settle_batch_norm = SETTLE["settled"]
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
    parser.add_argument("--max-epochs", type=int, help="default: the estimator's")
    options = parser.parse_args()
    runs = Parallel(n_jobs=options.n_jobs)(
        delayed(run)(options.data_dir, name, seed, options.max_epochs)
        for name in options.sets
        for seed in range(options.seeds)
    )
    table = pd.DataFrame([row for rows in runs for row in rows])
    print(f"means over {', '.join(options.sets)} and {options.seeds} seeds")
    print(table.groupby("normalisation", sort=False).mean().round(4).to_string())


if __name__ == "__main__":
    main()
