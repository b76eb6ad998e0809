"""The source of the repository as pages of the site: a page for a file, and one for a folder.

A file ``minigen/ops/conv.py`` is ``minigen/ops/conv.py.html``; line 22 has the anchor ``L-22``. Its docstring leads on
as it does in an editor: each ``name.py`` that it mentions is a link. Pages are written for whatever a page of the site,
or a page of source, links to.

Imports: Pygments, docs/make. Read next: ``check.py``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Set
from pathlib import Path, PurePosixPath

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

from docs.make.names import ROOT

#: Folders of which all files have a page; of others those that are linked to.
WHOLE = ("minigen", "kernels", "examples")

PAGE = """<!doctype html>
<html lang="en" data-content_root="{root}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - minigen</title>
<link rel="stylesheet" href="{root}_static/pygments.css">
<link rel="stylesheet" href="{root}_static/styles/furo.css">
<link rel="stylesheet" href="{root}_static/source.css">
</head>
<body>
<script>document.body.dataset.theme = localStorage.getItem("theme") || "auto";</script>
<nav>{crumbs}</nav>
<main>
{body}
</main>
</body>
</html>
"""


def write(site: Path, wanted: Iterable[str]) -> list[str]:
    """Write the pages of these files and folders (relative to the repository) and of all that they lead to."""
    waiting, bodies = list(wanted), dict[str, str]()
    folders = set[str]()
    while waiting:
        path = waiting.pop()
        if path in bodies or path in folders:
            continue
        waiting += [parent.as_posix() for parent in PurePosixPath(path).parents if parent.as_posix() != "."]
        if (ROOT / path).is_dir():
            folders.add(path)
            if path.split("/")[0] in WHOLE:
                waiting += [f"{path}/{thing.name}" for thing in _listed(path)]
        else:
            bodies[path], further = _file(path)
            waiting += further
    there = bodies.keys() | folders
    for path in sorted(there):
        body = bodies[path] if path in bodies else _folder(path, site, there)
        target = site / f"{path}.html" if path in bodies else site / path / "index.html"
        up = "../" * len(target.relative_to(site).parent.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        page = PAGE.format(title=html.escape(path), crumbs=_crumbs(path, up), body=body, root=up)
        target.write_text(page, encoding="utf-8")
    return sorted(there)


def _crumbs(path: str, up: str) -> str:
    """The way from the first page to this one."""
    parts = path.split("/")
    links = [f'<a href="{up}index.html">minigen, the guide and its pages</a>']
    for k in range(1, len(parts)):
        links.append(f'<a href="{up}{"/".join(parts[:k])}/index.html">{html.escape(parts[k - 1])}</a>')
    return " / ".join([*links, f"<strong>{html.escape(parts[-1])}</strong>"])


def _listed(path: str) -> list[Path]:
    """What is shown of a folder: folders first."""
    things = sorted((ROOT / path).iterdir(), key=lambda thing: (thing.is_file(), thing.name))
    shown = [thing for thing in things if not thing.name.startswith((".", "__pycache__"))]
    return [thing for thing in shown if thing.is_dir() or is_text(thing)]


def _folder(path: str, site: Path, there: Set[str]) -> str:
    """The list of what is in a folder, with links to what has a page."""
    lines = []
    for thing in _listed(path):
        name, target = html.escape(thing.name), None
        if thing.suffix == ".md" and (site / path / thing.name).with_suffix(".html").is_file():
            target = f"{thing.stem}.html"
        elif f"{path}/{thing.name}" in there:
            target = f"{thing.name}/index.html" if thing.is_dir() else f"{thing.name}.html"
        shown = f'<a href="{html.escape(target)}">{name}</a>' if target else name
        lines.append(f"<li>{shown}{_sentence(thing)}</li>")
    return f"<h1>{html.escape(path)}</h1>\n<ul>\n" + "\n".join(lines) + "\n</ul>"


def _sentence(thing: Path) -> str:
    """What a file of Python says of itself in its first line."""
    file = thing / "__init__.py" if thing.is_dir() else thing
    if file.suffix != ".py" or not file.is_file():
        return ""
    found = re.match(r'"""(.+?)(?:"""|\n\n|\n(?=    )|\Z)', file.read_text(encoding="utf-8"), re.S)
    text = html.escape(" ".join(found[1].split())) if found else ""
    text = re.sub("`+(.+?)`+", r"<code>\1</code>", text)
    return f" <span>{text}</span>" if text else ""


def is_text(path: Path) -> bool:
    """Can this file be shown?"""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return path.stat().st_size < 500_000


def _file(path: str) -> tuple[str, list[str]]:
    """A file with numbered lines in colours, and the files that its docstring leads to."""
    text = (ROOT / path).read_text(encoding="utf-8")
    try:
        lexer = get_lexer_for_filename(path.replace(".cuh", ".cu"), stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    body = highlight(text, lexer, HtmlFormatter(linenos="inline", linespans="L", wrapcode=True))
    further: list[str] = []
    head = text.find('"""', 3)  # the docstring of the file, in whose lines names become links
    lines = body.split("\n")
    up = "../" * (path.count("/"))

    def link(found: re.Match[str]) -> str:
        target = _near(path, found[1])
        if target is None:
            return found[0]
        further.append(target)
        return f'``<a href="{up}{target}.html">{found[1]}</a>``'

    for k in range(min(text[: max(head, 0)].count("\n") + 1, len(lines)) if text.startswith('"""') else 0):
        lines[k] = re.sub(r"``([\w./-]+\.(?:py|cu|cuh|md))``", link, lines[k])
    return "\n".join(lines), further


def _near(path: str, name: str) -> str | None:
    """The file that a docstring means by a name, from its own folder outwards; None for pages, which are Markdown."""
    folder = (ROOT / path).parent
    for place in (folder, folder.parent, ROOT / "minigen", ROOT):
        found = (place / name).resolve()
        if found.is_file() and found.is_relative_to(ROOT) and found.suffix != ".md":
            return found.relative_to(ROOT).as_posix()
    return None
