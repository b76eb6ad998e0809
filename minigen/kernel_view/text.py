"""A launch as text: what one thread does, what its warp does, what all warps move.

Imports: kernels. Read next: ``picture.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from minigen.kernel_view.figures import ACCESSES, accesses, barriers, cell_of, claim, conflicts, traffic, verdict
from minigen.kernel_view.looking import Seen
from minigen_kernels.host.recording import KINDS, SHARED, Launch


def lines(seen: Seen, rows: int = 40) -> Iterator[str]:
    """The whole report; at most `rows` rows of each list, 0 for all."""
    yield f"{seen.name}({', '.join(seen.arguments)})"
    yield f"run on the host from its CUDA source; largest difference from the reference: {seen.error:.1e}"
    for number, launch in enumerate(seen.launches, start=1):
        yield ""
        yield (
            f"launch {number} of {len(seen.launches)}: {launch.kernel.name} ({_file(launch)}), {launch.dtype}, "
            f"grid {_dim(launch.grid)} of blocks of {_dim(launch.block)} threads"
        )
        if len(launch.instructions):
            yield from _of_thread(launch, seen, rows)
            yield from _of_warp(launch, seen, rows)
        else:
            yield f"  (block {seen.block} has no such warp in this launch, or it touches no memory)"
        yield from _of_all(launch)


def _of_thread(launch: Launch, seen: Seen, rows: int) -> Iterator[str]:
    done = list(accesses(launch, seen.thread % 32))
    yield ""
    yield f"thread {seen.thread} of block {seen.block}, in order:"
    yield from _table(
        ["", "line", "does", "array", "cell", "bytes"],
        [[str(i), str(a.place), a.does, a.array, a.cell, str(a.bytes or "")] for i, a in enumerate(done, start=1)],
        rows,
    )


def _of_warp(launch: Launch, seen: Seen, rows: int) -> Iterator[str]:
    warp = seen.thread // 32
    yield ""
    yield f"its warp (threads {32 * warp} to {32 * warp + 31}), an instruction a row:"
    table = []
    for i, one in enumerate(launch.instructions, start=1):
        row = [str(i), str(launch.places[int(one["site"])]), KINDS[one["kind"]], "", str(int(one["lanes"]).bit_count())]
        if one["kind"] in ACCESSES:
            first = (int(one["lanes"]) & -int(one["lanes"])).bit_length() - 1
            row[3], _ = cell_of(launch, int(one["array"]), int(one["offset"][first]), int(one["size"]))
            in_global = one["array"] != SHARED
            row += [str(one["wanted"]), f"{one['sectors']} ({one['least']})" if in_global else "",
                    str(one["lines"]) if in_global else "", verdict(one)]  # fmt: skip
        table.append(row + [""] * (9 - len(row)))
    yield from _table(["", "line", "does", "array", "lanes", "bytes", "sectors (least)", "lines", ""], table, rows)
    yield f"  barriers {barriers(launch)}, bank conflicts {conflicts(launch.instructions)}"


def _of_all(launch: Launch) -> Iterator[str]:
    threads = int(np.prod(launch.grid)) * int(np.prod(launch.block))
    yield ""
    yield f"all {threads} threads, bytes in global memory:"
    moved = traffic(launch)
    yield from _table(
        ["array", "asked for", "in sectors", "(least)", "different, read", "different, written"],
        [[t.array, str(t.asked), str(t.moved), f"({t.least})", str(t.read), str(t.written)] for t in moved],
        0,
    )
    read, written = sum(t.read for t in moved), sum(t.written for t in moved)
    yield f"  different bytes: {read} read, {written} written; bank conflicts of all warps: {conflicts(launch.totals)}"
    said = claim(launch)
    if said:
        yield f"what {_file(launch)} says:"
        yield from (f"  | {line}" for line in said.split("\n"))


def _file(launch: Launch) -> str:
    """The source: a name in the CUDA room, or plain/NAME."""
    path = Path(launch.kernel.file)
    return f"{path.parent.name}/{path.name}" if path.is_absolute() else path.name


def _dim(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    shown = rows if not most or len(rows) <= most else rows[:most]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    for row in (head, *shown):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(shown) < len(rows):
        yield f"  ... {len(rows) - len(shown)} more (--rows 0 shows all)"
