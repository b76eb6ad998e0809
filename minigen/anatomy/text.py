"""The table of an `Anatomy`, for a terminal and for a notebook.

Imports: rows, display. Read next: ``result.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from minigen.anatomy.rows import PYTHON, By, Row, Total, totals
from minigen.display.blocks import frame, note, table

HEAD = (
    "phase", "where", "operation: kernel", "room", "shapes",
    "calls", "MFLOP", "MB", "FLOP/B", "ms", "share", "floor", "bound",
)  # fmt: skip
WORDS = 5  # columns of words
WIDE = 26  # letters of a place, and of shapes


TOTAL_HEAD = ("calls", "MFLOP", "MB", "ms", "share", "floor")
TOTALS: tuple[By, ...] = ("phase", "operation")


def lines(about: Sequence[str], rows: Sequence[Row], top: int) -> list[str]:
    """The longest rows, and totals by phase and by operation."""
    found = [*about, "", *_columns(_rows(rows, top), HEAD, WORDS)]
    for by in TOTALS:
        found += ["", *_columns(_totals(rows, by), (by, *TOTAL_HEAD), 1)]
    return found


def html(about: Sequence[str], rows: Sequence[Row], top: int = 20) -> str:
    """The same for a notebook."""
    parts = [*map(note, about), table(HEAD, _rows(rows, top), numbers=len(HEAD) - WORDS)]
    parts += [table((by, *TOTAL_HEAD), _totals(rows, by), numbers=len(TOTAL_HEAD)) for by in TOTALS]
    return frame("Anatomy of a step", *parts)


def _rows(all_rows: Sequence[Row], top: int) -> list[tuple[str, ...]]:
    kernels = [row for row in all_rows if row.room != PYTHON]
    shown, rest = [_cells(row) for row in kernels[:top]], kernels[top:]
    if rest:
        (total,) = totals([replace(row, phase="") for row in rest], "phase")
        amounts = _amounts(total.calls, total.flops, total.bytes)
        times = (number(total.ms), _part(total.share), _ratio(total.floor_ms, total.ms))
        shown.append((f"{len(rest)} more", *[""] * (WORDS - 1), *amounts, "", *times, ""))
    between = next(row for row in all_rows if row.room == PYTHON)
    return [*shown, (PYTHON, "between kernels", *[""] * 7, number(between.ms), _part(between.share), "", "")]


def _cells(row: Row) -> tuple[str, ...]:
    shapes = " ".join("x".join(map(str, shape)) if shape else "()" for shape in row.shapes)
    kernel = row.kernel if row.kernel == row.operation else f"{row.operation}: {row.kernel}"
    where = row.where if len(row.where) <= WIDE else f"...{row.where[3 - WIDE :]}"
    shapes = shapes if len(shapes) <= WIDE else f"{shapes[: WIDE - 3]}..."
    intensity = "" if row.intensity is None else f"{row.intensity:.3g}"
    amounts, times = _amounts(row.calls, row.flops, row.bytes), (number(row.ms), _part(row.share))
    ratio = _ratio(row.floor_ms, row.ms)
    return (row.phase, where, kernel, row.room, shapes, *amounts, intensity, *times, ratio, row.bound)


def _totals(rows: Sequence[Row], by: By) -> list[tuple[str, ...]]:
    return [_total_cells(total) for total in totals(rows, by)]


def _total_cells(total: Total) -> tuple[str, ...]:
    amounts = _amounts(total.calls, total.flops, total.bytes) if total.name != PYTHON else ("", "", "")
    ratio = _ratio(total.floor_ms, total.ms) if total.name != PYTHON else ""
    return (total.name, *amounts, number(total.ms), _part(total.share), ratio)


def _amounts(calls: int, flops: int | None, moved: int) -> tuple[str, str, str]:
    return str(calls), "?" if flops is None else _short(flops / 1e6), _short(moved / 1e6)


def _short(x: float) -> str:
    return "0" if x == 0 else f"{x:.4f}" if x < 0.01 else f"{x:.3g}" if x < 1000 else f"{x:,.0f}"


def number(x: float) -> str:
    """Milliseconds, in as many digits as are worth reading."""
    return f"{x:.3f}" if abs(x) < 10 else f"{x:.1f}"


def _part(x: float) -> str:
    return f"{100 * x:.1f}%"


def _ratio(floor: float, ms: float) -> str:
    return f"{100 * floor / ms:.0f}%" if ms > 0 else ""


def _columns(rows: list[tuple[str, ...]], head: tuple[str, ...], words: int) -> list[str]:
    """Words to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    last = len(head) - 1
    to_left = [i < words or (i == last and head[i] == "bound") for i in range(len(head))]
    return [
        "  ".join(f"{cell:{'<' if left else '>'}{width}}" for cell, width, left in zip(row, widths, to_left)).rstrip()
        for row in [head, *rows]
    ]
