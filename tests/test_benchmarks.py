"""Benchmarks run by hand and seldom: here each runs once, far too short to measure anything."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sktime

from tsdistill import Teacher
from tsdistill.teachers.teacher import as_teacher

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"
pytestmark = [pytest.mark.slow, pytest.mark.weekly]

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


def test_methods(benchmark, tmp_path, monkeypatch, capsys):
    options = ["--steps", "4", "--fewest-epochs", "4", "--teacher-epochs", "2", "--most-test", "8"]
    arguments = ["methods", "--data-dir", str(tmp_path), *SMALL, *options]  # sktime brings the set
    monkeypatch.setattr("sys.argv", arguments)
    module, asked = benchmark("methods"), []
    slow = module.inception_teacher
    monkeypatch.setattr(
        module,
        "inception_teacher",
        lambda *a: asked.append(a) or slow(*a[:2], seed=0, epochs=2, n_filters=2),
    )
    module.main()
    assert len(asked) == 1
    assert "KD, same copies" in capsys.readouterr().out


def test_on_made_series(benchmark, monkeypatch, capsys):
    arguments = ["--sets", "freq_shapes", "--seeds", "1", "--n-train", "16", "--n-test", "8"]
    arguments += ["--teacher-epochs", "2", "--max-epochs", "2", "--n-jobs", "1"]
    monkeypatch.setattr("sys.argv", ["truth", *arguments])
    benchmark("truth").main()
    assert "random map" in capsys.readouterr().out


def test_repeatability(benchmark, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["repeatability", "--epochs", "1"])
    module = benchmark("repeatability")
    monkeypatch.setattr(module, "FITS", {"the same again": ([], {})})
    module.main()
    found = [line.split() for line in capsys.readouterr().out.splitlines() if "again" in line]
    assert [line[-3:] for line in found] == [["0.0e+00", "0.0e+00", "1.000"]] * 2


def test_mismatch(benchmark, monkeypatch, capsys):
    folder = str(pathlib.Path(sktime.__file__).parent / "datasets" / "data")
    monkeypatch.setattr("sys.argv", ["mismatch", "--data-dir", folder, "--sets", "GunPoint"])
    benchmark("mismatch").main()
    assert "fitted on 100 X + 500         1 of 1 sets warn" in capsys.readouterr().out


def test_rocket(benchmark, monkeypatch, tmp_path, capsys):
    pytest.importorskip("numba")
    options = ["--kernels", "84", "--max-epochs", "1", "--sets", "ItalyPowerDemand"]
    monkeypatch.setattr("sys.argv", ["rocket", "--data-dir", str(tmp_path), *options])
    benchmark("rocket").main()
    assert "default" in capsys.readouterr().out


def test_ucr_runs_what_is_missing_and_prints_tables_of_its_file(
    benchmark, monkeypatch, tmp_path, capsys
):
    module, csv = benchmark("ucr"), tmp_path / "ucr.csv"
    run = ["ucr", "run", "--data-dir", str(tmp_path), "--work-dir", str(tmp_path / "work")]
    run += ["--csv", str(csv), "--teachers", "forest", *SMALL, "--max-epochs", "1", "--arms"]
    for arms, asked in ((["KD"], 1), (["KD", "default"], 1), (["KD", "default"], 0)):
        monkeypatch.setattr("sys.argv", [*run, *arms])
        module.main()
        assert f"{asked} teachers to distil" in capsys.readouterr().out
    assert len(csv.read_text().splitlines()) == 3
    published = tmp_path / "published.csv"
    names = [
        "LITE",
        "LITETime",
        "COCALITE",
        "Inception",
        "InceptionTime",
        "MiniROCKET",
        "MR-Hydra",
        "HC2",
    ]
    published.write_text(f"dataset,{','.join(names)}\nItalyPowerDemand{',0.9' * len(names)}\n")
    monkeypatch.setattr(
        "sys.argv", ["ucr", "tables", "--csv", str(csv), "--published", str(published)]
    )
    module.main()
    shown = capsys.readouterr().out
    assert "; 1 sets, 1 seed(s) ==" in shown
    assert "mean accuracy beside published values" in shown


def test_ucr_with_a_torch_teacher_has_the_arms_of_gradients(
    benchmark, monkeypatch, tmp_path, capsys
):
    module, csv = benchmark("ucr"), tmp_path / "ucr.csv"
    strong = sys.modules["strong"]
    slow = strong.inception_teacher
    monkeypatch.setattr(
        strong,
        "inception_teacher",
        lambda X, y, seed, epochs, **kw: slow(X, y, seed, 1, 2, **kw),
    )
    run = ["ucr", "run", "--data-dir", str(tmp_path), "--work-dir", str(tmp_path / "work")]
    run += ["--csv", str(csv), "--teachers", "inceptiontime", *SMALL, "--max-epochs", "1"]
    monkeypatch.setattr("sys.argv", [*run, "--arms", "default", "e2KD", "attribution"])
    module.main()
    assert "inceptiontime ItalyPowerDemand 0 attribution" in capsys.readouterr().out
    picture = tmp_path / "ucr.png"
    monkeypatch.setattr("sys.argv", ["ucr", "draw", "--csv", str(csv), "--picture", str(picture)])
    module.main()
    assert picture.stat().st_size > 10_000


def test_networks_that_stay_on_their_device_answer_as_their_list(benchmark, toy):
    benchmark("ucr")
    heavy, (X, y) = sys.modules["heavy"], toy
    X = np.asarray(X, dtype=np.float32).reshape(len(X), 1, -1)
    nets = [heavy.inception_teacher(X, y, seed, 1, 2, 1) for seed in range(2)]
    asked = as_teacher(heavy.AskedElsewhere(nets, np.unique(y)))
    asked = asked.bind(X, np.unique(y)).log_proba(X)
    of_list = Teacher(nets, classes=np.unique(y)).bind(X, np.unique(y)).log_proba(X)
    np.testing.assert_allclose(asked, of_list, atol=1e-5)


def test_costs_are_run_and_drawn_from_its_file(benchmark, monkeypatch, tmp_path):
    module, csv = benchmark("cost"), tmp_path / "cost.csv"
    monkeypatch.setattr(module, "QUERIES", (250,))
    monkeypatch.setattr(module, "SHARES_OF_EPOCHS", (0.02,))
    for name, settings in module.METHODS.items():
        monkeypatch.setitem(module.METHODS, name, settings | {"max_epochs": 1})
    run = ["cost", "run", "--data-dir", str(tmp_path), "--work-dir", str(tmp_path / "work")]
    run += ["--csv", str(csv), "--teachers", "forest", "--sets", "ItalyPowerDemand"]
    monkeypatch.setattr("sys.argv", [*run, "--n-jobs", "1"])
    module.main()
    assert len(csv.read_text().splitlines()) == 1 + 1 + 4 + 4
    monkeypatch.setattr("sys.argv", ["cost", "draw", "--csv", str(csv), "--folder", str(tmp_path)])
    module.main()
    assert (tmp_path / "fidelity_per_query.png").stat().st_size > 10_000
    assert (tmp_path / "fidelity_per_second.png").exists()


def test_monitor(benchmark, monkeypatch, capsys):
    arguments = ["--runs", "4", "--series", "300", "--before", "500", "--calls", "3"]
    monkeypatch.setattr("sys.argv", ["monitor", *arguments])
    benchmark("monitor").main()
    shown = capsys.readouterr().out
    assert "times the fewest" in shown and "drift, 300 series" in shown


def test_one_series(benchmark, monkeypatch, capsys):
    module = benchmark("one_series")
    monkeypatch.setattr("sys.argv", ["one_series", "--rounds", "1"])
    monkeypatch.setattr(module, "CALLS", 1)
    module.main()
    assert "more than the bare module" in capsys.readouterr().out


def test_costs(benchmark, toy, capsys):
    benchmark("step_cost").probing_memory(100)
    assert "probing 100 x 32 windows" in capsys.readouterr().out
    pytest.importorskip("captum")
    benchmark("occlusion").compare(1, 1)
    assert "captum at its best" in capsys.readouterr().out


def test_promises(benchmark, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["promises", "--repetitions", "3"])
    benchmark("promises").main()
    title, promised, *rows = capsys.readouterr().out.splitlines()
    assert title.endswith("(3 repetitions)") and promised.split()[:3] == [
        "student",
        "all",
        "answered",
    ]
    assert len(rows) == 13 and rows[3].split()[-3:] == ["0.0", "/", "100"]


def test_random_trial():
    # In a process of its own: it forks, which OpenMP forbids once a Rocket has run in this one.
    command = [sys.executable, FOLDER / "random_trial.py", "--cases", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "3 cases, median" in done.stdout and "no finding       3" in done.stdout, done


def test_series_of_unequal_length_are_run_and_shown(benchmark, monkeypatch, tmp_path, capsys):
    rng, csv = np.random.default_rng(0), tmp_path / "uneven.csv"
    (tmp_path / "Made").mkdir()
    for split in ("TRAIN", "TEST"):
        lines = []
        for i in range(12):
            values = rng.normal(size=24) + i % 2
            values[rng.integers(14, 25) :] = np.nan
            lines.append("\t".join(map(str, [i % 2, *values])))
        (tmp_path / "Made" / f"Made_{split}.tsv").write_text("\n".join(lines))
    module, run = benchmark("uneven"), ["uneven", "run", "--data-dir", str(tmp_path)]
    large = module.inception_teacher
    monkeypatch.setattr(
        module, "inception_teacher", lambda *given, wrap: large(*given, 2, 1, wrap=wrap)
    )
    run += ["--csv", str(csv), "--sets", "Made", "--seeds", "1", "--n-jobs", "1"]
    run += ["--teachers", "inception"]
    monkeypatch.setattr("sys.argv", [*run, "--max-epochs", "1", "--teacher-epochs", "1"])
    module.main()
    module.main()  # nothing is left to run
    assert len(csv.read_text().splitlines()) == 1 + 6
    monkeypatch.setattr("sys.argv", ["uneven", "tables", "--csv", str(csv)])
    module.main()
    assert "== inception, 0% struck out, 1 set(s), 1 seed(s) ==" in capsys.readouterr().out


def test_series_are_shaped_by_hand(benchmark):
    module = benchmark("uneven")
    X = np.array([[[1.0, 3.0, np.nan, np.nan]], [[1.0, 2.0, 3.0, 4.0]]])
    np.testing.assert_allclose(
        module.shaped(X, "padded", 5)[:, 0], [[1, 3, 3, 3, 3], [1, 2, 3, 4, 4]]
    )
    np.testing.assert_allclose(module.shaped(X, "resampled", 4)[0, 0], [1, 1.5, 2.5, 3])

    class Means:
        classes_ = np.array([0, 1])

        def fit(self, X, y):
            assert X.shape == (2, 1, 4) and np.isfinite(X).all()
            return self

        def decision_function(self, X):
            return X.mean(axis=(1, 2))

    answers = module.Resampled(Means(), 4).fit(X, [0, 1]).decision_function(X)
    np.testing.assert_allclose(answers, [2.0, 2.5])


def test_growth_is_measured_and_drawn(benchmark, monkeypatch, tmp_path, capsys):
    module, csv = benchmark("growth"), tmp_path / "growth.csv"
    measured = module.measure({"series": 12, "timesteps": 20, "channels": 2, "classes": 3})
    assert measured["fit seconds"] > 0 and measured["queries"] > 12
    run = ["growth", "run", "--csv", str(csv), "--repeats", "1", "--axes", "classes"]
    monkeypatch.setattr("sys.argv", [*run, "--largest", "2"])
    module.main()
    module.main()  # nothing is left to run
    assert len(csv.read_text().splitlines()) == 1 + 1
    sizes = np.array([1, 10, 100, 1000])
    assert module.exponent(sizes, 3.0 * sizes**0.7) == pytest.approx(0.7)
    rows = [
        {"axis": axis, "size": n, "repeat": 0, "fit seconds": n, "explain seconds": 2.0 * n,
         "megabytes": n**0.5}
        for axis in module.SIZES for n in (10, 100, 1000)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(csv, index=False)
    draw = ["growth", "draw", "--csv", str(csv), "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", draw)
    module.main()
    assert (tmp_path / "growth.png").stat().st_size > 1000
    assert "megabytes           0.5" in capsys.readouterr().out


def test_strides_of_long_series_are_compared(benchmark, monkeypatch, tmp_path, capsys):
    module = benchmark("long_series")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 1, 30)).astype(np.float32), np.arange(12) % 2
    monkeypatch.setattr(module, "read_ucr", lambda *_: (X, y, X, y))

    class Ridge:
        classes_ = np.array([0, 1])

        def __init__(self, transformer):
            pass

        def fit(self, X, y):
            return self

        def decision_function(self, X):
            return X.mean(axis=(1, 2))

    monkeypatch.setattr(module, "CalibratedRidge", Ridge)
    run = ["long_series", "--data-dir", str(tmp_path), "--sets", "Made", "--strides", "2", "3"]
    monkeypatch.setattr("sys.argv", [*run, "--max-epochs", "1"])
    module.main()
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()[1:]] == ["2", "3"]


def test_cluster(benchmark, monkeypatch, capsys):
    pytest.importorskip("distributed")
    arguments = ["--calls", "9", "--long-calls", "2", "--batches", "20", "--repetitions", "1"]
    monkeypatch.setattr("sys.argv", ["cluster", *arguments])
    benchmark("cluster").main()
    shown = capsys.readouterr().out
    assert "2 Dask workers" in shown and "20 batches, of which 10 were answered" in shown
    assert ": 0 were asked about twice" in shown and "  2 files, 1.0" in shown


def test_larger_than_memory(benchmark, monkeypatch, tmp_path, capsys):
    run = ["larger_than_memory"]
    folder = ["--folder", str(tmp_path), "--max-epochs", "1"]
    module = benchmark("larger_than_memory")
    for command, settings, shown in (
        ("growth", ["--sizes", "100x50", "200x50"], "exponent of the last step"),
        ("time", ["--sizes", "112x40", "--repeats", "1"], "median ratio"),
    ):
        monkeypatch.setattr("sys.argv", [*run, command, *folder, *settings])
        module.main()
        assert shown in capsys.readouterr().out
    quality = ["--data-dir", str(tmp_path), *SMALL[:-2], "--most-train", "40"]
    monkeypatch.setattr("sys.argv", [*run, "quality", *folder, *quality])
    module.main()
    assert "blocks, by class" in capsys.readouterr().out.splitlines()[-1]
