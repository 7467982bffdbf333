"""Would the tests notice a mistake? Small changes of the sources, each met by its tests.

    OMP_NUM_THREADS=1 python -m pytest -n 2 --dist worksteal --cov=tsdistill --cov-branch \
        --cov-context=test --cov-report= --durations=0 --durations-min=0.05 > build/tests.log
    OMP_NUM_THREADS=1 python benchmarks/mutation.py run --sample 40
    python benchmarks/mutation.py table
    python benchmarks/mutation.py show ID

The first command notes which tests execute which line, in ``.coverage``, and what they cost.
``run`` without ``--sample`` runs all mutants, which takes hours; ``show`` runs one, with what
pytest prints.

``run`` imports torch and the like once, and forks a process for each mutant. This imports tsdistill
with one changed module, which only exists in memory, and runs the nearest and fastest tests that
execute the changed line, up to the first that fails. A mutant that survives these meets the others
that execute the line, as far as they fit into ``--seconds``. The tests of the first round are run
without a mutant before, those of the second when they fail; a test that fails then does not count.

killed     a test failed, the module could not be imported, or the process died
timeout    the process was ended since it took far longer than its tests were expected to
survived   all tests passed
untested   no test executes the line

Mutants that change nothing a user could notice are listed in ``mutation_equal.toml``, with the
reason, and are not counted. A mutant that is in the CSV is not run again, unless its line has
changed. Each of the tests is in one process: what a test starts (workers of joblib, commands)
imports the sources without the mutant.

Why not mutmut or cosmic-ray: cosmic-ray starts a whole pytest for each mutant, and importing takes
longer than most tests. mutmut 3 forks as well, but changes neither what stands outside of functions
(tables, defaults of dataclasses) nor functions with a decorator (every property), and works on a
rewritten copy of the package, in which each function is called through another.
"""

import argparse
import contextlib
import csv
import gc
import importlib
import os
import pathlib
import random
import sys
import time
from collections import Counter, defaultdict
from fnmatch import fnmatch

from mutation_changes import mutants_of
from mutation_tests import Chosen, Sources, Tests, start, wait
from scipy.stats import binomtest

try:
    import tomllib
except ImportError:
    import tomli as tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ("objectives", "perturbation", "fidelity", "swap", "export")
FIELDS = [
    *("id", "file", "line", "kind", "before", "after", "source", "nth"),
    *("result", "seconds", "test"),
]
SAME = ("file", "source", "kind", "before", "after", "nth")
"""Fields by which a mutant is known again, wherever its line has moved."""
LONG = 200  # seconds for the tests of a file without a mutant
DETECTED, MISSED = ("killed", "timeout"), ("survived", "untested")
HEAVY = (
    *("pandas", "scipy.optimize", "scipy.signal", "torch", "torch._dynamo", "torch.onnx"),
    *("torch.utils.data", "sklearn.ensemble", "sklearn.linear_model", "sklearn.model_selection"),
    *("sklearn.pipeline", "sklearn.neighbors", "skorch", "skorch.callbacks", "sktime.datasets"),
    *("sktime.classification.base", "sktime.utils.estimator_checks", "matplotlib.pyplot"),
    *("captum.attr", "onnx", "onnxruntime", "onnxscript", "safetensors.torch", "zarr", "yaml"),
    *("dask.array", "hypothesis", "filelock", "cloudpickle", "tqdm.auto", "xml.dom.minidom"),
)
"""What tsdistill and its tests import; each process finds it imported."""


