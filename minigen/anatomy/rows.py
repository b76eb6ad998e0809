"""What a row of the table holds, and the sums of rows. A row is all calls of one kernel by one operation in one place.

Imports: Python alone. Read next: ``text.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PYTHON = "Python"  # the room of the time between kernels


@dataclass(frozen=True)
class Row:
    """One line of the table. Numbers are for all `calls` of one step.

    `phase`: "forward", "backward", "update"; "backward 2" is the gradient of what a gradient recorded. `operation` is
    the Function (or, outside of one, the kernel); `where` the Module or parameter, by name; `kernel` one of
    ``docs/kernels.md``, or the Function that NumPy computed. `room`: "cpu", "cuda", "BLAS", "cuBLAS", "NumPy", "CuPy";
    "Python" for what is between them. `shapes`: of the arrays that the kernel takes. `flops`: None where they are
    unknown, in a Function of the user's own. `floor_ms`: the longest of three times, and `bound` says which:
    "arithmetic", FLOPs at the rate of a large product of matrices; "memory", bytes at the rate of a copy of that size;
    "call", the time of the smallest call of a kernel.
    """

    phase: str
    operation: str
    where: str
    kernel: str
    room: str
    shapes: tuple[tuple[int, ...], ...]
    calls: int
    flops: int | None
    bytes: int
    ms: float
    share: float  # of the time of the step
    floor_ms: float
    bound: str

    @property
    def intensity(self) -> float | None:
        """FLOPs for each byte."""
        return self.flops / self.bytes if self.flops is not None and self.bytes else None

    @property
    def of_floor(self) -> float | None:
        """The floor as a part of the time: 1 is as fast as this machine can; None where there is no floor."""
        return self.floor_ms / self.ms if self.ms > 0 and self.room != PYTHON else None


@dataclass(frozen=True)
class Total:
    """The sums of rows that have something in common."""

    name: str
    calls: int
    flops: int
    bytes: int
    ms: float
    share: float
    floor_ms: float


By = Literal["phase", "operation", "kernel", "room", "where"]


BY: tuple[By, ...] = ("phase", "operation", "kernel", "room", "where")
ORDER = {"forward": 0, "update": 2}  # gradients come between


def totals(rows: Sequence[Row], by: By) -> tuple[Total, ...]:
    """The sums of rows that are alike in `by`, the longest first; phases in their order; the time of Python last."""
    names = dict.fromkeys(_name(row, by) for row in rows)
    found = [_sum(name, [row for row in rows if _name(row, by) == name]) for name in names]
    if by == "phase":
        return tuple(sorted(found, key=lambda total: (total.name == PYTHON, ORDER.get(total.name, 1), total.name)))
    return tuple(sorted(found, key=lambda total: (total.name == PYTHON, -total.ms)))


def _name(row: Row, by: By) -> str:
    return PYTHON if row.room == PYTHON else str(getattr(row, by))


def _sum(name: str, rows: list[Row]) -> Total:
    return Total(
        name,
        sum(row.calls for row in rows),
        sum(row.flops or 0 for row in rows),
        sum(row.bytes for row in rows),
        sum(row.ms for row in rows),
        sum(row.share for row in rows),
        sum(row.floor_ms for row in rows),
    )
