"""A swap in use: what its monitor counts, asks and says."""

import copy
import pickle
import threading
import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.swap.conftest import SureStudent, WatchedTeacher, watched_series
from tsdistill import DeferringClassifier, SwapMonitor, Teacher
from tsdistill.display import MonitorDisplay
from tsdistill.exceptions import (
    HookWarning,
    PanelError,
    ParameterError,
    TeacherAwayWarning,
    TeacherError,
)
from tsdistill.swap.martingales import disagreement_bound


def seen_by(monitor, X, *sizes):
    """Show series to a monitor in calls of these sizes, in turn."""
    at = i = 0
    while at < len(X):
        monitor.predict(X[at : at + sizes[i % len(sizes)]])
        at, i = at + sizes[i % len(sizes)], i + 1
    return monitor


def bytes_of(monitor, tmp_path):
    monitor.save(tmp_path / "state")
    return (tmp_path / "state").read_bytes()


def test_answers_are_those_of_the_swap(watched):
    many = watched_series(300)
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0)
    for X in (many, many[:1], many.astype(np.float32), many.tolist()):
        expected, got = watched.predict(X), monitor.predict(X)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


def test_counts_are_those_of_a_slow_loop(watched, teacher):
    X, rate = watched_series(2000), 0.3
    teacher.share = 0.1
    monitor = seen_by(SwapMonitor(watched, audit_rate=rate, random_state=5), X, 64)
    coins = np.random.Generator(np.random.PCG64(np.random.SeedSequence(5))).random((2000, 3))
    deferred, differs = watched.defers(X), X[:, 1] < 0.1
    wins = coins[:, 0] < rate
    assert monitor.n_seen_ == 2000 and monitor.n_deferred_ == deferred.sum() > 100
    assert monitor.n_audited_ == wins.sum()
    assert monitor.n_asked_ == (wins & ~deferred).sum()
    assert monitor.n_disagreed_ == (wins & ~deferred & differs).sum() > 20
    last = np.flatnonzero(wins | deferred)[-1] + 1  # after it the teacher may be away
    expected = disagreement_bound(monitor.n_disagreed_, last, rate, 0.05)
    assert monitor.bound_ == pytest.approx(float(expected))
    assert monitor.bound_ > (differs & ~deferred).mean()
    assert monitor.status == "broken" and 0 < monitor.alarm_at_ <= 2000
    assert monitor.drift_["input"]["alarm_at"] is None


def test_the_teacher_is_asked_once_about_each_series_and_for_audits_in_one_batch(watched, teacher):
    X = watched_series(200)
    deferred = watched.defers(X)
    monitor = SwapMonitor(watched, audit_rate=1.0)
    teacher.asked.clear()
    monitor.predict(X)
    assert [len(one) for one in teacher.asked] == [deferred.sum(), (~deferred).sum()]
    together = np.concatenate(teacher.asked)
    assert len(np.unique(together[:, 1])) == 200
    monitor = SwapMonitor(watched, audit_rate=1e-9)
    teacher.asked.clear()
    monitor.predict(X[~deferred])
    assert not teacher.asked


@pytest.mark.parametrize("sizes", [(1,), (7, 1, 1, 40), (1000,)])
def test_how_series_are_put_into_calls_changes_nothing(watched, teacher, sizes, tmp_path):
    X = watched_series(1200)
    teacher.share = 0.15
    X[900:] *= 3
    whole = seen_by(SwapMonitor(watched, audit_rate=0.4, random_state=1), X, 1200)
    parts = seen_by(SwapMonitor(watched, audit_rate=0.4, random_state=1), X, *sizes)
    assert set(whole.alarms_) == {"disagreement", "input", "confidence"}
    assert bytes_of(whole, tmp_path) == bytes_of(parts, tmp_path)
    for name, column in whole.history_.items():
        np.testing.assert_array_equal(column, parts.history_[name])
    assert (whole.alarms_, whole.drift_) == (parts.alarms_, parts.drift_)


def test_a_kept_promise_is_unknown_and_then_kept(watched):
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0)
    assert (monitor.status, monitor.bound_, monitor.recent_bound_) == ("unknown", 1.0, 1.0)
    assert monitor.alarm_at_ is None and monitor.alarms_ == {}
    X = watched_series(6000)
    seen_by(monitor, X[:50], 50)
    assert monitor.status == "unknown" and monitor.bound_ > 0.05
    seen_by(monitor, X[50:], 500)
    assert monitor.status == "kept" and monitor.bound_ <= 0.05 and monitor.alarms_ == {}
    assert SwapMonitor(watched, audit_rate=1.0, max_disagreement=0.9).status == "unknown"


