"""The result of `explain_step`: its rows, sums of them, a table.

Imports: rows, text, display, shapes. Read next: ``explain.py``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from minigen.anatomy.rows import BY, By, Row, Total, totals
from minigen.anatomy.text import html, lines, number
from minigen.display.blocks import safely
from minigen.shapes import one_of, whole_number


@dataclass(frozen=True)
class Anatomy:
    """A step of training, taken apart: what `explain_step` returns. ``print`` shows a table.

    `rows`: the longest first, the time of Python last. `ms`: the median time of a step that nobody watches, and
    `watched_ms` of one that was, without what the watching took; `steps`: how many of each. `machine`: where, in words,
    and `flops_rate`, the FLOP/s of its product of matrices.
    """

    rows: tuple[Row, ...]
    ms: float
    watched_ms: float
    steps: int
    device: str
    machine: str
    flops_rate: float
    copy_rates: tuple[tuple[int, float], ...]  # bytes moved, bytes a second
    call_ms: float

    @property
    def rows_ms(self) -> float:
        """The sum of all rows: `ms`, unless the kernels of the watched steps alone took longer than that."""
        return sum(row.ms for row in self.rows)

    def total(self, by: By = "phase") -> tuple[Total, ...]:
        """The sums by "phase", "operation", "kernel", "room" or "where", the longest first; phases in their order."""
        one_of("total", "by", by, BY)
        return totals(self.rows, by)

    def table(self, top: int = 20) -> str:
        """The longest rows, `top` of them and what the others are together; then totals."""
        return "\n".join(lines(self.about(), self.rows, whole_number("table", "top", top, 1)))

    def about(self) -> list[str]:
        """Two lines: how long a step takes, and what the machine can do."""
        rates = [rate / 1e9 for _, rate in self.copy_rates]
        copies = f"copy {rates[-1]:.1f} to {max(rates):.1f} GB/s"
        return [
            f"one step: {number(self.ms)} ms (median of {self.steps}); a watched one, without what watching takes, "
            f"{number(self.watched_ms)} ms",
            f"{self.machine}: product {self.flops_rate / 1e9:.0f} GFLOP/s, {copies}, a call "
            f"{1000 * self.call_ms:.1f} us",
        ]

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        rows = [{**asdict(row), "intensity": row.intensity, "of_floor": row.of_floor} for row in self.rows]
        totals = {by: [asdict(total) for total in self.total(by)] for by in BY[:2]}
        return {**asdict(self), "rows": rows, "rows_ms": self.rows_ms, "totals": totals}

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return safely(lambda shown: html(shown.about(), shown.rows), self)
