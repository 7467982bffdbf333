"""scikit-learn's own checks, all of them, with an unfitted teacher."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from tsdistill import SaliencyDistilledClassifier

pytestmark = [
    pytest.mark.slow,
    # class weights of 10^7 : 1 make a teacher certain
    pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning"),
]

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "trained in shuffled mini-batches in float32: doubled rows equal weights of 2 in "
        "expectation, not to 1e-7"
    ),
}


@parametrize_with_checks(
    [SaliencyDistilledClassifier(LogisticRegression(), max_epochs=25)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_scikit_learn_has_many_checks_for_us():
    student = SaliencyDistilledClassifier(LogisticRegression())
    tags = student.__sklearn_tags__().input_tags
    assert tags.two_d_array and tags.three_d_array
    assert len(list(estimator_checks_generator(student))) >= 55
