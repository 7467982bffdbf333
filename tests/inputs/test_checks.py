"""Checks of single arguments: numbers of every type and size."""

from fractions import Fraction

import numpy as np
import pytest

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.checks import check_count, check_positive


def test_real_numbers_of_every_type_are_positive():
    for value in (Fraction(1, 100), np.float32(0.5), np.int8(3), 2, 0.1, 10**30):
        check_positive("lr", value)
        with pytest.raises(ParameterError, match="expected a finite number above 0"):
            check_positive("lr", -value)


def test_what_is_no_finite_number_above_zero_is_refused():
    for value in (Fraction(-1, 2), Fraction(0), 10**400, -(10**400), np.inf, np.nan, True, "1"):
        with pytest.raises(ParameterError, match="^lr=.*; expected a finite number above 0"):
            check_positive("lr", value)


def test_zero_is_positive_only_where_it_is_allowed():
    for zero in (0, 0.0, Fraction(0), np.float32(0)):
        check_positive("weight", zero, zero=True)
        with pytest.raises(ParameterError):
            check_positive("weight", zero)


def test_counts_are_whole_numbers_of_every_type_and_size():
    for value in (np.int8(3), np.uint64(3), 3, 2**31 - 1):
        check_count("n_windows", value)
    for value in (Fraction(3), np.float32(3), 3.0, True, -(10**400), "3", 10**30, 10**400):
        with pytest.raises(ParameterError, match="^n_windows=.*; expected a whole number above 0"):
            check_count("n_windows", value)


@pytest.mark.parametrize("temperature", [1e160, 1e-30, Fraction(1, 10**9)], ids=str)
def test_a_temperature_that_float32_cannot_compute_with_is_refused(toy, quick, temperature):
    with pytest.raises(ParameterError) as caught:
        quick(temperature=temperature).fit(*toy)
    expected = f"temperature={temperature!r}; expected a number from 0.01 to 1000."
    assert str(caught.value) == expected


@pytest.mark.parametrize("setting", ["lr", "saliency_weight", "label_weight"])
def test_a_number_too_large_for_a_float_is_refused_in_the_estimator(toy, quick, setting):
    with pytest.raises(ParameterError, match=f"^{setting}=1000"):
        quick(**{setting: 10**400}).fit(*toy)


FRACTIONS = {
    "lr": (Fraction(1, 100), 0.01),
    "saliency_weight": (Fraction(5), 5.0),
    "soft_target_weight": (Fraction(1, 2), 0.5),
    "label_weight": (Fraction(1, 2), 0.5),
    "temperature": (Fraction(5, 2), 2.5),
    "windows_per_step": (Fraction(1, 2), 0.5),
}
SMALL_INTEGERS = {
    "n_windows": (np.int8(8), 8),
    "n_mixtures": (np.int8(8), 8),
    "n_queries": (np.int16(1000), 1000),
    "windows_per_step": (np.int8(2), 2),
    "batch_size": (np.int8(4), 4),
    "max_epochs": (np.int8(2), 2),
}


@pytest.mark.parametrize("setting", FRACTIONS)
def test_numbers_of_another_type_give_the_same_student(toy, quick, setting):
    X, y = toy
    special, plain = (
        {name: pair[which] for name, pair in SMALL_INTEGERS.items()}
        | {setting: FRACTIONS[setting][which]}
        for which in (0, 1)
    )
    expected = quick(**plain).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(quick(**special).fit(X, y).predict_proba(X), expected)


@pytest.mark.parametrize(
    "setting",
    [
        *("n_windows", "n_mixtures", "n_queries", "max_epochs", "batch_size"),
        *("windows_per_step", "lr", "temperature", "donors"),
    ],
)
@pytest.mark.parametrize("n_digits", [400, 5000])
def test_messages_about_integers_of_many_digits_are_short(toy, quick, setting, n_digits):
    with pytest.raises(ParameterError, match=f"^{setting}=.*; expected ") as caught:
        quick(**{setting: 10**n_digits}).fit(*toy)
    assert len(str(caught.value)) < 300


def with_an_integer(X, n_digits):
    X = X.astype(object)
    X[3, 5] = 10**n_digits
    return X


@pytest.mark.parametrize("n_digits", [400, 5000])
@pytest.mark.parametrize("form", [lambda X: X, lambda X: X.tolist(), lambda X: X[:, np.newaxis]])
def test_series_with_an_integer_too_large_for_a_float_are_refused(toy, quick, n_digits, form):
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(form(with_an_integer(toy[0], n_digits)), toy[1])
    assert str(caught.value) == (
        "X has values too large for a float: int too large to convert to float"
    )


@pytest.mark.parametrize("n_digits", [400, 5000])
def test_weights_too_large_for_a_float_are_refused(toy, quick, n_digits):
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(*toy, sample_weight=[10**n_digits] + [1] * 11)
    assert str(caught.value) == (
        "sample_weight is no array of real numbers: int too large to convert to float."
    )
    with pytest.raises(ParameterError, match="expected finite weights of 0 or more, not all 0"):
        quick(max_epochs=1, class_weight={0: 10**400}).fit(*toy)
