"""How Sphinx builds the site. ``docs/make/site.py`` calls it, on a copy of the pages that it puts together.

Imports: docs/site. Read next: ``make/site.py``, ``site/links.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from docs.site.links import linkcode_resolve as linkcode_resolve  # noqa: E402
from minigen import __version__  # noqa: E402

project = "minigen"
author = "The minigen authors"
copyright = "the minigen authors, MIT licence"
version = release = __version__
root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.linkcode", "sphinx_copybutton", "docs.site.links",
              "docs.site.docstrings"]  # fmt: skip
nitpicky = False
highlight_language = "none"

myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_space = False
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_use_type_comments = False
python_maximum_signature_line_length = 100
add_module_names = False

html_theme = "furo"
html_title = "minigen"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {"sidebar_hide_name": False}
copybutton_selector = "div.highlight-python pre, div.highlight-sh pre, div.highlight-toml pre"
