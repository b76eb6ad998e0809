"""The page about loading names the operators that there are.

Read next: ``docs/onnx_load.md``.
"""

import re
from pathlib import Path

from minigen.onnx.load import OPERATORS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "onnx_load.md").read_text(encoding="utf-8")


def test_every_operator_is_on_the_page() -> None:
    table = PAGE.split("| --- | --- |\n")[1].split("\n\n")[0]
    named = re.findall(r"\b[A-Z][A-Za-z0-9]+\b", re.sub(r"\([^)]*\)", "", table))
    assert sorted(named) == sorted(OPERATORS)
