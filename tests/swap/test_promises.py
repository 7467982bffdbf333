"""Promises, alone and together: they are kept, and what cannot be promised is said."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, binom

from tsdistill.exceptions import ParameterError
from tsdistill.swap.answered import calibration_ranks
from tsdistill.swap.promises import CalibrationAnswers, Promises

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "promises.py"
GIVEN = {"max_disagreement": 0.1, "confidence": 0.9, "promise": "all"}
GIVEN |= {"min_saliency": None, "max_unlike": 0.2}


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/promises.py, where students of known risks are defined."""
    spec = importlib.util.spec_from_file_location("benchmark_promises", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def promises(**changed):
    return Promises.of(GIVEN | changed)


def drawn(n=900, seed=0):
    """Answers of a student that is the worse the less sure it is, with ties and silence."""
    rng = np.random.default_rng(seed)
    uncertainty = (rng.random(n) / 2).round(3)
    names = rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=n)
    differs = rng.random(n) < 0.5 * uncertainty * np.where(names == "c", 2, 1)
    unlike = rng.random(n) < uncertainty
    uncertainty[rng.random(n) < 0.05] = np.inf
    named = {label: names == label for label in ("a", "b", "c")}
    return CalibrationAnswers(uncertainty, differs & np.isfinite(uncertainty), named, unlike)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "promised"),
    [
        ("good", "answered"),
        ("good", "every one"),
        ("useless: uncertainty says nothing", "answered"),
        ("useless: uncertainty says nothing", "class"),
        ("the surer the worse", "reasons"),
        ("the surer the worse", "every one"),
        ("never differs", "every one"),
        ("just too bad", "all"),
        ("just too bad", "answered"),
        ("right, for just too many other reasons", "reasons"),
        ("just too bad for one class", "class"),
        ("just too bad for one class", "every one"),
        ("just too bad for a rare class", "class"),
        ("risk in waves", "answered"),
        ("risk in waves, five values", "answered"),
        ("just too bad, five values", "all"),
        ("no answer to a third", "answered"),
        ("just too bad, 80 series", "answered"),
    ],
)
def test_promises_are_kept_in_a_thousand_repetitions(benchmark, student, promised):
    broken, alone = benchmark.simulate(student, promised, 1000)
    assert broken <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)
    if student == "never differs":
        assert alone == 1
    if student == "good":  # and not by asking always
        assert alone > 0.3


