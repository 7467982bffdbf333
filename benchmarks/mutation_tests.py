"""Which tests execute a line, what they cost, and a process in which they meet a mutant."""

import contextlib
import hashlib
import importlib.machinery
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest
from coverage import CoverageData
from mutation_changes import mutated_tree

READS_DEFAULTS = (
    "tests/test_public_names.py::test_names_parameters_and_defaults_are_those_of_the_list"
)
"""A test that executes no line of the functions whose defaults it compares."""
UNLISTED = 0.02  # seconds of a test that is too short to be listed
WIDE = {"session", "package", "module", "class"}
LIMIT, TIMES = 15, 3  # seconds, and times the expected ones, of the processor for one process
BUSY = 8  # times these may pass on the clock
GIGABYTES = 8


class InMemory(importlib.machinery.SourceFileLoader):
    """Loads a module from code that is at hand, and neither reads nor writes compiled files."""

    code = None

    def get_code(self, fullname):
        return self.code


class Sources:
    """Finds the modules of tsdistill as they were when this was made, one of them changed.

    Parameters
    ----------
    root : path
        Of the checkout.
    """

    def __init__(self, root):
        self.root, self.texts, self.codes = pathlib.Path(root), {}, {}
        for path in sorted((self.root / "tsdistill").rglob("*.py")):
            file = path.relative_to(root).as_posix()
            name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            self.texts[file] = path.read_text(encoding="utf-8")
            self.codes[name] = compile(self.texts[file], str(path), "exec", dont_inherit=True)

    def change(self, mutant):
        """Put a mutant in place of its module."""
        name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        path = self.codes[name].co_filename
        tree = mutated_tree(self.texts[mutant.file], mutant)
        self.codes[name] = compile(tree, path, "exec", dont_inherit=True)

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self.codes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        spec.loader = InMemory(fullname, spec.origin)
        spec.loader.code = self.codes[fullname]
        return spec


class Chosen:
    """Plugin of pytest: runs the tests of a list in its order and keeps what failed first."""

    def __init__(self, tests):
        self.order, self.failed = {test: i for i, test in enumerate(tests)}, []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed.append(f"{report.nodeid} (import)")

    def pytest_runtest_logreport(self, report):
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)


class Survey:
    """Plugin of pytest: sets up each fixture that tests share once, and takes its seconds."""

    def __init__(self):
        self.fixtures, self.seconds = {}, {}

    @staticmethod
    def _key(definition):
        return f"{definition.baseid}::{definition.argname}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        kept, known = [], set()
        for item in items:
            found = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
            shared = {self._key(d[-1]) for d in found.values() if d[-1].scope in WIDE}
            if shared:
                self.fixtures[item.nodeid] = sorted(shared)
            if shared - known:
                kept.append(item)
                known |= shared
        items[:] = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        start = time.perf_counter()
        try:
            return (yield)
        finally:
            if fixturedef.scope in WIDE:
                self.seconds[self._key(fixturedef)] = time.perf_counter() - start


