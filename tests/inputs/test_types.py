"""The names that type checkers accept are those that the functions accept."""

from typing import get_args

from tsdistill.explainers.registry import EXPLAINERS
from tsdistill.fidelity.scorers import METRICS
from tsdistill.inputs.types import Fill, Method, Metric


def test_metrics_of_the_type_are_those_that_are_computed():
    assert set(get_args(Metric)) == set(METRICS)


def test_methods_of_the_type_are_the_explainers():
    assert set(get_args(Method)) == set(EXPLAINERS)


def test_fills_of_the_type_are_those_that_some_explainer_takes():
    assert set(get_args(Fill)) == {fill for one in EXPLAINERS.values() for fill in one.fills}
