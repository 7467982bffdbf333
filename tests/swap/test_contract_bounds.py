"""Bounds and verdicts: what is kept, broken or undecided, and how many series would tell."""

import numpy as np
import pytest
from scipy.stats import beta

from tsdistill.swap.bounds import (
    HIGH,
    LOW,
    Calibration,
    Counted,
    Found,
    Mean,
    Median,
    NetShare,
    Share,
    ShareOfEachClass,
    Unknown,
)
from tsdistill.swap.demands import DEMANDS
from tsdistill.swap.verdict import judge

N_REPEATS = 1000


def line_of(name, limit, found, confidence=0.95):
    return judge(DEMANDS[name], limit, found, confidence)


def test_a_share_has_exact_bounds():
    low, high = Share(490, 500).bounds(0.95)
    assert low == pytest.approx(beta.ppf(0.05, 490, 11))
    assert high == pytest.approx(beta.ppf(0.95, 491, 10))
    assert Share(500, 500).bounds(0.95) == (pytest.approx(0.05 ** (1 / 500)), 1)
    assert Share(0, 500).bounds(0.95)[0] == 0
    assert Share(1, 1).bounds(0.95) == pytest.approx((0.05, 1))
    assert Share(0, 1).bounds(0.95) == pytest.approx((0, 0.95))
    assert Share(0, 0).bounds(0.95) == (0, 1) and Share(0, 0).measured is None


def test_each_bound_of_a_difference_of_shares_holds_at_its_level():
    rng = np.random.default_rng(0)
    for plus, minus in ((0.02, 0.03), (0.0, 0.1), (0.3, 0.3)):
        drawn = rng.multinomial(80, [plus, minus, 1 - plus - minus], size=N_REPEATS)
        low, high = np.transpose([NetShare(a, b, 80).bounds(0.8) for a, b, _ in drawn.tolist()])
        assert np.mean(low <= plus - minus) >= 0.8
        assert np.mean(high >= plus - minus) >= 0.8
    plus, minus = Share(5, 500).bounds(0.975), Share(9, 500).bounds(0.975)
    expected = plus[0] - minus[1], plus[1] - minus[0]
    assert NetShare(5, 9, 500).bounds(0.95) == pytest.approx(expected)


SURE, RIGHT = np.linspace(0.5, 1, 60), np.arange(60) % 4 > 0


@pytest.mark.parametrize(
    ("found", "measured"),
    [
        (Share(45, 60), 0.75),
        (ShareOfEachClass((Share(45, 60), Share(3, 4))), None),
        (NetShare(5, 8, 60), -0.05),
        (Mean(SURE, 0, 1), 0.75),
        (Calibration(SURE, RIGHT, 2), None),
    ],
)
def test_bounds_are_of_the_series_that_there_are_unless_more_are_asked_for(found, measured):
    low, high = found.bounds(0.9)
    assert (low, high) == found.bounds(0.9, 1.0)
    assert low < found.bounds(0.9, 4.0)[0] < found.bounds(0.9, 4.0)[1] < high
    assert found.n == found.n_all == (64 if isinstance(found, ShareOfEachClass) else 60)
    if measured is not None:
        assert found.measured == pytest.approx(measured)


def test_the_smallest_share_of_a_class_is_bounded_from_below_by_that_of_one_class():
    small, large = Share(40, 60, "of a"), Share(55, 60, "of b")
    found = ShareOfEachClass((large, small))
    assert found.bounds(0.9) == (small.bounds(0.9)[0], small.bounds(0.95)[1])
    assert found.source(LOW, 0.9) is found.source(HIGH, 0.9) is small
    few, many = Share(9, 10, "of a"), Share(70, 100, "of b")  # of twice as many, b would be lower
    assert ShareOfEachClass((many, few)).source(LOW, 0.95) is few


