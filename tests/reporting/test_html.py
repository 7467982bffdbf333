"""The HTML report, also in a browser."""

import base64
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from tests.conftest import bump_teacher
from tsdistill.exceptions import ParameterError
from tsdistill.inputs import files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    """The written page, which the tests read and none changes."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.to_html(path)
    return path


@pytest.mark.slow
def test_pages_look_the_same_whatever_the_users_style(report, page, tmp_path):
    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        report.to_html(tmp_path / "dark.html")
        assert plt.rcParams["figure.facecolor"] == "black"
    assert (tmp_path / "dark.html").read_text() == page.read_text()


@pytest.mark.slow
def test_page_escapes_labels_and_needs_nothing_else(report, page, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("")
    assert page.stat().st_mode == plain.stat().st_mode  # others may read it
    html = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "up &amp; away" in html
    assert "negative flips: teacher alone is right" in html
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


@pytest.mark.slow
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


def test_texts_that_utf8_cannot_encode_are_written_as_escapes(toy, quick, tmp_path):
    X, y = toy
    labels = np.array(["down \ud800", "up", "\udfff"])[y]
    report = quick(max_epochs=1, saliency_weight=0).fit(X, labels).fidelity_report(X, labels)
    report.to_html(tmp_path / "report.html", title="a \ud800 b")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert r"<h1>a \ud800 b</h1>" in page
    assert r"down \ud800" in page and r"\udfff" in page


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
@pytest.mark.slow
def test_page_renders_in_a_browser(page, tmp_path, size):
    path = tmp_path / "report.html"
    sources = "default-src 'none'; "
    path.write_text(page.read_text().replace(sources, f"{sources}script-src 'unsafe-inline'; "))
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
