"""What the site adds to Sphinx: formulas as MathML, links of inline code to its source, links to files.

Imports: Sphinx, docutils, docs/make. Read next: ``docstrings.py``, ``sources.py``.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

from docs.make.formulas import mathml
from docs.make.names import ROOT, Source, UnknownNameError, source_of
from docs.site.addresses import address

logger = logging.getLogger(__name__)
#: Pages that tell of what there was: names that are gone are right there.
HISTORY = ("CHANGELOG",)
#: Names that in other pages than the guide may be those of PyTorch.
SHORT = re.compile(r"(nn|ops|optim|data|losses|metrics|models)\.")


def from_page(page: str, target: str) -> str:
    """The address of `target`, relative to the site, as a link on a page."""
    file, _, anchor = target.partition("#")
    return relative_uri(f"{page}.html", file) + (f"#{anchor}" if anchor else "")


class LinkedFiles(SphinxPostTransform):
    """A Markdown link to a file that is no page leads to its source; one to README.md to the first page."""

    default_priority = 5  # before MyST looks for what is missing

    def run(self, **_: Any) -> None:
        page = self.env.docname
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("reftype") != "myst" or node.get("refdomain") or node["reftarget"].startswith("#"):
                continue
            path, _, anchor = node["reftarget"].partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
            if path.startswith("..") or not (ROOT / path).exists():
                continue
            target = address(Source(path)) + (f"#{anchor}" if anchor else "")
            node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=from_page(page, target)))


class LinkedCode(SphinxPostTransform):
    """Inline code that names a public object or a file leads to its source."""

    default_priority = 6

    def run(self, **_: Any) -> None:
        page = self.env.docname
        for node in list(self.document.findall(nodes.literal)):
            ancestor = node.parent
            while ancestor is not None and not isinstance(
                ancestor, (nodes.reference, nodes.title, addnodes.pending_xref)
            ):
                ancestor = ancestor.parent
            if ancestor is not None:
                continue
            try:
                source = source_of(node.astext())
            except UnknownNameError as error:
                if page.startswith("docs/guide/") or (page not in HISTORY and not SHORT.match(node.astext())):
                    logger.warning("%s", error, location=node, type="minigen", subtype="name")
                continue
            if source is not None:
                link = nodes.reference(
                    "", "", internal=True, refuri=from_page(page, address(source)), classes=["source"]
                )
                node.replace_self(link)
                link += node


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """For Sphinx: where the source is of an object on a page of ``api/``."""
    try:
        source = source_of(f"{info['module']}.{info['fullname']}") if domain == "py" else None
    except UnknownNameError:
        return None
    return None if source is None else "../" + address(source)


def _inline(translator: Any, node: Any) -> None:
    _formula(translator, node, block=False)


def _block(translator: Any, node: Any) -> None:
    _formula(translator, node, block=True)


def _formula(translator: Any, node: Any, block: bool) -> None:
    """Sphinx's way to write a formula: MathML by docutils."""
    try:
        text = mathml(node.astext(), block)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        text = f"<code>{translator.encode(node.astext())}</code>"
    translator.body.append(f'<div class="math">{text}</div>\n' if block else text)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """For Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.add_post_transform(LinkedFiles)
    app.add_post_transform(LinkedCode)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