@pytest.mark.parametrize(
    ("names", "maps"),
    [
        (("all",), False),
        (("all",), True),
        (("class",), False),
        (("all", "class"), True),
        (("answered",), False),
        (("all", "answered"), False),
        (("answered",), True),
        (("class", "answered"), False),
        (("answered", "class", "all"), True),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_series_answered_alone_are_those_of_a_slow_search(names, maps, seed):
    answers = drawn(seed=seed)
    if not maps:
        answers = CalibrationAnswers(answers.uncertainty, answers.differs, answers.named)
    promised = promises(promise=list(names), min_saliency=0.8 if maps else None)
    largest = promised.largest_uncertainty(answers)
    assert (answers.uncertainty <= largest).sum() == slow_number_alone(answers, names, maps)


def slow_number_alone(answers, names, maps):
    """How many series may be answered alone with limits 0.1 and 0.2 and an error of 0.1."""
    n, split = len(answers.differs), "answered" in names and ("class" in names or maps)
    error = 0.05 if split else 0.1

    def passes(events, members, limit, level):
        k, size = np.sum(events & members), np.sum(members)
        return sum(binom.pmf(j, size, limit) for j in range(k + 1)) <= level

    def others_pass(alone):
        everyone, wrong = np.ones(n, dtype=bool), answers.differs & alone
        return (
            ("all" not in names or passes(wrong, everyone, 0.1, error))
            and ("class" not in names or all(
                passes(wrong, members, 0.1, error) for members in answers.named.values()))
            and (not maps or passes(answers.unlike & alone, everyone, 0.2, error))
        )  # fmt: skip

    found, finite = 0, np.isfinite(answers.uncertainty)
    if "answered" in names:
        ranks = calibration_ranks(n, 0.1, 1 - error)
        for m in ranks:
            above = np.append(np.sort(answers.uncertainty), np.inf)[m]
            alone = answers.uncertainty < above
            if others_pass(alone) and passes(answers.differs, alone, 0.1, error / len(ranks)):
                found = alone.sum()
        return found
    for u in np.unique(answers.uncertainty[finite]):
        if not others_pass(answers.uncertainty <= u):
            break
        found = np.sum(answers.uncertainty <= u)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_no_bound_exceeds_what_is_guaranteed(seed):
    answers, promised = drawn(seed=seed), promises(promise=["all", "answered", "class"])
    largest = promised.largest_uncertainty(answers)
    found, classes = promised.shares(answers, largest)
    assert list(found) == ["all", "answered", "class", "saliency"]
    alone = answers.uncertainty <= largest
    assert 0.1 < alone.mean() < 1
    for one in found.values():
        assert 0 <= one["share"] < one["bound"] <= one["limit"]
    wrong = answers.differs & alone
    assert found["all"]["share"] == wrong.mean() and found["all"]["n"] == 900
    assert found["answered"]["share"] == pytest.approx(wrong[alone].mean())
    assert found["answered"]["n"] == alone.sum()
    for label, one in classes.items():
        members = answers.named[label]
        assert one["share"] == wrong[members].mean() and one["n"] == members.sum()
    worst = max(classes.values(), key=lambda one: one["bound"])
    assert found["class"] == worst | {"limit": 0.1}


def test_the_bound_of_the_answered_series_holds_for_all_ranks_at_once():
    answers = drawn()
    alone = np.isfinite(answers.uncertainty)
    found, _ = promises(promise="answered").shares(answers, 1.0)
    k, m = int(answers.differs.sum()), int(alone.sum())
    error = 0.1 / len(calibration_ranks(900, 0.1, 0.9))
    assert found["answered"]["bound"] == pytest.approx(beta.ppf(1 - error, k + 1, m - k))


def test_series_at_the_threshold_are_answered():
    uncertainty, names = np.array([0.1, 0.2, 0.3]), np.array([True, True, True])
    answers = CalibrationAnswers(uncertainty, uncertainty > 0.15, {"a": names})
    assert promises().shares(answers, 0.2)[0]["all"]["share"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("names", "maps", "confidence"),
    [
        (["all"], False, 0.9),
        (["class"], True, 0.9),
        (["class", "answered"], False, 0.95),
        (["answered"], True, 0.9),  # the error is split, but not for the classes
    ],
)
def test_bounds_of_classes_share_the_error_where_they_are_promised(names, maps, confidence):
    answers = drawn()
    promised = promises(promise=names, min_saliency=0.8 if maps else None)
    _, classes = promised.shares(answers, 0.3)
    for label, one in classes.items():
        k = (answers.differs & answers.named[label] & (answers.uncertainty <= 0.3)).sum()
        assert one["bound"] == pytest.approx(beta.ppf(confidence, k + 1, one["n"] - k))


def test_where_nothing_is_answered_nothing_is_known_of_the_answered():
    found, classes = promises(promise=["answered", "all"]).shares(drawn(), -np.inf)
    assert math.isnan(found["answered"]["share"]) and found["answered"]["n"] == 0
    assert math.isnan(found["answered"]["bound"])
    assert found["all"]["share"] == 0 and classes["c"]["share"] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"promise": "every"}, "promise='every'; expected one of 'all', 'answered', 'class', or a"),
        ({"promise": []}, r"promise=\[\]; expected one of"),
        ({"promise": None}, "promise=None"),
        ({"promise": ["all", 3]}, r"promise=\['all', 3\]"),
        ({"promise": {"all"}}, r"promise=\{'all'\}"),
        ({"promise": ["all", ["class"]]}, "promise="),
        ({"min_saliency": 1}, "min_saliency=1; expected None, or a correlation between -1 and 1"),
        ({"min_saliency": -1}, "min_saliency=-1; expected None, or a correlation between -1 and 1"),
        ({"min_saliency": "high"}, "min_saliency='high'"),
        ({"min_saliency": float("nan")}, "min_saliency=nan"),
        ({"min_saliency": True}, "min_saliency=True"),
        ({"max_unlike": 0}, "max_unlike=0; expected a number between 0 and 1"),
        ({"max_unlike": None}, "max_unlike=None"),
        ({"max_disagreement": 1}, "max_disagreement=1"),
        ({"confidence": "95 %"}, "confidence='95 %'"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ParameterError, match=message):
        promises(**changed)


