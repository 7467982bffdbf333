"""RocketClassifier or Arsenal passed straight in: how faithful are the students?

    python benchmarks/rocket.py --data-dir DIR
    python benchmarks/rocket.py --data-dir DIR --classifier Arsenal

sktime's classifiers answer 0 or 1 for nearly all series; the decision values of their ridge heads
are learnt. Needs numba. Up to 150 test series, one seed. Agreement is with the classifier's own
predictions; "heads" is that of the decision values, which Arsenal's votes need not follow.
"""

import argparse
import time

import numpy as np
from heavy import read_ucr
from sktime.classification.kernel_based import Arsenal, RocketClassifier

from tsdistill import SaliencyDistilledClassifier

CLASSIFIERS = {
    "RocketClassifier": lambda kernels: RocketClassifier(num_kernels=kernels, random_state=0),
    "Arsenal": lambda kernels: Arsenal(num_kernels=kernels // 4, n_estimators=10, random_state=0),
}
ARMS = {"KD": {"saliency_weight": 0.0}, "default": {}}
MOST_TEST = 150


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--sets", nargs="+", default=["GunPoint", "ItalyPowerDemand", "MoteStrain"])
    parser.add_argument("--classifier", choices=CLASSIFIERS, default="RocketClassifier")
    parser.add_argument("--kernels", type=int, default=2000)
    parser.add_argument("--max-epochs", type=int)
    arguments = parser.parse_args()
    print(f"{'':<28}{'accuracy':>9}{'agreement':>10}{'KL':>8}{'saliency':>9}{'seconds':>8}")
    for name in arguments.sets:
        X, y, X_test, y_test = read_ucr(arguments.data_dir, name)
        rows = np.random.default_rng(0).permutation(len(X_test))[:MOST_TEST]
        X_test, y_test = X_test[rows], y_test[rows]
        teacher = CLASSIFIERS[arguments.classifier](arguments.kernels).fit(X, y)
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
        heads = np.mean(student.teacher_.predict(X_test) == teacher.predict(X_test))
        print(f"  {'heads':<26}{'':>9}{heads:>10.3f}")


if __name__ == "__main__":
    main()
