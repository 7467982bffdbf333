import numpy as np
import pytest

from tests.stored import Limited, stream
from tsdistill.exceptions import PanelError
from tsdistill.inputs.stored import opened
from tsdistill.inputs.stored_series import survey
from tsdistill.perturbation import stored_plan
from tsdistill.perturbation.plan import draw_plan
from tsdistill.perturbation.stored_plan import draw_stored_plan, some_rows

CLASSES = np.array(["a", "b", "c"])


@pytest.fixture
def drawn(monkeypatch):
    """Plans for 200 series in three classes, one of them rare, with forty donors at most."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1, 30)).astype(np.float32)
    class_index = np.arange(200) % 2
    class_index[::20] = 2
    stream(monkeypatch, X, pool_rows=8, most_donors=40)
    monkeypatch.setattr(stored_plan, "ROWS_AT_ONCE", 70)

    def draw(donors, panel=None, **settings):
        panel = opened(Limited(X, 200)) if panel is None else panel
        settings = {"width": 5, "n_windows": 6, "rng": np.random.default_rng(1)} | settings
        plan = draw_stored_plan(
            panel, class_index, CLASSES, survey(panel), donors=donors, **settings
        )
        return plan, X, class_index

    return draw


def rows_of(plan, X):
    """Row of X from which each window is taken."""
    row = {series.tobytes(): i for i, series in enumerate(X)}
    return np.vectorize(lambda donor: row[plan.donors[donor].tobytes()])(plan.donor)


def test_a_part_of_the_series_has_every_class_in_its_share(drawn):
    _, X, class_index = drawn("any")
    rows = some_rows(class_index, X[0].nbytes, np.random.default_rng(0))
    assert (np.diff(rows) > 0).all()
    counts = np.bincount(class_index[rows])
    assert counts.tolist() == [18, 20, 8]  # 90, 100 and 10 series: 40 donors, at least 8 of each
    assert some_rows(class_index[:40], 4, None).tolist() == list(range(40))
    assert len(some_rows(class_index, 2**21, np.random.default_rng(0))) == 24  # 2 MiB a series


def test_at_most_16384_series_or_16_mebibytes_of_them_are_donors():
    rng, one_class = np.random.default_rng(0), np.zeros(2**14 + 1, dtype=np.int64)
    for n, bytes_a_row in ((2**14, 4), (2**14, 2**10), (16, 2**20)):
        assert some_rows(one_class[:n], bytes_a_row, None).tolist() == list(range(n))
        assert len(some_rows(one_class[: n + 1], bytes_a_row, rng)) == n
    assert len(some_rows(one_class, 2**10 + 1, rng)) == 2**14 - 16


@pytest.mark.parametrize("donors", ["opposing", "same", "any"])
def test_donors_are_of_the_kind_and_never_the_series_itself(drawn, donors):
    plan, X, class_index = drawn(donors)
    row = rows_of(plan, X)
    assert len(plan.donors) == 46 and plan.donor.dtype == np.int32
    assert (row != np.arange(200)[:, None]).all()
    same = class_index[row] == class_index[:, None]
    assert {"opposing": not same.any(), "same": same.all(), "any": 0 < same.mean() < 1}[donors]
    assert len(np.unique(row)) > 40
    assert (np.sort(plan.start, axis=1)[:, 1:] > np.sort(plan.start, axis=1)[:, :-1]).all()
    assert plan.start.min() == 0 and plan.start.max() == 25


@pytest.mark.parametrize(("donors", "n_usable"), [("opposing", 26), ("same", 7), ("any", 45)])
def test_donors_do_not_repeat_within_a_series_while_there_are_enough(drawn, donors, n_usable):
    plan, _, _ = drawn(donors, n_windows=n_usable)
    assert all(len(set(row)) == n_usable for row in plan.donor.tolist())


def test_two_donors_of_a_class_serve_each_other(drawn, monkeypatch):
    monkeypatch.setattr(stored_plan, "FEWEST_A_CLASS", 2)
    monkeypatch.setattr(stored_plan, "MOST_DONORS", 6)
    plan, X, _ = drawn("same", n_windows=5)
    assert (rows_of(plan, X) != np.arange(200)[:, None]).all()


def test_one_series_of_another_class_is_enough(drawn):
    _, X, _ = drawn("opposing")
    panel, class_index = opened(Limited(X[:60], 200)), (np.arange(60) == 3).astype(np.int64)
    plan = draw_stored_plan(
        panel, class_index, CLASSES, survey(panel), donors="opposing", width=5, n_windows=6,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert ((rows_of(plan, X) == 3) == (class_index == 0)[:, None]).all()


def test_varied_donors_are_flat_and_straight_in_their_shares(drawn):
    plan, _, _ = drawn("varied", n_windows=8)
    assert [np.mean(plan.donor == kind) for kind in (-1, -2)] == [0.25, 0.25]


@pytest.mark.parametrize("donors", ["mean", "zero", "noise"])
def test_stand_ins_are_those_of_all_series(drawn, donors):
    plan, X, class_index = drawn(donors)
    labels = CLASSES[class_index]
    whole = draw_plan(X, labels, width=5, n_windows=6, donors=donors, rng=np.random.default_rng(1))
    if donors == "noise":
        assert plan.donors.shape == whole.donors.shape
        np.testing.assert_allclose(plan.donors.std(), X.std(), rtol=0.05)
    else:
        np.testing.assert_allclose(plan.donors, whole.donors, rtol=1e-6)
    assert plan.donor.min() == 0 and plan.donor.max() == len(plan.donors) - 1


def test_few_series_have_the_plan_of_series_in_memory(drawn, monkeypatch):
    monkeypatch.setattr(stored_plan, "MOST_DONORS", 200)
    plan, X, class_index = drawn("varied")
    whole = draw_plan(
        X, CLASSES[class_index], width=5, n_windows=6, donors="varied",
        rng=np.random.default_rng(1),
    )  # fmt: skip
    for name in ("start", "donor", "donors"):
        np.testing.assert_array_equal(getattr(plan, name), getattr(whole, name))


def test_a_class_without_donors_is_named(drawn, monkeypatch):
    monkeypatch.setattr(stored_plan, "FEWEST_A_CLASS", 1)
    monkeypatch.setattr(stored_plan, "MOST_DONORS", 4)
    with pytest.raises(PanelError, match="donors='same': class 'c' has no donor"):
        drawn("same")