def test_a_promise_given_twice_is_one():
    assert promises(promise=("class", "all", "class")).names == ("class", "all")


@pytest.mark.parametrize(
    ("changed", "n", "message"),
    [
        (
            {"promise": "answered"},
            21,
            "max_disagreement=0.1 with confidence=0.9 needs at least 22 series, and more if the "
            "student differs from the teacher on any of them, but X has 21. Pass more series, a "
            "smaller confidence, or a larger max_disagreement: with 21 series 0.104 is possible.",
        ),
        (
            {"min_saliency": 0.5, "max_unlike": 0.05},
            44,
            "max_unlike=0.05 with confidence=0.9 needs at least 45 series, and more if the maps of "
            "both models are unlike on any of them, but X has 44. Pass more series, a smaller "
            "confidence, or a larger max_unlike: with 44 series 0.051 is possible.",
        ),
        (
            {"promise": ["class", "answered"]},
            28,
            "max_disagreement=0.1 with confidence=0.9 (its error is split between 'answered' and "
            "the other promises) needs at least 29 series, and more if the student differs from "
            "the teacher on any of them, but X has 28. Pass more series, a smaller confidence, or "
            "a larger max_disagreement: with 28 series 0.102 is possible.",
        ),
    ],
)
def test_too_few_series_are_told_how_many_are_needed(changed, n, message):
    promised = promises(**changed)
    promised.check_enough_series(n + 1)
    with pytest.raises(ParameterError) as caught:
        promised.check_enough_series(n)
    assert str(caught.value) == message


@pytest.mark.parametrize("names", ["all", "answered", "class"])
def test_as_many_series_as_are_needed_suffice(names):
    n = 2 * 22 if names == "class" else 22
    half = np.arange(n) % 2 == 0
    nothing = np.zeros(n, dtype=bool)
    answers = CalibrationAnswers(np.linspace(0, 0.5, n), nothing, {0: half, 1: ~half})
    promised = promises(promise=names)
    promised.check_enough_series(n)
    promised.check_enough_of_each_class(answers.named)
    assert promised.largest_uncertainty(answers) == 1
    assert promised.shares(answers, 1.0)[0][names]["bound"] <= 0.1


def test_too_few_series_of_a_class_are_told_how_many_are_needed():
    named = {"a": np.arange(400) >= 10, "b": np.arange(400) < 10}
    promises().check_enough_of_each_class(named)
    with pytest.raises(ParameterError) as caught:
        promises(promise="class").check_enough_of_each_class(named)
    assert str(caught.value) == (
        "promise='class' with max_disagreement=0.1 and confidence=0.9 needs at least 22 series of "
        "each class that the teacher knows, and more if the student differs from the teacher on "
        "any of them, but for the 400 series of X it names class 'b' 10 times (in some 880 series "
        "it would 22 times). Pass more series, a smaller confidence, a promise without "
        "'class', or a larger max_disagreement: with these series 0.206 is possible."
    )


def test_the_class_of_the_fewest_series_decides_what_is_possible():
    number = np.arange(400)
    named = {"a": number >= 25, "b": number < 10, "c": (number >= 10) & (number < 25)}
    with pytest.raises(ParameterError, match="'b' 10 times .*; class 'c' 15 times .* 0.206 is pos"):
        promises(promise="class").check_enough_of_each_class(named)
    six = dict.fromkeys(range(6), number < 0)
    with pytest.raises(ParameterError, match="class 5 never. Pass"):
        promises(promise="class").check_enough_of_each_class(six | {6: number >= 0})


def test_the_series_that_would_do_are_rounded_up():
    named = {"a": np.arange(400) >= 7, "b": np.arange(400) < 7}
    with pytest.raises(ParameterError, match=r"'b' 7 times \(in some 1,258 series it would 22"):
        promises(promise="class").check_enough_of_each_class(named)


def test_a_class_that_the_teacher_never_names_is_refused():
    named = {k: np.arange(400) % 9 == k for k in range(18)}
    with pytest.raises(ParameterError) as caught:
        promises(promise="class").check_enough_of_each_class(named)
    told = "names class 9 never; class 10 never; class 11 never; class 12 never; class 13 never; "
    told += "class 14 never; 3 more classes too seldom. Pass"
    assert told in str(caught.value)
    assert str(caught.value).endswith("or a larger max_disagreement.")
