"""The op table: one row for each public operation. A new operation begins with its row here (see CONTRIBUTING).

The rows stand in one file for each family, ``op_rows_<family>.py``; `test_op_table.py` makes the tests of them.
Gradients of order 2 are the rule; the convolution family and the normalisations are checked to order 3.

Read next: ``op_row.py`` (what a row says), ``test_op_table.py`` (what is asked of every row).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ops.op_row import Row

FAMILIES = [import_module(f"ops.{file.stem}") for file in sorted(Path(__file__).parent.glob("op_rows_*.py"))]

ROWS: list[Row] = [row for family in FAMILIES for row in family.ROWS]
BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
