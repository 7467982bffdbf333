"""Swaps, monitors, contracts and their bounds, over arbitrary answers: against slow loops."""

import math
import os
import pickle
import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import binom, binomtest

from tests.fuzz.cases import fewer
from tests.fuzz.of_arrays import anything, laid_out, layouts, left_unchanged, orders, refused
from tests.swap.bumps import bumps, fitted_student
from tsdistill import DeferringClassifier, SwapContract, SwapMonitor, Teacher
from tsdistill.exceptions import HookWarning, ParameterError, TsdistillError
from tsdistill.swap import bounds, risk
from tsdistill.swap.demands import DEMANDS

K = 3


class FirstColumns:
    """A model whose probabilities are columns of the series themselves."""

    def __init__(self, first):
        self.first, self.away = first, False
        self.classes_ = np.arange(K)

    def predict_proba(self, X):
        if self.away:
            raise ConnectionError("no route to the teacher")
        return np.array(X, dtype=float)[:, self.first : self.first + K]


@st.composite
def tables(draw, least=8, most=40):
    """Series that hold the student's probabilities, then the teacher's: (n, 2 K)."""
    n = draw(st.integers(least, most))
    weights = draw(hnp.arrays(np.int64, (n, 2, K), elements=st.sampled_from((0, 1, 2, 7, 2**20))))
    weights = weights + (weights.sum(axis=2, keepdims=True) == 0)
    return (weights / weights.sum(axis=2, keepdims=True)).reshape(n, 2 * K)


def swap_of(**settings):
    """A swap of two models that look their answers up; few series suffice for it."""
    settings = {"max_disagreement": 0.4, "confidence": 0.7} | settings
    return DeferringClassifier(FirstColumns(0), Teacher(FirstColumns(K)), **settings)


def answers_of(X):
    """The student's uncertainty, and whether the models differ, by a loop."""
    uncertainty, differs = [], []
    for row in X:
        student, teacher = row[:K].tolist(), row[K:].tolist()
        k = student.index(max(student))
        uncertainty.append(sum(student[:k] + student[k + 1 :]))
        raised = [max(p, 1e-4) for p in teacher]
        differs.append(raised.index(max(raised)) != k)
    return np.array(uncertainty), np.array(differs)


@fewer(0.5)
@given(tables(), st.sampled_from((0.1, 0.25, 0.4)), st.data(), layouts)
def test_a_swap_answers_alone_where_every_lower_threshold_passes_too(X, limit, data, layout):
    swap = swap_of(max_disagreement=limit)
    given_X = laid_out(X[data.draw(orders(len(X)))], layout)
    with left_unchanged(given_X):
        fitted = refused(lambda: swap.fit(given_X), "max_disagreement")
    if fitted is None:
        assert binom.cdf(0, len(X), limit) > 1 - 0.7
        return
    uncertainty, differs = answers_of(X)
    allowed = -np.inf
    for u in sorted(set(uncertainty.tolist())):
        if binom.cdf(differs[uncertainty <= u].sum(), len(X), limit) > 1 - 0.7 + 1e-12:
            break
        allowed = u
    alone = uncertainty <= allowed
    expected = 1 - allowed if alone.sum() < len(X) else 0
    assert swap.threshold_ == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(swap.defers(X), ~alone)
    assert swap.deferral_rate_ == pytest.approx((~alone).mean())
    assert swap.disagreement_ == pytest.approx((differs & alone).mean())
    assert swap.disagreement_ <= swap.disagreement_bound_ <= limit + 1e-12
    expected = np.where(alone, X[:, :K].argmax(axis=1), X[:, K:].argmax(axis=1))
    # The teacher's probabilities are raised to 1e-4 and kept in float32, which may make a tie.
    best = np.sort(X[:, K:], axis=1)
    clear = alone | (best[:, -1] - best[:, -2] > 1e-6)
    np.testing.assert_array_equal(swap.predict(X)[clear], expected[clear])
    proba = swap.predict_proba(X)
    np.testing.assert_array_equal(proba[alone], X[alone][:, :K])
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(proba.argmax(axis=1)[clear], expected[clear])


