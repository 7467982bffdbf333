"""The global random states, which are seeded for a fit and restored afterwards."""

import os
import random
import signal
import threading
import time

import numpy as np
import pytest
import torch

from tests.conftest import bump_teacher
from tsdistill.numerics.random_states import global_states_kept


def test_a_fit_on_the_cpu_seeds_no_gpu(toy, quick, monkeypatch):
    def seeded(seed):
        raise AssertionError("GPUs were seeded")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    student = quick(max_epochs=1).fit(*toy)
    student.explain(toy[0], of="teacher")


@pytest.fixture
def two_gpus(monkeypatch):
    """The random states of two GPUs that are pretended, a list."""
    states = ["first", "second"]

    def number(device):
        return device if isinstance(device, int) else torch.device(device).index

    def manual_seed_all(seed):
        states[:] = [seed, seed]

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: states[number(device)])
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, device: states.__setitem__(number(device), state)
    )
    monkeypatch.setattr(torch.cuda, "manual_seed_all", manual_seed_all)
    return states


@pytest.mark.parametrize(("used_before", "device"), [(True, "cpu"), (False, "cuda:1")])
def test_all_gpus_are_seeded_and_restored_where_any_is_used(
    two_gpus, monkeypatch, used_before, device
):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used_before)
    with global_states_kept(7, device):
        assert two_gpus == [7, 7]
    assert two_gpus == ["first", "second"]


def test_no_gpu_is_seeded_where_none_is_used(two_gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with global_states_kept(7, "cpu"):
        assert two_gpus == ["first", "second"]


def test_a_fit_restores_the_gpus_that_the_process_used_before(toy, quick, two_gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    quick(max_epochs=1).fit(*toy)
    assert two_gpus == ["first", "second"]


def exit_code(child, seconds):
    """Wait for a child; end it and return None if it takes longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_can_fit_and_predict_though_another_thread_was_in_a_fit_when_it_was_forked(
    toy, quick
):
    X, y = toy
    fitted = quick(max_epochs=1).fit(X, y)
    expected = fitted.predict_proba(X)
    in_the_fit, go_on = threading.Event(), threading.Event()

    def waits(X):
        in_the_fit.set()
        go_on.wait(60)
        return bump_teacher(X)

    other = threading.Thread(target=quick(waits, max_epochs=1).fit, args=(X, y))
    other.start()
    try:
        assert in_the_fit.wait(30)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                same = np.array_equal(fitted.predict_proba(X), expected)
                fitted.explain(X, of="teacher")
                again = quick(max_epochs=1).fit(X, y).predict_proba(X)
                code = 0 if same and np.array_equal(again, expected) else 2
            finally:
                os._exit(code)
        assert exit_code(child, seconds=30) == 0
    finally:
        go_on.set()
        other.join()


TOUCHES = {
    "draws": lambda: (torch.rand(1), np.random.rand(), random.random()),
    "seeds": lambda: (torch.manual_seed(5), np.random.seed(5), random.seed(5)),
    "sets the default dtype": lambda: torch.set_default_dtype(torch.float64),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_a_teacher_does_to_random_states_changes_no_student(toy, quick, tmp_path, touch):
    """Else a student would change where the answers are kept, or given by workers."""
    X, y = toy
    expected = quick(max_epochs=2).fit(X, y).predict_proba(X)

    def teacher(series):
        TOUCHES[touch]()
        return bump_teacher(series)

    for memory in (None, tmp_path, tmp_path):
        found = quick(teacher, max_epochs=2, memory=memory).fit(X, y).predict_proba(X)
        np.testing.assert_array_equal(found, expected)
    assert torch.get_default_dtype() == torch.float32
