"""A SwapMonitor: how often does it ring for nothing, how soon does it ring, what does it cost?

    OMP_NUM_THREADS=1 python benchmarks/monitor.py

The promise is 1 % at 95 %, so the alarm of disagreement has the error 0.025, each of drift 0.0125.

* False alarms over 100,000 series in 500 runs: swap and teacher differ on exactly 1 % of them; or
  the series never change, each run with a swap of its own. Beside it: how often the bound is ever
  below the truth.
* Delay until the alarm if, after 50,000 series, the disagreement rises from 0.5 % to 3 %, beside
  the fewest audited series in which that can be found, on average, by one who knows 3 % and the
  moment: log(1 / error) / KL(3 %, 1 %). MAPIE's RiskMonitoring, which bounds the mean since the
  start, is given the same audited series, threshold and error if it is installed.
* Time of ``predict`` for one series, with the monitor and without, in turns.
"""

import argparse
import itertools
import math
import time

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapMonitor
from tsdistill.swap.martingales import ODDS_RATIOS, Evidence, audit_bets, disagreement_bound
from tsdistill.swap.record import START_SCALES, Promise, Record
from tsdistill.swap.reference import Reference, bins_of

BEFORE, AFTER, MOST = 0.005, 0.03, 0.01
PROMISE = Promise(audit_rate=0.02, max_disagreement=MOST, confidence=0.95)
MAPIE_RUNS = 100  # it is slower
RATES = 0.01, 0.02, 0.05, 0.1


def alarms_at(differs):
    """The audited series at which each run rings, or the number of series if it does not.

    Parameters
    ----------
    differs : iterable of ndarray of shape (n_runs,), bool
        Of one audited series each.
    """
    agree, differ = map(np.array, audit_bets(MOST))
    evidence, at = None, None
    for step, hits in enumerate(differs):
        if evidence is None:
            wealth = [np.zeros(len(hits))] * len(ODDS_RATIOS)
            evidence, at = Evidence(wealth, START_SCALES["disagreement"]), np.full(len(hits), -1)
        total = evidence.update(np.where(hits, differ[:, np.newaxis], agree[:, np.newaxis]))
        at = np.where((at < 0) & (total >= PROMISE.limit("disagreement")), step + 1, at)
    return np.where(at < 0, step + 1, at)


def false_alarms(n_runs, n_series, rng):
    """Share of runs that ring though swap and teacher differ on 1 % of all series."""
    for rate in (*RATES, 1.0):
        n_audited = int(rate * n_series)
        at = alarms_at(rng.random(n_runs) < MOST for _ in range(n_audited))
        print(f"  disagreement, {n_audited:>7,} audited: {(at < n_audited).mean():.4f} (0.025)")
    moments = np.unique(np.geomspace(1, n_series, 100).astype(int))
    steps = np.diff(moments, prepend=0)
    for rate in RATES:
        hits = rng.binomial(steps, rate * MOST, size=(n_runs, len(steps))).cumsum(axis=1)
        below = disagreement_bound(hits, moments, rate, PROMISE.error) < MOST
        print(f"  bound ever below the truth, audit rate {rate:g}: "
              f"{below.any(axis=1).mean():.4f} (0.05)")  # fmt: skip


def false_drifts(n_runs, n_series, rng):
    """Share of runs whose alarm of drift rings though nothing changes."""
    rang = 0
    for _ in range(n_runs):
        edges = np.unique(np.quantile(rng.random(100), np.arange(1, 64) / 64))
        counts = np.bincount(bins_of(rng.random(200), edges), minlength=len(edges) + 1)
        record = Record.new(PROMISE, Reference(None, None, edges, counts, edges, counts))
        scores, ties = rng.random((2, n_series)).tolist()
        record.rank("input", range(1, n_series + 1), scores, ties)
        rang += bool(record.alarms)
    print(f"  drift, {n_series:,} series: {rang / n_runs:.4f} (0.0125)")