@dataclass
class Process:
    """A forked process that runs tests."""

    pid: int
    pipe: int
    until: float
    answer: bytes = b""

    def poll(self):
        """None while it runs; then what it answered, or how it ended."""
        gone, status = os.waitpid(self.pid, os.WNOHANG)
        while select.select([self.pipe], [], [], 0)[0]:
            part = os.read(self.pipe, 2**16)
            self.answer += part
            if not part:
                break
        if gone:
            self.end(gone=True)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
                return {"timeout": True}
            return json.loads(self.answer) if self.answer else {"died": True}
        if self._memory() > GIGABYTES * 2**30:
            self.end()
            return {"died": True}
        if time.perf_counter() > self.until:
            self.end()
            return {"timeout": True}
        return None

    def _memory(self):
        """Bytes that it holds. A limit of the system would end what sanitizers watch too."""
        with contextlib.suppress(OSError):
            pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
            return int(pages) * resource.getpagesize()
        return 0

    def end(self, gone=False):
        """End it, unless it is gone, and whatever it has started."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        if not gone:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        os.close(self.pipe)


def start(sources, tests, plugin, mutant=None, seconds=0.0, arguments=("-x",), shown=False):
    """Fork a process that runs pytest on the files of some tests, with a mutant in place.

    Parameters
    ----------
    sources : Sources
    tests : sequence of str
        Node ids; their files are collected.
    plugin : Chosen or Survey
        Decides what is run; its attributes are the answer.
    mutant : Mutant or None
    seconds : float
        Expected; a process that takes far more is ended.
    arguments : sequence of str
        Of pytest.
    shown : bool
        Whether pytest prints.

    Returns
    -------
    process : Process
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    limit = LIMIT + TIMES * seconds
    if pid:
        os.close(theirs)
        return Process(pid, ours, time.perf_counter() + BUSY * limit)
    try:
        os.setpgid(0, 0)
        for kind, most in (
            (resource.RLIMIT_CPU, int(limit)),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
        if not shown:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
        os.chdir(sources.root)
        if mutant is not None:
            sources.change(mutant)
        sys.meta_path.insert(0, sources)
        folder = tempfile.mkdtemp(prefix="mutant")
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        options = ["-p", "no:cacheprovider", f"--basetemp={folder}/tests", *arguments]
        code = int(pytest.main([*options, *files], plugins=[plugin]))
        shutil.rmtree(folder, ignore_errors=True)
        answer = {**vars(plugin), "code": code}
        with os.fdopen(theirs, "w") as out:
            json.dump(answer, out)
    finally:
        os._exit(0)


def wait(process):
    """What a process answers."""
    while (answer := process.poll()) is None:
        time.sleep(0.02)
    return answer


class Tests:
    """The tests of a checkout: which lines each executes, and its seconds.

    Parameters
    ----------
    sources : Sources
    coverage : path
        Coverage data with contexts, of this state of the sources.
    durations : path
        What the same run printed with ``--durations=0``.
    kept : path
        Where the seconds of shared fixtures are kept; measured again when a test has changed.
    """

    def __init__(self, sources, coverage, durations, kept):
        self.sources, self.root = sources, sources.root
        self.plans, self.passing = {}, set()
        self.data = CoverageData(str(coverage))
        self.data.read()
        self.paths = defaultdict(list)  # data of several checkouts may be combined
        for path in self.data.measured_files():
            self.paths["tsdistill/" + path.rpartition("/tsdistill/")[2]].append(path)
        self.known = {}
        contexts = {context.rpartition("|")[0] for context in self.data.measured_contexts()}
        self.all = sorted(test for test in contexts if "::" in test and self._exists(test))
        self.calls = defaultdict(lambda: UNLISTED)
        for seconds, phase, test in self._listed(durations):
            if phase == "call" or test not in self.calls:
                self.calls[test] = seconds
        self.fixtures, self.shared = self._fixtures(pathlib.Path(kept))

    def _exists(self, test):
        return (self.root / test.partition("::")[0]).exists()

    @staticmethod
    def _listed(path):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        for found in re.finditer(r"^ *([\d.]+)s (setup|call) +(\S.*?)\s*$", text, re.MULTILINE):
            yield float(found[1]), found[2], found[3]

    def _fixtures(self, kept):
        digest = hashlib.sha256()
        for path in sorted((self.root / "tests").rglob("*.py")):
            digest.update(path.read_bytes())
        if kept.exists():
            found = json.loads(kept.read_text(encoding="utf-8"))
            if found["digest"] == digest.hexdigest():
                return found["fixtures"], found["seconds"]
        print("measuring the fixtures that tests share", flush=True)
        found = wait(start(self.sources, self.all, Survey(), None, 600, ("--setup-only",)))
        if "fixtures" not in found:
            raise SystemExit(f"The fixtures could not be set up without a mutant: {found}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({**found, "digest": digest.hexdigest()}), encoding="utf-8")
        return found["fixtures"], found["seconds"]

    def of_lines(self, file, lines):
        """Tests that execute one of some lines; without lines, any function of the file."""
        if file not in self.known:
            self.known[file] = defaultdict(set)
            for path in self.paths[file]:
                for line, contexts in self.data.contexts_by_lineno(path).items():
                    self.known[file][line] |= {c.rpartition("|")[0] for c in contexts if c}
        by_line = self.known[file]
        found = set().union(*(by_line.get(line, ()) for line in lines or by_line))
        if not found and not lines:
            found = {test for test in self.all if test.startswith(self._folder(file))}
        return {test for test in found if "::" in test and self._exists(test)}

    @staticmethod
    def _folder(file):
        return f"tests/{file.split('/')[1]}/"

    def _nearness(self, file, test):
        name = pathlib.Path(file).stem
        if test.startswith((f"{self._folder(file)}test_{name}", file)):
            return 0
        return 1 if test.startswith(self._folder(file)) else 2

    def seconds(self, test, ready=()):
        """Of a test and of the shared fixtures that are not ready yet."""
        fixtures = set(self.fixtures.get(test, ())) - set(ready)
        return self.calls[test] + sum(self.shared.get(fixture, 0.0) for fixture in fixtures)

    def plan(self, mutant, most, longest, seconds):
        """The tests that a mutant meets first, and those that it meets if it survives them.

        The nearest come first (of the file's name, of its room), then those that differ in their
        function or in the lines around that they execute, then the fastest.

        Returns
        -------
        first, later : tuple of (list of str, float)
            Node ids and the expected seconds.
        """
        if (name := (mutant.file, mutant.lines, mutant.kind == "default")) in self.plans:
            return self.plans[name]
        found = self.of_lines(mutant.file, mutant.lines)
        if mutant.kind == "default" and self._exists(READS_DEFAULTS):
            found.add(READS_DEFAULTS)
        tests = sorted(found, key=lambda test: (self.seconds(test), test))
        seen, order = Counter(), []
        lines = range(min(mutant.lines) - 5, max(mutant.lines) + 6) if mutant.lines else ()
        around = [self.known[mutant.file].get(line, set()) for line in lines]
        for test in tests:
            group = (test.partition("[")[0], *(test in executing for executing in around))
            order.append((self._nearness(mutant.file, test), seen[group], len(order), test))
            seen[group] += 1
        first, later, ready = ([], 0.0), ([], 0.0), set()
        for *_, test in sorted(order):
            needed = self.seconds(test, ready)
            if len(first[0]) < most and needed <= longest and first[1] + needed <= 3 * longest:
                first = ([*first[0], test], first[1] + needed)
                ready |= set(self.fixtures.get(test, ()))
        tried, ready = set(first[0]), set()
        for *_, test in sorted(order, key=lambda row: (row[0], row[2])):
            needed = self.seconds(test, ready)
            if test not in tried and (later[1] + needed <= seconds or not (first[0] or later[0])):
                later = ([*later[0], test], later[1] + needed)
                ready |= set(self.fixtures.get(test, ()))
        self.plans[name] = tuple((self._by_file(chosen), spent) for chosen, spent in (first, later))
        return self.plans[name]

    def leave_out(self, failing):
        """Take tests out of all plans."""
        for name, rounds in self.plans.items():
            self.plans[name] = tuple(
                ([test for test in chosen if test not in failing], seconds)
                for chosen, seconds in rounds
            )

    @staticmethod
    def _by_file(tests):
        """The same tests, those of a file together: modules share fixtures."""
        files = defaultdict(list)
        for test in tests:
            files[test.partition("::")[0]].append(test)
        return [test for of_file in files.values() for test in of_file]
