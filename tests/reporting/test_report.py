"""The page to hand over: its figures, its worst cases, and how it looks in a browser."""

import base64
import os
import pickle
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from tests.conftest import bump_teacher
from tsdistill import fidelity
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import clopper_pearson
from tsdistill.inputs import files
from tsdistill.reporting.costs import latency

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.fixture(scope="module")
def fitted():
    """A student of the bump teacher, one trained on labels alone, and held-out series."""
    from tsdistill import SaliencyDistilledClassifier

    rng = np.random.default_rng(0)
    y = np.arange(48) % 3
    X = rng.normal(scale=0.3, size=(48, 20))
    for row, k in enumerate(y):
        X[row, 2 + 6 * k : 6 + 6 * k] += 1.0
    quick = {"max_epochs": 15, "n_windows": 8, "random_state": 0}
    labels = np.array(["down", "<b>", "up & away"])[y]  # to be escaped in pages
    student = SaliencyDistilledClassifier(_Named(bump_teacher), **quick)
    alone = SaliencyDistilledClassifier(
        _Named(bump_teacher), label_weight=1, soft_target_weight=0, saliency_weight=0, **quick
    )
    held_out = 0.3 * X + rng.normal(scale=0.3, size=X.shape)
    return student.fit(X, labels), alone.fit(X, labels), held_out, labels


def _Named(model):
    from tsdistill import Teacher

    return Teacher(model, classes=["down", "<b>", "up & away"])


@pytest.fixture(scope="module")
def report(fitted):
    student, alone, X, y = fitted
    return student.fidelity_report(X, y, label_only=alone, n_explained=30)


def test_curves_run_between_the_series_and_others_of_other_classes(report):
    for model in ("teacher", "student"):
        for fill in ("opposing", "mean"):
            deleted, inserted = (
                report.curves[model, fill, kind][1] for kind in ("deletion", "insertion")
            )
            np.testing.assert_allclose(deleted[:, 0], inserted[:, -1], rtol=1e-4)
            np.testing.assert_allclose(deleted[:, -1], inserted[:, 0], rtol=1e-4)
            if fill == "opposing":  # wholly another series, of another class
                assert deleted[:, -1].max() < 0.5


def test_figures_are_those_of_the_measures(report, fitted):
    student, alone, X, y = fitted
    assert report.n_instances == 48 and report.n_explained == 30
    assert report.agreement == student.fidelity_score(X)
    assert report.kl == pytest.approx(-student.fidelity_score(X, metric="kl"), rel=1e-5)
    assert report.js == pytest.approx(-student.fidelity_score(X, metric="js"), rel=1e-5)
    assert report.accuracy == student.score(X, y)
    assert report.nll == pytest.approx(-student.fidelity_score(X, y, metric="nll"), rel=1e-5)
    assert report.ece == pytest.approx(-student.fidelity_score(X, y, metric="ece"), rel=1e-5)
    theirs = bump_teacher(X).argmax(axis=1)
    names = np.array(["down", "<b>", "up & away"])
    assert report.teacher_accuracy == pytest.approx(np.mean(names[theirs] == y))
    everything = student.fidelity_report(X, label_only=alone)
    assert everything.saliency == pytest.approx(student.fidelity_score(X, metric="saliency"))
    overlap = student.fidelity_score(X, metric="top_overlap")
    assert everything.top_overlap == pytest.approx(overlap)
    assert everything.accuracy is None
    _, proba = everything.curves["student", "mean", "insertion"]
    areas = everything.areas()
    assert (
        proba.shape == (48, 11) and report.curves["teacher", "mean", "deletion"][1].shape[0] == 30
    )
    insertion = student.fidelity_score(X, metric="insertion")
    assert areas.loc[("insertion", "mean"), "student"] == pytest.approx(insertion)
    alike = everything.beside["saliency"]
    assert alike["label_only"] == pytest.approx(alone.fidelity_score(X, metric="saliency"))
    assert everything.beside["agreement"]["label_only"] == alone.fidelity_score(X)
    part = everything.per_class
    for label in names:  # each class as if it were all there is
        rows = names[theirs] == label
        for name, sign in (("agreement", 1), ("kl", -1), ("saliency", 1), ("top_overlap", 1)):
            score = sign * student.fidelity_score(X[rows], metric=name)
            assert part.loc[label, name] == pytest.approx(score, rel=1e-4)
        assert part.loc[label, "agreement_labels"] == alone.fidelity_score(X[rows])
    assert alone.fidelity_score(X) != student.fidelity_score(X)
    assert np.average(part["saliency_labels"], weights=part["n_series"]) == pytest.approx(
        alike["label_only"]
    )
    assert abs(alike["random_map"]) < 0.15


