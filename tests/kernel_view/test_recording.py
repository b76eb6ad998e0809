"""The recorder, on kernels whose accesses are known: strides, banks, lanes that part and meet again.

Read next: ``kernels/minigen_kernels/host/recorder.cpp``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernels.cuda.conftest import needed

from minigen.kernel_view.figures import accesses, conflicts, traffic, verdict
from minigen_kernels.cuda.launch import launch, using
from minigen_kernels.host.build import compiler
from minigen_kernels.host.recording import READ, SHARED, WRITE, Launch, RecordingBackend

PLANTED = str(Path(__file__).with_name("planted.cu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("g++", compiler())
    return tmp_path_factory.mktemp("recorded")


def recorded(folder: Path, kernel: str, *arguments: Any) -> Launch:
    backend = RecordingBackend(folder)
    with using(backend):
        launch(PLANTED, kernel, 1, 32, *arguments)
    (seen,) = backend.launches
    return seen


# (stride, sectors and lines of a write to y, conflicts of a write to shared memory) in float: cells of 4 bytes
FLOATS = [(1, 4, 1, 0), (2, 8, 2, 1), (8, 32, 8, 7), (32, 32, 32, 31), (33, 32, 32, 0)]
# in double: half warps, each of which takes all 32 banks at stride 1
DOUBLES = [(1, 8, 2, 0), (2, 16, 4, 2), (16, 32, 32, 30)]


@pytest.mark.parametrize(
    ("dtype", "stride", "sectors", "lines", "extra"),
    [("float32", *row) for row in FLOATS] + [("float64", *row) for row in DOUBLES],
)
def test_strides(folder: Path, dtype: str, stride: int, sectors: int, lines: int, extra: int) -> None:
    x = np.arange(1, 33, dtype=dtype)
    y = np.zeros(32 * 33, dtype)
    seen = recorded(folder, "strided", x, y, stride)
    assert (y[: 32 * stride : stride] == x).all()
    (to_shared,) = [i for i in seen.instructions if i["array"] == SHARED and i["kind"] == WRITE]
    (to_y,) = [i for i in seen.instructions if i["array"] == 1]
    assert to_shared["passes"] - to_shared["least"] == extra
    assert (to_y["sectors"], to_y["lines"]) == (sectors, lines)
    assert conflicts(seen.totals) == 2 * extra  # written, and read
    assert [shared.name for shared in seen.shared] == ["cells"]
    assert verdict(to_y) == (
        "coalesced" if stride == 1 else f"scattered, {x.nbytes / 32 / sectors:.0%} of the bytes used"
    )
    done = [(a.does, a.array, a.cell) for a in accesses(seen, 3)]
    byte = f"byte {3 * stride * x.itemsize}"
    assert done == [
        ("read", "x", "[3]"),
        ("write", "shared cells", byte),
        ("__syncthreads", "", ""),
        ("read", "shared cells", byte),
        ("write", "y", f"[{3 * stride}]"),
    ]


def test_lanes_that_a_branch_parts_meet_again(folder: Path) -> None:
    """Four reads by 16 lanes each; grouped by how often a lane has come by, they would be two by 32."""
    seen = recorded(folder, "parted", np.ones(128, np.float32), np.zeros(32, np.float32))
    reads = [f"{i['lanes']:08x}" for i in seen.instructions if i["kind"] == READ]
    assert reads == ["aaaaaaaa", "55555555", "aaaaaaaa", "55555555"]
    assert seen.instructions[-1]["lanes"] == 0xFFFFFFFF  # all write together


def test_lanes_that_leave_a_loop_wait_behind_it(folder: Path) -> None:
    seen = recorded(folder, "ragged", np.ones(128, np.float32), np.zeros(32, np.float32))
    assert [int(i["lanes"]).bit_count() for i in seen.instructions] == [32, 24, 16, 8, 32]
    x, y = traffic(seen)
    assert (x.asked, x.read, x.moved, y.written) == (80 * 4, 80 * 4, 16 * 32, 128)
