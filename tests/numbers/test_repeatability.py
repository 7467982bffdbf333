"""The same seed gives the same bits, whatever of the surroundings is not to matter."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import tsdistill
from tests.numbers import make_golden

ROOT = os.path.dirname(os.path.dirname(tsdistill.__file__))
ELSEWHERE, LOSSES_ELSEWHERE = 1e-4, 1e-3
"""Largest differences on another kind of processor: of probabilities and maps, of losses."""


@pytest.fixture(scope="module")
def plain():
    return make_golden.numbers()


def in_process(**environment):
    """What another process prints, which has these environment variables."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.numbers.make_golden"],
        env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(found.stdout)


def assert_close(found, expected):
    for name in ("proba", "map"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=ELSEWHERE)
    for ours, theirs in zip(found["history"], expected["history"], strict=True):
        assert ours == pytest.approx(theirs, rel=LOSSES_ELSEWHERE)


def test_a_student_is_the_one_of_the_golden_file(plain):
    """To the last bit where it was made with these versions on this kind of processor."""
    golden = json.loads(make_golden.PATH.read_text(encoding="utf-8"))
    if golden["made on"] == make_golden.machine():
        assert plain == golden["numbers"]
    assert_close(plain, golden["numbers"])


def test_another_seed_gives_other_numbers(plain):
    """A control: the comparisons of this file can fail."""
    other = make_golden.numbers(random_state=1)
    assert other["proba"] != plain["proba"] and other["map"] != plain["map"]


def test_memory_changes_no_bit(plain, tmp_path):
    asked_and_kept = make_golden.numbers(memory=tmp_path)
    assert any(tmp_path.rglob("*"))
    assert asked_and_kept == plain and make_golden.numbers(memory=tmp_path) == plain


def test_other_numbers_of_threads_leave_no_trace(plain):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        make_golden.numbers(max_epochs=1)
    finally:
        torch.set_num_threads(before)
    assert make_golden.numbers() == plain


def test_what_ran_before_changes_no_bit(plain):
    torch.manual_seed(12345)
    np.random.seed(12345)
    assert make_golden.numbers() == plain


@pytest.mark.slow
def test_workers_change_no_bit(plain):
    for n_jobs in (1, 2):
        assert make_golden.numbers(n_jobs=n_jobs) == plain


@pytest.mark.slow
def test_processes_with_different_hashes_give_the_same_bits():
    first, second = (in_process(PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize(
    "limit",
    [
        {"ATEN_CPU_CAPABILITY": "default"},
        pytest.param({"ATEN_CPU_CAPABILITY": "avx2"}, marks=pytest.mark.weekly),
        pytest.param({"ONEDNN_MAX_CPU_ISA": "AVX2"}, marks=pytest.mark.weekly),
    ],
    ids=str,
)
def test_other_instructions_give_nearly_the_same_numbers(plain, limit):
    found = in_process(**limit)
    assert_close(found["numbers"], plain)
