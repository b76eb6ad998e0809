"""Figures of a launch, counted from what was recorded: the accesses of a thread, a warp's instructions, bytes moved.

Imports: kernels. Read next: ``text.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen_kernels.cuda.source import HERE
from minigen_kernels.host.recording import (
    ATOMIC,
    KINDS,
    READ,
    SHARED,
    SYNCTHREADS,
    WRITE,
    Launch,
    Place,
)

ACCESSES = (READ, WRITE, ATOMIC)
SECTOR = 32


@dataclass(frozen=True)
class Access:
    """What a thread does at one place: `cell` is the index in an array, "" at a barrier."""

    place: Place
    does: str
    array: str
    cell: str
    bytes: int


@dataclass(frozen=True)
class Traffic:
    """Of all threads of a launch, on one global array: bytes, and how many sectors they came in.

    `asked`: bytes of all accesses. `moved`: 32 for each sector of each warp's instruction, as the caches are asked for
    them. `read`, `written`: different bytes, which is what memory has to move at least.
    """

    array: str
    asked: int
    moved: int
    least: int  # of `moved`, if each instruction's bytes lay side by side
    read: int
    written: int


def accesses(launch: Launch, lane: int) -> Iterator[Access]:
    """What one lane of the watched warp does, in order."""
    for one in launch.instructions:
        if int(one["lanes"]) >> lane & 1:
            place, kind = launch.places[int(one["site"])], int(one["kind"])
            if kind in ACCESSES:
                array, cell = cell_of(launch, int(one["array"]), int(one["offset"][lane]), int(one["size"]))
                yield Access(place, KINDS[kind], array, cell, int(one["size"]))
            else:
                yield Access(place, KINDS[kind], "", "", 0)


def cell_of(launch: Launch, array: int, offset: int, size: int) -> tuple[str, str]:
    """An array's name, and which cell of it lies there; in shared memory, which byte."""
    if array == SHARED:
        shared = launch.shared_at(offset)
        return f"shared {shared.name}", f"byte {offset - shared.start}"
    operand = launch.operands[array]
    item = operand.dtype.itemsize
    index = [int(i) for i in np.unravel_index(offset // item, operand.shape)]
    if size > item:
        index[-1:] = [f"{index[-1]}..{index[-1] + size // item - 1}"] if index else []  # type: ignore[list-item]
    return operand.name, f"[{', '.join(map(str, index))}]"


def verdict(one: Any) -> str:
    """How well a warp's instruction uses memory."""
    lanes = int(one["lanes"]).bit_count()
    if one["array"] == SHARED:
        more = int(one["passes"] - one["least"])
        return f"{more} bank conflicts" if more > 1 else "1 bank conflict" if more else "no conflict"
    if lanes == 1:
        return "one lane"
    if one["wanted"] == one["size"]:
        return "one cell for all"
    if one["sectors"] == one["least"]:
        return "coalesced"
    if one["lines"] == 1 or one["sectors"] == one["least"] + 1:
        return "coalesced, but for its ends"
    return f"scattered, {one['wanted'] / (SECTOR * one['sectors']):.0%} of the bytes used"


def conflicts(rows: Any) -> int:
    """Turns in shared memory beyond those that the size of the accesses asks for."""
    shared = rows[(rows["array"] == SHARED) & np.isin(rows["kind"], ACCESSES)]
    return int(shared["passes"].sum()) - int(shared["least"].sum())


def barriers(launch: Launch) -> int:
    """How often the watched warp comes to __syncthreads()."""
    return int(np.count_nonzero(launch.instructions["kind"] == SYNCTHREADS))


def traffic(launch: Launch) -> list[Traffic]:
    """What a launch moves of each array that it touches."""
    found = []
    for number, operand in enumerate(launch.operands):
        rows = launch.totals[launch.totals["array"] == number]
        if len(rows):
            found.append(
                Traffic(
                    operand.name,
                    int((rows["accesses"] * rows["size"].astype(np.uint64)).sum()),
                    SECTOR * int(rows["sectors"].sum()),
                    SECTOR * int(rows["least"].sum()),
                    operand.bytes_read,
                    operand.bytes_written,
                )
            )
    return found


_CLAIM = re.compile(r"^// (?:[^\n]*?\. )?(Memory traffic[^\n]*(?:\n//[ ]?\S[^\n]*|\n// {2,}[^\n]*)*)", re.MULTILINE)


def claim(launch: Launch) -> str:
    """What the source says of its memory traffic, where it says so last before the kernel; or ""."""
    text = (HERE / launch.kernel.file).read_text(encoding="utf-8")
    found = _CLAIM.findall(text[: text.index(f" {launch.kernel.name}(")])
    return re.sub(r"\n// ?", "\n", found[-1]) if found else ""
