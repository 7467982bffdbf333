"""Pages of the project's root (CONTRIBUTING, CHANGELOG) as pages of the site, links adapted."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}


def read_page(app, docname, source):
    """Put the text of the root's page in place of the page that stands for it."""
    if docname in PAGES:
        text = (ROOT / PAGES[docname]).read_text(encoding="utf-8")
        text = re.sub(r"\]\(docs/", "](", text)
        for page, file in PAGES.items():
            text = text.replace(f"]({file})", f"]({page}.md)")
        source[0] = re.sub(r"\]\((?=[A-Za-z_]+/|[A-Z]+\.)", "](../", text)


def setup(app):
    """Read the pages when Sphinx reads their stand-ins."""
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