def test_intervals_hold_their_values(report):
    agreeing = round(report.agreement * 48)
    assert report.intervals["agreement"] == clopper_pearson(agreeing, 48)
    for name, (low, high) in report.intervals.items():
        if not name.endswith("ece"):  # which resampling raises
            assert low <= getattr(report, name) <= high
    frame = report.to_frame()
    assert list(frame.columns) == ["value", "low", "high", "n_series", "random_map", "label_only"]
    assert frame.loc["kl", "n_series"] == 48 and frame.loc["saliency", "n_series"] == 30
    assert frame.loc["agreement", "value"] == report.agreement


def test_worst_series_are_those_of_largest_kl(report, fitted):
    student, _, X, _ = fitted
    teacher = np.log(np.maximum(bump_teacher(X), 1e-4))
    teacher = teacher[:, [1, 0, 2]]  # classes sort "<b>", "down", "up & away"
    kl = fidelity.answers.per_series_kl(teacher, student.predict_log_proba(X))
    same = student.predict_log_proba(X).argmax(axis=1) == teacher.argmax(axis=1)
    order = sorted(range(48), key=lambda i: (same[i], -kl[i]))[:10]
    assert report.n_differ == np.sum(~same) > 0
    assert report.worst.index.tolist() == order
    np.testing.assert_allclose(report.worst["kl"], kl[order], rtol=1e-3)
    row = report.worst.iloc[0]
    asked = X[report.worst.index[:1]]
    assert row["student"] == student.predict(asked)[0]
    assert row["p_student"] == pytest.approx(student.predict_proba(asked).max())
    assert [one["row"] for one in report.examples["worst"]] == report.worst.index[:4].tolist()


def test_classes_add_up(report, fitted):
    _, _, X, _ = fitted
    part = report.per_class
    names = np.array(["down", "<b>", "up & away"])[bump_teacher(X).argmax(axis=1)]
    assert part["n_series"].to_dict() == pd.Series(names).value_counts().to_dict()
    assert np.average(part["agreement"], weights=part["n_series"]) == pytest.approx(
        report.agreement
    )
    assert part["agreement_labels"].between(0, 1).all()
    assert part["top_overlap_labels"].between(0, 1).all()
    assert np.average(part["kl"], weights=part["n_series"]) == pytest.approx(report.kl, rel=1e-5)


def test_sizes_and_latencies(report, fitted):
    weights = sum(p.numel() for p in fitted[0].student_.module_.parameters())
    assert report.models.loc["student", "weights"] == weights
    state = fitted[0].student_.module_.state_dict().values()
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state)
    assert report.models.loc["student", "megabytes"] * 1e6 == n_bytes
    assert np.isnan(report.models.loc["teacher", "weights"])  # a black box
    assert (report.models.filter(like="ms_").loc[["teacher", "student"]] > 0).all(axis=None)


def test_a_report_costs_a_teacher_the_questions_that_are_told(quick):
    """In the documentation of n_explained: about 75 each, one a series, some 2,000 in all."""
    rng, asked = np.random.default_rng(0), []

    def counted(X):
        asked.append(len(X))
        return bump_teacher(X[:, :20])

    X = rng.normal(size=(300, 100))
    student = quick(counted, n_windows=2, max_epochs=1).fit(X, bump_teacher(X[:, :20]).argmax(1))
    cost = {}
    for n_explained in (100, 200):
        asked.clear()
        student.fidelity_report(X, n_explained=n_explained)
        cost[n_explained] = sum(asked)
    each = (cost[200] - cost[100]) / 100
    assert 70 < each < 80
    assert cost[100] - 100 * each - len(X) < 2000


