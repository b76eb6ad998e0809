"""Docstrings as Sphinx reads them: ours are plain text with `names` and ``code``, lists, and indented examples.

Sphinx takes docstrings for reStructuredText, where a star, a bar or an underscore of a formula is markup. So all of
that is escaped, backticks become code, and what is indented becomes a block of code.

Imports: Sphinx. Read next: ``api.py``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

CODE = re.compile(r"``(.+?)``|`([^`\n]+(?:\n[^`\n]+)?)`|\*\*([^*]+)\*\*", re.S)
MARK = re.compile(r"([-*]|\d+[.)]) +")  # of an item of a list


def as_rst(text: str) -> str:
    """A docstring, its indentation removed, as reStructuredText that looks the same."""
    return "\n\n".join(block for part in re.split(r"\n\s*\n", text.strip("\n")) for block in _blocks(part.split("\n")))


def _blocks(lines: list[str]) -> Iterator[str]:
    """What stands without a blank line between: text, lists, and indented code."""
    while lines:
        mark, deep = MARK.match(lines[0]), lines[0].startswith(" ")
        count = 1
        while count < len(lines) and (lines[count].startswith(" ") if mark or deep else not _begins(lines, count)):
            count += 1
        block, lines = lines[:count], lines[count:]
        if mark:
            inner = "\n".join(line.strip() for line in [block[0][mark.end() :], *block[1:]])
            sign = "-" if mark[1] in "-*" else mark[1]
            yield f"{sign} " + textwrap.indent(_inline(inner), " " * (len(sign) + 1)).lstrip()
        elif deep:
            yield "::\n\n" + textwrap.indent(textwrap.dedent("\n".join(block)), "    ")
        else:
            yield _inline("\n".join(block))


def _begins(lines: list[str], k: int) -> bool:
    """Does a list or a block of code begin in line `k`, or goes the text on?"""
    return lines[k].startswith(" ") or (MARK.match(lines[k]) is not None and lines[k - 1].endswith(":"))


def _inline(text: str) -> str:
    parts, place = [], 0
    for found in CODE.finditer(text):
        parts.append(_escaped(text[place : found.start()]))
        code = found[1] or found[2]
        if code:
            parts.append(f"\\ ``{' '.join(code.split())}``\\ ")
        else:
            parts.append(f"\\ **{_escaped(found[3])}**\\ ")
        place = found.end()
    parts.append(_escaped(text[place:]))
    # at the beginning of a paragraph an escaped blank is no text, but a first sign that means a list has to be escaped
    return "".join(parts).removeprefix("\\ ")


def _escaped(text: str) -> str:
    text = re.sub(r"([\\*_|`])", r"\\\1", text)
    text = re.sub(r"(?m)^(?=[-+*=~^#.>:(]|\w+[.)]\s)", r"\\", text)
    return text.replace("::", ":\\:")


def process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """For Sphinx: replace the lines of a docstring."""
    lines[:] = as_rst("\n".join(lines)).split("\n")


def setup(app: Any) -> dict[str, bool]:
    """For Sphinx."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
