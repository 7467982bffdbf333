"""Measures of answers, and intervals of them, over arbitrary arrays: against obvious loops."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import binomtest

from tests.fuzz.cases import fewer
from tests.fuzz.of_arrays import (
    anything,
    laid_out,
    layouts,
    left_unchanged,
    log_probas,
    orders,
    pairs_of_answers,
    refused,
    rows_in,
    usual,
)
from tsdistill import fidelity
from tsdistill.exceptions import ParameterError, TsdistillError
from tsdistill.fidelity.betting import calibration_bounds, mean_bounds

OF_PAIRS = ("agreement", "predictive_kl", "predictive_js", "per_series_kl", "per_series_js")
OF_FLIPS = ("negative_flips", "positive_flips", "per_series_flips")
OF_TRUTH = ("accuracy", "negative_log_likelihood", "expected_calibration_error")


def best(row):
    """The first of the largest values of a row."""
    return max(range(len(row)), key=lambda k: row[k])


def kl(p, q):
    """KL divergence of two rows of log-probabilities, by a loop."""
    return math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))


def middle(p, q):
    """Log of the mean of two rows of probabilities."""
    found = []
    for a, b in zip(p, q, strict=True):
        high, low = max(a, b), min(a, b)
        found.append(high + math.log1p(math.exp(low - high)) - math.log(2))
    return found


@given(pairs_of_answers())
def test_shares_of_predictions_are_those_of_a_loop(answers):
    teacher, student, y = answers
    right = [(best(t) == k, best(s) == k) for t, s, k in zip(teacher, student, y, strict=True)]
    same = [best(t) == best(s) for t, s in zip(teacher, student, strict=True)]
    n = len(y)
    assert fidelity.agreement(teacher, student) == sum(same) / n
    assert fidelity.accuracy(teacher, y) == sum(t for t, _ in right) / n
    assert fidelity.negative_flips(teacher, student, y) == sum(t and not s for t, s in right) / n
    assert fidelity.positive_flips(teacher, student, y) == sum(s and not t for t, s in right) / n
    negative, positive = fidelity.per_series_flips(teacher, student, y)
    assert negative.tolist() == [t and not s for t, s in right]
    assert positive.tolist() == [s and not t for t, s in right]


@given(pairs_of_answers())
def test_divergences_are_those_of_a_loop(answers):
    teacher, student, _ = answers
    a, b = teacher.astype(float).tolist(), student.astype(float).tolist()
    expected = [max(0.0, kl(p, q)) for p, q in zip(a, b, strict=True)]
    found = fidelity.per_series_kl(teacher, student)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)
    js = fidelity.per_series_js(teacher, student)
    expected = [(kl(p, middle(p, q)) + kl(q, middle(p, q))) / 2 for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(js, expected, rtol=1e-9, atol=1e-6)
    assert (js >= 0).all() and (js <= math.log(2)).all()
    np.testing.assert_array_equal(js, fidelity.per_series_js(student, teacher))
    assert not fidelity.per_series_kl(teacher, teacher).any()
    assert fidelity.per_series_js(teacher, teacher).max() < 1e-7
    assert fidelity.predictive_kl(teacher, student) == found.mean()
    assert fidelity.predictive_js(teacher, student) == js.mean()


@given(pairs_of_answers(), st.integers(1, 12))
def test_likelihood_and_calibration_are_those_of_a_loop(answers, n_bins):
    log_proba, _, y = answers
    rows = log_proba.astype(float).tolist()
    expected = -math.fsum(row[k] for row, k in zip(rows, y, strict=True)) / len(y)
    found = fidelity.negative_log_likelihood(log_proba, y)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12) and found > -1e-2
    gaps = [0.0] * n_bins
    for row, k in zip(rows, y, strict=True):
        sure = float(np.exp(max(row)))
        of = min(n_bins - 1, max(0, math.ceil(sure * n_bins) - 1))
        gaps[of] += (best(row) == k) - sure
    found = fidelity.expected_calibration_error(log_proba, y, n_bins)
    assert found == pytest.approx(sum(map(abs, gaps)) / len(y), abs=1e-9)
    assert 0 <= found <= 1


@given(pairs_of_answers(), st.data(), layouts, layouts)
def test_measures_of_answers_depend_neither_on_layout_nor_on_the_order_of_series(
    answers, data, layout, layout_of_y
):
    order = data.draw(orders(len(answers[0])))
    moved = rows_in(order, *answers)
    teacher, student, y = (
        laid_out(one, how) for one, how in zip(moved, (layout, layout, layout_of_y), strict=True)
    )
    with left_unchanged(teacher, student, y):
        for name in (*OF_PAIRS, *OF_FLIPS, *OF_TRUTH):
            given_both = {*OF_PAIRS, *OF_FLIPS}
            columns = (0, 1) * (name in given_both) + (0,) * (name in OF_TRUTH)
            columns += (2,) * (name not in OF_PAIRS)
            measure = getattr(fidelity, name)
            found = measure(*((teacher, student, y)[c] for c in columns))
            expected = measure(*(answers[c] for c in columns))
            if name == "per_series_flips":
                expected = [one[order] for one in expected]
            elif name.startswith("per_series"):
                expected = expected[order]
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@given(st.sampled_from((*OF_PAIRS, *OF_FLIPS, *OF_TRUTH)), st.data())
def test_measures_of_answers_take_arbitrary_arrays_or_say_what_is_wrong(name, data):
    n_arguments = 2 if name in OF_PAIRS or name in OF_TRUTH else 3
    usable = data.draw(pairs_of_answers())
    if name in OF_TRUTH:
        usable = usable[0], usable[2]
    arguments = list(usable[:n_arguments])
    odd = data.draw(st.sets(st.integers(0, n_arguments - 1), min_size=1))
    one = data.draw(anything())
    for place in odd:
        arguments[place] = one if data.draw(st.booleans()) else data.draw(anything())
    with left_unchanged(*arguments):
        names = ("log_proba", "y") if name in OF_TRUTH else ("teacher", "student", "y")
        found = refused(lambda: getattr(fidelity, name)(*arguments), *names)
    if found is not None:
        assert np.isfinite(np.asarray(found, dtype=float)).all()


@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.01, 0.999))
def test_the_exact_interval_of_a_share_is_that_of_scipy(k, n, confidence):
    k = min(k, n)
    low, high = fidelity.clopper_pearson(k, n, confidence)
    expected = binomtest(k, n).proportion_ci(confidence, method="exact")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= k / n <= high <= 1
    assert fidelity.clopper_pearson(n - k, n, confidence) == pytest.approx((1 - high, 1 - low))


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.floats(1e-9, 1 - 1e-9))
def test_the_exact_interval_of_a_share_grows_with_the_count(k, n, confidence):
    k = min(k, n)
    low, high = fidelity.clopper_pearson(k, n, confidence)
    assert 0 <= low <= k / n <= high <= 1
    if k < n:
        more = fidelity.clopper_pearson(k + 1, n, confidence)
        assert more[0] >= low * (1 - 1e-10) and more[1] >= high * (1 - 1e-10)


ODD_NUMBERS = st.one_of(
    st.floats(), st.integers(-3, 10**20), st.sampled_from((None, "a", True, [1], np.nan, 1j))
)


@given(ODD_NUMBERS, ODD_NUMBERS, ODD_NUMBERS)
def test_counts_and_shares_that_cannot_be_used_are_refused_by_name(k, n, confidence):
    names = ("n_successes", "n_instances", "confidence")
    found = refused(lambda: fidelity.clopper_pearson(k, n, confidence), *names)
    if found is not None:
        assert 0 <= found[0] <= found[1] <= 1
    answers, y = np.log([[0.9, 0.1]]), [0]
    refused(lambda: fidelity.expected_calibration_error(answers, y, n_bins=k), "n_bins")


@st.composite
def values_with_limits(draw):
    """Values and the limits between which they lie."""
    lowest, highest = sorted((draw(usual(-1e6, 1e6)), draw(usual(-1e6, 1e6))))
    assume(highest - lowest > 1e-6)
    element = st.one_of(st.floats(lowest, highest), st.sampled_from((lowest, highest)))
    return draw(st.lists(element, min_size=1, max_size=30)), lowest, highest


@fewer(0.25)
@given(values_with_limits(), st.data(), st.floats(0.5, 0.999), layouts)
def test_betting_bounds_enclose_the_mean_and_do_not_depend_on_the_order(
    found, data, confidence, layout
):
    values, lowest, highest = found
    width, slack = highest - lowest, 1e-7 * (highest - lowest)
    low, high = fidelity.betting_interval(values, lowest, highest, confidence)
    assert lowest - slack <= low <= np.mean(values) + slack
    assert np.mean(values) - slack <= high <= highest + slack
    moved = laid_out(np.array(values)[data.draw(orders(len(values)))], layout)
    with left_unchanged(moved):
        again = fidelity.betting_interval(moved, lowest, highest, confidence)
    assert again == pytest.approx((low, high), abs=slack)
    surer = fidelity.betting_interval(values, lowest, highest, (1 + confidence) / 2)
    assert surer[0] <= low + slack and surer[1] >= high - slack
    share = (np.array(values) - lowest) / width
    of_shares = fidelity.betting_interval(np.clip(share, 0, 1), confidence=confidence)
    assert np.multiply(of_shares, width) + lowest == pytest.approx((low, high), abs=slack)
    more = mean_bounds(np.array(values), lowest, highest, confidence, times=4.0)
    less = mean_bounds(np.array(values), lowest, highest, confidence)
    assert more[0] >= less[0] - slack and more[1] <= less[1] + slack


@given(anything(), ODD_NUMBERS, ODD_NUMBERS, st.floats(0.1, 0.9))
@example([5e-324], 0.0, 5e-324, 0.9)
@example([1e308], -1e308, 1e308, 0.9)
@example([1.0, 0.0], 0, 1, 0.9)
def test_betting_bounds_of_arbitrary_values_lie_between_the_limits(values, lowest, highest, level):
    with left_unchanged(values):
        found = refused(
            lambda: fidelity.betting_interval(values, lowest, highest, level),
            "values", "lowest", "highest",
        )  # fmt: skip
    if found is not None:
        assert lowest <= found[0] <= found[1] <= highest


@fewer(0.2)
@given(st.data(), st.integers(1, 12), st.integers(2, 4))
def test_bounds_of_the_calibration_error_enclose_it(data, n, k):
    log_proba = data.draw(log_probas(n, k))
    sure = np.exp(log_proba.max(axis=1))
    right = data.draw(hnp.arrays(bool, n))
    y = np.where(right, log_proba.argmax(axis=1), (log_proba.argmax(axis=1) + 1) % k)
    error = fidelity.expected_calibration_error(log_proba, y)
    low, high = calibration_bounds(sure, right, k, 0.9)
    assert 0 <= low <= error + 1e-9 and error - 1e-9 <= high <= 1


@fewer(0.2)
@given(st.data(), st.integers(1, 8), st.integers(2, 30), layouts)
def test_the_bootstrap_gives_the_same_interval_for_the_same_seed(data, n, n_resamples, layout):
    values = data.draw(hnp.arrays(np.float64, n, elements=usual()))
    given_values, settings = laid_out(values, layout), {"n_resamples": n_resamples}
    with left_unchanged(given_values):
        low, high = fidelity.bootstrap_interval(np.mean, given_values, **settings)
    if n == 1:
        assert math.isnan(low) and math.isnan(high)
        return
    slack = 1e-9 * (1 + np.abs(values).max())
    assert values.min() - slack <= low <= high <= values.max() + slack
    assert fidelity.bootstrap_interval(np.mean, values, **settings) == (low, high)


@given(st.lists(anything(), max_size=2))
def test_the_bootstrap_of_arbitrary_columns_says_what_is_wrong(columns):
    def total(*resampled, axis):
        return sum(column.sum(axis=axis) for column in resampled)

    with left_unchanged(*columns):
        found = refused(
            lambda: fidelity.bootstrap_interval(total, *columns, n_resamples=3), "columns"
        )
    assert found is None or len(found) == 2


@given(pairs_of_answers(), st.data())
def test_a_measure_by_class_is_that_of_its_series_alone(answers, data):
    teacher, student, y = answers
    groups = data.draw(st.sampled_from((y, y.astype(str), y.astype(float), y.tolist())))
    with left_unchanged(groups, teacher, student):
        found = fidelity.by_class(fidelity.agreement, groups, teacher, student)
    assert len(found) == len(np.unique(y))
    for label, share in found.items():
        rows = [i for i, one in enumerate(groups) if one == label]
        assert share == fidelity.agreement(teacher[rows], student[rows])


@given(anything(), anything())
def test_groups_that_cannot_be_used_are_refused_by_name(groups, array):
    with left_unchanged(groups, array):
        refused(lambda: fidelity.by_class(np.size, groups, array), "groups", "arrays")


@given(st.one_of(st.text(), anything()))
def test_a_scorer_of_an_unknown_metric_is_refused_by_name(metric):
    try:
        scorer = fidelity.fidelity_scorer(metric)
    except TsdistillError as error:
        assert isinstance(error, ParameterError) and "metric=" in str(error)
    else:
        assert repr(scorer) == f"fidelity_scorer({metric!r})"
