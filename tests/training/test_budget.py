"""How much the teacher is asked."""

import itertools

import numpy as np
import pytest

from tests.conftest import Counted
from tsdistill.exceptions import ParameterError
from tsdistill.objectives import PerturbedSoftTargets
from tsdistill.teachers.memorised import n_probes
from tsdistill.training.budget import budget_of


def with_probes(n_series, *given, mixes, asks_windows):
    """The budget of series passed as X, which are probed where windows are compared with them."""
    probes = n_probes(n_series) if asks_windows else 0
    return budget_of(n_series, *given, mixes=mixes, asks_windows=asks_windows, n_probes=probes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # n_series, n_queries, n_mixtures, n_windows; mixtures and windows of each series
        ((2, None, None, None), (400, 9)),
        ((50, None, None, None), (400, 8)),
        ((700, None, None, None), (700, 3)),
        ((9000, None, None, None), (2000, 3)),
        ((50, None, 0, None), (0, 64)),
        ((250, None, 0, None), (0, 16)),
        ((1500, None, 0, None), (0, 8)),
        ((2000, None, 0, None), (0, 6)),
        ((9000, None, 0, None), (0, 4)),
        ((50, None, 5, 7), (5, 7)),
        ((50, None, None, 100), (400, 100)),
        ((50, 1000, None, None), (266, 2)),
        ((50, 1000, 0, None), (0, 18)),
        ((50, 1000, 10, None), (10, 14)),
        ((50, 1000, None, 4), (140, 4)),
        ((50, 1000, None, 18), (0, 18)),
        ((50, 1000, 10, 14), (10, 14)),
        ((50, 1420, None, None), (400, 2)),
        ((50, 2000, None, None), (400, 3)),
        ((50, 150, None, None), (0, 1)),
        ((100, 264, None, None), (0, 1)),
    ],
)
def test_mixtures_and_windows_follow_from_series_and_settings(given, expected):
    assert with_probes(*given, mixes=True, asks_windows=True) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((50, None, None, None), (0, 64)),
        ((50, None, 20, None), (20, 57)),
        ((50, 1000, None, None), (0, 18)),
        ((50, 150, None, None), (0, 1)),
    ],
)
def test_published_measures_have_windows_of_the_series_alone(given, expected):
    assert with_probes(*given, mixes=False, asks_windows=True) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((50, None, None, None), (0, 0)),
        ((50, None, 20, 7), (20, 0)),
        ((50, 50, None, None), (0, 0)),
        ((50, 70, 20, 1000), (20, 0)),
    ],
)
def test_plain_distillation_needs_no_windows_and_no_probes(given, expected):
    assert with_probes(*given, mixes=False, asks_windows=False) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            (50, 149, None, None),
            "n_queries=149 is too few for 50 series, 50 probes, each series with 1 windows; "
            "expected 150 or more. Pass fewer series, or a smaller n_mixtures or n_windows.",
        ),
        (
            (50, 1, 10, None),
            "n_queries=1 is too few for 50 series, 10 mixtures, 50 probes, each series with 1 "
            "windows; expected 170 or more. Pass fewer series, or a smaller n_mixtures or "
            "n_windows.",
        ),
        (
            (100, 1000, None, 20),
            "n_queries=1000 is too few for 100 series, 64 probes, each series with 20 windows; "
            "expected 2164 or more. Pass fewer series, or a smaller n_mixtures or n_windows.",
        ),
    ],
)
def test_too_small_a_budget_is_refused_and_the_smallest_is_named(given, message):
    with pytest.raises(ParameterError) as caught:
        with_probes(*given, mixes=True, asks_windows=True)
    assert str(caught.value) == message
    enough = int(message.partition("expected ")[2].split()[0])
    n_series, _, *parts = given
    with_probes(n_series, enough, *parts, mixes=True, asks_windows=True)
    with pytest.raises(ParameterError):
        with_probes(n_series, enough - 1, *parts, mixes=True, asks_windows=True)


def test_too_small_a_budget_for_the_series_alone_is_refused():
    with pytest.raises(ParameterError) as caught:
        with_probes(50, 49, None, None, mixes=False, asks_windows=False)
    assert str(caught.value) == (
        "n_queries=49 is too few for 50 series; expected 50 or more. Pass fewer series, or a "
        "smaller n_mixtures or n_windows."
    )


