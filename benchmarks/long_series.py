"""How far apart should the first filters be in long series? One teacher a set, one seed.

    python benchmarks/long_series.py --data-dir DIR

The teacher is MiniRocket with a ridge classifier, asked about at most 150 test series. Saliency is
by occlusion with zeros, of 60 of them.
"""

import argparse
import tempfile
import time
import warnings

import numpy as np
import torch
from heavy import read_ucr, zero_occlusion
from strong import CalibratedRidge

from tsdistill import SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.students import Lite
from tsdistill.teachers.teacher import as_teacher

SETS = [
    "Ham", "Fish", "ShapeletSim", "Earthquakes", "OliveOil", "Car", "Computers", "Worms",
]  # fmt: skip
STRIDES = (2, 4, 6, 8)
MOST_ASKED, MOST_MAPS = 150, 60


def run(name, strides, options):
    """Print the figures of each stride on one set."""
    from sktime.transformations.panel.rocket import MiniRocket

    X, y, X_test, y_test = read_ucr(options.data_dir, name)
    some = np.random.default_rng(0).permutation(len(X_test))[:MOST_ASKED]
    X_test, y_test, classes = X_test[some], y_test[some], np.unique(y)
    teacher = CalibratedRidge(MiniRocket(random_state=0)).fit(X, y)
    bound = as_teacher(teacher).bind(X_test, classes)
    log_teacher = bound.log_proba(X_test)
    target = log_teacher.argmax(axis=1)[:MOST_MAPS]
    maps = zero_occlusion(bound, X_test[:MOST_MAPS], target)
    with tempfile.TemporaryDirectory() as memory:
        for stride in strides:
            start = time.process_time()
            student = SaliencyDistilledClassifier(
                teacher, Lite(stride=stride), random_state=1, max_epochs=options.max_epochs,
                memory=memory,
            ).fit(X, y)  # fmt: skip
            seconds = time.process_time() - start
            log_student = student.predict_log_proba(X_test)
            own = Teacher.of_student(student.student_, classes)
            own_maps = zero_occlusion(own, X_test[:MOST_MAPS], target)
            print(
                f"{name:20s} {X.shape[-1]:5d} {stride:6d} "
                f"{np.mean(classes[log_student.argmax(axis=1)] == y_test):9.3f} "
                f"{fidelity.agreement(log_teacher, log_student):9.3f} "
                f"{fidelity.predictive_kl(log_teacher, log_student):7.4f} "
                f"{fidelity.saliency_correlation(maps, own_maps):9.3f} {seconds:8.0f}",
                flush=True,
            )


def main():
    """Run the sets in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder of the UCR archive")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--strides", nargs="+", type=int, default=STRIDES)
    parser.add_argument("--max-epochs", type=int, help="default: the estimator's")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print("set                  steps stride  accuracy agreement      KL  saliency  seconds")
    for name in options.sets:
        run(name, options.strides, options)


if __name__ == "__main__":
    main()
