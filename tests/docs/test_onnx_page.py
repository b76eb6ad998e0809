"""The page on ONNX has a row for each layer that is measured, and the kept table of all models. Nothing is run.

Read next: ``docs/make/onnx_page.py``.
"""

from __future__ import annotations

import re

from docs.make import onnx_page as maker
from docs.make.onnx_rows import ROWS
from minigen.algorithms.catalog import MODELS
from minigen.runs.parts import PARTS

PAGE = maker.PAGE.read_text(encoding="utf-8")
REWRITE = "rewrite the page: python docs/make/onnx_page.py"


def rows(block: str) -> list[list[str]]:
    """The cells of the table in a block of the page."""
    text = PAGE.split(f"<!-- {block} -->\n")[1].split(f"<!-- end of {block} -->")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_a_row_for_each_layer_and_small_differences() -> None:
    table = rows("layers")
    assert [row[:2] for row in table] == [[row.layer, row.setting] for row in ROWS], REWRITE
    for row in table:
        assert float(row[2]) <= 1e-5 and float(row[3]) <= 1e-12, row  # onnxruntime
        for cell in row[4:]:
            assert re.fullmatch(r"\de[-+]\d\d", cell) or cell in ("has none", "fails: ValueError"), row
    assert sum("fails" in row[4] for row in table) == 1  # a transposed convolution with groups and dilation


def test_the_kept_table_of_all_models() -> None:
    assert maker.MODELS.read_text(encoding="utf-8").rstrip() in PAGE, REWRITE
    table = rows("models")
    assert list(dict.fromkeys(row[0] for row in table)) == list(MODELS), "run benchmarks/onnx_models.py --record"
    assert all(row[1] in PARTS and float(row[6]) <= 1e-5 and float(row[7]) <= 1e-2 for row in table)
