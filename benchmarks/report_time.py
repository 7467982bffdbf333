"""How long does a fidelity report on 1,000 series take, with and without writing the HTML?

Distils an Inception teacher of 157,000 weights on ECG5000, then reports on labelled test series,
without and with the comparison to a student that was trained on labels alone.

    python benchmarks/report_time.py --data-dir DIR
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from heavy import inception_teacher, read_ucr

from tsdistill import SaliencyDistilledClassifier, Teacher


def main():
    """Train, report, print seconds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder of the UCR sets")
    parser.add_argument("--teacher-epochs", type=int, default=20)
    parser.add_argument("--max-epochs", type=int, default=20, help="epochs of the students")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    X, y, X_test, y_test = read_ucr(options.data_dir, "ECG5000")
    classes, class_indices = np.unique(y, return_inverse=True)
    teacher = inception_teacher(X, class_indices, 0, options.teacher_epochs)
    teacher = Teacher(teacher, classes=classes)
    common = {"max_epochs": options.max_epochs, "random_state": 0}
    student = SaliencyDistilledClassifier(teacher, **common).fit(X, y)
    label_only = SaliencyDistilledClassifier(
        teacher, label_weight=1.0, soft_target_weight=0, saliency_weight=0, **common
    ).fit(X, y)
    rows = np.random.default_rng(0).permutation(len(X_test))[:1000]  # the file is sorted by class
    X_test, y_test = X_test[rows], y_test[rows]
    for name, more in (
        ("report", {}),
        ("with a student of labels alone", {"label_only": label_only}),
    ):
        start = time.perf_counter()
        report = student.fidelity_report(X_test, y_test, **more)
        report_seconds = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            report.to_html(Path(folder, "report.html"))
            size = Path(folder, "report.html").stat().st_size / 1e6
        total_seconds = time.perf_counter() - start
        print(f"{name}: {report_seconds:.1f} s, with the page {total_seconds:.1f} s, {size:.2f} MB")
    print(report)


if __name__ == "__main__":
    main()