PROMISES = st.lists(st.sampled_from(("all", "answered", "class")), min_size=1, max_size=3)


@fewer(0.5)
@given(tables(20, 60), PROMISES, st.sampled_from((0.3, 0.5)))
def test_every_promise_has_a_bound_within_its_limit(X, promise, limit):
    swap = swap_of(max_disagreement=limit, promise=promise)
    if refused(lambda: swap.fit(X), "max_disagreement", "promise") is None:
        return
    assert set(swap.promises_) == set(promise)
    uncertainty, differs = answers_of(X)
    alone = ~swap.defers(X)
    assert set(uncertainty[alone].tolist()).isdisjoint(uncertainty[~alone].tolist())
    for found in swap.promises_.values():
        assert math.isnan(found["bound"]) or found["share"] <= found["bound"] <= limit + 1e-12
    assert swap.disagreement_ == pytest.approx((differs & alone).mean())
    curve = swap.curve_
    assert (np.diff(curve["deferral_rate"]) <= 0).all() and (np.diff(curve["bound"]) >= 0).all()


@given(st.sampled_from(("max_disagreement", "confidence", "promise", "min_saliency", "max_unlike",
                        "student", "teacher")), st.data())  # fmt: skip
def test_parameters_of_a_swap_that_cannot_be_used_are_refused_by_name(name, data):
    number = st.one_of(st.floats(), st.integers(), st.sampled_from(("x", True, None, [])))
    swap = swap_of(**({} if name in ("student", "teacher") else {name: data.draw(number)}))
    if name in ("student", "teacher"):
        swap.set_params(**{name: data.draw(st.one_of(anything(), number))})
    before = dict(vars(swap))
    X = np.tile([0.6, 0.3, 0.1, 0.5, 0.4, 0.1], (30, 1))
    names = ("student", "teacher", name)
    if refused(lambda: swap.fit(X), *names) is None:
        assert vars(swap) == before


@fewer(0.3)
@given(st.sampled_from(("fit", "predict", "predict_proba", "defers")), anything())
def test_arbitrary_series_are_answered_or_refused_by_a_swap(method, X):
    swap = swap_of().fit(np.tile([0.6, 0.3, 0.1, 0.5, 0.4, 0.1], (30, 1)))
    with left_unchanged(X):
        found = refused(lambda: getattr(swap, method)(X), "X", "student", "series")
    assert found is None or method == "fit" or len(found) == len(X)


@st.composite
def watched(draw):
    """A fitted swap, series that come after, and how they are split into calls."""
    X = draw(tables(30, 60))
    swap = swap_of(max_disagreement=0.3)
    assume(refused(lambda: swap.fit(X), "max_disagreement") is not None)
    seen = draw(tables(1, 80))
    cuts = sorted(draw(st.lists(st.integers(0, len(seen)), max_size=5)))
    parts = np.split(seen, cuts)
    return swap, seen, [part for part in parts if len(part)]