def test_nothing_is_asked_twice_but_for_its_time(quick, toy, tmp_path, monkeypatch):
    asked = []

    def counted(X):
        asked.append(len(X))
        return bump_teacher(X)

    student = quick(counted, memory=tmp_path).fit(*toy)
    comparison = student._compare(toy[0])
    comparison.answers("teacher")
    asked.clear()
    comparison.rows(np.array([1, 5])).answers("teacher")
    assert not asked
    teacher, options = comparison.models["teacher"], comparison.options
    assert latency(teacher, comparison.panel[:3], options) > 0
    assert asked == [3] * 5  # not remembered answers
    monkeypatch.setattr("tsdistill.reporting.costs.ENOUGH_SECONDS", 0)
    asked.clear()
    latency(teacher, comparison.panel[:3], options)
    assert asked == [3]  # of a slow teacher one time tells enough


def test_pages_look_the_same_whatever_the_users_style(report, tmp_path):
    import matplotlib.pyplot as plt

    report.to_html(tmp_path / "plain.html")
    with plt.style.context("dark_background"):
        report.to_html(tmp_path / "dark.html")
        assert plt.rcParams["figure.facecolor"] == "black"
    assert (tmp_path / "dark.html").read_text() == (tmp_path / "plain.html").read_text()


@pytest.mark.parametrize("kind", [None, np.random.RandomState(0), np.random.default_rng(0)])
def test_random_states_of_every_kind(fitted, kind):
    report = fitted[0].fidelity_report(fitted[2], n_explained=3, random_state=kind)
    assert report.n_explained == 3


def test_the_same_report_twice(fitted):
    student, _, X, y = fitted
    one, two = (student.fidelity_report(X, y, n_explained=20) for _ in range(2))
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    assert student.fidelity_report(X, n_explained=20, random_state=1).saliency != one.saliency
    orders = [
        student.fidelity_report(X, random_state=seed).areas()["student, random order"]
        for seed in (0, 1)
    ]
    assert (orders[0] != orders[1]).all()


def test_text_can_be_read(report):
    text = str(report)
    assert f"same prediction as the teacher{report.agreement:>18.3f}" in text
    assert "labels only" in text and "random map" in text
    assert f"({report.n_differ} predictions differ)" in text and "LiteNetwork" in text
    assert len(repr(report)) < 200 and report == report  # not compared frame by frame
    assert max(map(len, text.splitlines())) <= 140


def test_one_series_has_a_report(fitted, tmp_path):
    student, _, X, y = fitted
    report = student.fidelity_report(X[:1], y[:1])
    assert report.intervals["agreement"] == clopper_pearson(int(report.agreement), 1)
    assert np.isnan(report.intervals["kl"]).all()
    report.to_html(tmp_path / "one.html")
    assert "nan" not in str(report)


def test_page_escapes_labels_and_needs_nothing_else(report, tmp_path):
    report.to_html(tmp_path / "report.html")
    plain = tmp_path / "plain.txt"
    plain.write_text("")
    assert (tmp_path / "report.html").stat().st_mode == plain.stat().st_mode  # others may read it
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "up &amp; away" in html
    assert not re.search(r"https?://|<script|<link", html)
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(images) == 3 + 4 + 4
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
    assert html.count("<img alt=") == len(images)
    embedded = report._repr_html_()
    assert "<table" in embedded and "<img" not in embedded and "<html" not in embedded
    assert ":root" not in embedded  # the notebook's own looks stay
    report.to_html(tmp_path / "report.html", title="Bumps & <i>dents</i>")
    assert "<h1>Bumps &amp; &lt;i&gt;" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_label_only_is_a_student_of_labels_alone(fitted):
    student, alone, X, y = fitted
    with pytest.raises(ParameterError, match="label_only was trained with more than labels"):
        student.fidelity_report(X, label_only=student)
    with pytest.raises(ParameterError, match="label_only cannot be asked about X"):
        student.fidelity_report(X, label_only=clone(alone))
    report = student.fidelity_report(X, y, label_only=alone)
    assert report.beside["accuracy"]["label_only"] == alone.score(X, y)