def test_each_bound_of_a_median_holds_at_its_level():
    rng = np.random.default_rng(0)
    bounds = [Median(tuple(rng.exponential(size=15))).bounds(0.9) for _ in range(N_REPEATS)]
    low, high = np.transpose(bounds)
    assert 0.9 <= np.mean(low <= np.log(2)) < 0.96
    assert 0.9 <= np.mean(high >= np.log(2)) < 0.96
    assert Median((1.0, 2.0)).bounds(0.95) == (-np.inf, np.inf)  # too few


def test_classes_are_kept_or_broken_wrongly_no_more_often_than_told():
    """Kept needs no correction, broken does: all classes on the limit, and one below it."""
    rng = np.random.default_rng(0)
    n_broken = n_kept = 0
    for _ in range(N_REPEATS):
        on_limit = [Share(int(k), 60) for k in rng.binomial(60, 0.8, size=6)]
        n_broken += ShareOfEachClass(tuple(on_limit)).bounds(0.8)[1] < 0.8
        one_below = [Share(60, 60)] * 2 + [Share(int(rng.binomial(60, 0.8)), 60)]
        n_kept += ShareOfEachClass(tuple(one_below)).bounds(0.8)[0] >= 0.8
    assert n_broken / N_REPEATS <= 0.2
    assert 0.1 < n_kept / N_REPEATS <= 0.2  # not corrected away


@pytest.mark.parametrize(
    ("limit", "n_agree", "n", "message"),
    [
        (
            0.98, 492, 500,
            "TSD101 agreement: demanded >= 0.98, shown >= 0.971 at 95 % on 500 series (0.984 "
            "measured): about 3,500 series would settle it",
        ),
        (0.96, 492, 500, "TSD101 agreement: demanded >= 0.96, shown >= 0.971 at 95 % on 500 series "
                         "(0.984 measured)"),
        (0.98, 460, 500, "TSD101 agreement: demanded >= 0.98, shown < 0.94 at 95 % on 500 series "
                         "(0.92 measured)"),
        (0.984, 492, 500, "TSD101 agreement: demanded >= 0.984, shown >= 0.971 at 95 % on 500 "
                          "series (0.984 measured): no number of series like these would settle "
                          "it"),
    ],
)  # fmt: skip
def test_messages_say_what_is_shown(limit, n_agree, n, message):
    assert str(line_of("agreement", limit, Share(n_agree, n))) == message


def test_a_line_holds_its_numbers():
    line = line_of("negative_flips", 0.05, Share(4, 400))
    _, high = Share(4, 400).bounds(0.95)
    assert (line.status, line.bound, line.measured, line.n_series) == ("kept", high, 0.01, 400)
    assert line.n_to_settle is None
    line = line_of("negative_flips", 0.005, Share(12, 400))
    assert line.n_to_settle is None
    assert line.status == "broken" and line.bound == Share(12, 400).bounds(0.95)[0]
    line = line_of("negative_flips", 0.012, Share(4, 400))
    assert line.status == "undecided" and line.bound == high and line.n_to_settle > 400


@pytest.mark.parametrize(
    ("name", "limit", "found"),
    [
        ("agreement", 0.98, Share(99, 100)),
        ("agreement", 0.98, Share(96, 100)),
        ("negative_flips", 0.02, Share(1, 100)),
        ("saliency", 0.9, Mean(np.linspace(0.8, 1, 21).repeat(2) ** 0.5, -1, 1)),
        ("kl", 0.05, Mean(np.linspace(0, 0.06, 40), 0, 9.21)),
    ],
)
def test_as_many_series_as_are_told_settle_a_line_and_fewer_do_not(name, limit, found):
    line = line_of(name, limit, found)
    assert line.status == "undecided" and line.n_series == found.n
    assert f" on {found.n} series (" in line.message
    assert line.message.endswith(f"about {line.n_to_settle:,} series would settle it")

    def status(n):
        if isinstance(found, Share):
            share = found.n_successes / found.n
            return line_of(name, limit, Share(round(share * n), n)).status
        rows = np.linspace(0, found.n - 1e-9, n).astype(int)
        return line_of(name, limit, Mean(found.values[rows], found.lowest, found.highest)).status

    assert status(round(1.15 * line.n_to_settle)) != "undecided"
    assert status(round(0.75 * line.n_to_settle)) == "undecided"


