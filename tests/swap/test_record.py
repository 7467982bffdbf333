"""What a monitor remembers, series by series."""

import numpy as np
import pytest

from tsdistill.swap.record import Promise, Record

STRETCH = 40  # series, with the promise below


def record():
    found = Record.new(Promise(0.9, 0.9, 0.95), None)
    assert found.promise.series_a_stretch == STRETCH
    return found


def see(found, audited, differs=False):
    found.see([False] * len(audited), audited, [differs and one for one in audited])


def test_series_count_when_the_teacher_is_next_heard_of():
    found = record()
    see(found, [True] + [False] * 9)
    assert (found.n_seen, found.n_watched) == (10, 1)
    found.see([True], [False], [False])
    assert found.n_watched == 11
    see(found, [False] * 5)
    assert not found.teacher_is_away
    found.teacher_failed()  # perhaps it was away all the time
    assert found.teacher_is_away
    found.teacher_answered(1)
    assert not found.teacher_is_away
    see(found, [True])
    assert (found.n_seen, found.n_watched) == (17, 12)


def test_recent_stretches_equal_a_slow_loop():
    rng = np.random.default_rng(0)
    found, audited, differs = record(), rng.random(500) < 0.3, rng.random(500) < 0.2
    for i in range(500):
        see(found, [bool(audited[i])], bool(differs[i]))
        n_seen = i + 1
        start = max(n_seen // STRETCH - 1, 0) * STRETCH
        heard_of = np.flatnonzero(audited[:n_seen])
        last = heard_of[-1] + 1 if len(heard_of) else 0
        lately = slice(start, n_seen)
        moment = dict(zip(
            ("watched", "differ", "stretch"), found.moment()[-3:], strict=True
        ))  # fmt: skip
        assert moment["watched"] == max(last - start, 0)
        assert moment["differ"] == (audited & differs)[lately].sum()
        assert moment["stretch"] == start // STRETCH + 1


def test_moments_are_kept_at_even_distances_whatever_begins_between():
    found = record()
    for _ in range(5000):
        see(found, [False])
    kept = [moment[0] for moment in found.moments]
    assert found.spacing == 32 and STRETCH % found.spacing != 0
    assert kept == list(range(32, 5001, 32))
    assert found.stretches[-1][0] == 5000 // STRETCH + 1


def test_errors_of_all_stretches_add_up_to_the_whole():
    promise = Promise(0.1, 0.01, 0.95)
    errors = [promise.stretch_error(number) for number in range(1, 20_001)]
    assert min(errors) > 0 and 0.8 * 0.05 < sum(errors) < 0.05
    assert promise.stretch_error(1) > promise.stretch_error(2)
    assert sum(1 / promise.limit(name) for name in ("disagreement", "confidence", "input")) == (
        pytest.approx(0.05)
    )
