"""Does any kind of teacher end below plain distillation?

    OMP_NUM_THREADS=1 python benchmarks/kinds.py --seeds 3
    python benchmarks/kinds.py --kept                # how a teacher that knows them is recognised

Eleven kinds of teacher of one channel (ItalyPowerDemand, 1,029 test series) and two of six channels
(BasicMotions, 40 test series), each with a student by plain KD and one by the default. Both sets
come with sktime. Among the teachers are forests that know their training series by heart. Figures
are means over the seeds of the students.
"""

import argparse
import warnings

import numpy as np
import torch
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sktime.classification.interval_based import TimeSeriesForestClassifier
from sktime.datasets import load_basic_motions, load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.inputs.panel import with_channels
from tsdistill.students import Inception
from tsdistill.teachers.memorised import certainty_kept
from tsdistill.teachers.querying import QueryOptions
from tsdistill.teachers.teacher import as_teacher


class ForestOfChannels:
    """One time-series forest a channel, averaged."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.forests_ = [
            TimeSeriesForestClassifier(n_estimators=30, random_state=c).fit(X[:, c], y)
            for c in range(X.shape[1])
        ]
        return self

    def predict_proba(self, X):
        every = [forest.predict_proba(X[:, c]) for c, forest in enumerate(self.forests_)]
        return np.mean(every, axis=0)


class Network:
    """A small Inception network."""

    def fit(self, X, y):
        torch.manual_seed(0)
        classes, target = np.unique(y, return_inverse=True)
        series = torch.tensor(X[:, np.newaxis] if X.ndim == 2 else X, dtype=torch.float32)
        network = Inception(n_filters=8, n_blocks=2).build(*series.shape[1:], len(classes))
        optimiser = torch.optim.Adam(network.parameters(), 0.005)
        for _ in range(150):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(series), torch.tensor(target)).backward()
            optimiser.step()
        return Teacher(network.eval(), classes=classes)


ONE_CHANNEL = {
    "random forest": RandomForestClassifier(100, random_state=0),
    "extra trees": ExtraTreesClassifier(100, random_state=0),
    "boosting": GradientBoostingClassifier(random_state=0),
    "time-series forest": TimeSeriesForestClassifier(n_estimators=50, random_state=0),
    "neighbours": KNeighborsClassifier(5),
    "support vectors": SVC(random_state=0),
    "logistic regression": LogisticRegression(max_iter=1000),
    "ridge": RidgeClassifierCV(),
    "perceptron": MLPClassifier(random_state=0, max_iter=500),
    "one tree, hard": DecisionTreeClassifier(random_state=0),
    "Inception": Network(),
}
SIX_CHANNELS = {"forests of channels": ForestOfChannels(), "Inception": Network()}


def students(teacher, X, y, max_epochs=None, seed=0):
    """A student by plain distillation, and one by the default."""
    settings = {"max_epochs": max_epochs, "random_state": seed}
    kd = SaliencyDistilledClassifier(teacher, saliency_weight=0, **settings)
    default = SaliencyDistilledClassifier(teacher, **settings)
    return kd.fit(X, y), default.fit(X, y)


def kept(teacher, X):
    """Which part of its certainty a teacher keeps near its training series."""
    bound = as_teacher(teacher).bind(X)
    panel = with_channels(X).astype(np.float32)
    rng, options = np.random.default_rng(0), QueryOptions()
    return certainty_kept(bound, panel, bound.log_proba(panel), rng, options)


def sets():
    """Yield title, teachers and data of each set."""
    parts = [load_italy_power_demand(part, return_type="numpyflat") for part in ("train", "test")]
    yield "ItalyPowerDemand", ONE_CHANNEL, *parts
    parts = [load_basic_motions(part, return_type="numpy3D") for part in ("train", "test")]
    yield "BasicMotions", SIX_CHANNELS, *parts


def main():
    """Print agreement, KL and saliency correlation of both students for each teacher."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max-epochs", type=int, help="default: the estimator's")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--kept", action="store_true", help="print the certainty kept alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.kept:
        for title, teachers, (X, y), _ in sets():
            print(title)
            for kind, model in teachers.items():
                print(f"  {kind:20}{kept(model.fit(X, y), X):.2f}")
        return
    print(f"{'':22}agreement        KL               saliency\n{'':22}{'KD      default  ' * 3}")
    for title, teachers, (X, y), (X_test, _) in sets():
        print(title)
        for kind, model in teachers.items():
            model = model.fit(X, y)
            of_seeds = []
            for seed in range(options.seeds):
                both = students(model, X, y, options.max_epochs, seed)
                of_seeds.append([
                    sign * student.fidelity_score(X_test, metric=metric)
                    for metric, sign in (("agreement", 1), ("kl", -1), ("saliency", 1))
                    for student in both
                ])  # fmt: skip
            figures = " ".join(f"{mean:<8.3f}" for mean in np.mean(of_seeds, axis=0))
            print(f"  {kind:20}{figures}", flush=True)


if __name__ == "__main__":
    main()
