"""Mutants: what is changed, what is left alone, and what becomes of them."""

import ast
import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


SOURCE = '''"""Of four words here."""
import numpy

A: "int" = 3
__all__ = ["A"]


@decorated(1)
def f(x: int = -1, *, loud=False) -> "None":
    """Of four words here."""
    if not x < 2:
        raise ValueError(f"x={x + 1}; expected less than 2.")
    for one in x[1:]:
        if one and loud:
            break
        warn_user("x", 1)
        self.y = max(one, key="k") * 2
    return "some text of many words" if loud else f"{x}px"
'''


def test_changes_of_a_file(load):
    mutants = load("mutation_changes").mutants_of(SOURCE, "a.py")
    assert [(m.line, m.kind, m.before, m.after) for m in mutants] == [
        (4, "constant", "3", "4"),
        (9, "default", "-1", "1"),
        (9, "default", "1", "2"),
        (9, "default", "False", "True"),
        (11, "condition", "not x < 2", "True"),
        (11, "condition", "not x < 2", "False"),
        (11, "boolean", "not x < 2", "x < 2"),
        (11, "comparison", "x < 2", "x <= 2"),
        (11, "constant", "2", "3"),
        (13, "slice", "1:", ":"),
        (13, "constant", "1", "2"),
        (14, "condition", "one and loud", "True"),
        (14, "condition", "one and loud", "False"),
        (14, "boolean", "one and loud", "one or loud"),
        (15, "loop", "break", "continue"),
        (16, "statement", "warn_user('x', 1)", "pass"),
        (17, "statement", "self.y = max(one, key='k') * 2", "pass"),
        (17, "arithmetic", "max(one, key='k') * 2", "max(one, key='k') / 2"),
        (17, "name", "max", "min"),
        (17, "keyword", "key='k'", ""),
        (17, "constant", "'k'", "'kXX'"),
        (17, "constant", "2", "3"),
        (18, "return", mutants[-4].before, "return None"),
        (18, "condition", "loud", "True"),
        (18, "condition", "loud", "False"),
        (18, "constant", "f'{x}px'", "'XX'"),
    ]
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    assert mutants[0].lines == ()  # runs at import
    assert mutants[1].lines == (11,)  # a default is read by the body
    assert mutants[8].source == "if not x < 2:"


def test_each_change_is_made_where_it_is_said_and_nowhere_else(load):
    changes = load("mutation_changes")
    before = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in changes.mutants_of(SOURCE, "a.py"):
        after = ast.unparse(changes.mutated_tree(SOURCE, mutant)).splitlines()
        differ = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert len(differ) == 1, mutant
        if mutant.kind not in ("slice", "keyword"):
            assert mutant.after in differ[0][1] and mutant.before in differ[0][0], mutant


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a package of one room, its tests and their coverage."""
    room, tests = tmp_path / "tsdistill" / "fidelity", tmp_path / "tests" / "fidelity"
    for folder in (room, tests):
        folder.mkdir(parents=True)
        for package in (folder, folder.parent):
            (package / "__init__.py").touch()
    (room / "sums.py").write_text(
        "def add(a, b):\n    return a + b\n\n\n"
        "def larger(a, b):\n    return a > b\n\n\n"
        "def unused():\n    return 1 + 1\n\n\n"
        "def count():\n    i = 0\n    while i < 3:\n        i += 1\n    return i\n"
    )
    (tests / "test_sums.py").write_text(
        "from tsdistill.fidelity.sums import add, count, larger\n\n\n"
        "def test_add():\n    assert add(1, 2) == 3\n\n\n"
        "def test_larger():\n    assert larger(2, 1)\n\n\n"
        "def test_count():\n    assert count() == 3\n\n\n"
        "def test_fails_anyway():\n    assert add(1, 1) == 3\n"
    )
    (tmp_path / "pytest.ini").touch()
    return tmp_path


def test_a_changed_module_is_imported_from_memory(load, checkout, monkeypatch):
    changes = load("mutation_changes")
    sources = load("mutation_tests").Sources(checkout)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = "tsdistill/fidelity/sums.py"
    files = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    (mutant,) = (m for m in changes.mutants_of(sources.texts[file], file) if m.after == "a - b")
    sources.change(mutant)
    spec = sources.find_spec("tsdistill.fidelity.sums", [str(checkout / "tsdistill" / "fidelity")])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.add(3, 1) == 2 and module.__file__ == str(checkout / file)
    assert sources.find_spec("tsdistill.other") is None
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == files


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_becomes_of_mutants(checkout):
    coverage = pytest.importorskip("coverage")
    data = coverage.CoverageData(str(checkout / ".coverage"))
    file = str(checkout / "tsdistill" / "fidelity" / "sums.py")
    lines = {"add": [2], "larger": [6], "count": [14, 15, 16, 17], "fails_anyway": [2]}
    for test, executed in lines.items():
        data.set_context(f"tests/fidelity/test_sums.py::test_{test}|run")
        data.add_lines({file: executed})
    data.write()
    (checkout / "equal.toml").write_text(
        '[[equal]]\nfile = "tsdistill/fidelity/sums.py"\nsource = "return a > b"\n'
        'before = "a > b"\nafter = "a >= b"\nreason = "For the sake of the test."\n'
    )
    code = (
        "import pathlib, mutation, mutation_tests; mutation.ROOT = pathlib.Path.cwd()\n"
        "mutation.HEAVY, mutation.ROOMS, mutation_tests.LIMIT = (), ['fidelity'], 3\n"
        "mutation.main(); mutation.main()"
    )
    (checkout / "tests.log").write_text("0.06s call     tests/fidelity/test_sums.py::test_add\n")
    options = [
        "--durations",
        "tests.log",
        "--equal",
        "equal.toml",
        "--csv",
        "rows.csv",
        "--kept",
        "kept.json",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *options, "--coverage", ".coverage"],
        cwd=checkout, env=os.environ | {"PYTHONPATH": str(FOLDER)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert "without a mutant: fails: tests/fidelity/test_sums.py::test_fails_anyway" in done.stdout
    first, second = done.stdout.split("0 mutants to run")  # all are in the file
    assert first.endswith(second)
    rows = csv.DictReader((checkout / "rows.csv").read_text().splitlines())
    found = {(row["before"], row["after"]): (row["result"], row["test"]) for row in rows}
    test = "tests/fidelity/test_sums.py::test_"
    assert found["a + b", "a - b"] == ("killed", f"{test}add")
    assert found["return i", "return None"] == ("killed", f"{test}count")
    assert found["i += 1", "pass"] == ("timeout", "")
    assert found["a > b", "a >= b"] == ("survived", "")
    assert found["1 + 1", "1 - 1"] == ("untested", "")
    assert second.splitlines()[3].split() == [
        *("fidelity", "16", "16", "1", "8", "2", "1", "4", "66.7", "%")
    ]
    assert second.splitlines()[5] == "each room counted by its mutants: 66.7 %"
    assert "    a > b  ->" not in second and "    1 + 1  ->  1 - 1" in second
    assert "a > b  ->  a >= b: For the sake of the test." in second


def test_what_is_listed_as_equal_is_a_mutant_of_the_sources(load):
    mutation = load("mutation")
    names = ("file", "source", "before", "after")
    pairs = mutation.mutants_in(mutation.ROOMS)
    mutants = {tuple(getattr(mutant, name) or "" for name in names) for mutant, _ in pairs}
    listed = mutation.accepted(FOLDER / "mutation_equal.toml")
    assert listed and not set(listed) - mutants
    assert all(reason.endswith(".") for reason in listed.values())
