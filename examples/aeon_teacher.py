"""Distil a classifier of aeon.

    pip install aeon && python examples/aeon_teacher.py

aeon is not a dependency, and cannot be installed with the versions in constraints.txt: aeon 1.6.0
needs numba below 0.64, which needs NumPy below 2.4. Asked for both, pip falls back to the empty
release aeon 0.0.0. Without the constraints, pip chose NumPy 2.3.5, numba 0.63.1 and scikit-learn
1.9.1; with these versions this example and tests/teachers/test_aeon.py ran. The test covers
MiniRocket, time-series forest and RDST, fitted and unfitted, and in a search.
"""

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier
from sktime.datasets import load_gunpoint

from tsdistill import SaliencyDistilledClassifier


def decision_values(classifier):
    """Probabilities from MiniRocket's decision values; its predict_proba gives only 0 or 1."""

    def proba(X):
        features = classifier.pipeline_[:-1].transform(X)
        margin = 2 * classifier.pipeline_[-1].decision_function(features)
        return np.column_stack([1 / (1 + np.exp(margin)), 1 / (1 + np.exp(-margin))])

    return proba


def main():
    X, y = load_gunpoint(split="train", return_type="numpy3D")
    X_test, y_test = load_gunpoint(split="test", return_type="numpy3D")
    teacher = MiniRocketClassifier(random_state=0).fit(X.astype(np.float32), y)
    student = SaliencyDistilledClassifier(decision_values(teacher), random_state=0).fit(X, y)
    print(f"teacher: accuracy {teacher.score(X_test.astype(np.float32), y_test):.3f}")
    print(f"student: accuracy {student.score(X_test, y_test):.3f}")
    print(f"agreement {student.fidelity_score(X_test):.3f}")
    print(f"saliency correlation {student.fidelity_score(X_test, metric='saliency'):.3f}")


if __name__ == "__main__":
    main()
