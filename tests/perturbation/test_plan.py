"""Which windows are replaced, and by which donors."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.perturbation.conftest import plan_of
from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.perturbation.plan import even_starts, window_width
from tsdistill.perturbation.uneven import FLAT, STRAIGHT


def test_starts_reach_both_ends_and_no_further():
    plan, _, _ = plan_of(n_instances=200)
    assert plan.start.min() == 0
    assert plan.start.max() == 15


def test_starts_of_a_series_are_distinct_and_one_in_each_stratum():
    plan, _, _ = plan_of(n_instances=50, n_timepoints=124, n_windows=6)
    ordered = np.sort(plan.start, axis=1)
    assert (ordered // 20 == np.arange(6)).all()


@pytest.mark.parametrize("n_windows", [7, 11, 15, 16])
def test_starts_are_distinct_while_there_are_enough(n_windows):
    plan, _, _ = plan_of(n_windows=n_windows)
    assert all(len(set(row)) == n_windows for row in plan.start.tolist())


@pytest.mark.parametrize("n_windows", [3, 7, 11, 15, 16])
def test_each_part_of_the_series_has_one_start(n_windows):
    plan, _, _ = plan_of(n_instances=300, n_windows=n_windows)
    ends = np.arange(n_windows + 1) * 16 / n_windows
    ordered = np.sort(plan.start, axis=1)
    assert (np.floor(ends[:-1]) <= ordered).all() and (ordered <= ends[1:]).all()


@pytest.mark.parametrize("n_windows", [16, 48])
def test_numbers_next_to_one_draw_no_start_beyond_the_end(n_windows):
    last = SimpleNamespace(
        random=lambda size: np.full(size, np.nextafter(1, 0)), permuted=lambda x, axis: x
    )
    n_starts = np.array([[16], [4], [100]])
    start = even_starts(n_windows, n_starts, last)
    assert (start >= 0).all() and (start < n_starts).all()
    for row, n in zip(start, n_starts[:, 0], strict=True):
        assert len(set(row.tolist())) == n_windows or n < n_windows


def test_more_windows_than_starts_use_every_start_evenly():
    plan, _, _ = plan_of(n_windows=48)
    counts = np.stack([np.bincount(row, minlength=16) for row in plan.start])
    assert counts.min() >= 2
    assert counts.max() <= 4


def test_windows_come_in_random_order():
    plan, _, _ = plan_of(n_instances=50)
    assert (np.diff(plan.start, axis=1) > 0).all(axis=1).mean() < 0.1


def test_starts_are_even_over_the_series():
    plan, _, _ = plan_of(n_instances=4000, n_windows=3)
    counts = np.bincount(plan.start.ravel(), minlength=16)
    assert counts.min() > 0.85 * counts.mean()
    assert counts.max() < 1.15 * counts.mean()


def test_opposing_donors_are_of_another_class():
    plan, _, groups = plan_of()
    assert (groups[plan.donor] != groups[:, np.newaxis]).all()


@pytest.mark.parametrize("n_windows", [1, 3, 8])
def test_half_of_varied_windows_are_of_another_class_a_quarter_flat_a_quarter_straight(n_windows):
    plan, panel, groups = plan_of(n_instances=3000, donors="varied", n_windows=n_windows)
    assert plan.donors is panel
    assert (groups[plan.donor] != groups[:, np.newaxis])[plan.donor >= 0].all()
    for kind, share in ((FLAT, 0.25), (STRAIGHT, 0.25)):
        of_series = (plan.donor == kind).sum(axis=1)
        assert of_series.max() - of_series.min() <= 1 and of_series.max() >= share * n_windows
        by_column = (plan.donor == kind).mean(axis=0)
        np.testing.assert_allclose(by_column, share, atol=0.04)
    # Flat windows lie everywhere.
    assert np.bincount(plan.start[plan.donor == FLAT], minlength=16).min() > 0


def test_no_window_of_one_timestep_is_left_as_it_is():
    plan, panel, _ = plan_of(donors="varied", width=1)
    assert (plan.donor == FLAT).sum() == 0 and (plan.donor == STRAIGHT).mean() == 0.5
    row = np.repeat(np.arange(30), 6)
    place = row, plan.donor.ravel(), plan.start.ravel()
    copies = PerturbedCopies(panel, plan.donors, *place, 1)[:]
    assert (copies != panel[row]).any(axis=(1, 2)).all()


def test_same_class_donors_are_of_the_class_but_not_the_series():
    plan, _, groups = plan_of(donors="same")
    assert (groups[plan.donor] == groups[:, np.newaxis]).all()
    assert (plan.donor != np.arange(30)[:, np.newaxis]).all()


def test_any_donors_are_never_the_series_itself():
    plan, _, _ = plan_of(donors="any", n_windows=29)
    assert all(sorted([i, *row]) == list(range(30)) for i, row in enumerate(plan.donor.tolist()))


@pytest.mark.parametrize("donors", ["opposing", "same", "any"])
def test_donors_do_not_repeat_within_a_series_while_there_are_enough(donors):
    plan, _, _ = plan_of(donors=donors, n_windows=9)
    assert all(len(set(row)) == 9 for row in plan.donor.tolist())


def test_series_of_a_class_get_different_donors():
    plan, _, _ = plan_of(n_instances=300, n_windows=2)
    assert len(set(plan.donor[:, 0].tolist())) > 50


@pytest.mark.parametrize(
    ("window_size", "width"), [(1, 1), (20, 20), (0.1, 2), (0.001, 1), (1.0, 20), (np.int64(3), 3)]
)
def test_window_size_is_steps_or_a_fraction(window_size, width):
    assert window_width(window_size, 20) == width


@pytest.mark.parametrize("window_size", [0, 21, -3, 0.0, 1.5, "10", None, True, float("nan")])
def test_window_sizes_that_cannot_be_are_refused(window_size):
    with pytest.raises(ParameterError, match="window_size"):
        window_width(window_size, 20)


@pytest.mark.parametrize("donors", ["mean", "zero", "noise"])
def test_stand_ins_take_the_place_of_windows(donors):
    plan, panel, _ = plan_of(n_instances=200, donors=donors)
    assert plan.donors.shape == (64 if donors == "noise" else 1, 2, 20)
    assert plan.donor.min() == 0 and plan.donor.max() == len(plan.donors) - 1
    centre = 0 if donors == "zero" else panel.mean(axis=(0, 2))
    np.testing.assert_allclose(plan.donors.mean(axis=(0, 2)), centre, atol=0.1)
    np.testing.assert_allclose(plan.donors.std(), donors == "noise", atol=0.1)


def test_other_kinds_of_donors_are_refused():
    with pytest.raises(ParameterError, match=r"donors='median'"):
        plan_of(donors="median")


@pytest.mark.parametrize(
    ("donors", "groups"), [("opposing", [0, 1]), ("same", [0, 0]), ("any", [0, 1])]
)
def test_one_other_series_is_enough(donors, groups):
    plan, _, _ = plan_of(n_instances=2, donors=donors, groups=np.array(groups))
    assert plan.donor.tolist() == [[1] * 6, [0] * 6]


def test_a_class_without_donor_is_named():
    groups = np.array([0] * 29 + [7])
    with pytest.raises(PanelError, match=r"class 7 has no donor.*any"):
        plan_of(groups=groups, donors="same")
    with pytest.raises(PanelError, match="no donor"):
        plan_of(groups=np.zeros(30, dtype=int))
