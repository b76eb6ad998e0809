"""A graph as a table of text, for a terminal: a row for each box, with the numbers of those that it is made from.

Imports: boxes, words; rich. Read next: nothing, this is a leaf.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from minigen.drawing.boxes import Box
from minigen.drawing.words import padded


def headline(boxes: Sequence[Box]) -> str:
    """One line: what is drawn, and how much of it."""
    shown = sorted((number, box.label) for box in boxes for number in box.results)
    results = ", ".join(dict.fromkeys(title for _, title in shown))
    leaves = sum(box.operations == 0 for box in boxes)
    return f"{results}: {_count(sum(box.operations for box in boxes), 'operation')}, {_count(leaves, 'leaf', 'leaves')}"


def table(boxes: Sequence[Box]) -> str:
    """The table, below its headline. Operations are indented; a constant has no gradient."""
    rows: list[tuple[str, str, str, str, str]] = [("", "made by", "from", "shape", "")]
    below: list[list[str]] = [[]]
    for i, box in enumerate(boxes):
        inputs = ", ".join(str(arrow.source) for arrow in box.inputs)
        rows.append((str(i), ("  " if box.operations else "") + box.title, inputs, box.shape, "; ".join(box.notes)))
        below.append(box.values)
    widths = [max(cell_len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for (number, title, inputs, shape, note), values in zip(rows, below):
        cells = [
            number.rjust(widths[0]),
            padded(title, widths[1]),
            padded(inputs, widths[2]),
            padded(shape, widths[3]),
            note,
        ]
        lines.append("  ".join(cells).rstrip())
        lines += [f"{' ' * (widths[0] + 6)}{line}" for line in values]
    return "\n".join([headline(boxes), *lines])


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
