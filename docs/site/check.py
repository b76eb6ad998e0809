"""Links: those of the built site, and those of the Markdown as a host of the repository shows it.

An address elsewhere is looked at, not asked for: its form, not whether it answers.

Imports: markdown-it-py, docs/make. Read next: ``../make/site.py``.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt

from docs.make.chapter import slug
from docs.make.names import ROOT


@dataclass
class Page:
    """What a page of HTML links to, with the place in its text, and the anchors that it has."""

    text: str
    links: list[tuple[int, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for tag in re.finditer(r"<\w+\s[^<>]*>", self.text):  # in text "<" is &lt;
            for key, value in re.findall(r'\s(href|src|id)="([^"]*)"', tag[0]):
                if key == "id":
                    self.anchors.add(html.unescape(value))
                else:
                    self.links.append((tag.start(), html.unescape(value)))


def read(path: Path) -> Page:
    """A page of the site."""
    return Page(path.read_text(encoding="utf-8"))


def external_fault(address: str) -> str | None:
    """What is wrong with the form of an address elsewhere."""
    parts = urlsplit(address)
    if parts.scheme == "mailto":
        return None if "@" in parts.path else "no address"
    if parts.scheme not in ("https", "http"):
        return f"the scheme {parts.scheme!r}"
    if not re.fullmatch(r"(localhost|127\.0\.0\.1|[\w-]+(\.[\w-]+)+)(:\d+)?", parts.netloc) or " " in address:
        return "no name of a host"
    return None


def site_faults(site: Path) -> list[str]:
    """Links of the built site that lead nowhere: pages, pictures, scripts, anchors; and addresses of a wrong form."""
    site = site.resolve()
    pages = {path: read(path) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        for place, link in page.links:
            message = _site_fault(site, pages, path, link)
            if message:
                line = page.text.count("\n", 0, place) + 1
                faults.append(f"{path.relative_to(site)}:{line}: {link}: {message}")
    return faults


def _site_fault(site: Path, pages: dict[Path, Page], path: Path, link: str) -> str | None:
    parts = urlsplit(link)
    if parts.scheme == "data":
        return None
    if parts.scheme or parts.netloc:
        return external_fault(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(site):
        return "it leads out of the site"
    if not target.is_file():
        return "there is no such file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "there is no such anchor"
    return None


def missing_sources(site: Path) -> list[str]:
    """The files and folders of the repository that pages of the site link to, as ``minigen/ops/conv.py.html``."""
    found, site = set[str](), site.resolve()
    for path in site.rglob("*.html"):
        for _, link in read(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path.endswith(".html"):
                continue
            target = (path.parent / unquote(parts.path)).resolve()
            if target.is_relative_to(site) and not target.is_file():
                name = target.relative_to(site).as_posix()
                name = name.removesuffix("/index.html") if name.endswith("/index.html") else name.removesuffix(".html")
                if (ROOT / name).exists():
                    found.add(name)
    return sorted(found)


def markdown_files() -> list[Path]:
    """The pages of the repository."""
    folders = ("docs", "findings", "benchmarks", "examples", "tests/cuda_double")
    return [*sorted(ROOT.glob("*.md")), *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.md")))]


def markdown_faults(paths: list[Path]) -> list[str]:
    """Links of Markdown files that lead nowhere in the repository, or to a heading that is not there."""
    faults = []
    for path in paths:
        for line, link in _links(path):
            parts = urlsplit(link)
            message = external_fault(link) if parts.scheme or parts.netloc else _markdown_fault(path, link)
            if message:
                shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
                faults.append(f"{shown}:{line}: {link}: {message}")
    return faults


def _markdown_fault(path: Path, link: str) -> str | None:
    file, _, anchor = link.partition("#")
    target = (path.parent / unquote(file)) if file else path
    if not target.exists():
        return "there is no such file"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return "there is no such heading"
    return None


def _links(path: Path) -> Iterator[tuple[int, str]]:
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        for child in token.children or []:
            address = child.attrGet("href") if child.type == "link_open" else child.attrGet("src")
            if child.type in ("link_open", "image"):
                yield (token.map or [0])[0] + 1, str(address)


@functools.cache
def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page, and those written as HTML."""
    text = path.read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found: dict[str, int] = {}
    for before, token in zip(tokens, tokens[1:]):
        if before.type == "heading_open":
            words = "".join(child.content for child in token.children or [] if child.type in ("text", "code_inline"))
            name = slug(words)
            count = found.get(name, 0)
            found[name] = count + 1
            if count:
                found[f"{name}-{count}"] = 1
    return {*found, *re.findall(r'<a (?:id|name)="([^"]+)"', text)}
