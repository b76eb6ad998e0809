"""What a gradient check says: a table when all is right, an exception that names the place when it is not.

Imports: NumPy. Read next: ``check.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["right", "zero", "WRONG", "KINK", "PRECISION", "VACUOUS"]
Index = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One tensor at one order.

    `compared`: along what, each for so many random `cotangents`. Errors are |analytic - numeric|, absolute and relative
    to the largest derivative of this tensor. `resolution`: the smallest relative error that would have been noticed, in
    the number that is known best. `worst_index`: the element that comes closest to (or lies furthest beyond) its
    tolerance, None for directions. Verdict "zero": both sides are zero to within rounding, no error is relative (NaN).
    """

    order: int
    name: str
    shape: tuple[int, ...]
    compared: str
    cotangents: int
    max_abs_error: float
    max_rel_error: float
    resolution: float
    worst_index: Index | None
    verdict: Verdict


@dataclass
class GradcheckReport:
    """The outcome of a check, a row for each tensor and order. `str(report)` is a table."""

    rows: list[Row] = field(default_factory=list)
    evaluations: int = 0

    def __str__(self) -> str:
        lines = ["order,tensor,shape,compared,max abs error,max rel error,resolution,worst,verdict".split(",")]
        for r in self.rows:
            numbers = [f"{x:.1e}" if x == x else "-" for x in (r.max_abs_error, r.max_rel_error, r.resolution)]
            worst = "" if r.worst_index is None else str(r.worst_index)
            compared = f"{r.compared} x {r.cotangents} cotangents"
            lines.append([str(r.order), r.name, str(r.shape), compared, *numbers, worst, r.verdict])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
        return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


class GradientMismatch(Exception):  # noqa: N818 - it says what happened
    """A gradient check did not pass.

    `verdict`: WRONG (the derivative is not the function's), KINK (the function has no derivative here), PRECISION (too
    rough to tell) or VACUOUS (all zero: nothing was tested). `tensor`, `index`, `order`: the place; `analytic` and
    `numeric` (+- `error`): the two numbers; `hint`: what it looks like; `report`: the rows up to here.
    """

    def __init__(
        self,
        verdict: Verdict,
        tensor: str,
        index: Index | None,
        order: int,
        *,
        numbers: tuple[float, float, float],
        text: str,
        hint: str,
        report: GradcheckReport,
    ) -> None:
        super().__init__(verdict, tensor, index, order, text, hint)
        self.verdict, self.tensor, self.index, self.order = verdict, tensor, index, order
        self.analytic, self.numeric, self.error = numbers
        self.text, self.hint, self.report = text, hint, report

    def __str__(self) -> str:
        place = "" if self.index is None else f" at index {self.index}"
        numbers = f": analytic {self.analytic:.10g}, numeric {self.numeric:.10g} +- {self.error:.1g}"
        if self.verdict == "VACUOUS":
            numbers = ""
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"gradcheck, order {self.order}: {self.verdict}, {self.tensor}{place}{numbers}. {self.text}{hint}"