def test_a_broken_promise_rings_and_the_recent_bound_follows_the_change(watched, teacher):
    rang = []
    monitor = SwapMonitor(
        watched, audit_rate=1.0, random_state=0, on_alarm=lambda found: rang.append(found.alarms_)
    )
    seen_by(monitor, watched_series(4000, 1), 100)
    assert not rang and monitor.status == "kept"
    teacher.share = 0.2
    seen_by(monitor, watched_series(2000, 2), 100)
    assert monitor.status == "broken" and 4000 < monitor.alarm_at_ < 4300
    assert rang == [{"disagreement": monitor.alarm_at_}]
    assert monitor.recent_bound_ > 0.14 > monitor.bound_
    teacher.share = 0.0
    seen_by(monitor, watched_series(3000, 3), 100)
    assert monitor.recent_bound_ < 0.02 < monitor.bound_
    assert len(rang) == 1 and monitor.status == "broken"


@pytest.mark.parametrize(
    ("change", "ring"),
    [
        (lambda X: X * [1, 1, 4, 4, 4, 4], {"input"}),
        (lambda X: X * [0.2, 1, 1, 1, 1, 1], {"confidence"}),
    ],
)
def test_drift_rings_without_the_teacher_and_says_which(watched, teacher, change, ring):
    monitor = SwapMonitor(watched, audit_rate=1e-9, random_state=0)
    seen_by(monitor, watched_series(1000), 50)
    assert monitor.alarms_ == {}
    seen_by(monitor, change(watched_series(300, 1)), 1)
    assert ring == set(monitor.alarms_) - ({"input"} if ring == {"confidence"} else set())
    for name in ring:
        drift = monitor.drift_[name]
        assert 1000 < drift["alarm_at"] < 1200 and drift["evidence"] >= drift["limit"] > 79
    assert monitor.status == "unknown" and monitor.alarm_at_ is None


def test_series_are_remembered_as_they_were(watched):
    monitors = [SwapMonitor(watched, audit_rate=0.1, random_state=0) for _ in range(2)]
    for row in watched_series(100):
        X = row[np.newaxis].copy()
        for monitor in monitors:
            monitor.predict(X)
        assert monitors[0].drift_["input"]["watched"]  # looks at once
        X[:] = 1e6
    assert monitors[0].drift_ == monitors[1].drift_


def test_hooks_that_fail_or_look_do_not_stop_the_answers(watched, teacher):
    teacher.share = 0.5
    calls = []

    def broken(monitor):
        calls.append(monitor.status)
        raise RuntimeError("the pager is off")

    monitor = SwapMonitor(
        watched, audit_rate=1.0, on_alarm=[broken, lambda monitor: calls.append(monitor.n_seen_)]
    )
    X = watched_series(300)
    with pytest.warns(HookWarning) as caught:
        labels = monitor.predict(X)
    np.testing.assert_array_equal(labels, watched.predict(X))
    assert calls == ["broken", 300] and caught[0].filename == __file__
    assert str(caught[0].message) == (
        "on_alarm <broken> raised RuntimeError: the pager is off; the answers are returned all the "
        "same."
    )


def test_a_teacher_that_is_away_stops_the_watch_and_not_the_answers(watched, teacher):
    monitor = SwapMonitor(watched, audit_rate=1.0, random_state=0)
    X = watched_series(1000)
    alone = X[~watched.defers(X)]
    expected = watched.predict(alone)
    seen_by(monitor, alone[:100], 10)
    bound = monitor.bound_
    teacher.away = True
    with pytest.warns(TeacherAwayWarning) as caught:
        for i in range(100, 400):
            np.testing.assert_array_equal(monitor.predict(alone[i : i + 1]), expected[i])
    assert len(caught) == 1 and caught[0].filename == __file__
    assert str(caught[0].message).startswith(
        "the teacher could not be asked for an audit (TeacherError: Teacher(WatchedTeacher) failed "
    )
    assert str(caught[0].message).endswith(
        "ConnectionError: no route to the teacher). Series that the student answers alone are "
        "answered, but nothing is audited until the teacher answers again; this is tried again and "
        "again, ever more rarely."
    )
    assert (monitor.n_seen_, monitor.n_audited_, monitor.bound_) == (400, 100, bound)
    teacher.away = False
    seen_by(monitor, alone[400:600], 1)
    assert monitor.n_asked_ == monitor.n_audited_ + 1  # the call that found it back does not count
    assert 230 < monitor.n_audited_ < 300 and monitor.bound_ < bound


