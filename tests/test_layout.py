"""The layout of the package: imports point down, no package is left out, none is heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tsdistill

ROOT = Path(tsdistill.__file__).parent


ROOMS = (
    *("__main__", "__init__", "sktime"),
    *("swap", "estimators", "export", "reporting", "display"),
    *("training", "objectives", "explainers", "teachers", "perturbation", "students"),
    *("fidelity", "datasets", "inputs", "numerics"),
    *("exceptions", "_warnings", "_version"),
)
"""From top to bottom: a room may import from those after it."""


def name_of(path):
    """The module's name within the package, of a package that of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported_modules(path):
    """Modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, inside = name.partition(".")
            while package == "tsdistill" and inside:
                if inside in MODULES:
                    found.add(inside)
                    break
                inside = inside.rpartition(".")[0]
    return found


IMPORTS = {name: imported_modules(path) - {name} for name, path in MODULES.items()}


def room_of(name):
    return name.partition(".")[0]


def test_every_file_lies_in_a_room_that_is_listed():
    assert {room_of(name) for name in MODULES} == set(ROOMS)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    own = ROOMS.index(room_of(name))
    up = [other for other in IMPORTS[name] if ROOMS.index(room_of(other)) < own]
    assert not up, f"{name} imports {up}, which stand above it: {' > '.join(ROOMS)}"


def test_no_modules_import_each_other_in_a_circle():
    left = {name: set(imports) for name, imports in IMPORTS.items()}
    while free := [name for name, imports in left.items() if not imports & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


def test_tests_lie_in_folders_of_the_same_names():
    tests = Path(__file__).parent
    folders = {path.parent.name for path in tests.glob("*/test_*.py")}
    concern_several_rooms = {"faults", "fuzz", "numbers", "security"}
    assert folders <= {*ROOMS, *concern_several_rooms}


@pytest.mark.parametrize("name", MODULES)
def test_no_file_or_function_outgrows_one_sitting(name):
    source = MODULES[name].read_text(encoding="utf-8")
    n_lines = len(source.splitlines())
    assert n_lines <= 400 or name == "estimators.classifier", f"{name} has {n_lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            n_statements = sum(isinstance(one, ast.stmt) for one in ast.walk(node)) - 1
            assert n_statements <= 40, f"{name}.{node.name} has {n_statements} statements"


@pytest.fixture(scope="module")
def heavy_imports():
    """Heavy packages that tsdistill, and then making a set, import on top of its dependencies."""
    code = """
import sys, torch, skorch, sklearn.base
before = set(sys.modules)
def heavy():
    added = {name.split(".")[0] for name in set(sys.modules) - before}
    return added & {"sktime", "captum", "matplotlib", "pandas", "numba"}
import tsdistill
print(heavy())
import tsdistill.datasets
tsdistill.datasets.make_low_var(8)
print(heavy())
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


@pytest.mark.slow
def test_import_adds_nothing_heavy_to_its_dependencies(heavy_imports):
    assert heavy_imports[0] == "set()"


@pytest.mark.slow
def test_import_of_the_room_adds_nothing_heavy(heavy_imports):
    assert heavy_imports[1] == "set()"
