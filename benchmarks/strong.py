"""Teachers worth replacing: InceptionTime, MultiRocket with a ridge head, Arsenal, a forest."""

import numpy as np
from heavy import AskedElsewhere, HalfPrecision, MiniRocketRidge, inception_teacher
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsdistill import Teacher
from tsdistill.teachers.calibration import best_scale

MEMBERS = 5
FEWEST_STEPS, FEWEST_EPOCHS = 400, 30


class CalibratedRidge:
    """Features of series and a ridge classifier; its decision values, scaled, serve as logits.

    Ridge regression aims at decision values of -1 and 1, whatever the classifier's certainty. The
    factor that makes logits of them is the one of the best likelihood on series that were left
    out (of the ridge classifier, in 5 folds), by Platt's targets.

    Parameters
    ----------
    transformer : transformer of sktime
        Makes a table of features.
    """

    def __init__(self, transformer):
        self.transformer = transformer

    def fit(self, X, y):
        self.transformer_ = self.transformer.fit(X)
        features = self._features(X)
        self.head_ = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 10)))
        fewest = np.unique(y, return_counts=True)[1].min()
        self.factor_ = 2.0
        if fewest > 1:
            folds = StratifiedKFold(min(5, fewest), shuffle=True, random_state=0)
            left_out = _columns(
                cross_val_predict(self.head_, features, y, cv=folds, method="decision_function")
            )
            self.factor_ = best_scale(left_out, np.unique(y, return_inverse=True)[1])
        self.head_.fit(features, y)
        self.classes_ = self.head_.classes_
        return self

    def _features(self, X):
        return np.asarray(self.transformer_.transform(np.asarray(X)), dtype=np.float32)

    def decision_function(self, X):
        return self.factor_ * _columns(self.head_.decision_function(self._features(X)))


def _columns(values):
    """Decision values with a column for each class."""
    return np.column_stack([-values, values]) if values.ndim == 1 else values


def inception_time(X, y, seed, classes, device="cpu", members=MEMBERS):
    """An ensemble of Inception networks of the published size (six blocks), as a list of nets.

    Each trains for 400 steps or more, through one cycle of the learning rate, in bfloat16; the
    authors train for 1,500 epochs. Beside students on the CPU, those on a GPU stay there.
    """
    epochs = max(FEWEST_EPOCHS, FEWEST_STEPS // -(-len(X) // 32))
    nets = [
        inception_teacher(
            X, y, members * seed + member, epochs, n_blocks=6, wrap=HalfPrecision, device=device
        )
        for member in range(members)
    ]
    return Teacher(nets, classes=classes) if device == "cpu" else AskedElsewhere(nets, classes)


def multirocket(X, y, seed, classes, _device="cpu"):
    """MultiRocket (about 50,000 features) with a ridge head."""
    from sktime.transformations.panel.rocket import MultiRocket

    return CalibratedRidge(MultiRocket(random_state=seed)).fit(X, classes[y])


def inception(X, y, seed, classes, device="cpu"):
    """One Inception network of three blocks, as in the other benchmarks."""
    net = inception_teacher(X, y, seed, device=device)
    return Teacher(net, classes=classes) if device == "cpu" else AskedElsewhere([net], classes)


def minirocket(X, y, seed, classes, _device="cpu"):
    """MiniRocket with a ridge head."""
    return MiniRocketRidge(seed).fit(X, classes[y])


def arsenal(X, y, seed, classes, _device="cpu"):
    """Sktime's Arsenal, an ensemble of Rocket classifiers."""
    from sktime.classification.kernel_based import Arsenal

    return Arsenal(num_kernels=500, n_estimators=10, random_state=seed).fit(X, classes[y])


def forest(X, y, seed, classes, _device="cpu"):
    """Sktime's time-series forest: fully grown trees, which know their training series by heart."""
    from sktime.classification.interval_based import TimeSeriesForestClassifier

    return TimeSeriesForestClassifier(n_estimators=100, random_state=seed).fit(X, classes[y])


TEACHERS = {
    "inceptiontime": inception_time,
    "multirocket": multirocket,
    "inception": inception,
    "minirocket": minirocket,
    "arsenal": arsenal,
    "forest": forest,
}
PUBLISHED = {
    "inceptiontime": "InceptionTime",
    "inception": "Inception",
    "multirocket": "MR-Hydra",
    "minirocket": "MiniROCKET",
}
"""Columns of published accuracies beside which those of the teachers stand."""
