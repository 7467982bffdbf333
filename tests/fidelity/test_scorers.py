"""Scorers for searches."""

import pickle

import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    fidelity_scorer,
)


def test_scorer_asks_the_estimator_and_pickles():
    class Estimator:
        def fidelity_score(self, X, *, metric):
            return {"kl": -0.25}[metric]

    scorer = pickle.loads(pickle.dumps(fidelity_scorer("kl")))
    assert scorer(Estimator(), None) == -0.25
    with pytest.raises(ParameterError, match=r"metric='auc'.*'agreement', 'kl'"):
        fidelity_scorer("auc")
