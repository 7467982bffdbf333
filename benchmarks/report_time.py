"""How long a fidelity report of 1,000 series takes, page included.

Distils an Inception teacher of 157,000 weights on ECG5000, then reports on test series, with
labels and with a student of labels alone beside.

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
    parser.add_argument("--max-epochs", type=int, default=20, help="of the students")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    X, y, X_test, y_test = read_ucr(options.data_dir, "ECG5000")
    classes, codes = np.unique(y, return_inverse=True)
    teacher = inception_teacher(X, codes, 0, options.teacher_epochs)
    teacher = Teacher(teacher, classes=classes)
    common = {"max_epochs": options.max_epochs, "random_state": 0}
    student = SaliencyDistilledClassifier(teacher, **common).fit(X, y)
    alone = SaliencyDistilledClassifier(
        teacher, label_weight=1.0, soft_target_weight=0, saliency_weight=0, **common
    ).fit(X, y)
    rows = np.random.default_rng(0).permutation(len(X_test))[:1000]  # the file is sorted by class
    X_test, y_test = X_test[rows], y_test[rows]
    for name, more in (("report", {}), ("with a student of labels alone", {"label_only": alone})):
        start = time.perf_counter()
        report = student.fidelity_report(X_test, y_test, **more)
        made = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            report.to_html(Path(folder, "report.html"))
            size = Path(folder, "report.html").stat().st_size / 1e6
        whole = time.perf_counter() - start
        print(f"{name}: {made:.1f} s, with the page {whole:.1f} s, {size:.2f} MB")
    print(report)


if __name__ == "__main__":
    main()
