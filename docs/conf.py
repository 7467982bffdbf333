"""The site: `make docs` builds it into docs/build, and a warning is an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import tsdistill

project = "tsdistill"
author = "the authors of tsdistill"
project_copyright = author
version = release = tsdistill.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "local_mathml",
    "own_members",
    "project_pages",
]
exclude_patterns = ["build", "results", "_templates"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [
    # Names of other packages, whose sites are not read: a build needs no network.
    (r"py:.*", r"(?!tsdistill).*"),
]

html_theme = "pydata_sphinx_theme"
html_title = "tsdistill"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sourcelink = False
html_math_renderer = "local_mathml"
html_theme_options = {
    "logo": {"text": "tsdistill"},
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": {  # "*" is the pages at the top; no page may match twice
        "*": ["page-toc"],
        "api/**": ["page-toc"],
        "reference/**": ["page-toc"],
        "gallery/**": [],
        "measured/**": [],
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "start": [], "glossary": [], "comparison": [], "changelog": []}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # types stand in the docstrings, in words
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/gallery", "results"],
    "gallery_dirs": ["gallery", "measured"],
    "filename_pattern": r"\.py$",
    "copyfile_regex": r".*\.rst",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "plot_gallery": "True",
    "matplotlib_animations": False,
    "image_scrapers": ("matplotlib",),
    "capture_repr": ("_repr_html_", "__repr__"),
    "backreferences_dir": "api/used",
    "doc_module": ("tsdistill",),
    "subsection_order": [
        "../examples/gallery/reasons",
        "../examples/gallery/teachers",
        "../examples/gallery/settings",
        "../examples/gallery/production",
    ],
    "within_subsection_order": "FileNameSortKey",
    "nested_sections": False,
    "min_reported_time": 0,
    "ignore_pattern": r"measured\.py$",
    "parallel": 2,
}
