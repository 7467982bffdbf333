import math
import pickle

import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    agreement,
    fidelity_scorer,
    predictive_js,
    predictive_kl,
    saliency_correlation,
)


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 30, 4))
    return logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))


def test_agreement_counts_equal_predictions(answers):
    teacher, student = answers
    same = sum(
        max(range(4), key=lambda k: t[k]) == max(range(4), key=lambda k: s[k])
        for t, s in zip(teacher, student, strict=True)
    )
    assert agreement(teacher, student) == pytest.approx(same / 30)


def test_divergences_equal_slow_loops(answers):
    teacher, student = answers
    kl = js = 0.0
    for t, s in zip(np.exp(teacher), np.exp(student), strict=True):
        kl += sum(t[k] * math.log(t[k] / s[k]) for k in range(4)) / 30
        middle = (t + s) / 2
        js += sum(t[k] * math.log(t[k] / middle[k]) for k in range(4)) / 60
        js += sum(s[k] * math.log(s[k] / middle[k]) for k in range(4)) / 60
    assert predictive_kl(teacher, student) == pytest.approx(kl)
    assert predictive_js(teacher, student) == pytest.approx(js)
    assert predictive_kl(teacher, teacher) == 0
    assert predictive_js(teacher, teacher) == pytest.approx(0, abs=1e-12)


def test_js_of_opposites_is_log_2():
    sure = np.log(np.array([[1 - 1e-12, 1e-12]]))
    assert predictive_js(sure, sure[:, ::-1]) == pytest.approx(math.log(2), abs=1e-9)


def test_correlation_is_pearson_a_series():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 5, 40))
    slow = np.mean([np.corrcoef(t, s)[0, 1] for t, s in zip(teacher, student, strict=True)])
    assert saliency_correlation(teacher, student) == pytest.approx(slow)
    assert saliency_correlation(teacher, 3 * teacher + 1) == pytest.approx(1)
    assert saliency_correlation(teacher, -teacher) == pytest.approx(-1)


def test_constant_map_counts_as_uncorrelated():
    teacher = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    student = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    assert saliency_correlation(teacher, student) == pytest.approx(0.5)


@pytest.mark.parametrize("measure", [agreement, predictive_kl, predictive_js, saliency_correlation])
def test_shapes_that_do_not_match_are_shown(measure):
    with pytest.raises(ParameterError, match=r"\(3, 2\) and student \(3, 4\)"):
        measure(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ParameterError, match="at least one instance"):
        measure(np.zeros((0, 2)), np.zeros((0, 2)))


def test_scorer_asks_the_estimator_and_pickles():
    class Estimator:
        def fidelity_score(self, X, *, metric):
            return {"kl": -0.25}[metric]

    scorer = pickle.loads(pickle.dumps(fidelity_scorer("kl")))
    assert scorer(Estimator(), None) == -0.25
    with pytest.raises(ParameterError, match=r"metric='auc'.*'agreement', 'kl'"):
        fidelity_scorer("auc")
