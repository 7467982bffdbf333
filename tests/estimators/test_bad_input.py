"""What cannot be used is refused before training, with the name of the argument."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from skorch import NeuralNetClassifier
from torch import nn

import tsdistill
from tsdistill.exceptions import TsdistillError
from tsdistill.students import Lite


def spoiled(X, value):
    X = X.copy()
    X[3, 5] = value
    return X


def repeated(X, y):
    return np.tile(X, (2, 1)), y


BAD_SERIES = {
    "nan": (lambda X, y: (spoiled(X, np.nan), y), "NaN"),
    "infinity": (lambda X, y: (spoiled(X, np.inf), y), "infinity"),
    "too large for float32": (lambda X, y: (spoiled(X, 1e39), y), "too large for float32"),
    "1-D": (lambda X, y: (X[:, 0], y), "1D array"),
    "4-D": (lambda X, y: (X[:, None, None], y), "X has 4 axes"),
    "empty": (lambda X, y: (X[:0], y[:0]), "0 sample"),
    "no timepoints": (lambda X, y: (X[:, :0], y), "0 feature|no timepoints"),
    "no channels": (lambda X, y: (np.zeros((12, 0, 20)), y), "no channels|0 feature"),
    "no timepoints in 3-D": (lambda X, y: (X[:, None, :0], y), "no timepoints"),
    "lengths differ": (repeated, "inconsistent numbers of samples"),
    "complex": (lambda X, y: (X + 0j, y), "Complex data not supported"),
    "objects": (lambda X, y: (spoiled(X.astype(object), {}), y), "argument must be|real number"),
    "strings": (lambda X, y: (spoiled(X.astype(object), "high"), y), "X holds text"),
    "sparse": (lambda X, y: (scipy.sparse.csr_matrix(X), y), "[Ss]parse"),
    "one class": (lambda X, y: (X, np.zeros(12, dtype=int)), "one class only"),
    "continuous y": (lambda X, y: (X, y + 0.5), "Unknown label type"),
    "2-D y": (lambda X, y: (X, np.stack([y, y], axis=1)), "1d array|bad input shape"),
    "nan in y": (lambda X, y: (X, np.where(y > 1, np.nan, y)), "NaN"),
}


@pytest.mark.parametrize("case", BAD_SERIES)
def test_series_and_labels(case, toy, quick):
    spoil, message = BAD_SERIES[case]
    with pytest.raises((ValueError, TypeError), match=message):
        quick().fit(*spoil(*toy))


def constant(proba):
    return lambda X: np.tile(proba, (len(X), 1))


class WithoutAnswers:
    def predict(self, X):
        return np.zeros(len(X))


BAD_SETTINGS = {
    "window longer than the series": ({"window_size": 21}, "window_size=21 .*20 timepoints"),
    "window of no steps": ({"window_size": 0}, "window_size=0"),
    "saliency": ({"saliency": "logits"}, "saliency='logits'; expected one of 'logit_change'"),
    "donors": ({"donors": "random"}, "donors='random'; expected one of 'varied', 'opposing'"),
    "student": ({"student": "tiny"}, "student='tiny'; expected one of 'lite'"),
    "no windows": ({"n_windows": 0}, "n_windows=0; expected a whole number"),
    "one and a half windows": (
        {"windows_per_step": 1.5},
        "windows_per_step=1.5; expected a whole number above 0",
    ),
    "no share of windows": ({"windows_per_step": 0.0}, "windows_per_step=0.0; expected a whole"),
    "half a mixture": ({"n_mixtures": 0.5}, "n_mixtures=0.5; expected a whole number of 0"),
    "no queries": ({"n_queries": 0}, "n_queries=0; expected a whole number above 0"),
    "epochs": ({"max_epochs": -1}, "max_epochs=-1"),
    "batch size": ({"batch_size": 0}, "batch_size=0"),
    "learning rate": ({"lr": 0}, "lr=0; expected a finite number above 0"),
    "temperature": ({"temperature": 0}, "temperature=0"),
    "negative weight": ({"saliency_weight": -1}, "saliency_weight=-1"),
    "nan weight": ({"label_weight": float("nan")}, "label_weight=nan"),
    "all weights 0": (
        {"label_weight": 0, "soft_target_weight": 0, "saliency_weight": 0},
        "every weight is 0",
    ),
    "auxiliary": ({"auxiliary": "autoencoder"}, "auxiliary='autoencoder'; expected an Objective"),
    "no device": (
        {"device": None},
        r"^device=None cannot be used: it is neither a str nor a torch.device\. Expected 'cpu', or "
        r"'cuda' where torch finds a GPU\.$",
    ),
    "device without values": ({"device": "meta"}, "device='meta' cannot be used"),
    "verbose": ({"verbose": "yes"}, "verbose='yes'"),
    "workers": ({"n_jobs": 0}, "n_jobs=0"),
    "memory": ({"memory": 3}, "memory=3; expected None, a path"),
    "memory size": ({"memory_size": "ten"}, "memory_size='ten'; expected None, a whole"),
    "empty memory": ({"memory": ""}, "^memory=''; expected a path\\.$"),
    "memory with a null byte": ({"memory": "a\0b"}, "; expected a path"),
    "random state": ({"random_state": -1}, "random_state=-1"),
    "callbacks": ({"callbacks": ["stop"]}, "callbacks holds 'stop'"),
    "class of student": ({"student": Lite}, r"student is the class Lite; pass Lite\(\)"),
    "fitted skorch student": (
        {"student": NeuralNetClassifier(Lite().build(1, 20, 3)).initialize()},
        "initialised or fitted already",
    ),
    "device": ({"device": "abacus"}, "device='abacus' cannot be used"),
    "validation fraction": ({"validation_fraction": 1.5}, "validation_fraction=1.5"),
    "validation of nothing": ({"validation_fraction": 0.01}, "holds out none of 12"),
    "no probabilities": ({"teacher": WithoutAnswers()}, "neither predict_proba nor decision"),
    "regressor": ({"teacher": LinearRegression()}, "neither predict_proba nor decision"),
    "teacher of wrong shape": ({"teacher": constant([[1.0]])}, "in shape"),
    "nan teacher": ({"teacher": constant([np.nan] * 3)}, "answered NaN"),
    "no distribution": ({"teacher": constant([0.5] * 3)}, "sums to 1.5"),
    "too few columns": (
        {"teacher": constant([0.5] * 2)},
        "2 columns, but is asked for 3 classes",
    ),
    "lacks a class": (
        {"teacher": tsdistill.Teacher(constant([0.5] * 2), classes=[0, 1])},
        "does not know class 2",
    ),
    "channels": ({"teacher": Lite().build(3, 20, 3)}, "failed on two series"),
    "student of wrong outputs": (
        {"student": Lite().build(1, 20, 5)},
        r"shape \(2, 5\) for 2 series; expected \(2, 3\)",
    ),
    "student that fails": (
        {"student": nn.Sequential(nn.Flatten(), nn.Linear(7, 3))},
        "student Sequential failed on series of shape",
    ),
    "student without weights": (
        {"student": nn.Sequential(nn.AdaptiveAvgPool1d(3), nn.Flatten())},
        "no weights to train",
    ),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_teachers_and_students(case, toy, quick):
    settings, message = BAD_SETTINGS[case]
    with pytest.raises(ValueError, match=message) as caught:
        quick(**settings).fit(*toy)
    assert isinstance(caught.value, TsdistillError)


def test_a_class_without_donor_is_named_by_its_label(toy, quick):
    X, y = toy
    y = np.array(["a", "b", "c"])[y]
    rows = np.flatnonzero((y != "c") | (np.arange(12) == 2))
    with pytest.raises(ValueError, match="class 'c' has no donor"):
        quick(donors="same", n_mixtures=0).fit(X[rows], y[rows])


def test_labels_are_needed_where_nothing_can_label(toy, quick):
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(ValueError, match=r"requires y to be passed.*teacher is not fitted"):
        quick(LogisticRegression()).fit(toy[0])


def test_a_teacher_of_one_answer_cannot_label(toy, quick):
    with pytest.raises(ValueError, match=r"teacher's answers hold one class only, \[1\]"):
        quick(constant([0.1, 0.8, 0.1])).fit(toy[0])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(5), r"shape \(5,\); expected \(12,\)"),
        (-np.ones(12), "non-negative"),
        (np.zeros(12), "not zero for all series"),
        (np.full(12, np.nan), "finite"),
    ],
)
def test_sample_weights(toy, quick, weight, message):
    with pytest.raises(TsdistillError, match=message):
        quick().fit(*toy, sample_weight=weight)


@pytest.mark.parametrize("ask", ["predict", "predict_proba", "explain", "fidelity_score"])
def test_questions_before_fit(toy, quick, ask):
    with pytest.raises(NotFittedError):
        getattr(quick(), ask)(toy[0])


@pytest.mark.parametrize("ask", ["predict", "predict_proba", "explain", "fidelity_score"])
def test_series_of_another_shape_than_in_fit(toy, quick, ask):
    X, y = toy
    flat, deep = quick().fit(X, y), quick().fit(X[:, np.newaxis], y)
    with pytest.raises(ValueError, match="18 features, but .* 20"):
        getattr(flat, ask)(X[:, :18])
    with pytest.raises(ValueError, match="18 timepoints, but .*20 timepoints; resample"):
        getattr(deep, ask)(X[:, np.newaxis, :18])
    with pytest.raises(ValueError, match=r"2 channel\(s\) .*, but .*on 1 channel\(s\)"):
        getattr(deep, ask)(np.repeat(X[:, np.newaxis], 2, axis=1))
    with pytest.raises(ValueError, match=r"1 timepoints, but .*X.transpose\(0, 2, 1\)"):
        getattr(deep, ask)(X[:, :, np.newaxis])
    with pytest.raises(ValueError, match=r"2 axes, .*3-D.*reshape with X\[:, np.newaxis, :\]"):
        getattr(deep, ask)(X)
    with pytest.raises(ValueError, match=r"3 axes, .*2-D.*reshape with X\[:, 0, :\]"):
        getattr(flat, ask)(X[:, np.newaxis])


def test_unlabelled_series_of_another_shape(toy, quick):
    X, y = toy
    with pytest.raises(ValueError, match="X_unlabelled does not fit X: .*18 features"):
        quick().fit(X, y, X_unlabelled=X[:, :18])
    with pytest.raises(ValueError, match="X_unlabelled does not fit X: .*NaN"):
        quick().fit(X, y, X_unlabelled=spoiled(X, np.nan))


def test_unknown_options_of_methods(toy, quick):
    student = quick().fit(*toy)
    X = toy[0][:2]
    with pytest.raises(ValueError, match="method='shap'; expected one of 'occlusion'"):
        student.explain(X, method="shap")
    with pytest.raises(ValueError, match="of='both'; expected one of 'student', 'teacher'"):
        student.explain(X, of="both")
    with pytest.raises(ValueError, match="metric='auc'; expected one of 'agreement'"):
        student.fidelity_score(X, metric="auc")
    with pytest.raises(ValueError, match=r"unknown labels \[9\]; expected labels of \[0, 1, 2"):
        student.explain(X, target=9)
    with pytest.raises(ValueError, match="one for each of the 2 series"):
        student.explain(X, target=[0, 1, 2])
    with pytest.raises(ValueError, match="black box"):
        student.explain(X, of="teacher", method="gradient")
