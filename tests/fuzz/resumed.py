"""A run of ``make fuzz`` that was interrupted goes on with the properties that it has left.

Each property that passes is a line of ``build/fuzz/EXAMPLES-SEED.csv``: its name and the number of
cases. The next run with this number and seed leaves these out, also after a mistake was mended;
who wants all of them again deletes the file. A run in which nothing fails deletes it itself.
What fails is written to ``EXAMPLES-SEED.txt`` at once, which pytest prints at the end.
"""

import os
import pathlib

import pytest


class Resumed:
    """Plugin of the process that starts the others, or of the only one."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        self.cases = {name: int(n) for name, n in (line.rsplit(",", 1) for line in lines)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node):
        node.workerinput["properties_done"] = list(self.cases)

    def pytest_runtest_logreport(self, report):
        told = dict(report.user_properties)
        if report.passed and "cases" in told:
            self._add(self.path, f"{report.nodeid},{told['cases']}\n")
        elif report.failed:
            self._add(self.path.with_suffix(".txt"), f"{report.nodeid}\n{report.longreprtext}\n\n")

    def _add(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as out:
            out.write(text)

    def pytest_terminal_summary(self, terminalreporter, exitstatus):
        if self.cases:
            told = f"{sum(self.cases.values()):,} cases of {len(self.cases)} properties"
            terminalreporter.write_line(f"and before, by {os.path.relpath(self.path)}: {told}")
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            self.path.unlink(missing_ok=True)


def leave_out(config, items):
    """Deselect the properties that passed before, in this process or by its controller's word."""
    plugin = config.pluginmanager.getplugin(Resumed.__name__)
    told = getattr(config, "workerinput", {})
    done = set(plugin.cases if plugin else told.get("properties_done", ()))
    gone = [item for item in items if item.nodeid in done]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item.nodeid not in done]
