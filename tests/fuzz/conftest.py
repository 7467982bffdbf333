"""What the properties share; tests/conftest.py shows on how many cases each was tried."""

import os
import re

import pytest

from tests.fuzz import cases  # noqa: F401  # before any property is read
from tests.fuzz.resumed import Resumed, leave_out
from tests.fuzz.students import fitted

FOLDER = "tests/fuzz/"


@pytest.fixture(autouse=True, scope="session")
def imported():
    """What torch imports at the first training step; sympy among it sets a filter of warnings."""
    fitted()


def pytest_configure(config):
    if "FUZZ_EXAMPLES" in os.environ and not hasattr(config, "workerinput"):
        seed = config.getoption("--hypothesis-seed", None) or "any"
        path = config.rootpath / "build" / "fuzz" / f"{os.environ['FUZZ_EXAMPLES']}-{seed}.csv"
        config.pluginmanager.register(Resumed(path), Resumed.__name__)


def pytest_collection_modifyitems(config, items):
    """Let any teacher and any series be warned of; elsewhere such a warning is an error."""
    leave_out(config, items)
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