def test_the_teacher_is_tried_ever_more_rarely_while_it_is_away(watched, teacher, monkeypatch):
    monitor = SwapMonitor(watched, audit_rate=1.0, random_state=0)
    X = watched_series(600)
    alone, tries = X[~watched.defers(X)], []
    teacher.away = True
    monkeypatch.setattr(WatchedTeacher, "__call__", lambda self, X: tries.append(i) or 1 / 0)
    with pytest.warns(TeacherAwayWarning):
        for i in range(300):
            monitor.predict(alone[i : i + 1])
    assert tries == [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]


def test_deferred_series_raise_while_the_teacher_is_away_and_bring_the_watch_back(watched, teacher):
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0)
    X = watched_series(200)
    one = X[watched.defers(X)][:1]
    teacher.away = True
    with pytest.raises(TeacherError):
        watched.predict(X)
    with pytest.raises(TeacherError):
        monitor.predict(X)
    assert monitor.n_seen_ == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the exception has said it
        monitor.predict(X[~watched.defers(X)][:20])
    assert (monitor.n_seen_, monitor.n_audited_) == (20, 0)
    teacher.away = False
    monitor.predict(one)
    assert monitor.n_audited_ == 0
    monitor.predict(X)
    assert 70 < monitor.n_audited_ < 130


def test_an_absence_that_only_unsure_series_notice_is_no_drift(watched, teacher):
    """While it lasts, only series come through that the student answers alone."""
    monitor = SwapMonitor(watched, audit_rate=1e-9, random_state=0)
    seen_by(monitor, watched_series(500), 1)
    teacher.away = True
    for row in watched_series(1500, 1):
        try:
            monitor.predict(row[np.newaxis])
        except TeacherError:
            continue
    assert monitor.alarms_ == {} and monitor.n_seen_ > 1500


def test_a_swap_of_an_earlier_version_is_watched_without_drift(watched, tmp_path):
    del watched._reference
    monitor = seen_by(SwapMonitor(watched, audit_rate=0.5, random_state=0), watched_series(300), 7)
    assert monitor.drift_["input"] == {
        "watched": False, "evidence": None, "limit": pytest.approx(80), "alarm_at": None,
    }  # fmt: skip
    monitor.save(tmp_path / "state")
    loaded = SwapMonitor.load(tmp_path / "state", watched)
    assert bytes_of(loaded, tmp_path) == bytes_of(monitor, tmp_path)


def test_series_of_unequal_length_are_watched(quick):
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    series = [rng.normal(size=rng.integers(10, 20)) + 3 * label for label in y]

    def teacher(X):
        one = 1 / (1 + np.exp([1.5 - np.nanmean(np.asarray(x, float)) for x in X]))
        return np.column_stack([1 - one, one])

    student = quick(teacher, max_epochs=1).fit(series, y)
    swap = DeferringClassifier(student, max_disagreement=0.9).fit(series[:45])
    swap.max_disagreement = 0.5
    monitor = SwapMonitor(swap, audit_rate=1.0, random_state=0)
    np.testing.assert_array_equal(monitor.predict(series[45:]), swap.predict(series[45:]))
    for one in series[45:60]:
        monitor.predict([one])
    assert monitor.n_audited_ == 60 and monitor.drift_["input"]["evidence"] > 0
    assert "input" in seen_by(monitor, [9 * one for one in series], 1).alarms_


def test_the_history_ends_with_the_series_of_now(watched):
    monitor = SwapMonitor(watched, audit_rate=0.05, random_state=0)
    X = watched_series(300)
    X = X[~watched.defers(X)]  # few of which are audited
    for i in range(len(X)):
        monitor.predict(X[i : i + 1])
        assert monitor.history_["n_seen"][-1] == monitor.n_seen_ == i + 1


def test_the_history_stays_short(watched):
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0)
    for n in (1, 255, 1, 2000):
        seen_by(monitor, watched_series(n), 100)
        history = monitor.history_
        assert {len(column) for column in history.values()} == {len(history["n_seen"])}
        assert len(history["n_seen"]) <= 256 and history["n_seen"][-1] == monitor.n_seen_
        spacing = np.diff(history["n_seen"])
        assert len(spacing) == 0 or (spacing[:-1] == spacing[0]).all()
    assert list(history) == [
        "n_seen", "n_audited", "n_deferred", "n_disagreed", "bound", "recent_bound",
    ]  # fmt: skip
    assert history["bound"][-1] == monitor.bound_
    assert history["recent_bound"][-1] == monitor.recent_bound_
    assert len(history["n_seen"]) > 100