@pytest.mark.parametrize("asks_windows", [True, False])
@pytest.mark.parametrize("mixes", [True, False])
def test_no_budget_is_ever_exceeded_and_what_is_set_is_kept(mixes, asks_windows):
    cases = itertools.product(
        (2, 3, 12, 63, 64, 65, 200, 5000),
        (1, 2, 10, 36, 37, 100, 129, 264, 999, 1000, 5000, 40_000, 10**6),
        (None, 0, 1, 7, 400, 3000),
        (None, 1, 2, 9, 64, 100),
    )
    n_kept = 0
    for n_series, n_queries, n_mixtures, n_windows in cases:
        parts = n_series, n_queries, n_mixtures, n_windows
        probes = min(n_series, 64) * asks_windows
        set_mixtures, set_windows = n_mixtures or 0, (n_windows or 1) * asks_windows
        fewest = (n_series + set_mixtures) * (1 + set_windows) + probes
        if n_queries < fewest:
            with pytest.raises(ParameterError, match=f"expected {fewest} or more"):
                with_probes(*parts, mixes=mixes, asks_windows=asks_windows)
            continue
        n_kept += 1
        mixtures, windows = with_probes(*parts, mixes=mixes, asks_windows=asks_windows)
        assert (n_series + mixtures) * (1 + windows) + probes <= n_queries, parts
        assert mixtures >= 0 and windows >= asks_windows, parts
        assert n_mixtures in (None, mixtures), parts
        assert n_windows in (None, windows) or not asks_windows, parts
        assert mixes or mixtures == set_mixtures, parts
    assert n_kept > 500


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("n_mixtures", "n_windows"), [(100, 30), (100, None), (None, 30)])
def test_integers_of_numpy_count_as_those_of_python(n_mixtures, n_windows):
    def of(number):
        parts = (None if one is None else number(one) for one in (n_mixtures, n_windows))
        return with_probes(50, 10_000, *parts, mixes=True, asks_windows=True)

    assert of(np.int8) == of(np.uint8) == of(np.int16) == of(np.int64) == of(int)


FORM = 2
"""Questions by which the form of a teacher's answers is found; they are not counted."""
PLAIN = {"saliency_weight": 0, "n_windows": None}
COPIES = PLAIN | {"auxiliary": PerturbedSoftTargets()}


@pytest.mark.parametrize(
    ("settings", "n_queries"),
    [
        *(({"n_windows": None}, n) for n in (36, 37, 50, 123, 1000, 4000)),
        *(({"n_windows": 4}, n) for n in (72, 73, 100, 1000)),
        *(({"n_mixtures": 5}, n) for n in (97, 120)),
        *(({"saliency": "class", "n_windows": None}, n) for n in (36, 123, 500)),
        *((PLAIN, n) for n in (12, 13, 1000)),
        *((PLAIN | {"n_mixtures": 20}, n) for n in (32, 100)),
        *((COPIES, n) for n in (36, 123)),
        *((COPIES | {"n_mixtures": 5}, n) for n in (46, 123)),
    ],
    ids=str,
)
def test_a_fit_asks_no_more_than_it_may(toy, quick, settings, n_queries):
    teacher = Counted()
    student = quick(teacher, n_queries=n_queries, max_epochs=1, **settings).fit(*toy)
    assert student.n_queries_ == teacher.n_asked - FORM <= n_queries


def test_the_number_of_questions_counts_answers_that_were_kept(toy, quick, tmp_path):
    first = quick(Counted(), memory=tmp_path).fit(*toy)
    assert first.n_queries_ == (12 + 400) * (1 + 4) + 12
    assert quick(Counted(), memory=tmp_path).fit(*toy).n_queries_ == first.n_queries_
    warm = quick(Counted(), warm_start=True).fit(*toy)
    assert warm.fit(*toy).n_queries_ == first.n_queries_
    # A fit that needs no windows rests on none, though they were asked about before.
    warm.set_params(saliency_weight=0, n_mixtures=0)
    assert warm.fit(*toy).n_queries_ == 12
    # Nor on the probes of an earlier fit, if copies are not compared with their series.
    assert warm.set_params(auxiliary=PerturbedSoftTargets()).fit(*toy).n_queries_ == 12 * 5


def test_unlabelled_series_are_among_those_it_may_ask_about(toy, quick):
    X, y = np.tile(toy[0], (6, 1)), np.tile(toy[1], 6)
    more = np.random.default_rng(0).normal(size=(70, 20))
    for n_queries in (450, 1000):
        teacher = Counted()
        settings = {"n_queries": n_queries, "n_windows": None, "max_epochs": 1}
        quick(teacher, **settings).fit(X, y, X_unlabelled=more)
        assert 0.8 * n_queries < teacher.n_asked - FORM <= n_queries


def test_nearly_all_of_a_budget_is_used(toy, quick):
    for n_queries in (200, 1000, 3000):
        teacher = Counted()
        quick(teacher, n_queries=n_queries, n_windows=None, max_epochs=1).fit(*toy)
        assert 0.95 * n_queries < teacher.n_asked - FORM <= n_queries


def test_a_budget_that_is_too_small_is_refused_before_the_teacher_is_asked(toy, quick):
    teacher = Counted()
    with pytest.raises(ParameterError, match="^n_queries=35 is too few for 12 series, 12 probes"):
        quick(teacher, n_queries=35).fit(*toy)
    assert teacher.n_asked == 0
