"""The examples that nothing else runs; examples/quickstart.py is `make demo`."""

import io
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_an_objective_of_ones_own_takes_few_lines(toy, quick):
    source = (EXAMPLES / "own_objective.py").read_text()
    assert len(source.split("class ")[1].split("if __name__")[0].splitlines()) < 30
    objective = runpy.run_path(str(EXAMPLES / "own_objective.py"))["SameEntropy"]
    model = quick(max_epochs=20, auxiliary=objective(weight=2.0)).fit(*toy)
    assert model.history_[-1]["same_entropy"] < model.history_[0]["same_entropy"]


@pytest.mark.weekly
def test_evidence_is_written(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(
        sys, "argv", ["evidence", "--folder", str(tmp_path / "out"), "--max-epochs", "3"]
    )
    runpy.run_path(str(EXAMPLES / "evidence.py"), run_name="__main__")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["deferral.png", "fills.png", "report.html"]
    assert "series to come" in capsys.readouterr().out


@pytest.mark.weekly
def test_maps_of_a_whole_set_are_drawn(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["set", "--folder", str(tmp_path), "--max-epochs", "2"])
    runpy.run_path(str(EXAMPLES / "whole_set.py"), run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["channels.png", "class_means.png"]
    out = capsys.readouterr().out
    assert "mean_correlation" in out and "gyroscope z" in out


@pytest.mark.weekly
def test_tsd_as_published_has_the_published_networks_and_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tsd", "--epochs", "2", "--lambdas", "1"])
    example = runpy.run_path(str(EXAMPLES / "tsd_as_published.py"), run_name="example")
    for hidden_size, n_layers, n_weights in ((100, 3, 202_800), (16, 1, 1_216)):
        network = example["LSTM"](1, 24, 2, hidden_size, n_layers)
        assert sum(w.numel() for w in network.recurrent.parameters()) == n_weights
    assert example["shortened"](np.zeros((3, 1, 250))).shape == (3, 1, 100)
    example["main"]()
    assert "lambda = 1" in capsys.readouterr().out


def test_a_memory_mapped_file_is_learnt_from_and_answers_go_to_another(
    monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr("tsdistill.inputs.stored.LARGEST_READ_WHOLE", 0)
    monkeypatch.setattr("tsdistill.training.stored_tensors.POOL_BYTES", 2000 * 100)
    monkeypatch.setattr("tsdistill.training.stored_tensors.BLOCK_BYTES", 2000 * 10)
    arguments = ["--folder", str(tmp_path), "--n-series", "400", "--max-epochs", "8"]
    monkeypatch.setattr(sys, "argv", ["memory_mapped", *arguments])
    runpy.run_path(str(EXAMPLES / "memory_mapped.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert float(lines[1].split()[-1]) > 0.9 and "maps of shape (3, 500)" in lines[2]
    proba = np.load(tmp_path / "proba.npy")
    assert proba.shape == (400, 2) and np.abs(proba.sum(axis=1) - 1).max() < 1e-5


def test_series_are_served_from_an_onnx_file(toy, quick, tmp_path):
    X, y = toy
    classifier = quick(student="fcn", n_mixtures=4, max_epochs=40).fit(X, y)
    serve = runpy.run_path(str(EXAMPLES / "serve_onnx.py"))["main"]
    lines = [",".join(map(str, series)) for series in X[:3]]
    for explain in (False, True):
        classifier.to_onnx(tmp_path / "student.onnx", explain=explain)
        out = io.StringIO()
        serve(tmp_path / "student.onnx", [*lines, "1,2", "one", lines[0] + ",nan"], out)
        answers = out.getvalue().splitlines()
        expected = classifier.predict(X[:3])
        assert [int(answer.split()[0]) for answer in answers[:3]] == expected.tolist()
        assert ("timestep" in answers[0]) == explain
        assert answers[3].startswith("line 4: ") and answers[4].startswith("line 5: ")


NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def alike(printed, shown):
    """Whether two texts differ in nothing but spaces and what rounding may change."""
    if NUMBER.sub("#", printed).split() != NUMBER.sub("#", shown).split():
        return False
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True)
    pairs = [[float(number.replace(",", "")) for number in pair] for pair in pairs]
    return all(
        abs(one - other) <= (0.03 if abs(other) < 1 else max(3, 0.2 * other))
        for one, other in pairs
    )


def test_pages_are_alike_up_to_rounding():
    page = "kept: 975 of 4,000 audited, 6 differ\nagreement 0.985"
    assert alike(page, page) and alike("kept: 960 of 4,000 audited, 4 differ agreement 0.98", page)
    for one, other in (("kept", "broken"), (" 6", "16"), ("0.985", "0.915"), (" differ", "")):
        assert not alike(page.replace(one, other), page)


@pytest.mark.weekly
def test_the_page_on_replacing_a_model_shows_what_its_code_prints(tmp_path):
    example = runpy.run_path(str(EXAMPLES / "replacing_a_model.py"))
    text = example["PAGE"].read_text(encoding="utf-8")
    blocks = example["blocks_of"](text)
    shown = [output or "" for _, output in blocks]
    assert example["rewritten"](text, shown) == text and text.count("```python") == len(blocks)
    printed, names = example["run"](blocks, tmp_path)
    for (code, _), one, other in zip(blocks, printed, shown, strict=True):
        assert alike(one, other), f"{code}\nprints\n{one}\nand the page shows\n{other}"
    assert names["result"].passed and names["again"].passed  # what the page claims
    told = "".join(printed)
    assert "broken; alarms: {'input': " in told and "'disagreement': " in told
    assert "equal to 1e-5: True" in told
    assert names["monitor"].status == "kept" and names["monitor"].alarms_ == {}
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == set(re.findall(r"\(replacing_a_model/(\w+\.png)\)", text))
    assert drawn == {path.name for path in (example["PAGE"].parent / "replacing_a_model").iterdir()}


def test_a_teacher_is_asked_on_a_dask_cluster(monkeypatch, capsys, tmp_path):
    pytest.importorskip("distributed")
    arguments = ["--milliseconds", "0.1", "--max-epochs", "2", "--memory", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["dask_teacher", *arguments])
    runpy.run_path(str(EXAMPLES / "dask_teacher.py"), run_name="__main__")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("saliency_weight=5.0: ") and second.startswith("saliency_weight=1.0: ")
    assert list(tmp_path.rglob("*.answers"))


def blocks_of(page):
    """The blocks of Python of a Markdown page that are no doctests."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [block for block in blocks if not block.startswith(">>>")]


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_code_that_a_stranger_sees_runs(page, monkeypatch, tmp_path, gunpoint):
    (block,) = blocks_of(EXAMPLES.parent / page)
    for name, more in {  # as it stands there, it takes minutes
        "TimeSeriesForestClassifier(": "n_estimators=3, ",
        "SaliencyDistilledClassifier(": "max_epochs=2, n_queries=300, teacher=",
    }.items():
        block = block.replace(name, name + more)
    monkeypatch.chdir(tmp_path)
    X, y, X_new, _ = gunpoint
    found = {"X": X, "y": y, "X_new": X_new, "teacher": LogisticRegression()}
    exec(block, found)
    assert found["student"].predict(found["X_new"]).shape == (150,)
    written = {"report.html", "gunpoint.tsdistill"} if page == "README.md" else set()
    assert {path.name for path in tmp_path.iterdir()} == written