def test_classes_show_the_weakest_and_how_many_series_of_all():
    shares = Share(300, 300, "that the teacher calls 'a'"), Share(38, 40, "that it calls 'b'")
    line = line_of("class_agreement", 0.9, ShareOfEachClass(shares))
    assert line.status == "undecided" and line.n_series == 40
    low = Share(38, 40).bounds(0.95)[0]
    assert line.bound == low and line.measured == 0.95
    assert "on 40 series that it calls 'b' (0.95 measured): about" in line.message
    assert line.message.endswith("series of all classes would settle it")
    assert line.n_to_settle > 340
    absent = ShareOfEachClass((*shares, Share(0, 0, "that the teacher calls 'c'")))
    line = line_of("class_agreement", 0.5, absent)
    assert line.status == "undecided" and line.n_to_settle is None
    assert line.message == (
        "demanded >= 0.5, not measured: there are no series that the teacher calls 'c'; pass some"
    )
    broken = ShareOfEachClass((Share(2, 2, "of a"), Share(100, 300, "of b")))
    line = line_of("class_agreement", 0.9, broken)
    assert line.status == "broken" and "on 300 series of b (0.333 measured)" in line.message


def test_counts_and_what_is_not_known():
    assert line_of("weights", 9000, Counted(9000)).status == "kept"
    line = line_of("weights", 9000, Counted(9001))
    assert line.status == "broken" and line.message == "demanded <= 9,000, counted 9,001"
    line = line_of("memory_bytes", 9000, Unknown("a layer cannot be written."))
    assert line.status == "undecided" and line.measured is None and line.bound is None
    assert line.message == "demanded <= 9,000, not measured: a layer cannot be written."


def test_durations_that_straddle_the_limit_are_to_be_measured_again():
    durations = tuple(np.linspace(900.0, 1200.0, 101))
    line = line_of("us_one_series", 1052.5, Median(durations))
    assert line.status == "undecided"
    assert line.message.endswith("(1,050 measured): measure again where less else is running")
    assert line_of("us_one_series", 1500, Median(durations)).status == "kept"
    assert line_of("us_one_series", 950.0, Median(durations)).status == "broken"


class Fixed(Found):
    """Found as a test says it."""

    def __init__(self, measured, low, high, n=500):
        self.measured, self.n, self.found = measured, n, (low, high)

    def bounds(self, confidence, times=1.0):
        return self.found


