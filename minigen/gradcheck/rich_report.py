"""A report on a terminal, in colour: the same sentences as ``text.py``, and a table that fits the window.

Imports: text; rich, when there is something to show. Read next: ``html_report.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minigen.gradcheck.text import HEAD, Data, cells, diagnosis, evidence, footer, headline

COLORS = {"OK": "green", "VACUOUS": "yellow", "WRONG": "red", "KINK": "magenta", "PRECISION": "yellow"}


def to_rich(report: Data) -> Iterator[Any]:
    """A report as renderables of rich."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    verdict = report["verdict"]
    first = headline(report)
    yield Text.assemble((verdict, f"bold {COLORS[verdict]}"), first.removeprefix(verdict))
    failure = report["failure"]
    if failure is not None:
        grid = Table.grid(padding=(0, 1))
        for label, text in diagnosis(failure):
            grid.add_row(Text(label + ":" if label else "", style="bold"), Text(text))
        for label, text in evidence(failure):
            grid.add_row(Text(label + ":" if label else "", style="dim"), Text(text, style="dim"))
        yield Padding(grid, (0, 0, 0, 2))
    if report["rows"]:
        yield Padding(_table(report), (1, 0))
    for line in footer(report):
        yield Text(line, style="dim")


def _table(report: Data) -> Any:
    from rich.table import Table
    from rich.text import Text

    rows = [cells(row) for row in report["rows"]]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in HEAD:
        table.add_column(name, justify="right" if name in ("error", "resolution") else "left", no_wrap=name != "tensor")
    for row in rows:
        table.add_row(*map(Text, row[:-1]), Text(row[-1], style=COLORS[row[-1]]))
    return table
