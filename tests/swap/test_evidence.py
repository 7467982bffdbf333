"""What is found for the demands of a contract, before anything is bounded."""

import copy

import numpy as np
import pytest
import torch

from tests.swap.bumps import TEACHER, bumps, fitted_student
from tsdistill.exceptions import ParameterError
from tsdistill.swap.contract_inputs import GivenAnswers
from tsdistill.swap.demands import MOST_NATS
from tsdistill.swap.evidence import Evidence

NOTHING = GivenAnswers(None, None)


@pytest.fixture(scope="module")
def student():
    return fitted_student()


@pytest.fixture(scope="module")
def X():
    return bumps(20, 0.8, seed=1)[0]


def found(student, X, name, n_explained=20, given=NOTHING):
    return Evidence(student, X, None, [name], None, given, n_explained, 0).find(name)


def test_limits_of_a_mean_are_those_of_its_measure(student, X):
    limits = {name: found(student, X, name) for name in ("kl", "js", "saliency")}
    assert {name: (one.lowest, one.highest) for name, one in limits.items()} == {
        "kl": (0.0, MOST_NATS), "js": (0.0, pytest.approx(np.log(2))), "saliency": (-1.0, 1.0)
    }  # fmt: skip


def test_it_is_said_how_many_series_count_the_most_that_one_may(student, X):
    assert found(student, X, "kl").about == ""
    sure = copy.deepcopy(student)
    with torch.no_grad():
        for parameter in list(sure.student_.module_.parameters())[-2:]:  # of the last layer
            parameter.mul_(100)
    wrong = np.eye(3)[sure.predict_proba(X).argmin(axis=1)]
    values = found(sure, X, "kl", given=GivenAnswers(wrong, None))
    n_above = int((values.values == MOST_NATS).sum())
    assert n_above > 0
    assert values.about == f"of which {n_above} count {MOST_NATS:.2f}, the most that one may"


def test_rows_that_are_no_probabilities_are_counted(student, X):
    proba = np.full((20, 3), 1 / 3)
    proba[:2, 0] = np.nan, np.inf
    with pytest.raises(ParameterError, match="^teacher_proba has NaN or infinity in 2 of 20 rows"):
        found(student, X, "kl", given=GivenAnswers(proba))
    proba[:3] = [[0.5, 0.5, 0.0015], [0.5, 0.5015, -0.0015], [0.5, 0.5, 0.0005]]
    with pytest.raises(ParameterError, match="^teacher_proba has 2 of 20 rows .* sums to 1.00"):
        found(student, X, "kl", given=GivenAnswers(proba))


@pytest.mark.parametrize(
    ("given", "teacher", "message"),
    [
        (GivenAnswers([[1, 0, 0]] * 20, [["high"] * 20] * 20), None, "^teacher_maps"),
        (GivenAnswers([[1, 0, 0]] * 20, None), TEACHER, "^teacher and teacher_proba were both"),
    ],
)
def test_what_is_given_of_a_teacher_is_named_where_it_is_wrong(student, X, given, teacher, message):
    with pytest.raises(ParameterError, match=message):
        Evidence(student, X, None, ["saliency"], teacher, given, 20, 0)


def test_it_is_said_whether_all_series_have_maps(student, X):
    assert [found(student, X, "saliency", n).about for n in (19, 20, 21)] == ["with maps", "", ""]
    assert [found(student, X, "saliency", n).n for n in (19, 20, 21)] == [19, 20, 20]
    maps = student._compare(X).rows(np.arange(20)).maps["teacher"]
    proba = np.exp(student._compare(X).answers("teacher"))
    given = found(student, X, "saliency", 5, GivenAnswers(proba, maps))
    assert (given.n, given.about) == (20, "")  # maps that were given are all used
    assert given.kind_of_series == "series with maps (n_explained)"


def test_the_time_of_one_series_is_a_median_of_microseconds_after_a_warm_up(
    student, X, monkeypatch
):
    asked = []

    def clock(model, panel, options, n):
        asked.append((panel.shape, n))
        return [0.003] + [0.001] * (n - 1)

    monkeypatch.setattr("tsdistill.swap.evidence.durations", clock)
    assert found(student, X, "us_one_series").measured == pytest.approx(1000)
    assert [shape for shape, _ in asked] == [(1, 1, X.shape[-1])] * 2
    assert asked[0][1] < asked[1][1]
