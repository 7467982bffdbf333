"""sktime's own checks, all of them."""

import pytest
from sktime.utils.estimator_checks import check_estimator, parametrize_with_checks

from tsdistill.sktime import SaliencyDistilledTSC

pytestmark = [
    pytest.mark.slow,
    # sktime's series are few and tell apart themselves
    pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning"),
    # of the teacher, whose first step brings them to one length
    pytest.mark.filterwarnings("ignore:Data seen by SklearnC.*unequal length:UserWarning"),
]


@parametrize_with_checks([SaliencyDistilledTSC])
def test_sktime_check(obj, test_name, record_property):
    results = check_estimator(obj, tests_to_run=test_name, raise_exceptions=True, verbose=False)
    assert results and set(results.values()) == {"PASSED"}
    record_property("checks", len(results))  # a check is run for several settings and data sets
