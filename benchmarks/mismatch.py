"""How often does ``fit`` warn of a teacher that was fitted on other series, rightly or wrongly?

    python benchmarks/mismatch.py --data-dir DIR

Forests are fitted on the training series of each set, as they are, on another scale, or backwards.
Students are then fitted on the training series, or on up to 300 test series. The warning looks at
answers and labels alone, so the students are hardly trained.
"""

import argparse
import pathlib
import warnings

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from tsdistill import SaliencyDistilledClassifier
from tsdistill.datasets import load_ucr
from tsdistill.exceptions import TeacherMismatchWarning
from tsdistill.students import FCN

MOST_SERIES = 300
CASES = {
    "fitted on these series": (lambda X: X, "train"),
    "fitted on others of the set": (lambda X: X, "test"),
    "fitted on 100 X + 500": (lambda X: 100 * X + 500, "train"),
    "fitted on X backwards": (lambda X: X[:, ::-1].copy(), "train"),
}


def some_of(name, split, data_dir):
    """Up to 300 series, (n_instances, n_timepoints), and their labels."""
    X, y = load_ucr(name, split, data_dir)
    rows = np.random.default_rng(0).permutation(len(X))[:MOST_SERIES]
    return X[rows, 0], y[rows]


def warns(teacher, X, y):
    """Whether a fit warns of the teacher."""
    student = SaliencyDistilledClassifier(
        teacher, FCN(n_filters=1), saliency_weight=0, max_epochs=1, random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        student.fit(X, y)
    return any(issubclass(one.category, TeacherMismatchWarning) for one in caught)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--sets", nargs="*", help="default: all of the folder")
    arguments = parser.parse_args()
    names = arguments.sets or sorted(p.name for p in pathlib.Path(arguments.data_dir).iterdir())
    warned = {case: [] for case in CASES}
    for name in names:
        splits = {s: some_of(name, s, arguments.data_dir) for s in ("train", "test")}
        X, y = splits["train"]
        for case, (change, split) in CASES.items():
            teacher = RandomForestClassifier(50, random_state=0).fit(change(X), y)
            warned[case].append(warns(teacher, *splits[split]))
    for case, found in warned.items():
        print(f"{case:<28} {sum(found):>2} of {len(found)} sets warn")


if __name__ == "__main__":
    main()
