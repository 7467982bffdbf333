"""Audits: probabilities are watched as labels are, and a teacher that hangs holds up nothing."""

import pickle
import random
import threading
import time
import warnings

import numpy as np
import pytest
import torch

from tests.swap.conftest import SureStudent, WatchedTeacher, watched_series
from tests.swap.test_monitor import bytes_of, seen_by
from tsdistill import DeferringClassifier, SwapMonitor, Teacher
from tsdistill.exceptions import ParameterError, TeacherAwayWarning, TeacherError
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.numerics.time_limit import TimeLimit
from tsdistill.swap.auditing import audit
from tsdistill.swap.record import Promise, Record

LIMIT = 0.2  # seconds
LONG = 20.0


class HangingTeacher(WatchedTeacher):
    """Does not answer while its gate is shut."""

    def __init__(self, share=0.0):
        super().__init__(share)
        self.gate, self.n_begun = threading.Event(), 0
        self.gate.set()

    def __call__(self, X):
        self.n_begun += 1
        assert self.gate.wait(LONG)
        return super().__call__(X)


@pytest.fixture
def hanging():
    teacher = HangingTeacher()
    yield teacher
    teacher.gate.set()


@pytest.fixture
def alone(hanging):
    """A swap of that teacher, and series that its student answers alone."""
    swap = DeferringClassifier(SureStudent(), Teacher(hanging, classes=[0, 1]), 0.05)
    swap.fit(watched_series(900, seed=103))
    swap._max_uncertainty = 0.17
    X = watched_series(600)
    return swap, X[~swap.defers(X)]


def in_time(function, *arguments):
    start = time.monotonic()
    answer = function(*arguments)
    assert time.monotonic() - start < LIMIT + 2.0
    return answer


def audit_threads():
    return [one for one in threading.enumerate() if one.name == "tsdistill-time-limit"]


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_probabilities_are_answered_and_watched_as_labels_are(watched, teacher, tmp_path):
    teacher.share = 0.3
    labels, proba = (SwapMonitor(watched, audit_rate=0.3, random_state=1) for _ in range(2))
    X = watched_series(700)
    for part in (X[:1], X[1:2], *np.array_split(X[2:], 9)):
        labels.predict(part)
        got = proba.predict_proba(part)
        np.testing.assert_array_equal(got, watched.predict_proba(part))
        assert got.shape == (len(part), 2) and got.dtype == np.float64
    assert labels.n_deferred_ > 50 and labels.n_disagreed_ > 10
    assert proba.n_asked_ == labels.n_asked_ and proba.status == labels.status == "broken"
    assert bytes_of(proba, tmp_path) == bytes_of(labels, tmp_path)


def test_probabilities_raise_as_those_of_the_swap_and_are_not_counted_then(watched, teacher):
    monitor, X = SwapMonitor(watched, audit_rate=0.5), watched_series(100)
    teacher.away = True
    with pytest.raises(TeacherError):
        monitor.predict_proba(X)
    assert monitor.n_seen_ == 0 and monitor._record.teacher_is_away
    teacher.away = False
    watched.fit(watched_series(900))
    with pytest.raises(ParameterError, match="the swap was fitted again"):
        monitor.predict_proba(X)


def test_a_limit_that_is_kept_changes_nothing(watched, teacher, tmp_path):
    teacher.share = 0.1
    monitors = [
        SwapMonitor(watched, audit_rate=0.3, random_state=1, teacher_timeout=limit)
        for limit in (None, LONG)
    ]
    for monitor in monitors:
        seen_by(monitor, watched_series(300), 1, 30)
    assert bytes_of(monitors[0], tmp_path) == bytes_of(monitors[1], tmp_path)
    assert monitors[1].n_asked_ > 50 and not audit_threads()


def test_a_teacher_that_hangs_stops_the_audits_and_not_the_answers(hanging, alone):
    swap, X = alone
    expected = swap.predict(X)
    monitor = SwapMonitor(swap, audit_rate=1.0, random_state=0, teacher_timeout=LIMIT)
    seen_by(monitor, X[:100], 10)
    n_begun, bound = hanging.n_begun, monitor.bound_
    hanging.gate.clear()
    with pytest.warns(TeacherAwayWarning) as caught:
        for i in range(100, 300):
            answer = in_time(monitor.predict, X[i : i + 1])
            np.testing.assert_array_equal(answer, expected[i : i + 1])
            assert len(audit_threads()) == 1
        assert hanging.n_begun == n_begun + 1  # it is left with one question
        hanging.gate.set()
        until(lambda: not audit_threads())
    assert len(caught) == 1 and caught[0].filename == __file__
    assert str(caught[0].message).startswith(
        "the teacher could not be asked for an audit (TimeoutError: no answer within 0.2 s). "
    )
    assert (monitor.n_seen_, monitor.n_audited_, monitor.bound_) == (300, 100, bound)
    seen_by(monitor, X[300:450], 1)
    assert monitor.n_audited_ > 110 and monitor.bound_ < bound


