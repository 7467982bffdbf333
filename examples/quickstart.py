"""Replace two heavy classifiers with a small network, trained in three ways, and compare reasons.

Data: GunPoint, which comes with sktime. Teachers: an Inception network trained here with skorch,
and a widely used black box, sktime's MiniRocket with a ridge head. Students: the same small
network, trained on labels only, by knowledge distillation (KD), and by saliency distillation.
Prints a table and draws ``quickstart.png``.

    make demo
"""

import argparse
import pathlib
import pickle
import time

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from sktime.datasets import load_gunpoint
from sktime.transformations.panel.rocket import MiniRocket

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.display import SaliencyDisplay
from tsdistill.students import Inception

STUDENTS = {
    "labels only": {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0},
    "KD": {"saliency_weight": 0},
    "saliency-distilled": {},
}
METRICS = ("agreement", "kl", "saliency")


def inception_teacher(X, y, epochs=120):
    """Fit an Inception network of InceptionTime's width, as a skorch net."""
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        Inception(n_filters=32).build(n_channels=1, n_timepoints=X.shape[2], n_classes=2),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        max_epochs=epochs,
        batch_size=32,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[
            LRScheduler(
                torch.optim.lr_scheduler.OneCycleLR,
                max_lr=0.002,
                total_steps=epochs * -(-len(X) // 32),
                step_every="batch",
            )
        ],
        verbose=0,
    )
    classes, class_indices = np.unique(y, return_inverse=True)
    return Teacher(net.fit(X.astype(np.float32), class_indices), classes=classes)


class MiniRocketRidge:
    """Scaled MiniRocket features with a ridge head, whose decision values serve as logits."""

    def fit(self, X, y):
        self.rocket_ = MiniRocket(random_state=0).fit(X)
        self.scaler_ = StandardScaler().fit(self.rocket_.transform(X).to_numpy())
        self.ridge_ = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
        self.ridge_.fit(self.scaler_.transform(self.rocket_.transform(X).to_numpy()), y)
        self.classes_ = self.ridge_.classes_
        return self

    def decision_function(self, X):
        features = self.scaler_.transform(self.rocket_.transform(X).to_numpy())
        return 2 * self.ridge_.decision_function(features)  # almost certain at a margin of 1


def seconds_of(call):
    """Return what a call returns, and its seconds."""
    start = time.perf_counter()
    answer = call()
    return answer, time.perf_counter() - start


def microseconds_a_series(predict_proba, X):
    """Median over five calls with the complete panel."""
    return 1e6 * np.median([seconds_of(lambda: predict_proba(X))[1] for _ in range(5)]) / len(X)


def size_of(model):
    """Number of weights of a network, or the pickled size of any other model."""
    if isinstance(model, NeuralNetClassifier):
        return f"{sum(p.numel() for p in model.module_.parameters()):,}"
    return f"({len(pickle.dumps(model)) / 1e6:.1f} MB)"


def main():
    """Train, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--picture", default="quickstart.png", type=pathlib.Path)
    parser.add_argument("--max-epochs", type=int, default=None, help="epochs of the students")
    options = parser.parse_args()
    X, y = load_gunpoint(split="train", return_type="numpy3D")
    X_test, y_test = load_gunpoint(split="test", return_type="numpy3D")
    picked = [int(np.flatnonzero(y_test == label)[3]) for label in ("1", "2")]

    columns = [
        "model",
        "accuracy",
        "agreement",
        "KL",
        "saliency",
        "weights",
        "us/series",
        "train_s",
    ]
    line = "{:<22}{:>9}{:>11}{:>8}{:>10}{:>11}{:>11}{:>9}"
    print("GunPoint, test split. Agreement, KL (nats), saliency correlation: with the teacher.\n")
    teachers = {
        "Inception network": lambda: inception_teacher(X, y),
        "MiniRocket + ridge": lambda: MiniRocketRidge().fit(X, y),
    }
    for number, (name, make) in enumerate(teachers.items()):
        teacher, seconds = seconds_of(make)
        students = {
            arm: SaliencyDistilledClassifier(
                teacher, max_epochs=options.max_epochs, random_state=0, **settings
            )
            for arm, settings in STUDENTS.items()
        }
        times = {arm: seconds_of(lambda s=s: s.fit(X, y))[1] for arm, s in students.items()}
        bound = students["KD"].teacher_
        log_proba = bound.log_proba(X_test.astype(np.float32))
        target = bound.classes_[log_proba.argmax(axis=1)]
        model = getattr(teacher, "model", teacher)
        latency = microseconds_a_series(bound.log_proba, X_test.astype(np.float32))
        print(line.format(*columns))
        accuracy = np.mean(target == y_test)
        blank = ("", "", "")
        print(line.format(name, f"{accuracy:.3f}", *blank, size_of(model), f"{latency:.0f}",
                          f"{seconds:.0f}"))  # fmt: skip
        maps = students["KD"].explain(X_test[picked], of="teacher")
        rows = {f"teacher:\n{name}": maps}
        for arm, student in students.items():
            scores = [student.fidelity_score(X_test, metric=m) for m in METRICS]
            latency = microseconds_a_series(student.predict_proba, X_test)
            print(line.format(
                "  " + arm, f"{student.score(X_test, y_test):.3f}", f"{scores[0]:.3f}",
                f"{-scores[1]:.3f}", f"{scores[2]:.2f}", size_of(student.student_),
                f"{latency:.0f}", f"{times[arm]:.0f}",
            ))  # fmt: skip
            if arm != "labels only":
                maps = student.explain(X_test[picked], target=target[picked])
                rows[f"{arm} student,\ncorrelation {scores[2]:.2f}"] = maps
        print()
        if number == 0:
            titles = ["a series of class “Gun”", "a series of class “Point”"]
            figure = Figure(figsize=(10, 6.2), layout="constrained")
            SaliencyDisplay(X_test[picked], rows, titles=titles).plot(figure=figure)
            figure.savefig(options.picture, dpi=120)
    print(f"Picture: {options.picture}")


if __name__ == "__main__":
    main()
