"""A count, at the end, of the cases on which each property was tried."""

import re

import pytest

from tests.fuzz import cases  # noqa: F401  # before any property is read
from tests.fuzz.students import fitted

FOLDER = "tests/fuzz/"


@pytest.fixture(autouse=True, scope="session")
def imported():
    """What torch imports at the first training step; sympy among it sets a filter of warnings."""
    fitted()


def pytest_collection_modifyitems(items):
    """Let any teacher and any series be warned of; elsewhere such a warning is an error."""
    for item in items:
        if item.nodeid.startswith(FOLDER):
            item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Put the number of cases of a property into its report, which a worker sends."""
    report = (yield).get_result()
    told = getattr(item, "hypothesis_statistics", None)
    if call.when == "call" and told is not None:
        passed = sum(map(int, re.findall(r"(\d+) passing", told)))
        report.user_properties.append(("cases", passed))


def pytest_terminal_summary(terminalreporter):
    """Say on how many cases each property was tried."""
    counts = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            found = dict(getattr(report, "user_properties", ()))
            if "cases" in found and report.nodeid.startswith(FOLDER):
                counts[report.nodeid.removeprefix(FOLDER)] = found["cases"]
    if counts:
        title = f"{sum(counts.values()):,} cases of {len(counts)} properties"
        terminalreporter.section(title, sep="-")
        for name, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:>9,}  {name}")
