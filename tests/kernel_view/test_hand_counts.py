"""Figures of five kernels, held to a count by hand; each is made of the sizes, on paper.

Read next: ``docs/kernel_view.md``.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernels.cuda.conftest import needed

from minigen.kernel_view.figures import accesses, barriers, claim, conflicts, traffic
from minigen.kernel_view.looking import Seen, look
from minigen_kernels.host.build import compiler
from minigen_kernels.host.recording import READ, SHARED, SHUFFLE, WRITE, Launch


def seen(name: str, *shapes: tuple[int, ...], **options: int) -> Launch:
    needed("g++", compiler())
    found = look(name, shapes, **options)
    assert isinstance(found, Seen) and found.error < 1e-5
    assert len(found.launches) == 1
    return found.launches[0]


def of_array(launch: Launch, name: str, kind: int) -> list[tuple[int, int, int, int]]:
    """Lanes, different bytes, sectors and lines of each instruction of the watched warp on one array."""
    number = [operand.name for operand in launch.operands].index(name)
    rows = [i for i in launch.instructions if i["array"] == number and i["kind"] == kind]
    return [(int(i["lanes"]).bit_count(), int(i["wanted"]), int(i["sectors"]), int(i["lines"])) for i in rows]


def bytes_of(launch: Launch) -> dict[str, tuple[int, int, int, int]]:
    """By array: bytes asked for, moved in sectors, different ones read and written."""
    return {t.array: (t.asked, t.moved, t.read, t.written) for t in traffic(launch)}


def test_conv2d() -> None:
    """8 x 8 cells, 3 x 3 weights, a padding of 1. A row of x is 32 bytes, a sector; four rows are a line.

    Warp 0 makes rows 0 to 3 of y. Its tap (u, v) reads row i + u - 1 at column j + v - 1: above the image there is
    no row, and beside it no column.
    """
    launch = seen("conv2d", (1, 1, 8, 8), (1, 1, 3, 3))
    rows, columns, crossed = (3, 4, 4), (7, 8, 7), (1, 1, 2)
    expected = [(r * c, 4 * r * c, r, n) for r, n in zip(rows, crossed, strict=True) for c in columns]
    assert of_array(launch, "x", READ) == expected
    assert of_array(launch, "w", READ) == [(9, 36, 2, 1)]  # by 9 threads, into shared memory
    assert of_array(launch, "y", WRITE) == [(32, 128, 4, 1)]
    assert barriers(launch) == 3 and conflicts(launch.totals) == 0
    # in all, on each axis 8 + 7 + 7 of the 24 pairs of place and tap lie inside
    assert bytes_of(launch) == {"x": (4 * 22**2, 2 * 33 * 32, 256, 0), "w": (36, 64, 36, 0), "y": (256, 256, 0, 256)}
    corner = [a.cell for a in accesses(launch, 0) if a.array == "x"]
    assert corner == ["[0, 0, 0, 0]", "[0, 0, 0, 1]", "[0, 0, 1, 0]", "[0, 0, 1, 1]"]


def test_plain_conv2d() -> None:
    """The same call, a thread for each cell of y: each term reads a weight and a cell of x, from global memory."""
    launch = seen("conv2d", (1, 1, 8, 8), (1, 1, 3, 3), is_plain=True)
    taps = [(1, 1), (1, 2), (2, 1), (2, 2)]  # of the corner
    order = [cell for u, v in taps for cell in (f"[0, 0, {u}, {v}]", f"[0, 0, {u - 1}, {v - 1}]")]
    assert [a.cell for a in accesses(launch, 0)] == [*order, "[0, 0, 0, 0]"]
    lanes = [r * c for r in (3, 4, 4) for c in (7, 8, 7)]
    assert [row[0] for row in of_array(launch, "x", READ)] == lanes == [21, 24, 21, 28, 32, 28, 28, 32, 28]
    assert of_array(launch, "w", READ) == [(n, 4, 1, 1) for n in lanes]
    asked = 4 * 22**2
    found = bytes_of(launch)
    assert found["x"] == (asked, 2 * 33 * 32, 256, 0) and found["y"] == (256, 256, 0, 256)
    assert found["w"] == (asked, 2 * 9 * 32, 36, 0)  # one sector for each tap of each of two warps
    assert barriers(launch) == conflicts(launch.totals) == 0


@pytest.mark.parametrize(
    ("N", "C", "H", "W", "k", "thread"), [(2, 3, 5, 6, 3, 33), (1, 2, 9, 4, 5, 0), (3, 1, 7, 7, 1, 64)]
)
def test_conv2d_of_other_sizes(N: int, C: int, H: int, W: int, k: int, thread: int) -> None:
    """Reads of x, one by one: the cells under the window of each place of the warp, in the order of the weights."""
    launch = seen("conv2d", (N, C, H, W), (1, C, k, k), thread=thread)
    places = list(itertools.product(range(N), range(H), range(W)))[thread // 32 * 32 : thread // 32 * 32 + 32]
    expected = []
    for c, u, v in itertools.product(range(C), range(k), range(k)):
        cells = [(n, i + u - k // 2, j + v - k // 2) for n, i, j in places]
        cells = [((n * C + c) * H + i) * W + j for n, i, j in cells if 0 <= i < H and 0 <= j < W]
        if cells:
            expected.append((len(cells), 4 * len(cells), len({a // 8 for a in cells}), len({a // 32 for a in cells})))
    assert of_array(launch, "x", READ) == expected


def test_batch_norm() -> None:
    """A block of 128 threads for each of 4 channels of 2 x 64 values: a value a thread, 16 warps in all.

    x is read for the mean, for the variance, and for y: the second and third time out of the cache. Each of the two
    sums of a block takes 5 + 5 shuffles and 2 barriers.
    """
    launch = seen("batch_norm", (2, 4, 64))
    assert of_array(launch, "x", READ) == [(32, 128, 4, 1)] * 3
    assert of_array(launch, "w", READ) == of_array(launch, "b", READ) == [(32, 4, 1, 1)]  # one number for all lanes
    assert of_array(launch, "mean", WRITE) == [(1, 4, 1, 1)]
    assert barriers(launch) == 4 and np.count_nonzero(launch.instructions["kind"] == SHUFFLE) == 20
    assert conflicts(launch.totals) == 0
    found = bytes_of(launch)
    assert found["x"] == (3 * 2048, 3 * 2048, 2048, 0) and found["y"] == (2048, 2048, 0, 2048)
    assert found["w"] == found["b"] == (512 * 4, 16 * 32, 16, 0)
    assert "batch_norm            reads B, writes B" in claim(launch)
    partial = [i for i in launch.instructions if i["array"] == SHARED and i["kind"] in (READ, WRITE)]
    assert [(int(i["lanes"]).bit_count(), int(i["wanted"])) for i in partial] == [(1, 8), (4, 32)] * 2  # 4 warps


def test_adam_update() -> None:
    """256 parameters, one a thread: reads p, g, m, v and p again, writes m, v, p, each a line for a warp."""
    launch = seen("adam_update", (4, 64))
    order = [(a.does, a.array[0], a.cell) for a in accesses(launch, 5)]
    assert order == [(does, array, "[0, 5]") for does, array in [
        ("read", "g"), ("read", "p"), ("read", "m"), ("read", "v"),
        ("write", "m"), ("write", "v"), ("read", "p"), ("write", "p")]]  # fmt: skip
    for name, kind, count in [("p[0]", READ, 2), ("g[0]", READ, 1), ("m[0]", WRITE, 1), ("v[0]", WRITE, 1)]:
        assert of_array(launch, name, kind) == [(32, 128, 4, 1)] * count
    assert barriers(launch) == conflicts(launch.totals) == 0
    assert bytes_of(launch) == {
        "p[0]": (3072, 3072, 1024, 1024),
        "g[0]": (1024, 1024, 1024, 0),
        "m[0]": (2048, 2048, 1024, 1024),
        "v[0]": (2048, 2048, 1024, 1024),
    }
    moved = traffic(launch)
    assert (sum(t.read for t in moved), sum(t.written for t in moved)) == (4 * 4 * 256, 3 * 4 * 256)
    assert "adam_update      reads 4 B, writes 3 B" in claim(launch)


def test_max_pool2d() -> None:
    """Planes of 8 x 8 to 4 x 4: a warp makes two planes. Each of its reads takes 4 cells of each of 8 rows.

    A row is a sector, of which every other cell is used. A thread reads the first cell of its window twice: before the
    loop, and in it.
    """
    launch = seen("max_pool2d", (2, 4, 8, 8))
    assert of_array(launch, "x", READ) == [(32, 128, 8, 4)] * 5
    assert of_array(launch, "y", WRITE) == [(32, 128, 4, 1)]
    assert of_array(launch, "index", WRITE) == [(32, 256, 8, 2)]
    window = [a.cell for a in accesses(launch, 6) if a.does == "read"]  # result (1, 2)
    assert window == [f"[0, 0, {i}, {j}]" for i, j in [(2, 4), (2, 4), (2, 5), (3, 4), (3, 5)]]
    assert bytes_of(launch) == {
        "x": (5 * 128 * 4, 4 * 5 * 8 * 32, 2048, 0),  # k B a result: 4 cells of 4 bytes
        "y": (512, 512, 0, 512),
        "index": (1024, 1024, 0, 1024),
    }
    assert "max_pool2d            result: reads up to k B, writes B + 8" in claim(launch)


def test_philox() -> None:
    """64 blocks of 16 bytes, each written at once: a warp writes 512 bytes, four lines. Nothing is read."""
    launch = seen("philox", (64,))
    assert of_array(launch, "out", WRITE) == [(32, 512, 16, 4)] and len(launch.instructions) == 1
    assert [(a.cell, a.bytes) for a in accesses(launch, 2)] == [("[2, 0..3]", 16)]
    assert bytes_of(launch) == {"out": (1024, 1024, 0, 1024)}
    assert "writes 16 bytes a block, reads nothing" in claim(launch)
