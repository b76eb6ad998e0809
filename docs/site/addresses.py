"""Where a file of the repository is in the site: the pages lie as the files do.

``docs/gradcheck.md`` is ``docs/gradcheck.html``; README.md is the first page, ``index.html``. The source of
``minigen/ops/conv.py`` is ``minigen/ops/conv.py.html``, whose line 22 has the anchor ``L-22``.

Imports: docs/make. Read next: ``links.py``.
"""

from __future__ import annotations

from docs.make.names import ROOT, Source


def page_of(path: str) -> str | None:
    """The page of the site that a Markdown file of the repository becomes, as Sphinx names it, or None."""
    if path == "README.md":
        return "index"
    there = path in ("CONTRIBUTING.md", "CHANGELOG.md") or path.startswith(("docs/", "findings/"))
    return path.removesuffix(".md") if there else None


def address(source: Source) -> str:
    """The page of a source, relative to the site."""
    path = source.file.rstrip("/")
    if path.endswith(".md") and (page := page_of(path)) is not None:
        return f"{page}.html"
    if (ROOT / path).is_dir():
        return f"{path}/index.html"
    return f"{path}.html" + (f"#L-{source.line}" if source.line else "")