@pytest.mark.parametrize(
    ("name", "limit", "found", "text"),
    [
        ("agreement", 0.98, Fixed(0.99, 0.97996, 1), "shown >= 0.979 at"),
        ("agreement", 0.98, Fixed(0.99, 0.98034, 1), "shown >= 0.9803 at"),
        ("agreement", 0.9805, Fixed(0.99, 0.98051, 1), "shown >= 0.98051 at"),
        ("agreement", 0.5, Fixed(0.98, 0.97, 1), "shown >= 0.97 at 95 % on 500 series (0.98 meas"),
        ("agreement", 0.9805, Fixed(0.99, 0.9805, 1), "shown >= 0.9805 at"),
        ("kl", 0.01235, Fixed(0.01, 0, 0.01235), "shown <= 0.01235 at"),
        ("agreement", 0.3, Fixed(0.5, 0.30000000000006, 1), "shown >= 0.30000000000006 at"),
        ("agreement", 0.3, Fixed(0.5, 0.3000000000000005, 1), "shown >= 0.3 at"),
        ("agreement", 0.5, Fixed(0.2, 0, 0.3333), "shown < 0.334 at"),
        ("agreement", 0.5, Fixed(0.0, 0, 0.3333), "(0 measured)"),
        ("agreement", 0.5, Fixed(0.49996, 0, 1), "(0.49996 measured)"),
        ("agreement", 0.5, Fixed(0.5, 0, 1), "shown >= 0 at 95 % on 500 series (0.5 measured)"),
        ("saliency", -0.6, Fixed(-0.4, -0.4321, 0), "shown >= -0.433 at"),
        ("saliency", 0.6, Fixed(0.123456, -0.4321, 0.43219), "shown < 0.433 at 95 % on 500 series "
                                                             "(0.123 measured)"),
        ("kl", 0.02, Fixed(0.01, 0, 0.0123456), "shown <= 0.0124 at"),
        ("kl", 0.02, Fixed(0.09, 0.08765, 0.1), "shown > 0.0876 at"),
        ("kl", 0.02, Fixed(0.01, 0, 1.2341e-5), "shown <= 1.24e-05 at"),
        ("us_one_series", 2000, Fixed(900, 800, 999.96, None), "shown <= 1,000 at 95 % (900 meas"),
        ("us_one_series", 2000, Fixed(900, 800, 1234.56, None), "shown <= 1,240 at"),
        ("us_one_series", 1238, Fixed(900, 800, 1234.56, None), "shown <= 1,235 at"),
        ("us_one_series", 1234.9, Fixed(1234.51, 800, 1234.56, None), "shown <= 1,234.6 at 95 % "
                                                                      "(1,230 measured)"),
        ("us_one_series", 1234.9, Fixed(1e6 / 3, 3e5, 1e6, None), "shown > 300,000 at 95 % "
                                                                  "(333,000 measured)"),
        ("us_one_series", 1234.9, Fixed(1.0, -np.inf, np.inf, None), "shown <= inf at"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_so_that_they_hold_and_tell_the_limit(name, limit, found, text):
    assert text in line_of(name, limit, found).message


@pytest.mark.parametrize(
    ("name", "limit", "low", "high", "status"),
    [
        ("agreement", 0.5, 0.5, 0.7, "kept"),
        ("agreement", 0.5, 0.3, 0.5, "undecided"),
        ("agreement", 0.5, 0.3, 0.4999, "broken"),
        ("kl", 0.5, 0.3, 0.5, "kept"),
        ("kl", 0.5, 0.5, 0.7, "undecided"),
        ("kl", 0.5, 0.5001, 0.7, "broken"),
    ],
)
def test_a_bound_on_the_limit_keeps_a_demand_and_breaks_none(name, limit, low, high, status):
    line = line_of(name, limit, Fixed((low + high) / 2, low, high))
    assert line.status == status


def test_a_bound_that_is_no_number_is_none():
    assert line_of("us_one_series", 9, Fixed(1.0, -np.inf, np.inf, None)).bound is None


@pytest.mark.parametrize(("confidence", "text"), [(0.95, "at 95 %"), (0.9999, "at 99.99 %")])
def test_the_confidence_is_told_in_percent(confidence, text):
    assert text in line_of("agreement", 0.5, Share(490, 500), confidence).message


@pytest.mark.parametrize(
    ("limit", "found"),
    [(0.98, Share(99, 100)), (0.985, Share(990, 1000)), (0.5, Share(4, 9)), (0.4, Share(1, 2))],
)
def test_as_many_series_as_are_told_are_the_fewest_in_two_digits(limit, found):
    needed = line_of("agreement", limit, found).n_to_settle
    times = 1.0
    while (bounds := found.bounds(0.95, times))[0] < limit <= bounds[1]:
        times *= 1.01
    unit = 10 ** max(0, len(str(needed)) - 2)
    assert times * found.n / 1.01 <= needed <= times * found.n * 1.03 + unit
    assert needed % unit == 0


def test_up_to_a_million_times_as_many_series_are_told():
    needed = {times: 0.039974 / (times * 1000) for times in (5e5, 9e5, 1.2e6)}
    for times, square in needed.items():
        line = line_of("agreement", 0.985 - square**0.5, Share(985, 1000))
        assert line.status == "undecided"
        if times < 2**20:
            assert line.n_to_settle == pytest.approx(1000 * times, rel=0.12)
        else:
            assert line.n_to_settle is None
