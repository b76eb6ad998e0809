"""The op table: one row for each public operation. A new operation begins with its row here (see CONTRIBUTING).

The rows stand in one file for each family; `test_op_table.py` makes the tests of them. Gradients of order 2 are the
rule; the convolution family and the normalisations are checked to order 3.

Read next: ``op_row.py`` (what a row says), ``test_op_table.py`` (what is asked of every row).
"""

from __future__ import annotations

import op_rows_activation
import op_rows_conv
import op_rows_elementwise
import op_rows_norm
import op_rows_pool
import op_rows_reduce
import op_rows_sequences
import op_rows_shape
import op_rows_transcendental
from op_row import Row

FAMILIES = (
    op_rows_elementwise, op_rows_transcendental, op_rows_shape, op_rows_reduce, op_rows_activation, op_rows_conv,
    op_rows_pool, op_rows_norm, op_rows_sequences,
)  # fmt: skip

ROWS: list[Row] = [row for family in FAMILIES for row in family.ROWS]
BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