def divergence(p, q):
    """Kullback-Leibler divergence of two coins."""
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def delays(n_runs, n_before, rng):
    """Audited series, and series, from the rise of the disagreement to the alarm."""
    fewest = math.log(PROMISE.limit("disagreement")) / divergence(AFTER, MOST)
    print(f"  at least {fewest:.0f} audited series")
    for rate in RATES:
        n_first, n_then = int(rate * n_before), 4000
        differs = rng.random((n_first + n_then, n_runs))
        differs[:n_first] = differs[:n_first] < BEFORE
        differs[n_first:] = differs[n_first:] < AFTER
        differs = differs.astype(bool)
        named = {"SwapMonitor": alarms_at(differs) - n_first}
        if (theirs := mapie_alarms_at(differs[:, :MAPIE_RUNS])) is not None:
            named["RiskMonitoring"] = theirs - n_first
        for name, delay in named.items():
            never = (delay >= n_then).mean()
            delay = delay[delay > 0]
            low, high = np.quantile(delay, [0.1, 0.9])
            print(f"  audit rate {rate:<5g}{name:<15} median {np.median(delay):5.0f} audited "
                  f"(10 to 90 %: {low:.0f} to {high:.0f}), {np.median(delay) / rate:,.0f} series; "
                  f"{np.median(delay) / fewest:.1f} times the fewest; not found in {n_then:,}: "
                  f"{never:.1%}")  # fmt: skip


def mapie_alarms_at(differs):
    """The same for MAPIE's RiskMonitoring; None if it is not installed."""
    try:
        from mapie.exchangeability_testing.risk_monitoring import RiskMonitoring
    except ImportError:
        return None
    found = []
    for run in differs.T:
        monitor = RiskMonitoring(
            "accuracy", test_level=2 / PROMISE.limit("disagreement"), threshold=MOST, warn=False
        )
        monitor.update(np.ones(len(run), int), 1 - run.astype(int))
        rings = monitor.online_risk_lower_bound_sequence_history > MOST
        found.append(int(rings.argmax()) + 1 if rings.any() else len(run))
    return np.array(found)


def overhead(n_calls):
    """Microseconds of one call, with the monitor and without, when nothing is audited."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 150)).astype(np.float32), np.arange(50) % 2
    forest = RandomForestClassifier(10, max_depth=3, random_state=0)
    student = SaliencyDistilledClassifier(
        forest, max_epochs=1, n_windows=2, n_mixtures=0, random_state=0
    ).fit(X, y)
    more = rng.standard_normal((600, 150)).astype(np.float32)
    swap = DeferringClassifier(student, max_disagreement=0.6).fit(more)
    monitor = SwapMonitor(swap, audit_rate=1e-9, random_state=0)
    seconds = {"swap": [], "monitor": []}
    for i in range(n_calls):
        one = more[i % 600 : i % 600 + 1]
        for name, model in (("swap", swap), ("monitor", monitor)):
            start = time.perf_counter()
            model.predict(one)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: 1e6 * float(np.median(values)) for name, values in seconds.items()}
    print(f"  predict: swap {medians['swap']:.0f} us, monitor {medians['monitor']:.0f} us")
    # What the student takes varies by more than the monitor adds.
    answers = itertools.cycle([swap._student_answers(more[i : i + 1]) for i in range(600)])
    swap._student_answers = lambda X: next(answers)
    n_fast, times = 20_000, {}
    for name, model in (("swap", swap), ("monitor", monitor)):
        start = time.perf_counter()
        for _ in range(n_fast):
            model.predict(one)
        times[name] = 1e6 * (time.perf_counter() - start) / n_fast
    print(f"  all but the student, on average: swap {times['swap']:.1f} us, monitor "
          f"{times['monitor']:.1f} us")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--before", type=int, default=50_000, help="series before the rise")
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(f"false alarms in {options.runs} runs (and what is allowed)")
    false_alarms(options.runs, options.series, rng)
    false_drifts(options.runs, options.series, rng)
    print(f"disagreement rises from {BEFORE:.1%} to {AFTER:.0%}, promised {MOST:.0%}")
    delays(options.runs, options.before, rng)
    print("one series")
    overhead(options.calls)


if __name__ == "__main__":
    main()
