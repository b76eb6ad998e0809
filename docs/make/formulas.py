"""Formulas of the pages as MathML, by docutils: no script, no font, no request.

docutils knows a part of LaTeX: no macros of one's own, and an unknown one raises.

Imports: docutils, and markdown-it-py's plugin for dollar signs (both come with the extra ``docs``), late. Read next:
``guide.py``.
"""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ElementTree

from markdown_it.token import Token

from docs.make.chapter import Chapter, Fault

MATHML = "http://www.w3.org/1998/Math/MathML"
ACCENTS = set("\u02c6^\u02c9\u00af~\u02dc\u2192\u02d9\u00a8_\u02c7\u02d8\u00b4`")  # hat, bar, tilde, vec, dot and so on
APPLIED = "\u2061"  # stands between a function and its argument, and has no width
FUNCTIONS = {"log", "ln", "exp", "sin", "cos", "tanh", "det"}
ROWS = {"math", "mrow", "mtd", "mstyle", "msqrt"}  # elements with any number of parts, side by side
BRACES = {"\u23df", "\u23de"}  # of \\underbrace and \\overbrace


def mathml(formula: str, block: bool) -> str:
    """A formula in LaTeX as a MathML element. ValueError: docutils does not know what it says."""
    from docutils.utils.math import MathError, latex2mathml

    try:
        text = str(latex2mathml.tex2mathml(formula.strip(), as_block=block))
    except MathError as error:
        raise ValueError(f"{error} (in {formula.strip()!r})") from error
    ElementTree.register_namespace("", MATHML)
    tree = ElementTree.fromstring(text.replace("&ApplyFunction;", APPLIED))
    for element in list(tree.iter()):
        element.text = (element.text or "").strip() if len(element) else element.text
        element.tail = None
        _scripts(element)
        _spaces(element)
    return ElementTree.tostring(tree, encoding="unicode")


def _spaces(element: ElementTree.Element) -> None:
    r"""Put a thin space on both sides of a function's name, as LaTeX does: ``2\log x``, but ``\log(x)``."""
    if element.tag.removeprefix(f"{{{MATHML}}}") not in ROWS:
        return
    parts = list(element)
    for k, part in enumerate(parts):
        name = part[0] if len(part) and part.tag.endswith(("msub", "msup")) else part
        applied = k + 1 < len(parts) and parts[k + 1].text == APPLIED
        if not name.tag.endswith("mi") or not (applied or name.text in FUNCTIONS):
            continue
        before = parts[k - 1] if k else None
        after = parts[k + 1 + applied] if k + 1 + applied < len(parts) else None
        if before is not None and (before.text == ")" or not before.tag.endswith(("mo", "mspace"))):
            element.insert(list(element).index(part), _thin())
        if after is not None and not after.tag.endswith(("mo", "mspace")):
            element.insert(list(element).index(after), _thin())


def _thin() -> ElementTree.Element:
    return ElementTree.Element(f"{{{MATHML}}}mspace", width="0.17em")


def _scripts(element: ElementTree.Element) -> None:
    r"""Put scripts where LaTeX has them: of ``\hat{x}_i`` beside the letter, of ``\underbrace{x}_y`` below the brace.

    docutils 0.22 puts the first below the letter, and the second beside. Accents stand a little higher than LaTeX's.
    """
    kind, parts = element.tag.removeprefix(f"{{{MATHML}}}"), list(element)
    if kind == "munderover" and parts[2].text in ACCENTS:
        letter = ElementTree.Element(f"{{{MATHML}}}mover")
        letter.extend([parts[0], parts[2]])
        element.tag, element[:] = f"{{{MATHML}}}msub", [letter, parts[1]]
    elif kind == "mover":  # as an accent a browser without a font for formulas draws it into the letter
        element.attrib.pop("accent", None)
    elif kind in ("msub", "msup") and len(parts[0]) == 2 and parts[0][1].text in BRACES:
        element.tag = f"{{{MATHML}}}{'munder' if kind == 'msub' else 'mover'}"


def faults_of_formulas(chapter: Chapter) -> list[Fault]:
    """Formulas that become no MathML, or that GitHub's Markdown spoils before it looks at them.

    Without docutils none is found: only the build of the site needs it.
    """
    if importlib.util.find_spec("docutils") is None or importlib.util.find_spec("mdit_py_plugins") is None:
        return []
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    markdown = MarkdownIt("commonmark").enable("table")
    plain = "\n".join(_plain(token) for token in markdown.parse(chapter.text) if token.type == "inline")
    faults = []
    for token in markdown.use(dollarmath_plugin, allow_space=False).parse(chapter.text):
        line = token.map[0] + 1 if token.map else 1
        found = [(line, token.content, True)] if token.type == "math_block" else []
        for child in (token.children or []) if token.type == "inline" else []:
            line += child.type in ("softbreak", "hardbreak")
            if child.type == "math_inline":
                found.append((line, child.content, False))
                line += child.content.count("\n")
            elif "$$" in child.content or child.type == "math_inline_double":
                faults.append(
                    Fault(chapter.path, line, "$$ in a paragraph; it stands alone on its line, after a blank one")
                )
            elif child.type == "text" and child.content.count("$") > 1:
                shown = child.content[child.content.index("$") :][:30]
                message = f"no formula, although there are two $: {shown!r}; a formula has no blank inside of its $"
                faults.append(Fault(chapter.path, line, message))
        for line, formula, block in found:
            message = _message(formula, block, plain)
            faults += [Fault(chapter.path, line, message)] if message else []
    return faults


def _plain(token: Token) -> str:
    """What Markdown without formulas leaves of a paragraph; marked where it sees emphasis, a link or code."""
    return "".join("\n" if "break" in t.type else t.content if t.type == "text" else "\0" for t in token.children or [])


def _message(formula: str, block: bool, plain: str) -> str | None:
    """What is wrong with a formula, or None."""
    eaten = re.search(r"\\[^\w\s\\]|\\\\(?=[^\n])", formula)
    shown = repr(formula.strip())
    if eaten:
        return (
            f"GitHub eats the backslash of {eaten[0]!r} in {shown}: write a blank or \\quad, \\Vert, \\lbrace, "
            "and \\\\ only at the end of a line"
        )
    if not block and f"${formula}$" not in plain:
        return f"GitHub takes signs in {shown} for emphasis or a link: make it a display, or name what is in brackets"
    if not block and "\n" in formula:
        return f"the formula {shown} goes over the end of a line, which GitHub may take for text: keep it on one line"
    try:
        mathml(formula, block)
    except ValueError as error:
        return str(error)
    return None
