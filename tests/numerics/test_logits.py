"""Functions of logits, and NumPy's floating-point errors around them."""

import warnings

import numpy as np
import pytest
import torch

from tests.conftest import bump_teacher
from tsdistill import DeferringClassifier
from tsdistill.numerics.logits import centred, first_output, log_softmax


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3)])
def test_centred_logits_of_arrays_and_tensors_equal_a_loop(shape):
    logits = np.random.default_rng(0).normal(size=shape)
    expected = np.empty(shape)
    for place in np.ndindex(shape[:-1]):
        expected[place] = [z - sum(logits[place]) / shape[-1] for z in logits[place]]
    np.testing.assert_allclose(centred(logits), expected)
    np.testing.assert_allclose(centred(torch.tensor(logits)).numpy(), expected)


def test_log_probabilities_have_the_centred_logits_of_the_logits():
    logits = np.random.default_rng(0).normal(size=(4, 3)) * 1e3
    log_proba = log_softmax(logits)
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(centred(log_proba), centred(logits), rtol=1e-4, atol=1e-3)


def test_first_output():
    assert first_output((1, 2)) == 1
    assert first_output([1, 2]) == [1, 2]


def takes_log_of_zero(X):
    np.log(np.zeros(1))
    return bump_teacher(X)


def test_floating_point_errors_that_the_user_ignores_stay_ignored_in_a_fit(toy, quick):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(takes_log_of_zero, max_epochs=1).fit(*toy)
        assert set(np.geterr().values()) == {"ignore"}
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in log"):
        quick(takes_log_of_zero, max_epochs=1).fit(*toy)


@pytest.fixture
def answers(toy, quick):
    """A function that asks a student, and its teacher, everything."""
    X, y = toy
    student = quick(max_epochs=2).fit(X, y)
    metrics = ("agreement", "kl", "js", "saliency", "top_overlap", "deletion", "accuracy", "ece")

    def ask():
        return [
            quick(max_epochs=2).fit(X, y).predict_proba(X),
            student.predict_proba(1e3 * X),
            student.predict_log_proba(1e3 * X),
            student.explain(X),
            student.explain(X, of="teacher"),
            *(student.fidelity_score(X, y, metric=metric) for metric in metrics),
            DeferringClassifier(student, None, 0.4, 0.9).fit(X).predict_proba(X),
        ]

    return ask


def test_floating_point_errors_that_the_user_raises_change_no_answer(answers):
    expected = answers()
    with np.errstate(all="raise"):
        found = answers()
        assert set(np.geterr().values()) == {"raise"}
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
