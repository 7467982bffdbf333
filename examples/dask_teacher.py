"""Ask a slow teacher on a Dask cluster, and keep its answers.

    pip install -c constraints.txt '.[distributed]' && python examples/dask_teacher.py

Here the cluster is two processes on this machine. On a cluster of several machines, only the line
that makes the client differs: ``Client("scheduler:8786")``. Stop the example while the teacher
answers, start it again with the same --memory, and it goes on from the last batch.
"""

import argparse
import logging
import tempfile
import time

import joblib
from distributed import Client, LocalCluster
from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_gunpoint

from tsdistill import SaliencyDistilledClassifier


class SlowTeacher:
    """A forest that takes some milliseconds for each series, as large ensembles do."""

    def __init__(self, forest, milliseconds):
        self.forest, self.milliseconds = forest, milliseconds
        self.classes_ = forest.classes_

    def predict_proba(self, X):
        time.sleep(len(X) * self.milliseconds / 1000)
        return self.forest.predict_proba(X)


def main():
    """Fit two students of one teacher; the second needs no new answers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--milliseconds", type=float, default=5, help="for a series")
    parser.add_argument("--max-epochs", type=int, default=20)
    parser.add_argument("--memory", help="folder for the answers (default: one that is removed)")
    options = parser.parse_args()
    X, y = load_gunpoint(split="train", return_type="numpyflat")
    X_test, y_test = load_gunpoint(split="test", return_type="numpyflat")
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0).fit(X, y)
    teacher = SlowTeacher(forest, options.milliseconds)
    with (
        tempfile.TemporaryDirectory() as temporary,
        LocalCluster(
            n_workers=options.workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        for weight in (5.0, 1.0):
            start = time.perf_counter()
            student = SaliencyDistilledClassifier(
                teacher,
                saliency_weight=weight,
                max_epochs=options.max_epochs,
                memory=options.memory or temporary,
                memory_size="1 GB",
                random_state=0,
            ).fit(X, y)
            print(
                f"saliency_weight={weight}: {student.n_queries_} answers and the training in "
                f"{time.perf_counter() - start:.1f} s, accuracy {student.score(X_test, y_test):.3f}"
            )


if __name__ == "__main__":
    main()
