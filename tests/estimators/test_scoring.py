"""Accuracy of labels in every form that ``fit`` takes."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score

from tests.conftest import bump_teacher
from tsdistill import DeferringClassifier
from tsdistill.exceptions import PanelError
from tsdistill.sktime import SaliencyDistilledTSC


@pytest.fixture(params=["classifier", "deferring", "sktime"])
def fitted(request, toy, quick):
    """A fitted estimator of each kind, series for it, labels of which some differ, predictions."""
    X, y = toy
    X, y = X[:, np.newaxis], y.copy()
    estimators = {
        "classifier": lambda: quick(max_epochs=20).fit(X, y),
        "deferring": lambda: DeferringClassifier(quick().fit(X, y), None, 0.4, 0.9).fit(X),
        "sktime": lambda: SaliencyDistilledTSC(
            bump_teacher, max_epochs=20, n_windows=4, random_state=0
        ).fit(X, y),
    }
    estimator, labels = estimators[request.param](), np.roll(y, 1)
    labels[:5] = y[:5]
    return estimator, X, labels, estimator.predict(X)


FORMS = {
    "objects": lambda y: y.astype(object),
    "list": lambda y: y.tolist(),
    "series of objects": lambda y: pd.Series(y.astype(object)),
    "tensor": torch.tensor,
    "array without masked values": np.ma.masked_array,
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_every_form_are_scored(fitted, form):
    estimator, X, y, predicted = fitted
    expected = np.mean(predicted == y)
    assert 0 < expected < 1
    assert estimator.score(X, FORMS[form](y)) == pytest.approx(expected)


WITHOUT_SKTIME = pytest.mark.parametrize("fitted", ["classifier", "deferring"], indirect=True)


@WITHOUT_SKTIME
@pytest.mark.parametrize("form", [torch.tensor, np.ma.masked_array, list])
def test_weights_of_every_form_count(fitted, form):
    estimator, X, y, predicted = fitted
    weight = np.arange(1.0, 13)
    expected = accuracy_score(y, predicted, sample_weight=weight)
    assert estimator.score(X, y, sample_weight=form(weight)) == pytest.approx(expected)


def test_masked_labels_are_refused(fitted):
    estimator, X, y, _ = fitted
    with pytest.raises(PanelError) as caught:
        estimator.score(X, np.ma.masked_array(y, mask=y == 1))
    assert str(caught.value) == (
        f"y has {np.sum(y == 1)} masked values, but all values are needed; fill them first, for "
        "example with y.filled(0)."
    )


@WITHOUT_SKTIME
def test_masked_weights_are_refused(fitted):
    estimator, X, y, _ = fitted
    with pytest.raises(PanelError) as caught:
        estimator.score(X, y, sample_weight=np.ma.masked_array(np.ones(12), mask=y == 1))
    assert str(caught.value) == (
        f"sample_weight has {np.sum(y == 1)} masked values, but all values are needed; fill them "
        "first, for example with sample_weight.filled(0)."
    )


def test_labels_of_several_types_are_refused(fitted):
    estimator, X, y, _ = fitted
    mixed = y.astype(object)
    mixed[0] = "a"
    with pytest.raises(PanelError, match="^y holds labels of the types 'int', 'str'; expected"):
        estimator.score(X, mixed)


@WITHOUT_SKTIME
def test_a_score_needs_labels(fitted):
    estimator, X, _, _ = fitted
    with pytest.raises(PanelError) as caught:
        estimator.score(X, None)
    assert str(caught.value) == "y=None; score needs one label for each series."
