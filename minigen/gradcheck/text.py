"""A report as text, plain or in the colours of a terminal: the sentences that all renderers share.

A failure begins with the verdict, goes on with the explanation, and ends with the evidence. All renderers (this file,
``html_report.py``, ``figure.py``) read the dict of `Report.to_dict`, as it is written to JSON: whatever is shown can be
kept in a file.

Imports: NumPy; rich, when there is something to show. Read next: ``html_report.py``, ``figure.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigen_kernels import Array

Data = Mapping[str, Any]  # the dict of a report, or a part of it


def to_jsonable(value: Any) -> Any:
    """`value` in dicts, lists, strings and numbers. A number that is not finite is the string "nan", "inf", "-inf"."""
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(element) for key, element in value.items()}
    if isinstance(value, np.ndarray):
        return to_jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_jsonable(element) for element in value]
    if isinstance(value, (np.generic, float)):
        number = value.item() if isinstance(value, np.generic) else value
        return number if not isinstance(number, float) or math.isfinite(number) else str(number)
    return value


def array(numbers: Any) -> Array:
    """The array of floats from which `to_jsonable` made these lists."""
    return np.asarray(numbers, dtype=np.float64)


HEAD = ("order", "tensor", "shape", "compared", "error", "resolution", "verdict")
COLORS = {"OK": "green", "VACUOUS": "yellow", "WRONG": "red", "KINK": "magenta", "PRECISION": "yellow"}


def headline(report: Data) -> str:
    """The verdict, and of a failure the tensor."""
    failure = report["failure"]
    if failure is not None:
        return failure_headline(failure, report["target"])
    rows = report["rows"]
    zero = sum(row["verdict"] == "VACUOUS" for row in rows)
    but = f", {zero} of them zero" if zero else ""
    each = f" to order {report['order']}" if report["order"] > 1 else ""
    return f"OK: {report['target']}, {counted(len(rows), 'gradient')}{each}{but}"


def failure_headline(failure: Data, target: str) -> str:
    """The verdict, the tensor and element, the order."""
    place = "" if failure["index"] is None else f" at index {indices(failure['index'])}"
    return f"{failure['verdict']}, {failure['tensor']}{place}, order {failure['order']} of {target}"


def diagnosis(failure: Data) -> list[tuple[str, str]]:
    """The explanations and the advice: pairs of a label and sentences."""
    lines = [("looks like" if i == 0 else "or like", e["text"]) for i, e in enumerate(failure["explanations"])]
    if not lines and failure["verdict"] == "WRONG":
        lines.append(("looks like", "no simple mistake: none of those that the checker knows gives these numbers."))
    if failure["advice"]:
        lines.append(("what to do", failure["advice"]))
    return lines


def evidence(failure: Data) -> list[tuple[str, str]]:
    """The numbers behind the verdict: pairs of a label and sentences."""
    lines = []
    if failure["verdict"] != "VACUOUS":
        analytic, numeric, error = (float(failure[name]) for name in ("analytic", "numeric", "error"))
        if analytic == analytic or numeric == numeric:  # a failure without two numbers has NaN for both
            lines.append(("evidence", f"analytic {analytic:.10g}, numeric {numeric:.10g} +- {error:.1g}"))
    if failure["text"]:
        lines.append(("evidence" if not lines else "", failure["text"]))
    return lines


def failure_lines(failure: Data, target: str) -> list[str]:
    """The whole failure, a line for each sentence."""
    pairs = [*diagnosis(failure), *evidence(failure)]
    lines = [f"  {label + ':' if label else '':<11} {text}" for label, text in pairs]
    return [failure_headline(failure, target), *(line.replace("\n", "\n" + " " * 14) for line in lines)]


def footer(report: Data) -> list[str]:
    """The settings of the check, its cost, and the result of the self-test."""
    tests = [] if not report["mutations"] else [f"self-test: {self_test(report['mutations'])}"]
    draws = f"{counted(report['rows'][0]['cotangents'], 'random cotangent')}, " if report["rows"] else ""
    cost = f"{counted(report['evaluations'], 'evaluation')} in {report['seconds']:.2g} s"
    return [*tests, f"{report['dtype']} on {report['device']}, seed {report['seed']}, {draws}{cost}"]


def self_test(mutations: Sequence[Data]) -> str:
    """How many planted errors (mutants) were rejected, and which were not."""
    missed = [m for m in mutations if not m["rejected"]]
    kinds = ", ".join(dict.fromkeys(m["kind"] for m in mutations))
    if not missed:
        return f"{counted(len(mutations), 'planted error')} ({kinds}), every one rejected"
    named = "; ".join(f"{m['kind']} in {m['tensor']}, order {m['order']}" for m in missed[:4])
    more = f"; and {len(missed) - 4} more" if len(missed) > 4 else ""
    return f"{len(missed)} of {counted(len(mutations), 'planted error')} would have passed: {named}{more}"


def cells(row: Data) -> list[str]:
    """The cells of a row, below `HEAD`. Error and resolution are relative to the largest derivative of the tensor."""
    numbers = [f"{x:.1e}" if x == x else "-" for x in (float(row["max_rel_error"]), float(row["resolution"]))]
    return [str(row["order"]), row["tensor"], indices(row["shape"]), row["compared"], *numbers, row["verdict"]]


def to_text(report: Data) -> str:
    """The whole report: verdict, diagnosis and evidence, table, footer."""
    failure = report["failure"]
    top = [headline(report)] if failure is None else failure_lines(failure, report["target"])
    table = aligned([HEAD, *map(cells, report["rows"])])
    return "\n".join([*top, "", *table, *([""] if table else []), *footer(report)])


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """A table in plain text, with a rule below its head; nothing without rows."""
    if len(lines) < 2:
        return []
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return [text[0], "-" * max(map(len, text)), *text[1:]]


def indices(numbers: Sequence[int]) -> str:
    """(2, 3): as Python writes it."""
    return str(tuple(numbers))


def counted(n: int, what: str) -> str:
    """1 gradient, 2 gradients."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


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
