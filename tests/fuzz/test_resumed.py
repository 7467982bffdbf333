"""An interrupted ``make fuzz`` goes on where it stopped."""

from types import SimpleNamespace

from tests.fuzz.resumed import Resumed, leave_out


def told(name, failure=None, **properties):
    return SimpleNamespace(
        nodeid=name, passed=failure is None, failed=failure is not None, longreprtext=failure,
        user_properties=list(properties.items()),
    )  # fmt: skip


def config_of(plugin, **more):
    gone = []
    hook = SimpleNamespace(pytest_deselected=lambda items: gone.extend(items))
    manager = SimpleNamespace(getplugin=lambda name: plugin)
    return SimpleNamespace(hook=hook, pluginmanager=manager, gone=gone, **more)


def test_only_what_has_passed_is_left_out_of_the_next_run(tmp_path):
    path = tmp_path / "fuzz" / "10-1.csv"
    first = Resumed(path)
    first.pytest_runtest_logreport(told("a[x,y]", cases=10))
    first.pytest_runtest_logreport(told("b", "X=[1.0]", cases=3))
    first.pytest_runtest_logreport(told("setup of c"))
    second = Resumed(path)
    assert second.cases == {"a[x,y]": 10}
    assert "b\nX=[1.0]" in path.with_suffix(".txt").read_text()
    items = [SimpleNamespace(nodeid=name) for name in ("a[x,y]", "b", "c")]
    left = list(items)
    config = config_of(second)
    leave_out(config, left)
    assert (left, config.gone) == (items[1:], items[:1])


def test_workers_leave_out_what_their_controller_does(tmp_path):
    path = tmp_path / "10-1.csv"
    path.write_text("a,10\n")
    node = SimpleNamespace(workerinput={})
    Resumed(path).pytest_configure_node(node)
    items = [SimpleNamespace(nodeid=name) for name in "ab"]
    leave_out(config_of(None, workerinput=node.workerinput), items)
    assert [item.nodeid for item in items] == ["b"]


def test_the_list_is_kept_until_everything_has_passed(tmp_path):
    path = tmp_path / "10-1.csv"
    path.write_text("a,10\n")
    lines = []
    reporter = SimpleNamespace(write_line=lines.append)
    Resumed(path).pytest_terminal_summary(reporter, 1)
    assert path.exists() and "10 cases of 1 properties" in lines[0]
    Resumed(path).pytest_terminal_summary(reporter, 0)
    assert not path.exists()
