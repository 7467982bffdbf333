"""Pages of the root (CONTRIBUTING, CHANGELOG, SECURITY) as pages of the site, links adapted."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "security": "SECURITY.md",
}
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def adapted(match):
    """A link as seen from ``docs``; a page that the site does not hold becomes plain text."""
    text, target = match.groups()
    if target.startswith(("http", "#")):
        return match.group()
    for page, file in PAGES.items():
        if target == file:
            return f"[{text}]({page}.md)"
    if target.startswith("docs/"):
        return f"[{text}]({target.removeprefix('docs/')})"
    return text if target.endswith(".md") else f"[{text}](../{target})"


def read_page(app, docname, source):
    """Put the text of the root's page in place of the page that stands for it."""
    if docname in PAGES:
        source[0] = LINK.sub(adapted, (ROOT / PAGES[docname]).read_text(encoding="utf-8"))


def setup(app):
    """Read the pages when Sphinx reads their stand-ins."""
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
