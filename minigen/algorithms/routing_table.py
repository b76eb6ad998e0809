"""What every loss of an experiment does to every module, as a table that can be read.

Imports: nothing of minigen. Read next: ``routing.py``, which fills it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """What one loss does to one module: the norm of its gradient there (the largest, of several updates in a step; NaN
    if it cannot be had), whether any of it arrives, and whether the update moves the parameters.
    """

    norm: float = 0.0
    flows: bool = False
    moves: bool = False

    def __str__(self) -> str:
        if not (self.flows or self.moves):
            return "-"
        norm = "?" if math.isnan(self.norm) else f"{self.norm:.2e}"
        return f"{norm} {'moves' if self.moves else 'passes'}"


@dataclass(frozen=True)
class RoutingReport:
    """`table` has a row for every loss, with a cell for every module; `surprises` are sentences, empty if all is well.

    As text: rows are losses, columns are modules; "moves" is a gradient that the update follows, "passes" one that only
    goes through, "-" none.
    """

    modules: tuple[str, ...]
    table: Mapping[str, Mapping[str, Cell]]
    surprises: tuple[str, ...]

    def __str__(self) -> str:
        rows = [["gradient of loss", *self.modules]]
        rows += [[loss, *[str(row.get(m, Cell())) for m in self.modules]] for loss, row in self.table.items()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )
