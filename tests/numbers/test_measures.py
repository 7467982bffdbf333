"""Measures against references of 60 digits, at extreme answers and maps."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    accuracy,
    agreement,
    area,
    auprc,
    auroc,
    betting_interval,
    clopper_pearson,
    expected_calibration_error,
    negative_log_likelihood,
    per_series_auroc,
    per_series_correlation,
    per_series_js,
    per_series_kl,
    predictive_js,
    predictive_kl,
    saliency_correlation,
    top_overlap,
)

mpmath.mp.dps = 60
LOGITS = {
    "moderate": (1.5, -0.5, 0.25),
    "equal": (3.0, 3.0, 3.0),
    "tie at the top": (1e4, 1e4, -1e4),
    "sure of one": (1e4, -1e4, 0.0),
    "sure of another": (-1e4, 0.0, 1e4),
    "probabilities of 1e-30": (0.0, -69.0, -69.5),
    "hardly different": (1.5, -0.5, 0.25 + 1e-9),
    "signed zeros": (-0.0, 0.0, -0.0),
    "far below": (0.0, -1e300, -1e-300),
}
PAIRS = list(itertools.product(LOGITS, LOGITS))


def log_softmax(logits):
    z = [mpmath.mpf(value) for value in logits]
    total = mpmath.log(sum(mpmath.exp(value - max(z)) for value in z)) + max(z)
    return [value - total for value in z]


LOG_PROBA = {name: np.array(log_softmax(row), dtype=np.float64) for name, row in LOGITS.items()}
FIRST = np.array([LOG_PROBA[a] for a, _ in PAIRS])
SECOND = np.array([LOG_PROBA[b] for _, b in PAIRS])


def slow_kl(p, q):
    return sum(mpmath.exp(a) * (a - b) for a, b in zip(p, q, strict=True))


def numbers(row):
    return [mpmath.mpf(float(value)) for value in row]


def test_divergences_of_answers():
    """To 1e-14, or 1e-15 in absolute terms where the answers are nearly equal."""
    kl, js = [], []
    for a, b in zip(FIRST, SECOND, strict=True):
        p, q = numbers(a), numbers(b)
        middle = [
            mpmath.log((mpmath.exp(x) + mpmath.exp(y)) / 2) for x, y in zip(p, q, strict=True)
        ]
        kl.append(float(slow_kl(p, q)))
        js.append(float((slow_kl(p, middle) + slow_kl(q, middle)) / 2))
    tolerances = {"rtol": 1e-14, "atol": 1e-15}
    np.testing.assert_allclose(per_series_kl(FIRST, SECOND), kl, **tolerances)
    np.testing.assert_allclose(per_series_js(FIRST, SECOND), js, **tolerances)
    assert predictive_kl(FIRST[:9], SECOND[:9]) == pytest.approx(math.fsum(kl[:9]) / 9, rel=1e-14)
    assert predictive_js(FIRST, SECOND) == pytest.approx(math.fsum(js) / len(js), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergences_stay_within_their_limits_whatever_is_rounded(dtype):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(2000, 4))
    near = logits + 1e-8 * rng.normal(size=logits.shape)
    far = rng.normal(scale=300, size=logits.shape)
    rows = []
    for z in (logits, near, far, far[::-1]):
        z = z - z.max(axis=1, keepdims=True)
        rows.append((z - np.log(np.exp(z).sum(axis=1, keepdims=True))).astype(dtype))
    for a, b in ((rows[0], rows[1]), (rows[2], rows[3])):
        assert per_series_kl(a, b).min() >= 0
        js = per_series_js(a, b)
        assert js.min() >= 0 and js.max() <= np.log(2)
        low, high = betting_interval(js, highest=np.log(2))  # refuses what is beyond
        assert low <= js.mean() <= high


def test_predictions_at_ties_and_extremes():
    answers = np.array(list(LOGITS.values()))
    expected = [max(range(3), key=lambda k, row=row: row[k]) for row in answers.tolist()]
    assert accuracy(answers, expected) == 1
    assert agreement(answers, np.eye(3)[expected]) == 1
    assert agreement(answers, np.eye(3)[[(k + 1) % 3 for k in expected]]) == 0
    assert accuracy(np.array([[-np.inf, 0.0]]), [1]) == 1


def test_negative_log_likelihood():
    every = np.array(list(LOG_PROBA.values()))[:-1]
    for k in range(3):
        expected = -math.fsum(every[:, k]) / len(every)
        found = negative_log_likelihood(every, np.full(len(every), k))
        assert found == pytest.approx(expected, rel=1e-15)
    sure = negative_log_likelihood(np.array([[0.0, -1e4]]), [0])
    assert sure == 0 and math.copysign(1, sure) == 1


def test_expected_calibration_error():
    rng = np.random.default_rng(0)
    proba = np.concatenate([rng.dirichlet(np.full(3, 0.3), 200), np.full((5, 3), 1 / 3)])
    proba = np.maximum(proba, 1e-30)
    log_proba = np.concatenate([np.log(proba), np.array(list(LOG_PROBA.values()))])
    y = rng.integers(3, size=len(log_proba))
    bins = {}
    for row, label in zip(log_proba, y, strict=True):
        sure = mpmath.exp(mpmath.mpf(float(row.max())))
        place = max(0, min(9, int(mpmath.ceil(10 * sure)) - 1))
        bins.setdefault(place, []).append(int(row.argmax() == label) - sure)
    expected = sum(abs(sum(gaps)) for gaps in bins.values()) / len(y)
    assert expected_calibration_error(log_proba, y) == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize(
    "answers", [[[0.0, -np.inf]], [[np.inf, 0.0]], [[0.5, 0.5]], [[1e4, -1e4]], [[np.nan, 0.0]]]
)
def test_what_is_no_log_probability_is_refused(answers):
    for measure in (predictive_kl, predictive_js):
        with pytest.raises(ParameterError):
            measure(answers, answers)
    for measure in (negative_log_likelihood, expected_calibration_error):
        with pytest.raises(ParameterError):
            measure(answers, [0])


MAPS = {
    "moderate": (1.0, -2.0, 3.0, 0.5),
    "another": (0.5, 2.0, 1.0, -1.0),
    "offset": (1e8 + 1, 1e8 - 2, 1e8 + 3, 1e8 + 0.5),
    "large": (1e308, -1.7e308, 0.0, 1e307),
    "tiny": (1e-300, -2e-300, 3e-300, 0.0),
    "denormal": (5e-324, 1e-323, 0.0, -5e-324),
    "signed zeros and one value": (-0.0, 0.0, 1.0, -0.0),
    "last digit of float32": (1.0, 1.0 + 2**-23, 1.0, 1.0 + 2**-22),
}
CONSTANT = {
    "zeros": (0.0, -0.0, 0.0, -0.0), "tenths": (0.1,) * 4, "large": (1.7e308,) * 4,
    "denormal": (5e-324,) * 4,
}  # fmt: skip


def slow_correlation(first, second):
    a, b = numbers(first), numbers(second)
    a, b = ([x - sum(row) / len(row) for x in row] for row in (a, b))
    return mpmath.fdot(a, b) / mpmath.sqrt(mpmath.fdot(a, a) * mpmath.fdot(b, b))


def test_correlation_of_maps():
    """To 1e-12 in absolute terms."""
    for one, other in itertools.product(MAPS, MAPS):
        found = saliency_correlation([MAPS[one]], [MAPS[other]])
        assert found == pytest.approx(float(slow_correlation(MAPS[one], MAPS[other])), abs=1e-12)


def test_constant_maps_have_no_correlation_and_no_top():
    for constant, other in itertools.product(
        CONSTANT.values(), [*MAPS.values(), *CONSTANT.values()]
    ):
        assert per_series_correlation([constant], [other], undefined=7.0).tolist() == [7.0]
        assert top_overlap([other], [constant]) == 0


def test_top_overlap_takes_the_earlier_of_equal_values():
    for one, other in itertools.product(MAPS.values(), MAPS.values()):
        tops = [set(sorted(range(4), key=lambda t, m=m: -m[t])[:2]) for m in (one, other)]
        expected = len(tops[0] & tops[1]) / len(tops[0] | tops[1])
        assert top_overlap([one], [other], share=0.5) == expected


def test_a_top_has_one_value_at_least():
    assert top_overlap([[3.0, 2.0, 1.0, 0.0]], [[3.0, 0.0, 1.0, 2.0]]) == 1
    assert top_overlap([[3.0, 2.0, 1.0, 0.0]], [[3.0, 0.0, 1.0, 2.0]], share=0.5) == 1 / 3


def test_correlations_stay_within_their_limits_whatever_is_rounded():
    maps = np.random.default_rng(0).normal(size=(2000, 7))
    for factor, limit in ((3.0, 1.0), (-0.1, -1.0)):
        found = per_series_correlation(maps, factor * maps)
        assert np.abs(found).max() <= 1
        np.testing.assert_allclose(found, limit)


def test_areas_of_maps_that_are_to_find_a_mask():
    for values in [*MAPS.values(), *CONSTANT.values()]:
        for true in itertools.product((False, True), repeat=4):
            if all(true) or not any(true):
                continue
            pairs = [(a, b) for a, t in zip(values, true, strict=True) if t
                     for b, u in zip(values, true, strict=True) if not u]  # fmt: skip
            above = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)
            assert auroc([values], np.array([true])) == pytest.approx(above, rel=1e-15)
            precisions = []
            for a in (value for value, t in zip(values, true, strict=True) if t):
                found = [t for value, t in zip(values, true, strict=True) if value >= a]
                precisions.append(sum(found) / len(found))
            expected = sum(precisions) / len(precisions)
            assert auprc([values], np.array([true])) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinite_maps_are_refused(infinite):
    maps, plain = [[1.0, infinite, 0.0, np.nan]], [[1.0, 2.0, 0.0, np.nan]]
    for measure in (saliency_correlation, top_overlap):
        for pair, name in (((maps, plain), "teacher"), ((plain, maps), "student")):
            with pytest.raises(ParameterError, match=f"{name} has infinity in 1 places"):
                measure(*pair)
    mask = np.array([[False, True, False, False]])
    for measure in (auprc, per_series_auroc):
        with pytest.raises(ParameterError, match="maps has infinity in 1 places"):
            measure(maps, mask)


def test_area_under_a_curve():
    shares, proba = np.linspace(0, 1, 11), np.geomspace(1e-300, 1, 11)
    steps = [
        (numbers([shares[i + 1]])[0] - numbers([shares[i]])[0])
        * (numbers([proba[i + 1]])[0] + numbers([proba[i]])[0]) / 2
        for i in range(10)
    ]  # fmt: skip
    assert area(shares, [proba])[0] == pytest.approx(float(sum(steps)), rel=1e-14)
    assert area(shares, np.zeros((1, 11)))[0] == 0
    assert area([0.0, 0.5, 0.5, 1.0], [[1.0, 1.0, 0.0, 0.0]])[0] == 0.5  # a step
    for wrong in ([0.0, np.nan, 1.0], [0.0, 1.0, np.inf], [0.0, 1.0, 0.5]):
        with pytest.raises(ParameterError, match="shares that rise"):
            area(wrong, [[1.0, 0.0, 0.0]])
    with pytest.raises(ParameterError, match="hold NaN or infinity"):
        area([0.0, 1.0], [[0.0, np.inf]])


def tail(k, n, share):
    """P(at most k of n), to 60 digits."""
    return sum(mpmath.binomial(n, i) * share**i * (1 - share) ** (n - i) for i in range(k + 1))


@pytest.mark.parametrize(
    "k, n", [(0, 1), (1, 1), (0, 10), (10, 10), (3, 50), (1, 10**6), (2, 10**9), (3, 10**15)]
)
@pytest.mark.parametrize("confidence", [1e-9, 0.95, 1 - 1e-9])
def test_the_exact_interval_leaves_half_of_the_error_on_each_side(k, n, confidence):
    low, high = clopper_pearson(k, n, confidence)
    error = (1 - mpmath.mpf(confidence)) / 2
    assert 0 <= low <= k / n <= high <= 1 and (low == 0) == (k == 0) and (high == 1) == (k == n)
    if high < 1:
        assert float(tail(k, n, mpmath.mpf(high)) / error) == pytest.approx(1, abs=1e-6)
    if low > 0:
        above = 1 - tail(k - 1, n, mpmath.mpf(low))
        assert float(above / error) == pytest.approx(1, abs=1e-6)


def test_intervals_of_counts_too_large_for_an_integer_type():
    low, high = clopper_pearson(1, 10**30)
    assert low == pytest.approx(2.5317807984e-32) and high == pytest.approx(5.5716433909e-30)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[0.0], [1.0], [0.0, 1e-310], [1e-300, 1.0], [-0.0, 5e-324]])
def test_bounds_by_betting_enclose_the_mean_of_extreme_values(values):
    for n in (1, 100):
        low, high = betting_interval(values * n)
        assert 0 <= low <= math.fsum(values) / len(values) <= high <= 1
    assert betting_interval([5.0, 5.0], 5.0, np.nextafter(5, 6))[0] == 5


def test_limits_whose_difference_is_infinite_are_refused():
    with pytest.raises(
        ParameterError, match=r"smaller one first\. Their difference must be finite"
    ):
        betting_interval([0.0, 1.0], lowest=-1e308, highest=1.7e308)
