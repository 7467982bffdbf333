"""Quantiles of the beta distribution are right where SciPy's are wrong."""

import numpy as np
import pytest
from scipy.stats import beta, gamma

from tsdistill.fidelity import clopper_pearson
from tsdistill.numerics import beta as ours
from tsdistill.numerics.beta import beta_quantile


def test_a_quantile_that_scipy_gets_wrong():
    k, n = 1000, 132_579_327  # b is so large that this is a gamma distribution to 7 digits
    for tail in (0.05, 0.25, 0.5, 0.75, 0.95):
        expected = gamma.ppf(tail, k) / (n - k / 2)
        assert beta_quantile(tail, k, n - k + 1) == pytest.approx(expected, rel=1e-5)
        expected = gamma.isf(tail, k) / (n - k / 2)
        assert beta_quantile(tail, k, n - k + 1, upper=True) == pytest.approx(expected, rel=1e-5)
    low, high = clopper_pearson(k, n, 0.5)
    assert 0.97 * k / n < low < k / n < high < 1.03 * k / n


@pytest.mark.parametrize("upper", [False, True])
def test_bisection_gives_what_scipy_gives_elsewhere(upper, monkeypatch):
    tail, a, b = (np.array(one)[:, None] for one in ([0.01, 0.5, 0.975], [1, 40, 7], [1, 3, 900]))
    tails = np.array([[0.001, 0.3, 0.999]])
    expected = (beta.isf if upper else beta.ppf)(tails, a, b)
    np.testing.assert_array_equal(beta_quantile(tails, a, b, upper=upper), expected)
    monkeypatch.setattr(ours, "_TOLERANCE", -1.0)  # as if all were wrong
    np.testing.assert_allclose(beta_quantile(tails, a, b, upper=upper), expected, rtol=1e-12)
    assert beta_quantile(tail[0, 0], 1, 1, upper=upper) == pytest.approx(0.99 if upper else 0.01)
