"""The constructor's arguments: where models run, and weights that are too large."""

import warnings

import pytest
from skorch import NeuralNetClassifier

from tsdistill.exceptions import ParameterError, SaliencyWeightWarning
from tsdistill.students import Lite


@pytest.mark.parametrize(
    ("of_student", "expected"), [(None, ["cpu"]), ("cuda:1", ["cpu", "cuda:1"])]
)
def test_the_device_of_a_skorch_student_counts_beside_the_estimators(quick, of_student, expected):
    from tsdistill.estimators.settings import devices_of

    net = NeuralNetClassifier(Lite().build(1, 20, 3), device=of_student)
    assert devices_of(quick(student=net)) == expected
    assert devices_of(quick(student="lite")) == ["cpu"]


def test_a_device_that_a_skorch_student_cannot_use_is_named(toy, quick):
    net = NeuralNetClassifier(Lite().build(1, 20, 3), device="abacus")
    with pytest.raises(ParameterError, match="^device='abacus' cannot be used: .*Expected 'cpu'"):
        quick(student=net).fit(*toy)


@pytest.mark.parametrize("measure", ["class", "sum", "decoupled"])
def test_a_weight_with_which_a_measure_may_destroy_the_student_is_warned_of(toy, quick, measure):
    with pytest.warns(SaliencyWeightWarning, match=f"saliency_weight=5.0 is above 1.*{measure}"):
        quick(saliency=measure, saliency_weight=5.0).fit(*toy)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SaliencyWeightWarning)
        quick(saliency=measure, saliency_weight=1.0).fit(*toy)
        quick(saliency=measure).fit(*toy)
        quick(saliency_weight=100.0).fit(*toy)
