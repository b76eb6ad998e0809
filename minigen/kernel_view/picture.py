"""The threads of a warp over the arrays: who reads and writes which cell, and how often.

Imports: kernels; Matplotlib when a picture is drawn. Read next: ``text.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.kernel_view.figures import ACCESSES
from minigen.kernel_view.looking import Seen
from minigen_kernels.host.recording import READ, WRITE, Launch

MOST_SIDE = 64  # cells that a panel shows, each way
FOLDED = 32  # cells of a row, where the last axis is longer than that
NUMBERED = 16  # up to how many rows and columns a cell is large enough for numbers


def figure(seen: Seen) -> Any:
    """A Matplotlib figure: a panel for each array that the watched warp reads or writes.

    A cell has the colour of the first lane that comes to it, and the number of lanes that do; a frame marks those of
    the watched thread, numbered in its order.
    """
    from matplotlib.figure import Figure

    launch = next((one for one in seen.launches if len(one.instructions)), seen.launches[0])
    panels = [
        (number, kind)
        for number in range(len(launch.operands))
        for kind in (READ, WRITE)
        if np.any((launch.instructions["array"] == number) & (launch.instructions["kind"] == kind))
    ]
    fig = Figure(figsize=(3.6 * max(1, len(panels)) + 1, 4.2), layout="constrained")
    fig.suptitle(
        f"{launch.kernel.name}: block {seen.block}, threads {seen.thread // 32 * 32} to {seen.thread // 32 * 32 + 31}"
    )
    axes = fig.subplots(1, max(1, len(panels)), squeeze=False)[0]
    image = None
    for ax, (number, kind) in zip(axes, panels, strict=False):
        image = _panel(ax, launch, number, kind, seen.thread % 32)
    if image is None:
        axes[0].text(0.5, 0.5, "this warp touches no array", ha="center")
        axes[0].set_axis_off()
    else:
        fig.colorbar(image, ax=axes, label="lane that comes first", ticks=[0, 8, 16, 24, 31], shrink=0.8)
    return fig


def _panel(ax: Any, launch: Launch, number: int, kind: int, mine: int) -> Any:
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    operand = launch.operands[number]
    first, visits, order = _visits(launch, number, kind, mine)
    last = operand.shape[-1] if operand.shape else 1
    columns = last if last <= MOST_SIDE else FOLDED
    grid, counts = (_rows(cells, columns, empty) for cells, empty in ((first, -1), (visits, 0)))
    used = np.flatnonzero((grid >= 0).any(axis=1))
    start, stop = (0, len(grid)) if len(grid) <= NUMBERED else (int(used[0]), int(used[-1]) + 1)
    stop = min(stop, start + MOST_SIDE)
    ax.set_facecolor("0.92")
    extent = (-0.5, columns - 0.5, stop - 0.5, start - 0.5)
    part = np.ma.masked_less(grid[start:stop], 0)
    image = ax.imshow(part, cmap="viridis", vmin=0, vmax=31, extent=extent, aspect="auto", interpolation="nearest")
    numbered = columns <= NUMBERED and stop - start <= NUMBERED
    for row in range(start, stop):
        for column in range(columns):
            if numbered and counts[row, column]:
                color = "black" if grid[row, column] > 20 else "white"
                ax.text(column, row, counts[row, column], ha="center", va="center", fontsize=8, color=color)
            at = order.get(row * columns + column)
            if at:
                ax.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, ec="crimson", lw=1.4))
            if at and numbered:
                box = {"facecolor": "crimson", "edgecolor": "none", "pad": 0.8}
                ax.text(column - 0.42, row - 0.42, at, ha="left", va="top", fontsize=5.5, color="white", bbox=box)
    ax.set_title(f"{'reads' if kind == READ else 'writes'} {operand.name} {operand.shape}", fontsize=9)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("last axis" if columns == last else f"cells, {FOLDED} a row")
    ax.set_ylabel("the other axes, in order" if columns == last else "")
    return image


def _rows(cells: Any, columns: int, empty: int) -> Any:
    """The cells in rows, the last one filled up."""
    rows = -(-len(cells) // columns)
    return np.concatenate([cells, np.full(rows * columns - len(cells), empty)]).reshape(rows, columns)


def _visits(launch: Launch, number: int, kind: int, mine: int) -> tuple[Any, Any, dict[int, int]]:
    """For each cell: the first lane that comes, how many accesses; and of one lane, cell by its place in the order."""
    operand = launch.operands[number]
    cells = int(np.prod(operand.shape))
    first, visits = np.full(cells, -1), np.zeros(cells, int)
    order: dict[int, int] = {}
    done = 0
    for one in launch.instructions:
        done += int(one["lanes"]) >> mine & 1
        if one["kind"] not in ACCESSES or one["array"] != number or one["kind"] != kind:
            continue
        item = operand.dtype.itemsize
        for lane in (n for n in range(32) if int(one["lanes"]) >> n & 1):
            start = int(one["offset"][lane]) // item
            for cell in range(start, start + max(1, int(one["size"]) // item)):
                first[cell] = lane if first[cell] < 0 else first[cell]
                visits[cell] += 1
                if lane == mine:
                    order.setdefault(cell, done)
    return first, visits, order
