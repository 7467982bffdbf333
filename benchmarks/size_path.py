"""What does a size path cost, beside as many fits?

    OMP_NUM_THREADS=1 python benchmarks/size_path.py

Six students of one teacher on GunPoint, which sktime ships: by ``size_path``, and by six fits each
of which asks the teacher anew. Counts the series that the teacher was asked about twice, and
compares the seconds; a figure of the path's fidelity goes where ``--picture`` says.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from sklearn.base import clone
from sktime.datasets import load_gunpoint
from sktime.transformations.panel.rocket import MiniRocket
from strong import CalibratedRidge

from tsdistill import SaliencyDistilledClassifier, size_path
from tsdistill.swap.size_path import STUDENTS


class Asked:
    """A teacher that keeps what it is asked about, and for how long it answers."""

    def __init__(self, model):
        self.model, self.classes_ = model, model.classes_
        self.series, self.seconds = [], 0.0

    def decision_function(self, X):
        start = time.perf_counter()
        answers = self.model.decision_function(X)
        self.seconds += time.perf_counter() - start
        self.series.append(np.asarray(X, dtype=np.float32).reshape(len(X), -1))
        return answers

    @property
    def n_asked(self):
        return sum(map(len, self.series))

    @property
    def n_twice(self):
        every = np.concatenate(self.series)
        return len(every) - len(np.unique(every, axis=0))


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--max-epochs", type=int, help="default: the estimator's")
    parser.add_argument("--picture", help="file for the path's picture")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    (X, y), (X_val, _) = (load_gunpoint(split=s, return_type="numpy3D") for s in ("train", "test"))
    model = CalibratedRidge(MiniRocket(random_state=0)).fit(X, y)
    torch.set_num_threads(1)  # fitting a Rocket changes it
    settings = {"max_epochs": options.max_epochs, "random_state": 0}
    together, alone = Asked(model), Asked(model)

    start = time.perf_counter()
    path = size_path(SaliencyDistilledClassifier(together, **settings), X, y, X_val)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    base = SaliencyDistilledClassifier(alone, **settings)
    for student in STUDENTS.values():
        clone(base).set_params(student=student).fit(X, y)
    seconds_alone = time.perf_counter() - start

    shown = ["weights", "bytes", "multiplications", "agreement", "agreement_bound", "saliency"]
    print(path.to_frame()[[*shown, "kl"]].round(4).to_string())
    for name, asked, took in (("path", together, seconds), ("fits", alone, seconds_alone)):
        print(
            f"{name}: {took:.0f} s, {asked.seconds:.0f} of them in the teacher; asked about "
            f"{asked.n_asked} series, {asked.n_twice} of them not for the first time"
        )
    print(f"seconds of the path, comparison included, / of the fits: {seconds / seconds_alone:.2f}")
    if options.picture:
        path.plot().figure_.savefig(options.picture, dpi=120)


if __name__ == "__main__":
    main()