def test_many_threads_may_ask(watched):
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0)
    threads = [
        threading.Thread(target=seen_by, args=(monitor, watched_series(300, seed), 3))
        for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.n_seen_ == 1200
    assert sum(monitor._up_to_date().drifts["input"].counts) == 1200 + 600


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_go_on_alike(watched, tmp_path, copied):
    monitor = seen_by(SwapMonitor(watched, audit_rate=0.5, random_state=0), watched_series(20), 3)
    again = copied(monitor)
    seen_by(again, watched_series(100, 1), 1)
    assert monitor.n_seen_ == 20
    seen_by(monitor, watched_series(100, 1), 1)
    assert bytes_of(again, tmp_path) == bytes_of(monitor, tmp_path)


def test_pictures_show_bounds_limit_and_alarms(watched, teacher):
    monitor = SwapMonitor(watched, audit_rate=1.0, random_state=0)
    assert monitor.plot().ax_.get_xlabel() == "series seen"  # before the first series, too
    teacher.share = 0.3
    display = seen_by(monitor, watched_series(400), 50).plot()
    curve = display.ax_.lines[0]
    np.testing.assert_array_equal(curve.get_xdata(), monitor.history_["n_seen"])
    np.testing.assert_allclose(curve.get_ydata(), 100 * monitor.history_["bound"])
    assert "promised: at most 5 %" in display.ax_.get_title()
    (text,) = display.ax_.texts
    assert text.get_text() == f"alarm: disagreement, at {monitor.alarm_at_:,}"
    ax = plt.figure().subplots()
    assert MonitorDisplay.from_monitor(monitor, ax=ax).ax_ is monitor.plot(ax=ax).ax_ is ax
    assert watched.plot(ax=ax).ax_ is ax
    with pytest.raises(ParameterError, match="cannot draw a DeferringClassifier; expected a Swap"):
        MonitorDisplay.from_monitor(watched)
    plt.close("all")


def unfitted():
    return DeferringClassifier(SureStudent(), Teacher(WatchedTeacher(), classes=[0, 1]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"swap": SureStudent()}, r"swap=.*SureStudent.*; expected a fitted DeferringClassifier"),
        ({"swap": unfitted()}, "is not fitted; call its fit first."),
        ({"audit_rate": 0}, "audit_rate=0; expected a number above 0"),
        ({"audit_rate": 1.1}, "audit_rate=1.1; expected .* and at most 1."),
        ({"audit_rate": True}, "audit_rate=True"),
        ({"audit_rate": float("nan")}, "audit_rate=nan"),
        ({"audit_rate": None}, "audit_rate=None"),
        ({"confidence": 1}, "confidence=1; expected a number between 0 and 1"),
        ({"confidence": 95}, "confidence=95"),
        ({"max_disagreement": 0.0}, "max_disagreement=0.0"),
        ({"max_disagreement": "1 %"}, "max_disagreement='1 %'"),
        ({"on_alarm": "mail"}, "on_alarm has 'mail'; expected functions that take the monitor"),
        ({"on_alarm": [print, 3]}, "on_alarm has 3"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_bad_input(watched, settings, message):
    settings = {"swap": watched} | settings
    with pytest.raises(ParameterError, match=message):
        SwapMonitor(settings.pop("swap"), **settings)


def test_series_of_another_shape_are_refused_and_not_counted(watched):
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0)
    for wrong in (
        watched_series(4)[:, np.newaxis],
        np.full((1, 6), np.nan),
        watched_series(3)[:, :4],
    ):
        with pytest.raises((PanelError, ValueError)):
            monitor.predict(wrong)
    assert monitor.n_seen_ == 0 and not monitor._record.teacher_is_away


def test_a_swap_that_is_fitted_again_needs_a_new_monitor(watched):
    monitor = SwapMonitor(watched)
    watched.fit(watched_series(900))
    with pytest.raises(ParameterError) as caught:
        monitor.predict(watched_series(1))
    assert str(caught.value) == (
        "the swap was fitted again since its monitor began; make a new SwapMonitor."
    )


def test_it_is_shown_by_its_constructor(watched):
    assert repr(SwapMonitor(watched, audit_rate=0.5)).startswith("SwapMonitor(swap=<fitted Def")