def test_a_question_that_hangs_holds_no_lock_and_no_random_state(hanging, alone):
    swap, X = alone
    monitor = SwapMonitor(swap, audit_rate=1.0, random_state=0, teacher_timeout=LIMIT)
    hanging.gate.clear()
    with pytest.warns(TeacherAwayWarning):
        in_time(monitor.predict, X[:1])

        def fits():
            with global_states_kept(0):
                pass

        other = threading.Thread(target=fits, daemon=True)
        other.start()
        other.join(LONG)
        assert not other.is_alive() and len(audit_threads()) == 1
        random.seed(5), np.random.seed(5), torch.manual_seed(5)
        hanging.gate.set()
        until(lambda: not audit_threads())
    drawn = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    assert drawn == (random.random(), np.random.rand(), torch.rand(1).item())


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("deferred", [[True, False], [False, False], [True, True]], ids=str)
def test_deferred_series_bring_a_teacher_back_and_are_no_questions_of_the_monitor(deferred, away):
    record, asked = Record.new(Promise(0.9, 0.9, 0.95), None), []
    for _ in range(3 * away):
        record.teacher_failed()

    def ask(rows):
        asked.append(rows)
        return np.array([1] * len(rows))

    answer = audit(record, threading.Lock(), np.array([0, 0]), deferred, [True, True], ask)
    rows = [i for i in (0, 1) if not deferred[i]]
    if away:  # a deferred series was answered, or one more question is left out
        assert answer is None and not asked and record.n_asked == 0
        assert record.teacher_is_away is (True not in deferred)
    else:
        assert answer == [i in rows for i in (0, 1)] and asked == [rows][: len(rows)]
        assert record.n_asked == len(rows)


class LockingTeacher(WatchedTeacher):
    """Takes the lock of fits, as a swap does that is itself a teacher."""

    def __call__(self, X):
        with global_states_kept(0):
            return super().__call__(X)


def test_a_teacher_may_take_the_lock_of_fits_within_a_limit():
    teacher = Teacher(LockingTeacher(), classes=[0, 1])
    swap = DeferringClassifier(SureStudent(), teacher, 0.05).fit(watched_series(900, seed=103))
    monitor = SwapMonitor(swap, audit_rate=1.0, teacher_timeout=LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TeacherAwayWarning)
        in_time(monitor.predict, watched_series(20))
    assert monitor.n_audited_ == 20 and monitor.n_asked_ > 0


def test_errors_of_the_teacher_come_through_a_limit(watched, teacher):
    monitor = SwapMonitor(watched, audit_rate=1.0, teacher_timeout=LONG)
    X = watched_series(50)
    teacher.away = True
    with pytest.warns(TeacherAwayWarning, match="ConnectionError: no route to the teacher"):
        monitor.predict(X[~watched.defers(X)])


def test_a_limit_waits_for_one_function_at_a_time():
    limit, gate = TimeLimit(0.05), threading.Event()
    with pytest.raises(TimeoutError, match=r"^no answer within 0\.05 s$"):
        limit(gate.wait, LONG)
    assert limit.is_waiting
    with pytest.raises(TimeoutError, match="^an earlier question has not been answered yet$"):
        limit(max, 1, 2)
    gate.set()
    until(lambda: not limit.is_waiting)
    assert limit(max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        limit(lambda: 1 / 0)


def test_the_limit_belongs_to_the_process_and_not_to_the_state(watched, tmp_path):
    monitor = SwapMonitor(watched, audit_rate=0.5, random_state=0, teacher_timeout=LONG)
    again = pickle.loads(pickle.dumps(monitor))
    assert again.teacher_timeout == LONG == again._limit.seconds
    monitor.save(tmp_path / "state")
    assert SwapMonitor.load(tmp_path / "state", watched).teacher_timeout is None
    loaded = SwapMonitor.load(tmp_path / "state", watched, teacher_timeout=3)
    assert loaded.teacher_timeout == loaded._limit.seconds == 3


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "1 s", True])
def test_limits_that_cannot_be(watched, limit):
    with pytest.raises(ParameterError, match=r"^teacher_timeout=.*; expected a finite number"):
        SwapMonitor(watched, teacher_timeout=limit)