def mutants_in(rooms):
    """Mutants of rooms, each with the fields by which it is known again."""
    seen = Counter()
    for room in rooms:
        for path in sorted((ROOT / "tsdistill" / room).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            for mutant in mutants_of(path.read_text(encoding="utf-8"), file):
                what = tuple(getattr(mutant, field) for field in SAME[:-1])
                seen[what] += 1
                yield mutant, (*what, str(seen[what]))


def sampled(mutants, n, seed):
    """Of each room n mutants at even distances of its files, in a random order within each."""
    rooms, rng, chosen = defaultdict(list), random.Random(seed), []
    for pair in mutants:
        rooms[room_of(pair[0].file)].append(pair)
    for of_room in rooms.values():
        files = defaultdict(list)
        for pair in of_room:
            files[pair[0].file].append(pair)
        row = [pair for pairs in files.values() for pair in rng.sample(pairs, len(pairs))]
        step = max(1.0, len(row) / n)
        start_at = rng.random() * step
        chosen += [row[int(start_at + i * step)] for i in range(min(n, len(row)))]
    return chosen


def room_of(file):
    return file.split("/")[1]


def read(path):
    """Rows of the CSV by the fields that name a mutant; the last of a name counts."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as rows:
        return {tuple(row[field] for field in SAME): row for row in csv.DictReader(rows)}


def write(path, rows, mode="w"):
    new = mode == "w" or not path.exists()
    with open(path, mode, newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def accepted(path):
    """Reasons of the mutants that change nothing a user could notice, by source and change."""
    if not path.exists():
        return {}
    listed = tomllib.loads(path.read_text(encoding="utf-8")).get("equal", [])
    names = ("file", "source", "before", "after")
    return {tuple(one[name] for name in names): one["reason"] for one in listed}


def prepare():
    """Import what is heavy, and make sure that processes import the sources of this checkout."""
    os.environ |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    sys.dont_write_bytecode = False  # pytest keeps the rewritten tests
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path.insert(0, str(ROOT))
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        from hypothesis import Phase, settings

        settings.register_profile(
            "mutation", database=None, derandomize=True, deadline=None,
            phases=[Phase.explicit, Phase.generate],
        )  # fmt: skip
        settings.load_profile("mutation")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if any(name.partition(".")[0] == "tsdistill" for name in sys.modules):
        raise SystemExit("tsdistill was imported before the mutants.")
    gc.freeze()


def check(tests, jobs):
    """Run the tests of all first rounds without a mutant, and leave out those that fail."""
    chosen = {test for first, _ in tests.plans.values() for test in first[0]}
    files = defaultdict(list)
    for test in sorted(chosen):
        files[test.partition("::")[0]].append(test)
    print(f"{len(chosen)} tests without a mutant", flush=True)

    def begin(of_file):
        return start(tests.sources, of_file, Chosen(of_file), None, LONG, ())

    for of_file, answer in parallel(list(files.values()), begin, jobs):
        failed = answer.get("failed", of_file)
        for test in failed:
            how = "fails" if "failed" in answer else " and ".join(answer)
            print(f"  left out, without a mutant: {how}: {test}", flush=True)
        tests.leave_out(set(failed))


def parallel(work, begin, jobs):
    """Yield each piece of work with the answer of its process."""
    work, running = list(reversed(work)), []
    try:
        while work or running:
            while work and len(running) < jobs:
                piece = work.pop()
                running.append((piece, begin(piece)))
            time.sleep(0.02)
            for pair in list(running):
                if (answer := pair[1].poll()) is not None:
                    running.remove(pair)
                    yield pair[0], answer
    finally:
        for _, process in running:
            process.end()


def result_of(answer):
    """What became of a mutant, and the test that noticed it."""
    if "timeout" in answer:
        return "timeout", ""
    if "died" in answer or answer["code"] not in (0, 1, 5):
        return "killed", (answer.get("failed") or ["the process died"])[0]
    if answer["failed"]:
        return "killed", answer["failed"][0]
    return "survived", ""


def fates(tests, pairs, options):
    """Rows of mutants, as they are decided."""

    def plan(mutant):
        return tests.plan(mutant, options.first, options.longest, options.seconds)

    for mutant, _ in pairs:
        plan(mutant)
    check(tests, options.jobs)
    left, spent = {}, defaultdict(float)
    for mutant, what in pairs:
        if any(chosen for chosen, _ in plan(mutant)):
            left[mutant.id] = mutant, what
        else:
            yield row_of(mutant, what, "untested", 0.0, "")
    for i in (0, 1):

        def begin(name, i=i):
            chosen, seconds = plan(left[name][0])[i]
            spent[name] -= time.perf_counter()
            return start(tests.sources, chosen, Chosen(chosen), left[name][0], seconds)

        names = [name for name, (mutant, _) in left.items() if plan(mutant)[i][0]]
        for name, answer in parallel(names, begin, options.jobs):
            spent[name] += time.perf_counter()
            result, test = result_of(answer)
            if i and result == "killed" and "::" in test:
                result, test = confirmed(tests, test)
            if result != "survived" or i or not plan(left[name][0])[1][0]:
                yield row_of(*left.pop(name), result, spent[name], test)


def confirmed(tests, test):
    """Whether a test that noticed a mutant passes without one."""
    if test not in tests.passing:
        answer = wait(start(tests.sources, [test], Chosen([test]), None, LONG))
        if answer.get("failed") != []:
            return "survived", f"fails without a mutant: {test}"
        tests.passing.add(test)
    return "killed", test


def row_of(mutant, what, result, seconds, test):
    row = {field: getattr(mutant, field, None) for field in FIELDS}
    found = {"nth": what[-1], "result": result, "seconds": round(seconds, 1), "test": test}
    return row | found


def run(options):
    prepare()
    pairs = list(mutants_in(options.rooms))
    if options.files:
        pairs = [p for p in pairs if any(fnmatch(p[0].file, f"*{of}") for of in options.files)]
    if options.sample:
        pairs = sampled(pairs, options.sample, options.seed)
    known = read(options.csv)
    if options.only_survivors:
        pairs = [p for p in pairs if known.get(p[1], {}).get("result") in MISSED]
    else:
        pairs = [pair for pair in pairs if pair[1] not in known]
    print(f"{len(pairs)} mutants to run", flush=True)
    if pairs:
        tests = Tests(Sources(ROOT), options.coverage, options.durations, options.kept)
        for i, row in enumerate(fates(tests, pairs, options), 1):
            write(options.csv, [row], "a")
            print(f"{i:5} {row['result']:9} {row['seconds']:6} {row['id']}", flush=True)
    table(options)


def table(options):
    """Print the shares by room and the mutants that no test noticed, and put the CSV in order."""
    now = {what: mutant for mutant, what in mutants_in(ROOMS)}
    known = {what: row for what, row in read(options.csv).items() if what in now}
    rows = [row | {"id": now[what].id, "line": now[what].line} for what, row in known.items()]
    rows.sort(key=lambda row: (row["file"], int(row["line"]), row["id"]))
    write(options.csv, rows)
    equal, used = accepted(options.equal), set()
    for row in rows:
        name = tuple(row[field] for field in ("file", "source", "before", "after"))
        if row["result"] in MISSED and name in equal:
            row["result"] = "equal"
            used.add(name)
    print(f"\n{'room':13}mutants    run  equal  killed  timeout  survived  untested  detected")
    n_mutants = Counter(room_of(mutant.file) for mutant in now.values())
    for room in (*options.rooms, "all"):
        of_room = [row for row in rows if room in (room_of(row["file"]), "all")]
        print(line_of(room, of_room, n_mutants[room] if room != "all" else len(now)))
    print(by_size(rows, n_mutants))
    for row in rows:
        if row["result"] in MISSED and room_of(row["file"]) in options.rooms:
            print(f"\n{row['id']}  {row['result']}  {row['test']}\n    {row['source']}")
            print(f"    {row['before']}  ->  {row['after'] or 'left out'}")
    print(f"\n{len(used)} accepted as equal")
    for name in sorted(used):
        print(f"  {name[0]}: {name[2]}  ->  {name[3] or 'left out'}: {equal[name]}")


def line_of(room, rows, n_mutants):
    """A line of the table; the interval is exact, and there is none where all were run."""
    counts = Counter(row["result"] for row in rows)
    n, k = len(rows) - counts["equal"], sum(counts[result] for result in DETECTED)
    shown = f"{room:13}{n_mutants:7}{len(rows):7}{counts['equal']:7}{counts['killed']:8}"
    shown += f"{counts['timeout']:9}{counts['survived']:10}{counts['untested']:10}"
    if n:
        shown += f"  {100 * k / n:.1f} %"
        if len(rows) < n_mutants:
            interval = binomtest(k, n).proportion_ci(0.95, method="exact")
            shown += f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return shown


def by_size(rows, n_mutants):
    """The share of all mutants that is detected, as far as samples of the rooms tell.

    With an interval of 95 %: two standard errors of a stratified sample, in which each room has
    two more mutants, one of them detected, since a room without a survivor has some elsewhere.
    """
    met, counted, detected = Counter(), Counter(), Counter()
    for row in rows:
        met[room_of(row["file"])] += 1
        counted[room_of(row["file"])] += row["result"] != "equal"
        detected[room_of(row["file"])] += row["result"] in DETECTED
    rooms = [room for room in n_mutants if counted[room]]
    n_all = max(1, sum(n_mutants[room] for room in rooms))
    share, variance = 0.0, 0.0
    for room in rooms:
        part, n, k = n_mutants[room] / n_all, counted[room], detected[room]
        p, left = (k + 1) / (n + 2), 1 - met[room] / n_mutants[room]
        share += part * k / n
        variance += part**2 * p * (1 - p) / n * left
    shown = f"each room counted by its mutants: {100 * share:.1f} %"
    if variance:
        low, high = share - 1.96 * variance**0.5, min(1.0, share + 1.96 * variance**0.5)
        shown += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return shown


def show(options):
    prepare()
    (mutant,) = (m for m, _ in mutants_in(ROOMS) if m.id == options.id)
    tests = Tests(Sources(ROOT), options.coverage, options.durations, options.kept)
    print(f"{mutant.source}\n{mutant.before}  ->  {mutant.after or 'left out'}")
    for chosen, seconds in tests.plan(mutant, options.first, options.longest, options.seconds):
        process = start(tests.sources, chosen, Chosen(chosen), mutant, seconds, shown=True)
        print(*result_of(wait(process)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["run", "table", "show"])
    parser.add_argument("id", nargs="?", help="of the mutant to show")
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=ROOMS)
    parser.add_argument("--files", nargs="+", help="ends of paths or patterns: c.py, students/*.py")
    parser.add_argument("--csv", type=pathlib.Path, default=ROOT / "docs" / "mutation.csv")
    parser.add_argument("--coverage", type=pathlib.Path, default=ROOT / ".coverage")
    parser.add_argument(
        "--durations", type=pathlib.Path, default=ROOT / "build" / "tests.log",
        help="what that run of pytest printed",
    )  # fmt: skip
    parser.add_argument(
        "--kept", type=pathlib.Path, default=ROOT / "build" / "mutation.json",
        help="where the seconds of shared fixtures are kept",
    )  # fmt: skip
    parser.add_argument(
        "--equal",
        type=pathlib.Path,
        default=pathlib.Path(__file__).with_name("mutation_equal.toml"),
    )
    parser.add_argument("--sample", type=int, help="so many mutants of each room")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only-survivors", action="store_true", help="run these again")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=int, default=30, help="most tests of the first round")
    parser.add_argument("--longest", type=float, default=3.0, help="seconds of one of these")
    parser.add_argument("--seconds", type=float, default=60.0, help="of all later tests")
    options = parser.parse_args()
    {"run": run, "table": table, "show": show}[options.command](options)


if __name__ == "__main__":
    main()
