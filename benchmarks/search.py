"""How much does ``memory`` save in a search, and do workers change the result?

    python benchmarks/search.py --data-dir DIR --threads 1

First, a search of 12 candidates x 3 folds on GunPoint with a black box that takes 5 ms per series,
with and without ``memory``: time spent in the teacher, wall time, and repeated queries. Then, a
search of 6 candidates x 3 folds with a torch teacher and default settings, with one worker and
with two.
"""

import argparse
import hashlib
import tempfile
import time
from collections import Counter

import numpy as np
import torch
from heavy import inception_teacher, read_ucr
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

from tsdistill import SaliencyDistilledClassifier
from tsdistill.fidelity import fidelity_scorer

SCORING = {"kl": fidelity_scorer("kl"), "saliency": fidelity_scorer("saliency")}


class SlowForest:
    """A slow black box that counts the queries for each series and measures the time they take."""

    def __init__(self, X, y, seconds):
        self.forest = RandomForestClassifier(200, random_state=0).fit(X[:, 0], y)
        self.classes_, self.seconds = self.forest.classes_, seconds
        self.reset()

    def reset(self):
        self.queries, self.spent = Counter(), 0.0

    def predict_proba(self, X):
        start = time.perf_counter()
        self.queries.update(key(series) for series in X)
        answers = self.forest.predict_proba(X[:, 0])
        time.sleep(self.seconds * len(X))
        self.spent += time.perf_counter() - start
        return answers


def key(series):
    return hashlib.md5(np.ascontiguousarray(series, dtype=np.float32).tobytes()).hexdigest()


def search(teacher, grid, X, y, n_jobs=1, **settings):
    """Fit a search over three folds; return it with its wall time in seconds."""
    student = SaliencyDistilledClassifier(teacher, random_state=0, **settings)
    found = GridSearchCV(
        student, grid, cv=3, scoring=SCORING, refit="saliency", n_jobs=n_jobs, error_score="raise"
    )
    start = time.perf_counter()
    return found.fit(X, y), time.perf_counter() - start


def benchmark_memory(X, y, seconds, epochs):
    grid = {"saliency_weight": [1.0, 2.0, 5.0, 10.0], "temperature": [2.0, 4.0, 8.0]}
    teacher = SlowForest(X, y, seconds)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, candidates, memory in (
            ("one candidate", {"saliency_weight": [1.0]}, None),
            ("without memory", grid, None),
            ("with memory", grid, folder),
            ("with memory, again", grid, folder),
        ):
            teacher.reset()
            found, wall = search(teacher, candidates, X, y, max_epochs=epochs, memory=memory)
            results[name] = (teacher.spent, wall, teacher.queries, found)
    print(f"12 candidates x 3 folds and a refit, {1000 * seconds:.0f} ms a series, {epochs} epochs")
    print(f"{'':20}{'questions':>10}{'s in teacher':>14}{'s in all':>10}")
    for name, (spent, wall, queries, _) in results.items():
        print(f"{name:20}{queries.total():>10}{spent:>14.1f}{wall:>10.1f}")
    one, without, kept, again = results.values()
    series = {key(x) for x in X}
    windows = [query for query in one[2] if query not in series]
    twice = sum(kept[2][query] > one[2][query] for query in windows)
    print(f"time in the teacher, without / with memory: {without[0] / kept[0]:.1f}")
    print(f"wall time, without / with memory: {without[1] / kept[1]:.2f}")
    print(f"windows asked about more than once a fold: {twice} of {len(windows)}")
    for score in SCORING:
        mean_scores = [
            np.array(r[3].cv_results_[f"mean_test_{score}"]) for r in (without, kept, again)
        ]
        difference = np.abs(mean_scores - mean_scores[0]).max()
        print(f"largest difference of a score ({score}): {difference:.1e}")


def benchmark_workers(X, y):
    grid = {"saliency_weight": [1.0, 5.0], "temperature": [2.0, 4.0, 8.0]}
    teacher = inception_teacher(X, np.unique(y, return_inverse=True)[1], seed=0).module_
    found = {}
    print("\n6 candidates x 3 folds and a refit, Inception teacher, default settings")
    for n_jobs in (2, 1):
        found[n_jobs], wall = search(teacher, grid, X, y, n_jobs)
        print(f"n_jobs={n_jobs}: {wall:.0f} s, best {found[n_jobs].best_params_}")
    for score in SCORING:
        one, two = (f.cv_results_[f"mean_test_{score}"] for f in found.values())
        print(f"largest difference of a score ({score}): {np.abs(one - two).max():.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder of the UCR sets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=0.005, help="that the black box takes for a series"
    )
    parser.add_argument("--epochs", type=int, default=60, help="epochs of the first search")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    X, y, _, _ = read_ucr(arguments.data_dir, "GunPoint")
    benchmark_memory(X, y, arguments.seconds, arguments.epochs)
    benchmark_workers(X, y)


if __name__ == "__main__":
    main()
