"""``minigen gradcheck --all``: every operation, layer and loss that ships, at every order, on every backend.

Imports: inventory. Read next: ``minigen/inventory/__init__.py``.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from minigen import inventory
from minigen.algorithms.options import ConfigError
from minigen.cli.console import echo
from minigen.gradcheck.text import COLORS, counted
from minigen.inventory import Backend, Item, Outcome

Row = Mapping[Backend, Outcome]  # of one item
NO_DEVICE = "no device"
BACKENDS_OF: dict[str | None, tuple[Backend, ...]] = {
    None: inventory.BACKENDS, "cpu": ("reference", "cpu"), "cuda": ("cuda",),
}  # fmt: skip


def check_all(console: Console, order: int, device: str | None, as_json: bool, **options: Any) -> bool:
    """Check the inventory and print the results; return whether all of it is right.

    `device` leaves the other backends out; `options` (seed, dtype, self_test) go to `gradcheck`.
    """
    backends = BACKENDS_OF[device]
    usable = {backend: inventory.backend_status(backend) for backend in backends}
    if device == "cuda" and not usable["cuda"][0]:
        raise ConfigError(f"--device cuda: {usable['cuda'][1]}")
    start, rows = time.perf_counter(), list[Row]()
    with _status_line(Console(stderr=True, highlight=False), len(inventory.ITEMS)) as show:
        for item in inventory.ITEMS:
            show(item.name)
            rows.append({b: inventory.check(item, b, order=order, **options) for b in backends if usable[b][0]})
    outcomes = [outcome for row in rows for outcome in row.values()]
    bad = sum(not outcome.ok for outcome in outcomes)
    seconds = time.perf_counter() - start
    if as_json:
        facts = {"ok": not bad, "order": order, **options, "seconds": seconds}
        facts["backends"] = {b: {"usable": yes, "reason": reason} for b, (yes, reason) in usable.items()}
        echo(json.dumps({**facts, "items": [_to_dict(*pair, order) for pair in zip(inventory.ITEMS, rows)]}))
        return not bad
    for text in (*_table(rows, backends, order), *_reasons(usable), *map(Text, _failures(outcomes))):
        console.print(text, soft_wrap=True)
    checks = counted(sum(len(outcome.reports) for outcome in outcomes), "check")
    said = "every gradient is right" if not bad else f"{bad} not right"
    console.print(Text(f"{len(rows)} names, {checks} to order {order} in {seconds:.0f} s: {said}"), soft_wrap=True)
    return not bad


@contextlib.contextmanager
def _status_line(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    """A function that shows the next name and the progress in one line of a terminal; nothing elsewhere."""
    if not console.is_terminal:
        yield lambda name: None
        return
    count = itertools.count(1)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda name: live.update(Text(f"{next(count)}/{total}  {name}"), refresh=True)


def _table(rows: Sequence[Row], backends: Sequence[Backend], order: int) -> Iterator[Text]:
    """A line for each name, a column for each backend and order."""
    first = max(len(item.name) for item in inventory.ITEMS)
    columns = [(backend, k) for backend in backends for k in range(1, order + 1)]
    heads = [f"{backend} {k}" for backend, k in columns]
    widths = [max(len(head), len(NO_DEVICE)) for head in heads]
    yield Text(f"{'name':<{first}}  cases  {'  '.join(map(str.ljust, heads, widths)).rstrip()}", style="bold")
    for item, row in zip(inventory.ITEMS, rows, strict=True):
        text = Text(f"{item.name:<{first}}  {len(item.cases):>5}")
        for (backend, k), width in zip(columns, widths, strict=True):
            cell = row[backend].verdict(k) if backend in row else NO_DEVICE
            text.append(f"  {cell:<{width}}", style=COLORS.get(cell, "dim"))
        text.rstrip()
        yield text


def _reasons(usable: Mapping[Backend, tuple[bool, str]]) -> Iterator[Text]:
    """Why a backend has no column of verdicts."""
    for backend, (yes, reason) in usable.items():
        if not yes:
            yield Text(f"{backend}: {NO_DEVICE}: {reason}")


def _failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The report of each gradient that is not right."""
    for outcome in outcomes:
        for i, report in enumerate(outcome.reports):
            if report.failure is not None:
                yield f"\n{outcome.item.name}, case {i + 1} of {len(outcome.reports)} on {outcome.backend}"
                yield str(report.failure)


def _to_dict(item: Item, row: Row, order: int) -> dict[str, Any]:
    """An item in the output of --json."""
    verdicts = {backend: [outcome.verdict(k) for k in range(1, order + 1)] for backend, outcome in row.items()}
    failures = [report.to_dict() for outcome in row.values() for report in outcome.reports if not report.ok]
    return {"name": item.name, "cases": len(item.cases), "verdicts": verdicts, "failures": failures}
