"""Distil MultiRocketHydra, one of aeon's most accurate classifiers.

    pip install -c constraints.txt aeon && python examples/aeon_teacher.py

aeon is not a dependency, but stands in constraints.txt (from Python 3.11 on), beside versions of
NumPy and numba that it can use. Asked for a newer NumPy, pip falls back to the empty release
aeon 0.0.0. The decision values of aeon's Rockets and Hydras, which answer 0 or 1, are found inside
of them; HIVE-COTE 2, LITETime (with TensorFlow) and all others are asked for their probabilities.
"""

from aeon.classification.convolution_based import MultiRocketHydraClassifier
from sktime.datasets import load_gunpoint

from tsdistill import SaliencyDistilledClassifier


def main():
    X, y = load_gunpoint(split="train", return_type="numpy3D")
    X_test, y_test = load_gunpoint(split="test", return_type="numpy3D")
    teacher = MultiRocketHydraClassifier(random_state=0).fit(X, y)
    student = SaliencyDistilledClassifier(teacher, random_state=0).fit(X, y)
    print(f"teacher: accuracy {teacher.score(X_test, y_test):.3f}")
    print(f"student: accuracy {student.score(X_test, y_test):.3f}")
    print(f"agreement {student.fidelity_score(X_test):.3f}")
    print(f"saliency correlation {student.fidelity_score(X_test, metric='saliency'):.3f}")


if __name__ == "__main__":
    main()
