"""Hostile labels, names and texts in the pages: no browser runs them."""

import html
import re
import subprocess

import numpy as np
import pytest

from tests.conftest import bump_teacher
from tests.export.conftest import CHROMIUM, bumps, needs_browser
from tsdistill import SaliencyDistilledClassifier, SwapContract, Teacher
from tsdistill.students import FCN

MARK = "document.title='code was run'"
LABELS = (
    f"</script><script>{MARK}</script>",
    f"\"><img src=x onerror=\"{MARK}\">",
    f"'><svg onload={MARK}>",
    f"javascript:{MARK}",
    f"<a href='javascript:{MARK}'>x</a>",
    f"<!--<script>{MARK}//",
    f"</style></title><script>{MARK}</script>",
    "${" + MARK + "}",
    "$\\frac{$ {0} %s",
)  # fmt: skip


@pytest.fixture(scope="module", params=range(3), ids=lambda number: f"labels {number}")
def hostile(request, tmp_path_factory):
    """All pages of a student with hostile labels, by what they are."""
    folder = tmp_path_factory.mktemp("pages")
    labels = sorted(LABELS[3 * request.param : 3 * request.param + 3])
    X, y = bumps()
    named = Teacher(bump_teacher, classes=labels)
    settings = {"max_epochs": 1, "n_windows": 4, "n_mixtures": 0, "random_state": 0}
    student = SaliencyDistilledClassifier(named, FCN(4), **settings)
    names = np.array(labels)[y]
    student.fit(X[:, 0], names)
    student.to_html(folder / "student.html")
    student.fidelity_report(X[:, 0], names).to_html(folder / "report.html", title=labels[0])
    contract = SwapContract(agreement=0.5, meta={labels[0]: labels[1], "link": labels[2]})
    result = contract.check(student, X[:, 0], names)
    result.to_html(folder / "contract.html", title=labels[1])
    return {path.stem: path for path in folder.iterdir()}


def title_in_browser(path):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000",
        f"--user-data-dir={path.parent / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return html.unescape(re.search(r"<title>(.*?)</title>", done.stdout, flags=re.DOTALL)[1])


def allowed_to_run(text):
    """A page without its policy, so that its escapes stand alone."""
    changed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert changed != text
    return changed


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("kind", ["student", "report", "contract"])
def test_no_browser_runs_a_label(kind, hostile):
    path = hostile[kind]
    text = path.read_text(encoding="utf-8")
    written = html.unescape(re.search(r"<title>(.*?)</title>", text, flags=re.DOTALL)[1])
    bare = path.with_name(f"{kind}_bare.html")
    bare.write_text(allowed_to_run(text), encoding="utf-8")
    assert title_in_browser(bare) == written != "code was run"


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("hostile", [0], indirect=True)
def test_the_policy_keeps_a_script_that_is_put_into_a_page_from_running(hostile):
    """And without the policy it runs, so the browser and these tests would see it."""
    for kind in ("student", "report", "contract"):
        text = hostile[kind].read_text(encoding="utf-8")
        changed = hostile[kind].with_name(f"{kind}_changed.html")
        script = f"<script>{MARK}</script>"
        if kind == "report":
            script = f'<img src="x:" onerror="{MARK}">'
        with_script = text.replace("</body>", f"{script}</body>")
        changed.write_text(with_script, encoding="utf-8")
        assert title_in_browser(changed) != "code was run"
        changed.write_text(allowed_to_run(with_script), encoding="utf-8")
        assert title_in_browser(changed) == "code was run"


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [0], indirect=True)
def test_pages_may_ask_nobody_anything(hostile):
    for kind, n_scripts in (("student", 3), ("report", 0), ("contract", 0)):
        text = hostile[kind].read_text(encoding="utf-8")
        (found,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        rules = dict(rule.split(" ", 1) for rule in found.split("; "))
        assert rules.pop("default-src") == "'none'" and rules.pop("img-src") == "data:"
        assert rules.pop("base-uri") == rules.pop("form-action") == "'none'"
        assert rules.pop("style-src") == "'unsafe-inline'"
        scripts = rules.pop("script-src", "").split()
        assert len(scripts) == n_scripts
        assert all(one.startswith("'sha256-") for one in scripts)
        assert not rules
        assert text.index("Content-Security-Policy") < text.index("<title>")
