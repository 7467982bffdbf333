"""Sizes, latencies, and what a report costs a teacher."""

import pickle

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from tests.conftest import bump_teacher
from tsdistill.reporting.costs import latency


def test_sizes_and_latencies(report, fitted):
    weights = sum(p.numel() for p in fitted[0].student_.module_.parameters())
    assert report.models.loc["student", "weights"] == weights
    state = fitted[0].student_.module_.state_dict().values()
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state)
    assert report.models.loc["student", "megabytes"] * 1e6 == n_bytes
    assert np.isnan(report.models.loc["teacher", "weights"])  # a black box
    assert (report.models.filter(like="ms_").loc[["teacher", "student"]] > 0).all(axis=None)


def test_a_report_costs_a_teacher_the_questions_that_are_told(quick):
    """In the documentation of n_explained: about 75 each, one a series, some 2,000 in all."""
    rng, asked = np.random.default_rng(0), []

    def counted(X):
        asked.append(len(X))
        return bump_teacher(X[:, :20])

    X = rng.normal(size=(300, 100))
    student = quick(counted, n_windows=2, max_epochs=1).fit(X, bump_teacher(X[:, :20]).argmax(1))
    cost = {}
    for n_explained in (100, 200):
        asked.clear()
        student.fidelity_report(X, n_explained=n_explained)
        cost[n_explained] = sum(asked)
    each = (cost[200] - cost[100]) / 100
    assert 70 < each < 80
    assert cost[100] - 100 * each - len(X) < 2000


def test_nothing_is_asked_twice_but_for_its_time(quick, toy, tmp_path, monkeypatch):
    asked = []

    def counted(X):
        asked.append(len(X))
        return bump_teacher(X)

    student = quick(counted, memory=tmp_path).fit(*toy)
    comparison = student._compare(toy[0])
    comparison.answers("teacher")
    asked.clear()
    comparison.rows(np.array([1, 5])).answers("teacher")
    assert not asked
    teacher, options = comparison.models["teacher"], comparison.options
    assert latency(teacher, comparison.panel[:3], options) > 0
    assert asked == [3] * 5  # not remembered answers
    monkeypatch.setattr("tsdistill.reporting.costs.ENOUGH_SECONDS", 0)
    asked.clear()
    latency(teacher, comparison.panel[:3], options)
    assert asked == [3]  # of a slow teacher one time tells enough


def test_sizes_of_functions_are_not_known(quick, toy):
    for teacher in (bump_teacher, [bump_teacher, bump_teacher]):
        report = quick(teacher).fit(*toy).fidelity_report(toy[0])
        assert np.isnan(report.models.loc["teacher", "megabytes"])
    forest = RandomForestClassifier(5, random_state=0).fit(*toy)
    report = quick(forest).fit(*toy).fidelity_report(toy[0])
    assert report.models.loc["teacher", "megabytes"] * 1e6 == len(pickle.dumps(forest))
