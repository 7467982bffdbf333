"""RocketClassifier passed straight in: how faithful are the students?

    python benchmarks/rocket.py --data-dir DIR --sets GunPoint ItalyPowerDemand MoteStrain

sktime's classifier answers exactly 0 or 1; the decision values of its ridge head are learnt. Needs
numba. Up to 150 test series, one seed.
"""

import argparse
import time

import numpy as np
from heavy import read_ucr
from sktime.classification.kernel_based import RocketClassifier

from tsdistill import SaliencyDistilledClassifier

ARMS = {"KD": {"saliency_weight": 0.0}, "default": {}}
MOST_TEST = 150


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--sets", nargs="+", default=["GunPoint", "ItalyPowerDemand", "MoteStrain"])
    parser.add_argument("--kernels", type=int, default=2000)
    parser.add_argument("--max-epochs", type=int)
    arguments = parser.parse_args()
    print(f"{'':<28}{'accuracy':>9}{'agreement':>10}{'KL':>8}{'saliency':>9}{'seconds':>8}")
    for name in arguments.sets:
        X, y, X_test, y_test = read_ucr(arguments.data_dir, name)
        rows = np.random.default_rng(0).permutation(len(X_test))[:MOST_TEST]
        X_test, y_test = X_test[rows], y_test[rows]
        teacher = RocketClassifier(num_kernels=arguments.kernels, random_state=0).fit(X, y)
        print(f"{name:<28}{np.mean(teacher.predict(X_test) == y_test):>9.3f}")
        for arm, settings in ARMS.items():
            start = time.perf_counter()
            student = SaliencyDistilledClassifier(
                teacher, max_epochs=arguments.max_epochs, random_state=0, **settings
            ).fit(X, y)
            seconds = time.perf_counter() - start
            kl = -student.fidelity_score(X_test, metric="kl")
            agreement = np.mean(student.predict(X_test) == teacher.predict(X_test))
            print(
                f"  {arm:<26}{student.score(X_test, y_test):>9.3f}{agreement:>10.3f}{kl:>8.4f}"
                f"{student.fidelity_score(X_test, metric='saliency'):>9.3f}{seconds:>8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
