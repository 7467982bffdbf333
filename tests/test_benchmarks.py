"""Benchmarks run by hand and seldom: here each runs once, far too short to measure anything."""

import importlib.util
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"
SMALL = ["--sets", "ItalyPowerDemand", "--seeds", "1", "--n-jobs", "1"]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)  # where they find what they share

    def load(name):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(
    ("name", "options", "printed"),
    [
        ("quality", ["--max-epochs", "2", "--most-test", "10"], "saliency correlation by set"),
        (
            "methods",
            ["--steps", "4", "--fewest-epochs", "4", "--teacher-epochs", "2", "--most-test", "8"],
            "KD, same copies",
        ),
    ],
)
def test_on_series(benchmark, name, options, printed, tmp_path, monkeypatch, capsys):
    arguments = [name, "--data-dir", str(tmp_path), *SMALL, *options]  # sktime brings the set
    monkeypatch.setattr("sys.argv", arguments)
    benchmark(name).main()
    assert printed in capsys.readouterr().out


def test_on_made_series(benchmark, monkeypatch, capsys):
    arguments = ["--sets", "freq_shapes", "--seeds", "1", "--n-train", "16", "--n-test", "8"]
    arguments += ["--teacher-epochs", "2", "--max-epochs", "2", "--n-jobs", "1"]
    monkeypatch.setattr("sys.argv", ["truth", *arguments])
    benchmark("truth").main()
    assert "random map" in capsys.readouterr().out


def test_costs(benchmark, toy, capsys):
    benchmark("step_cost").probing_memory(100)
    assert "probing 100 x 32 windows" in capsys.readouterr().out
    pytest.importorskip("captum")
    benchmark("occlusion").compare(1, 1)
    assert "captum at its best" in capsys.readouterr().out
