"""The files around the package: they parse, and say the same of versions, extras and commands."""

import configparser
import importlib.util
import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import tsdistill

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
ACTION = re.compile(r"[\w-]+/[\w-]+@(v\d+|release/v\d+|[0-9a-f]{40})")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def parsed(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def setup():
    config = configparser.ConfigParser()
    config.read_string(text_of("setup.cfg"))
    return config


def test_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["version"] == tsdistill.__version__
    assert citation["license"] == "BSD-3-Clause"
    (paper,) = citation["references"]
    assert paper["doi"] in text_of("README.md")
    assert "arXiv 2601.04263" in text_of("README.md")
    assert {"value": "arXiv:2601.04263"}.items() <= paper["identifiers"][1].items()


def test_the_newest_version_of_the_changelog_is_this_one():
    headings = re.findall(r"^## (\S+), ", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    assert headings[0] == tsdistill.__version__
    numbers = [tuple(map(int, heading.split("."))) for heading in headings]
    assert numbers == sorted(set(numbers), reverse=True)


def test_the_changelog_has_its_groups_in_order():
    groups = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Moving from"]
    for version in re.split(r"^## ", text_of("CHANGELOG.md"), flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (Moving from|\S+)", version, flags=re.MULTILINE)
        assert found == [group for group in groups if group in found], version.splitlines()[0]


def test_every_extra_that_is_named_exists(setup):
    extras = set(setup["options.extras_require"])
    named = {}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "Makefile", *WORKFLOWS]:
        for group in re.findall(r"(?:\.|tsdistill)\[([a-z,]+)\]", path.read_text(encoding="utf-8")):
            named.update(dict.fromkeys(group.split(","), path.name))
    assert {"plot", "save", "onnx", "test"} <= set(named)
    assert set(named) <= extras, {name: named[name] for name in set(named) - extras}


def test_every_requirement_has_a_pin(setup):
    pins = set(re.findall(r"^([\w.-]+)==", text_of("constraints.txt"), flags=re.MULTILINE))
    groups = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for group in groups for line in group.splitlines() if line]
    needed = {re.match(r"[\w.-]+", line)[0] for line in lines if '< "3.11"' not in line}
    assert needed <= pins, f"constraints.txt lacks {sorted(needed - pins)}"


def test_uv_takes_the_torch_of_the_constraints():
    (pin,) = re.findall(r"^torch==\S+$", text_of("constraints.txt"), flags=re.MULTILINE)
    assert f'constraint-dependencies = ["{pin}"]' in text_of("pyproject.toml")


def test_the_python_versions_of_setup_and_ci_are_the_same(setup):
    marked = re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])
    jobs = parsed(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    assert jobs["full"]["strategy"]["matrix"]["python"] == marked
    assert setup["options"]["python_requires"] == f">={marked[0]}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_bounded_and_runs_targets_that_exist(path):
    workflow = parsed(path)
    assert {"name", True, "permissions", "jobs"} <= set(workflow)  # YAML 1.1 reads "on" as True
    targets = set(re.findall(r"^([\w-]+):", text_of("Makefile"), flags=re.MULTILINE))
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        for step in job["steps"]:
            assert re.fullmatch(
                r"[\w-]+/[\w-]+@(v\d+|release/v\d+|[0-9a-f]{40})", step.get("uses", "a/b@v1")
            )
            for target in re.findall(r"^make ([\w-]+)", step.get("run", ""), flags=re.MULTILINE):
                assert target in targets, f"{path.name} runs make {target}"


def test_only_the_step_that_publishes_may_ask_for_a_token():
    jobs = parsed(ROOT / ".github" / "workflows" / "wheels.yml")["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert jobs["publish"]["needs"] == "build"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_is_complete(path):
    form = parsed(path)
    if path.stem == "config":
        assert form == {"blank_issues_enabled": False}
        return
    assert {"name", "description", "labels", "body"} == set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all({"id", "type", "attributes"} <= set(field) for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_every_hook_runs_a_module_of_the_environment():
    (repo,) = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    for hook in repo["hooks"]:
        assert hook["language"] == "system", hook["id"]
        module = re.match(r"python -m (\w+)", hook["entry"])[1]
        assert module == "pre_commit_hooks" or importlib.util.find_spec(module), hook["id"]


def test_words_are_spelt_as_codespell_knows_them():
    pytest.importorskip("codespell_lib")
    command = [sys.executable, "-m", "codespell_lib"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout + shown.stderr


def script(name):
    """A script of the folder .ci, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lowest_versions_are_those_of_setup_cfg(tmp_path):
    setup, names = tmp_path / "setup.cfg", script("lowest_versions").EXTRAS
    extras = "\n".join(f"{extra} =\n    of_{extra}>=3" for extra in names)
    test = "test =\n    dask[array]>=2024.8\n    pytest>=8"
    setup.write_text(
        "[options]\ninstall_requires =\n    torch>=2.4\n    numpy>=1.24\n    tomli>=2; "
        f'python_version < "3.11"\n[options.extras_require]\n{extras}\n{test}\n'
    )
    assert script("lowest_versions").lowest(setup) == [
        "numpy==1.24",
        'tomli==2 ; python_version < "3.11"',
        *(f"of_{extra}==3" for extra in names),
        "dask[array]==2024.8",
    ]
    assert script("lowest_versions").lowest(setup, torch=True)[0] == "torch==2.4"
    assert "scikit-learn==1.6" in script("lowest_versions").lowest()


@pytest.fixture
def check_dist(monkeypatch):
    module = script("check_dist")
    tracked = module.NEEDED_BY_USERS | {"tsdistill/__init__.py"}
    monkeypatch.setattr(module, "tracked_files", lambda: tracked)
    return module


def write_dist(folder, module, in_wheel, in_sdist):
    """A wheel and an sdist that hold these files."""
    wheel, sdist = folder / "a-1-py3-none-any.whl", folder / "a-1.tar.gz"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in in_wheel | {f"a-1.dist-info/{name}" for name in module.WHEEL_METADATA}:
            file.writestr(name, "")
    with tarfile.open(sdist, "w:gz") as file:
        for name in in_sdist | {"PKG-INFO", "a.egg-info/SOURCES.txt"}:
            file.addfile(tarfile.TarInfo(f"a-1/{name}"), io.BytesIO())
    return [wheel, sdist]


def test_a_distribution_of_all_tracked_files_is_right(check_dist, tmp_path):
    tracked = check_dist.tracked_files()
    package = {name for name in tracked if name.startswith("tsdistill/")}
    assert check_dist.faults(write_dist(tmp_path, check_dist, package, tracked)) == []


def test_missing_and_stray_files_of_a_distribution_are_named(check_dist, tmp_path):
    tracked = check_dist.tracked_files()
    package = {name for name in tracked if name.startswith("tsdistill/")}
    paths = write_dist(
        tmp_path, check_dist, package - {"tsdistill/py.typed"}, tracked | {"docs/build/index.html"}
    )
    assert check_dist.faults(paths) == [
        "the wheel lacks tsdistill/py.typed",
        "the sdist holds docs/build/index.html",
    ]
    assert "expected one sdist and one wheel" in check_dist.faults(paths[:1])[0]