def test_sizes_of_functions_are_not_known(quick, toy):
    for teacher in (bump_teacher, [bump_teacher, bump_teacher]):
        report = quick(teacher).fit(*toy).fidelity_report(toy[0])
        assert np.isnan(report.models.loc["teacher", "megabytes"])
    forest = RandomForestClassifier(5, random_state=0).fit(*toy)
    report = quick(forest).fit(*toy).fidelity_report(toy[0])
    assert report.models.loc["teacher", "megabytes"] * 1e6 == len(pickle.dumps(forest))


def test_global_states_and_series_are_left_as_they_were(quick, toy):
    student, X = quick().fit(*toy), toy[0].copy()
    X.flags.writeable = False
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    student.fidelity_report(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_series_of_several_channels(quick, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 40, 20)), np.arange(30) % 3  # more channels than can be drawn
    report = quick(lambda X: bump_teacher(X[:, 1])).fit(X, y).fidelity_report(X, y)
    report.to_html(tmp_path / "channels.html")
    assert "series of 40 x 20" in report.about


def test_page_is_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the last one")

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        report.to_html(path)
    assert path.read_text() == "the last one" and os.listdir(tmp_path) == ["report.html"]
    with pytest.raises(FileNotFoundError, match="missing does not exist"):
        report.to_html(tmp_path / "missing" / "report.html")
    with pytest.raises(ParameterError, match="title=None"):
        report.to_html(path, title=None)
    with pytest.raises(IsADirectoryError, match="pass the name of a file in it"):
        report.to_html(tmp_path)


def browse(path, size, *options):
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--hide-scrollbars", f"--user-data-dir={path.parent / 'profile'}",
             f"--window-size={size}")  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *flags, *options, path.as_uri()], capture_output=True, timeout=120
    )
    return done.stdout.decode()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("size", ["1280,1600", "400,1600"])
def test_page_renders_in_a_browser(report, tmp_path, size):
    path = tmp_path / "report.html"
    report.to_html(path)
    probe = """<script>document.title = JSON.stringify({
      drawn: [...document.images].filter(i => i.naturalWidth > 100).length,
      headings: document.querySelectorAll("h2").length,
      wide: document.documentElement.scrollWidth - innerWidth})</script>"""
    probed = tmp_path / "probed.html"
    probed.write_text(path.read_text().replace("</body>", probe + "</body>"))
    found = re.search(r"<title>(.*?)</title>", browse(probed, size, "--dump-dom"))[1]
    assert '"drawn":11' in found and '"headings":6' in found
    assert int(re.search(r'"wide":(-?\d+)', found)[1]) <= 0  # nothing sticks out
    shot = tmp_path / "shot.png"
    browse(path, size, f"--screenshot={shot}")
    from matplotlib.image import imread

    pixels = imread(shot)[..., :3]
    assert pixels.shape[1] == int(size.split(",")[0])
    assert 0.01 < np.mean(pixels.min(axis=-1) < 0.9) < 0.6  # neither blank nor black


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_explained": 0}, "n_explained=0"),
        ({"confidence": 95}, "confidence=95"),
        ({"random_state": "a"}, "random_state='a'"),
        ({"label_only": bump_teacher}, "label_only=function; expected a fitted"),
        ({"y": ["unknown"] * 48}, "y holds unknown labels"),
        ({"y": ["down"] * 3}, r"y has shape \(3,\)"),
    ],
)
def test_bad_input(fitted, options, message):
    student, _, X, _ = fitted
    with pytest.raises(ParameterError, match=message):
        student.fidelity_report(X, **options)
