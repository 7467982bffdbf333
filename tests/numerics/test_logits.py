import numpy as np
import pytest
import torch

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
