"""Formulas of the pages as MathML, by docutils: no script, no font, no request.

docutils knows a part of LaTeX: no macros of one's own, and an unknown one raises.

Imports: docutils, and markdown-it-py's plugin for dollar signs (both come with the extra ``docs``), late. Read next:
``guide.py``.
"""

from __future__ import annotations

import importlib.util

from docs.make.chapter import Chapter, Fault


def mathml(formula: str, block: bool) -> str:
    """A formula in LaTeX as a MathML element. ValueError: docutils does not know what it says."""
    from docutils.utils.math import MathError, latex2mathml

    try:
        return str(latex2mathml.tex2mathml(formula.strip(), as_block=block))
    except MathError as error:
        raise ValueError(f"{error} (in {formula.strip()!r})") from error


def faults_of_formulas(chapter: Chapter) -> list[Fault]:
    """Formulas that become no MathML. Without docutils none is found: only the build of the site needs it."""
    if importlib.util.find_spec("docutils") is None or importlib.util.find_spec("mdit_py_plugins") is None:
        return []
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    faults = []
    for token in MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, allow_space=False).parse(chapter.text):
        line = token.map[0] + 1 if token.map else 1
        if token.type == "math_block":
            faults += _fault(chapter, line, token.content, True)
        for child in (token.children or []) if token.type == "inline" else []:
            line += child.type in ("softbreak", "hardbreak")
            if child.type in ("math_inline", "math_inline_double"):
                faults += _fault(chapter, line, child.content, child.type != "math_inline")
                line += child.content.count("\n")
            elif child.type == "text" and "$$" in child.content:
                faults.append(
                    Fault(
                        chapter.path,
                        line,
                        "$$ inside of a paragraph: it stands on a line of its own, between blank lines",
                    )
                )
    return faults


def _fault(chapter: Chapter, line: int, formula: str, block: bool) -> list[Fault]:
    try:
        mathml(formula, block)
    except ValueError as error:
        return [Fault(chapter.path, line, str(error))]
    return []
