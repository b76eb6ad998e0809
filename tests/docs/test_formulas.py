"""Formulas: what docutils or GitHub does not read is found, and MathML looks as LaTeX sets it.

Read next: ``docs/make/formulas.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.make.chapter import read
from docs.make.formulas import faults_of_formulas, mathml

NO_DOCS = "the extra docs is not installed: formulas are looked at when the site is built"
THIN = '<mspace width="0.17em" />'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A $\\no x$\n", 1, "\\no"),
        ("One\n$x$ and\n$\\fraction{1}{2}$.\n", 3, "\\fraction"),
        ("One\n\n$$\na \\nothing\n$$\n", 3, "\\nothing"),
        ("A $x\\,y$\n", 1, "GitHub eats the backslash of '\\\\,'"),
        ("$$\na \\\\ b\n$$\n", 1, "GitHub eats the backslash"),
        ("A $(x)_{a} y_{b}$\n", 1, "GitHub takes signs"),
        ("Text $$ x $$ text\n", 1, "stands alone on its line"),
        ("One\nA $x +\ny$ text\n", 2, "goes over the end of a line"),
        ("One\nA $x + y $ text\n", 2, "no formula, although there are two $: '$x + y $ text'"),
    ],
)
def test_a_formula_that_docutils_or_github_does_not_read_is_found(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    pytest.importorskip("mdit_py_plugins", reason=NO_DOCS)
    page = tmp_path / "01_a.md"
    page.write_text(
        f"$x_i$ and $\\hat x_i$ cost $5.\n\n$$\n\\begin{{aligned}} a &= b \\\\\n c &= d \\end{{aligned}}\n$$\n\n{text}"
    )
    found = [(fault.line, fault.message) for fault in faults_of_formulas(read(page))]
    assert len(found) == 1 and found[0][0] == line + 7 and message in found[0][1], found


@pytest.mark.parametrize(
    ("formula", "parts"),
    [
        (r"\hat{x}_i", ["<msub><mover", "</mover><mi>i</mi></msub>"]),
        (r"\bar x_{ij}^2", ["<msup><msub><mover", "</msub><mn>2</mn></msup>"]),
        (r"2 \log 2\pi", [f"<mn>2</mn>{THIN}<mi>log</mi><mo>\u2061</mo>{THIN}<mn>2</mn>"]),
        (
            r"\log(x) \log_2 n",
            ["<mi>log</mi><mo>\u2061</mo><mo str", f"</mo>{THIN}<msub><mi>log</mi><mn>2</mn></msub>{THIN}"],
        ),
        (r"\underbrace{a + b}_{c}", ["<munder><munder>", "</munder><mi>c</mi></munder>"]),
        (r"\sum_{i=1}^n x_i", ["<munderover><mo", "<msub><mi>x</mi><mi>i</mi></msub>"]),
        (r"\begin{aligned} a &= b \\ &= c \end{aligned}", ["<mtable", "<mtr><mtd><mi>a</mi></mtd><mtd><mo>=</mo>"]),
    ],
)
def test_formulas_become_mathml_as_latex_sets_them(formula: str, parts: list[str]) -> None:
    pytest.importorskip("docutils", reason=NO_DOCS)
    text = mathml(formula, True)
    assert text.startswith('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">')
    assert all(part in text for part in parts), text
