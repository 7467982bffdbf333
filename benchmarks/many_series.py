"""Are mixtures worth their steps where series are many?

    OMP_NUM_THREADS=1 python benchmarks/many_series.py --data-dir DIR

DIR is a folder of the UCR archive. MiniRocket with a ridge classifier on 1,500 series of
ElectricDevices, drawn at random, and on all 560 of FaceAll; students by plain KD and by the default
with several numbers of mixtures, one seed; up to 800 test series. Saliency is by occlusion with
zeros, of 100 of these.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from heavy import zero_occlusion
from strong import minirocket

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.datasets import load_ucr
from tsdistill.teachers.teacher import as_teacher

SETS = {"ElectricDevices": 1500, "FaceAll": 560}
MOST_TESTED, MOST_MAPS = 800, 100


def arms_of(n_series):
    """The settings to compare."""
    numbers = (n_series, 400, 0)
    arms = {f"{number} mixtures": {"n_mixtures": number} for number in numbers}
    half = {"n_mixtures": 0, "windows_per_step": 0.5}
    return {"KD": {"saliency_weight": 0}, **arms, "0 mixtures, half of the copies": half}


def drawn(X, y, n, rng):
    """Some of the series, in random order."""
    rows = rng.permutation(len(X))[:n]
    return np.asarray(X, dtype=np.float32)[rows].reshape(len(rows), 1, -1), y[rows]


def run(name, n_series, data_dir):
    """A row for each arm."""
    rng = np.random.default_rng(0)
    (X, y), (X_test, y_test) = (
        drawn(*load_ucr(name, split, data_dir), n, rng)
        for split, n in (("train", n_series), ("test", MOST_TESTED))
    )
    classes, class_index = np.unique(y, return_inverse=True)
    teacher = minirocket(X, class_index, 0, classes)
    torch.set_num_threads(1)  # fitting a Rocket changes it
    bound = as_teacher(teacher).bind(X, classes)
    log_teacher = bound.log_proba(X_test)
    target = log_teacher.argmax(axis=1)
    mapped = X_test[:MOST_MAPS], target[:MOST_MAPS]
    map_teacher = zero_occlusion(bound, *mapped)
    for arm, settings in arms_of(n_series).items():
        student = SaliencyDistilledClassifier(teacher, random_state=100, **settings).fit(X, y)
        log_student = student.predict_log_proba(X_test)
        map_student = zero_occlusion(Teacher.of_student(student.student_, classes), *mapped)
        yield {
            "set": name,
            "arm": arm,
            "accuracy": np.mean(classes[log_student.argmax(axis=1)] == y_test),
            "agreement": fidelity.agreement(log_teacher, log_student),
            "KL": fidelity.predictive_kl(log_teacher, log_student),
            "saliency": fidelity.saliency_correlation(map_teacher, map_student),
        }


def main():
    """Read the arguments, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in options.sets:
        for row in run(name, SETS[name], options.data_dir):
            print(pd.DataFrame([row]).round(4).to_string(index=False, header=False), flush=True)


if __name__ == "__main__":
    main()