def state_of(monitor):
    """All that a monitor knows, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        monitor.save(os.path.join(folder, "state"))
        with open(os.path.join(folder, "state"), "rb") as file:
            return file.read()


def again(monitor, swap, how):
    """The same monitor in another process."""
    if how == "pickle":
        return pickle.loads(pickle.dumps(monitor))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state")
        monitor.save(path)
        return SwapMonitor.load(path, swap)


@fewer(0.2)
@given(watched(), st.data(), st.sampled_from((0.1, 0.5, 1.0)), st.sampled_from(("pickle", "save")))
def test_a_monitor_knows_the_same_however_its_series_came(found, data, rate, how):
    swap, seen, parts = found
    settings = {"audit_rate": rate, "confidence": 0.7, "random_state": 1}
    monitor, whole = SwapMonitor(swap, **settings), SwapMonitor(swap, **settings)
    expected = swap.predict(seen)
    stop = data.draw(st.integers(0, len(parts)))
    answers = []
    for number, part in enumerate(parts):
        if number == stop:
            monitor = again(monitor, swap, how)
        with left_unchanged(part):
            answers += monitor.predict(part).tolist()
    assert answers == expected.tolist()
    assert whole.predict(seen).tolist() == expected.tolist()
    for name in ("status", "bound_", "recent_bound_", "alarm_at_", "drift_", "alarms_", "n_seen_",
                 "n_deferred_", "n_audited_", "n_asked_", "n_disagreed_"):  # fmt: skip
        assert getattr(monitor, name) == getattr(whole, name), name
    assert monitor.n_seen_ == len(seen) and monitor.n_deferred_ == swap.defers(seen).sum()
    assert 0 <= monitor.recent_bound_ <= 1 and 0 <= monitor.bound_ <= 1
    assert monitor.n_disagreed_ <= monitor.n_audited_ <= len(seen)
    if rate == 1.0:
        differs = answers_of(seen)[1] & ~swap.defers(seen)
        assert monitor.n_audited_ == len(seen) and monitor.n_disagreed_ == differs.sum()
        assert monitor.bound_ >= differs.mean()


@fewer(0.2)
@given(watched(), st.sampled_from((0.3, 1.0)), st.booleans())
def test_hooks_that_raise_and_a_teacher_that_is_away_change_no_answer(found, rate, away):
    swap, seen, parts = found
    called = []

    def hook(monitor):
        called.append(dict(monitor.alarms_))
        raise RuntimeError("the pager is dead")

    settings = {"audit_rate": rate, "max_disagreement": 0.01, "confidence": 0.5}
    monitor = SwapMonitor(swap, **settings, random_state=0, on_alarm=[hook, called.append])
    quiet = SwapMonitor(swap, **settings, random_state=0)
    model = swap.teacher_.model
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for part in parts:
            alone = part[~swap.defers(part)]
            if away and len(alone):
                model.away = True
                assert monitor.predict(alone).tolist() == alone[:, :K].argmax(axis=1).tolist()
                model.away = False
            elif len(part):
                np.testing.assert_array_equal(monitor.predict(part), swap.predict(part))
                quiet.predict(part)
        last = np.repeat(seen[:1], 20, axis=0)  # single series wait for 15 others
        monitor.predict(last), quiet.predict(last)
    n_hooks = sum(issubclass(one.category, HookWarning) for one in caught)
    assert n_hooks == len(monitor.alarms_) and len(called) == 2 * n_hooks
    if not away:
        assert monitor.alarms_ == quiet.alarms_ and state_of(monitor) == state_of(quiet)


@fewer(0.5)
@given(st.sampled_from(("audit_rate", "max_disagreement", "confidence", "random_state", "on_alarm",
                        "teacher_timeout", "swap")), st.data())  # fmt: skip
def test_arguments_of_a_monitor_that_cannot_be_used_are_refused_by_name(name, data):
    odd = st.one_of(st.floats(), st.integers(), st.sampled_from(("x", True, None, [3], object)))
    swap = swap_of().fit(np.tile([0.6, 0.3, 0.1, 0.5, 0.4, 0.1], (30, 1)))
    arguments = {"swap": swap, name: data.draw(odd)}
    refused(lambda: SwapMonitor(**arguments), name)


def limits_of(demand):
    """Limits that a demand takes."""
    if demand.highest is None:
        if demand.name == "us_one_series":
            return st.floats(1e-12, 1e30)
        return st.integers(1, 2**31 - 1)
    return st.floats(demand.lowest, demand.highest, exclude_min=True, exclude_max=True)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def contracts(draw):
    """The arguments of a contract, all of them of the types and ranges that are documented."""
    names = draw(st.sets(st.sampled_from(sorted(DEMANDS)), min_size=1))
    arguments = {name: draw(limits_of(DEMANDS[name])) for name in names}
    if draw(st.booleans()):
        arguments["confidence"] = draw(st.floats(0.5, 1 - 1e-9))
    if draw(st.booleans()):
        arguments["meta"] = draw(st.dictionaries(TEXTS, TEXTS, max_size=3))
    return arguments


@given(contracts())
@example({"agreement": 5e-324, "meta": {"": "\x00\x7f\x85\u2028'''\"\\"}})
def test_what_a_contract_writes_is_read_again(arguments):
    contract = refused(lambda: SwapContract(**arguments), "contradicts")
    if contract is None:
        return
    text = contract.to_toml()
    assert SwapContract.from_toml(text) == contract
    assert SwapContract.from_toml(text).meta == contract.meta
    assert eval(repr(contract), {"SwapContract": SwapContract}) == contract


@given(st.sampled_from((*sorted(DEMANDS), "confidence", "meta")), st.data())
def test_arguments_of_a_contract_that_cannot_be_used_are_refused_by_name(name, data):
    odd = st.one_of(
        st.floats(), st.integers(), st.booleans(), TEXTS, anything(),
        st.dictionaries(TEXTS, st.integers(), max_size=2),
    )  # fmt: skip
    arguments = {"weights": 10, name: data.draw(odd)}
    contract = refused(lambda: SwapContract(**arguments), name, "demands nothing")
    if contract is not None:
        assert SwapContract.from_toml(contract.to_toml()) == contract


@given(st.one_of(TEXTS, st.lists(st.sampled_from(
    ("[demands]\n", "kl = 0.1\n", "agreement = 2\n", "[meta]\n", "a = 'b'\n", "x", "=", "\n",
     "confidence = 0.9\n", "demands.kl = 1\n", "[[demands]]\n", "kl = nan\n", "kl = 1979-05-27\n",
     "[meta.a]\n", "weights = 9999999999999\n", "kl = {a = 1}\n")
), max_size=6).map("".join)))  # fmt: skip
def test_a_text_is_a_contract_or_is_refused(text):
    try:
        contract = SwapContract.from_toml(text + "\n")
    except TsdistillError as error:
        assert isinstance(error, ParameterError) and str(error)
    else:
        assert SwapContract.from_toml(contract.to_toml()) == contract


@fewer(0.08)
@given(st.data(), layouts)
def test_arbitrary_evidence_is_judged_or_refused(data, layout):
    student = fitted_student()
    X, y = bumps(9, 0.3, seed=data.draw(st.integers(0, 5)))
    proba = data.draw(hnp.arrays(np.float64, (9, 3), elements=st.integers(1, 9).map(float)))
    proba = proba / proba.sum(axis=1, keepdims=True)
    maps = data.draw(hnp.arrays(np.float64, (9, 20), elements=st.sampled_from((0.0, 1.0, 1e300))))
    arguments = {
        "X": laid_out(X, layout), "y": y, "teacher_proba": laid_out(proba, layout),
        "teacher_maps": maps, "n_explained": 5, "random_state": 0,
    }  # fmt: skip
    for name in data.draw(st.sets(st.sampled_from(sorted(arguments)))):
        arguments[name] = data.draw(anything())
    contract = SwapContract(agreement=0.5, js=0.3, kl=1, saliency=0.1, ece=0.2, negative_flips=0.3,
                            net_accuracy=-0.5, class_agreement=0.4, confidence=0.6)  # fmt: skip
    names = (*arguments, "series")
    with left_unchanged(*arguments.values()):
        result = refused(lambda: contract.check(student, **arguments), *names)
    if result is None:
        return
    assert result.status in ("kept", "broken", "undecided") and len(result.lines) == 8
    for line in result.lines:
        assert line.status in ("kept", "broken", "undecided") and str(line)


LEVELS = st.floats(0.5, 1 - 1e-9)


@given(st.integers(0, 300), st.integers(1, 300), LEVELS, st.floats(0.01, 0.99))
def test_exact_bounds_are_those_of_scipy_and_agree_with_the_test(k, n, confidence, limit):
    k = min(k, n)
    low, high = bounds.Share(k, n).bounds(confidence)
    expected = binomtest(k, n, alternative="less").proportion_ci(confidence, method="exact").high
    assert high == pytest.approx(expected, abs=1e-9) and 0 <= low <= k / n <= high <= 1
    expected = binomtest(k, n, alternative="greater").proportion_ci(confidence, method="exact").low
    assert low == pytest.approx(expected, abs=1e-9)
    by_loop = sum(math.comb(n, j) * limit**j * (1 - limit) ** (n - j) for j in range(k + 1))
    if abs(by_loop - (1 - confidence)) > 1e-9:
        assert risk.rejects(k, n, limit, confidence) == (by_loop <= 1 - confidence)
    if abs(high - limit) > 1e-9:
        assert risk.rejects(k, n, limit, confidence) == (high <= limit)
    more = bounds.Share(k, n).bounds(confidence, times=7.0)
    assert more[0] >= low - 1e-12 and more[1] <= high + 1e-12


@given(st.floats(1e-6, 0.99), LEVELS, st.integers(1, 10**6))
def test_the_number_of_series_needed_is_the_smallest_that_suffices(limit, confidence, n):
    needed = risk.series_needed(limit, confidence)
    assert risk.rejects(0, needed, limit, confidence)
    assert needed == 1 or not risk.rejects(0, needed - 1, limit, confidence)
    smallest = risk.smallest_limit(n, confidence)
    assert smallest >= 1 or risk.series_needed(smallest, confidence) <= n


@given(st.lists(st.tuples(st.sampled_from((0.0, 0.1, 0.5, np.inf)), st.booleans()), min_size=1,
                max_size=40), st.floats(0.05, 0.9), LEVELS)  # fmt: skip
def test_the_largest_uncertainty_is_that_of_a_loop(members, limit, confidence):
    uncertainty = np.array([u for u, _ in members])
    events = np.array([event for _, event in members]) & np.isfinite(uncertainty)
    found = risk.largest_uncertainty(
        uncertainty, [risk.Risk(events, len(events), limit)], confidence
    )
    allowed, all_pass = -np.inf, True
    for u in sorted(set(uncertainty.tolist())):
        count = events[uncertainty <= u].sum()
        if not risk.rejects(count, len(events), limit, confidence):
            all_pass = False
            break
        allowed = min(u, 2.0)
    assert found == (1.0 if all_pass else allowed)
    curve = risk.risk_curve(uncertainty, events, confidence)
    assert (np.diff(curve["disagreement"]) >= 0).all()
    assert ((curve["bound"] >= curve["disagreement"]) & (curve["bound"] <= 1)).all()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=4), LEVELS)
def test_bounds_of_several_shares_enclose_what_was_measured(counts, confidence):
    shares = tuple(bounds.Share(min(k, n), n) for k, n in counts)
    low, high = bounds.ShareOfEachClass(shares).bounds(confidence)
    smallest = min([one.measured for one in shares if one.n], default=1)
    assert 0 <= low <= smallest and 0 <= high <= 1 and low <= high
    (k, n), minus = counts[0], counts[-1][0]
    n = max(1, n)
    net = bounds.NetShare(min(k, n), min(minus, n), n)
    low, high = net.bounds(confidence)
    assert -1 <= low <= net.measured <= high <= 1


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40), LEVELS)
def test_bounds_of_a_median_enclose_it(durations, confidence):
    found = bounds.Median(tuple(durations))
    low, high = found.bounds(confidence)
    assert low <= found.measured <= high
