"""Links of the Markdown pages lead somewhere: files, headings, well-formed addresses."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
STAND_INS = {"docs/contributing.md", "docs/changelog.md"}


def text_of(path):
    """The text of a page without its blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


@cache
def anchors_of(path):
    """Anchors that GitHub and the site give to the headings of a page."""
    found = {}
    for heading in re.findall(r"^#+ (.+)$", text_of(path), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        found[anchor] = found.get(anchor, 0) + 1
    return {name if i == 0 else f"{name}-{i}" for name, n in found.items() for i in range(n)}


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    broken = []
    for link in LINK.findall(text_of(page)):
        parts = urlsplit(link)
        if parts.scheme:
            if parts.scheme != "https" or "." not in parts.netloc:
                broken.append(link)
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        if not target.exists() or (parts.fragment and parts.fragment not in anchors_of(target)):
            broken.append(link)
    assert not broken, f"{name_of(page)} links to {broken}"


def test_every_page_of_docs_is_reached_from_another():
    reached = set()
    for page in PAGES:
        for link in LINK.findall(text_of(page)):
            reached.add((page.parent / urlsplit(link).path).resolve())
    lonely = {name_of(page) for page in PAGES if page.parent.name == "docs"} - {
        name_of(page) for page in reached if page.is_relative_to(ROOT)
    }
    assert lonely <= STAND_INS | {"docs/index.md", "docs/more.md", "docs/user_guide.md"}
