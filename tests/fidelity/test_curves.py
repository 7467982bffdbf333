"""Deletion and insertion curves."""

import numpy as np
import pytest

from tsdistill.fidelity import (
    area,
    deletion_curve,
    insertion_curve,
)


def linear_log_proba(weights):
    def log_proba(panel):
        z = np.einsum("nct,ct->n", panel.astype(np.float64), weights)
        return -np.logaddexp(0, np.stack([z, -z], axis=1))

    return log_proba


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("inserted", [False, True])
@pytest.mark.parametrize(("n_timepoints", "decimals"), [(9, 8), (60, 0)], ids=["any", "many equal"])
def test_curves_equal_a_slow_loop(per_channel, inserted, n_timepoints, decimals):
    """Of equal values of a map, the earlier ones come first."""
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(5, 2, n_timepoints)).astype(np.float32)
    fill = rng.normal(size=(1, 2, n_timepoints)).astype(np.float32)
    log_proba = linear_log_proba(rng.normal(size=(2, n_timepoints)))
    target = np.array([0, 1, 1, 0, 1])
    maps = rng.normal(size=panel.shape if per_channel else (5, n_timepoints)).round(decimals)
    slow = np.empty((5, 5))
    for i in range(5):
        order = sorted(np.ndindex(*maps[i].shape), key=lambda at: -maps[i][at])
        for p in range(5):
            copy = (fill[0] if inserted else panel[i]).copy()
            for at in order[: round(p / 4 * len(order))]:
                where = at if per_channel else (slice(None), at[0])
                copy[where] = (panel[i] if inserted else fill[0])[where]
            slow[i, p] = np.exp(log_proba(copy[None])[0, target[i]])
    curve = insertion_curve if inserted else deletion_curve
    shares, proba = curve(log_proba, panel, maps, target, fill, n_points=5)
    np.testing.assert_allclose(shares, [0, 1 / 4, 2 / 4, 3 / 4, 1])
    np.testing.assert_allclose(proba, slow, rtol=1e-5)
    np.testing.assert_allclose(area(shares, proba), [np.trapezoid(p, shares) for p in slow])


def test_a_right_map_has_a_lower_deletion_and_a_higher_insertion_curve(monkeypatch):
    rng = np.random.default_rng(0)
    panel, weights = rng.normal(size=(30, 1, 20)), rng.normal(size=(1, 20))
    log_proba, target = linear_log_proba(weights), np.ones(30, dtype=int)
    right, wrong = (panel * weights)[:, 0], rng.normal(size=(30, 20))
    areas = {}
    for curve in (deletion_curve, insertion_curve):
        for name, maps in (("right", right), ("wrong", wrong)):
            found = curve(log_proba, panel, maps, target, np.zeros((1, 1, 1)))
            areas[curve, name] = area(*found).mean()
            np.testing.assert_allclose(found[0], np.arange(11) / 10)
    assert areas[deletion_curve, "right"] < areas[deletion_curve, "wrong"] - 0.1
    assert areas[insertion_curve, "right"] > areas[insertion_curve, "wrong"] + 0.1
    monkeypatch.setattr("tsdistill.fidelity.curves.COPIES_A_QUERY", 25)
    in_blocks = deletion_curve(log_proba, panel, right, target, np.zeros((1, 1, 1)))
    assert area(*in_blocks).mean() == pytest.approx(areas[deletion_curve, "right"])


def test_a_curve_may_have_its_two_ends_alone():
    rng = np.random.default_rng(0)
    panel, log_proba = rng.normal(size=(3, 1, 8)), linear_log_proba(rng.normal(size=(1, 8)))
    target, fill = np.zeros(3, dtype=int), np.ones((1, 1, 1))
    shares, proba = deletion_curve(log_proba, panel, panel[:, 0], target, fill, n_points=2)
    assert shares.tolist() == [0, 1]
    ends = [log_proba(X)[:, 0] for X in (panel.astype(np.float32), np.ones((3, 1, 8)))]
    np.testing.assert_allclose(proba, np.exp(ends).T)


def test_the_area_of_a_curve_with_a_step_is_that_of_its_parts():
    shares, proba = [0.0, 0.5, 0.5, 1.0], [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.5]]
    np.testing.assert_allclose(area(shares, proba), [0.5, 0.375])
