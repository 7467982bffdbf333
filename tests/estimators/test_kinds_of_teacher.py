"""No kind of teacher may end below plain distillation: its student agrees with it as often."""

import numpy as np
import pytest
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

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.students import Inception

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning"),
]
NOISE = 0.005
"""One answer in 200; the six channels have 40 test series, so there not one may differ."""


class ForestOfChannels:
    """One time-series forest a channel, averaged: it knows its training series by heart."""

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


def inception(X, y):
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


KINDS = {
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
}


def agreements(teacher, X, y, X_test, **settings):
    """Agreement on unseen series of a student by plain distillation, and of the default's."""
    kd = SaliencyDistilledClassifier(teacher, saliency_weight=0, random_state=0, **settings)
    default = SaliencyDistilledClassifier(teacher, random_state=0, **settings)
    return [student.fit(X, y).fidelity_score(X_test) for student in (kd, default)]


@pytest.mark.parametrize("kind", [*KINDS, "Inception"])
def test_a_teacher_of_one_channel(kind, italy):
    X, y, X_test, _ = italy
    X, X_test = X[:, 0], X_test[:, 0]
    teacher = inception(X, y) if kind == "Inception" else KINDS[kind].fit(X, y)
    kd, default = agreements(teacher, X, y, X_test, max_epochs=400)
    assert default >= kd - NOISE, (kd, default)


@pytest.mark.parametrize("kind", ["forests of channels", "Inception"])
def test_a_teacher_of_six_channels(kind, motions):
    X, y, X_test, _ = motions
    teacher = inception(X, y) if kind == "Inception" else ForestOfChannels().fit(X, y)
    kd, default = agreements(teacher, X, y, X_test, max_epochs=300)
    assert default >= kd - NOISE, (kd, default)
