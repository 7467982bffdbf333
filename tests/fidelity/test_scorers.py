"""Scorers for searches."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import fidelity_scorer
from tsdistill.fidelity.scorers import OF_ANSWERS, OF_MAPS, OF_MASKS, OF_TRUTH, check_truth


def test_scorer_asks_the_estimator_and_pickles():
    class Estimator:
        def fidelity_score(self, X, *, metric):
            return {"kl": -0.25}[metric]

    scorer = pickle.loads(pickle.dumps(fidelity_scorer("kl")))
    assert scorer(Estimator(), None) == -0.25
    with pytest.raises(ParameterError, match=r"metric='auc'.*'agreement', 'kl'"):
        fidelity_scorer("auc")


SURE, UNSURE, WRONG = (np.log([[p, 1 - p], [1 - p, p]]) for p in (0.99, 0.6, 0.1))
MAPS = np.array([[0.0, 1.0, 3.0, 2.0], [5.0, 1.0, 0.0, 2.0]])


@pytest.mark.parametrize(
    ("metrics", "name", "reference", "answers"),
    [
        *((OF_ANSWERS, name, SURE, (SURE, UNSURE, WRONG)) for name in ("kl", "js")),
        (OF_ANSWERS, "agreement", SURE, (UNSURE, WRONG)),
        *((OF_TRUTH, name, [0, 1], (SURE, UNSURE, WRONG)) for name in ("nll", "ece")),
        (OF_TRUTH, "accuracy", [0, 1], (UNSURE, WRONG)),
        *((OF_MAPS, name, MAPS, (2 * MAPS, -MAPS)) for name in ("saliency", "top_overlap")),
        *((OF_MASKS, name, MAPS > 2, (MAPS, -MAPS)) for name in ("auprc", "auroc")),
    ],
)
def test_the_better_the_higher(metrics, name, reference, answers):
    truth_first = metrics in (OF_ANSWERS, OF_MAPS)
    pairs = [(reference, one) if truth_first else (one, reference) for one in answers]
    found = [metrics[name](*pair) for pair in pairs]
    assert found == sorted(set(found), reverse=True)


class Holder:
    """Stands for a fitted student; its score is what it was given."""

    def fidelity_score(self, X, **given):
        return X, given


def test_a_metric_is_given_what_it_needs():
    y = [0, 1]
    assert fidelity_scorer()(Holder(), 5, y) == (5, {"metric": "agreement"})
    for metric in ("kl", "js", "saliency", "top_overlap", "deletion", "insertion"):
        assert fidelity_scorer(metric)(Holder(), 5, y) == (5, {"metric": metric})
    for metric in ("accuracy", "nll", "ece"):
        assert fidelity_scorer(metric)(Holder(), 5, y) == (5, {"metric": metric, "y": y})
        check_truth(metric, y, None)
        with pytest.raises(ParameterError, match=f"metric='{metric}' needs y,"):
            check_truth(metric, None, None)
    for metric in ("auprc", "auroc"):
        given = {"metric": metric, "mask": 7}
        assert fidelity_scorer(metric)(Holder(), 5, y, mask=7) == (5, given)
        check_truth(metric, None, 7)
        with pytest.raises(ParameterError, match=f"metric='{metric}' needs mask,"):
            check_truth(metric, y, None)
    check_truth("kl", None, None)
    check_truth("kl", y, None)
    with pytest.raises(ParameterError, match="metric='kl' makes no use of mask"):
        check_truth("kl", None, 7)
    with pytest.raises(ParameterError, match="metric='auc'"):
        check_truth("auc", None, None)


def twice(X):
    return 2 * X


DOUBLE, HOLDER = FunctionTransformer(twice), Holder()
OF_SKTIME = SimpleNamespace(transformers_=SimpleNamespace(transform=twice), classifier_=HOLDER)


@pytest.mark.parametrize(
    ("estimator", "factor"),
    [
        (HOLDER, 1),
        (SimpleNamespace(best_estimator_=HOLDER), 1),
        (OF_SKTIME, 2),
        (Pipeline([("student", HOLDER)]), 1),
        (Pipeline([("a", DOUBLE), ("student", HOLDER)]), 2),
        (Pipeline([("a", DOUBLE), ("b", DOUBLE), ("student", HOLDER)]), 4),
        (Pipeline([("a", DOUBLE), ("search", SimpleNamespace(best_estimator_=OF_SKTIME))]), 4),
    ],
    ids=["itself", "search", "sktime", "pipeline", "one step", "two steps", "all"],
)
def test_a_student_is_found_and_its_series_are_transformed(estimator, factor):
    X, _ = fidelity_scorer()(estimator, np.ones(3))
    np.testing.assert_array_equal(X, np.full(3, factor))


@pytest.mark.parametrize("parts", [{"transformers_": 0}, {"classifier_": 0}, {}])
def test_what_holds_no_student_cannot_be_scored(parts):
    with pytest.raises(ParameterError, match=r"^fidelity_scorer\('kl'\) cannot score a Simple"):
        fidelity_scorer("kl")(SimpleNamespace(**parts), np.ones(3))
    with pytest.raises(ParameterError, match="cannot score a LogisticRegression"):
        fidelity_scorer()(LogisticRegression(), np.ones(3))
