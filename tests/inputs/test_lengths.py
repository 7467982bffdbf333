"""Series of unequal length: where they end, and what is refused, by its position."""

import numpy as np
import pytest

from tsdistill.exceptions import PanelError
from tsdistill.inputs.lengths import (
    check_ends,
    check_longest,
    has_gaps,
    is_uneven,
    joined,
    lengths_of,
    padded,
)

NAN = np.nan


def test_lengths_of_padded_series_are_theirs():
    rng = np.random.default_rng(0)
    for shape in ((), (3,)):
        series = [rng.normal(size=(*shape, n)) for n in (4, 1, 9, 9)]
        assert lengths_of(padded(series)).tolist() == [4, 1, 9, 9]
    assert lengths_of(np.full((2, 3), NAN)).tolist() == [0, 0]
    assert padded([np.zeros(2, np.float32), np.zeros(3, np.float32)]).dtype == np.float32
    assert padded([np.zeros(2, int), np.zeros(3, int)]).dtype == np.float64


def test_only_nan_makes_series_uneven():
    assert not is_uneven(np.zeros((2, 3))) and not is_uneven(np.zeros((2, 3), int))
    assert is_uneven(np.array([[0.0, NAN]])) and not is_uneven([[0.0, NAN]])


def test_panels_are_joined_at_the_length_of_the_longest():
    both = joined(np.zeros((2, 1, 3), np.float32), np.ones((1, 1, 5), np.float32))
    assert both.shape == (3, 1, 5) and both.dtype == np.float32
    assert lengths_of(both).tolist() == [3, 3, 5]


GOOD = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([GOOD, [NAN, NAN, NAN]], r"X\[1\] has no value"),
        ([GOOD, [1.0, np.inf, NAN]], r"X\[1\] has an infinite value at timestep 1"),
        ([GOOD, GOOD, [1.0, NAN, NAN]], r"X\[2\] has a single timestep"),
        (
            [GOOD, [1.0, NAN, 2.0]],
            r"X\[1\] has a missing value.*at timestep 1.*1 of 2.*Impu",
        ),
        ([GOOD, [NAN, 1.0, 2.0]], r"X\[1\] has a missing value.*at timestep 0"),
        ([[GOOD, GOOD], [GOOD, [NAN, NAN, NAN]]], r"X\[1\] has no value in channel 1.*have 3"),
        (
            [[GOOD, [1.0, 2.0, NAN]]],
            r"X\[0\] has channels that differ.*2 timesteps in channel 1",
        ),
        ([[GOOD, [1.0, NAN, 3.0]]], r"X\[0\] has a missing value \(NaN\) in channel 1, at timest"),
    ],
)
def test_what_is_no_padding_is_refused_by_its_position(X, message):
    with pytest.raises(PanelError, match=message):
        check_ends(np.array(X))


def test_padding_after_the_end_is_allowed():
    check_ends(np.array([[1.0, 2.0, NAN], GOOD]))
    check_ends(np.array([[[1.0, 2.0, NAN], [1.0, 2.0, NAN]], [GOOD, GOOD]]))


@pytest.mark.parametrize(("n", "fits"), [(2, True), (40, True), (41, False)])
def test_later_series_may_be_twice_as_long(n, fits):
    X = padded([np.zeros(12), np.zeros(n)])
    if fits:
        check_longest(X, 20)
    else:
        with pytest.raises(PanelError, match=rf"X\[1\] has {n} timesteps.*had 20.*at most 40"):
            check_longest(X, 20)


def test_gaps_are_told_from_padding():
    assert not has_gaps(np.array([[1.0, 2.0, NAN], GOOD]))
    assert not has_gaps(np.array([[[1.0, NAN], [1.0, NAN]]])) and not has_gaps(np.zeros((2, 3)))
    assert has_gaps(np.array([[NAN, 2.0, NAN], GOOD]))
    assert has_gaps(np.array([[[1.0, NAN], [1.0, 2.0]]]))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([GOOD, [NAN, NAN, NAN]], r"X\[1\] has no value"),
        ([GOOD, [1.0, NAN, np.inf]], r"X\[1\] has an infinite value at timestep 2"),
        ([GOOD, [1.0, NAN, NAN]], r"X\[1\] has a single timestep"),
        ([[GOOD, GOOD], [GOOD, [NAN, NAN, NAN]]], r"X\[1\] has no value in channel 1.*have 3"),
    ],
)
def test_where_gaps_are_allowed_something_has_to_be_there(X, message):
    with pytest.raises(PanelError, match=message):
        check_ends(np.array(X), gaps=True)
    check_ends(np.array([[[NAN, 2.0, NAN, 1.0], [NAN, NAN, 3.0, NAN]]]), gaps=True)
