"""Measure the rooms, and write the two tables of speed into ``docs/guide/07_three_rooms.md``.

    python docs/make/rooms.py            # ten seconds, on a quiet machine

The first table times the functions of the chapter's own code on a larger layer, the second every plain kernel beside
the reference and the fast one. Best of several calls, float32, one thread. Copies into a layout are timed for the fast
room, but not for the chapter's steps.

Imports: ``chapter.py``, ``benchmarks/products.py``, minigen_kernels. Read next: ``guide.py``.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script, which has files with the names of packages
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "kernels"))

import llvmlite.binding
import matplotlib
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.products import peak
from docs.make.chapter import GUIDE, read
from minigen_kernels import cpu, plain, reference

PAGE = GUIDE / "07_three_rooms.md"
ONE = ((1, 1), (1, 1), (1, 1), 1)
LAYER = (8, 32, 24, 64)  # samples, channels, rows and columns, channels of the result

#: Calls of the second table: the arguments of each plain kernel, made of random arrays of these shapes.
KERNELS: dict[str, tuple[list[tuple[int, ...]], tuple[Any, ...], str]] = {
    "conv2d": ([(8, 32, 24, 24), (64, 32, 3, 3)], ((24, 24), *ONE), "the layer above"),
    "conv_transpose2d": ([(8, 64, 24, 24), (64, 32, 3, 3)], ((24, 24), *ONE), "the same, backward"),
    "conv2d_weight_grad": ([(8, 32, 24, 24), (8, 64, 24, 24)], ((3, 3), *ONE), "the same, backward"),
    "matmul": ([(256, 512), (512, 256)], (), "(256, 512) @ (512, 256)"),
    "max_pool2d": ([(8, 32, 24, 24)], ((12, 12), (2, 2), (2, 2), (0, 0)), "the same x, 2 x 2 windows"),
    "softmax": ([(512, 1000)], (), "x (512, 1000)"),
}


def best(call: Callable[[], Any], seconds: float = 0.6) -> float:
    """The shortest time of a call, in milliseconds, of those that begin within so many seconds; three at least."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def chapter_code() -> dict[str, Any]:
    """What the chapter's Python blocks define."""
    names: dict[str, Any] = {}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for fence in read(PAGE).fences:
            if fence.language == "python":
                exec(compile(fence.code, PAGE.name, "exec"), names)
        os.chdir(before)
    return names


def random(*shape: int) -> Any:
    """Normal numbers in float32."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def steps() -> list[str]:
    """The table of the chapter's own steps, from the reference to the fast room."""
    code = chapter_code()
    N, C, H, K = LAYER
    x, w = random(N, C, H, H), random(K, C, 3, 3)
    same = ((H, H), *ONE)
    frame = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    last, results = code["channels_last"](frame), np.zeros((N, H, H, K), np.float32)
    rows = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
    wide = code["WIDE"]
    panels = np.ascontiguousarray(w.reshape(K // wide, wide, C, 3, 3).transpose(0, 3, 4, 2, 1))
    timed = {
        "`reference`: NumPy": lambda: reference.conv2d(x, w, *same),
        "`plain`: seven loops": lambda: plain.conv2d(x, w, *same),
        "`one_sum`: idea 1": lambda: code["one_sum"](frame, w, np.empty((N, K, H, H), np.float32)),
        "`in_lanes`: idea 2": lambda: code["in_lanes"](last, rows, results),
        "`in_registers`: idea 3": lambda: code["in_registers"](last, panels, results),
        "`cpu`: all ideas": lambda: cpu.conv2d(x, w, *same),
    }
    terms = N * C * K * 9 * H * H
    lines = ["| step | ms | ns a term | GFLOP/s |", "| --- | --- | --- | --- |"]
    for name, call in timed.items():
        ms = best(call)
        lines.append(f"| {name} | {ms:.3g} | {1e6 * ms / terms:.2g} | {2e-6 * terms / ms:.3g} |")
    most = f"the most this core can do, without any memory: {peak('float32'):.0f} GFLOP/s"
    return [*lines, "", f"*{machine()}; {most}.*"]


def kernels() -> list[str]:
    """The table of all plain kernels."""
    lines = ["| kernel | call | reference | plain | cpu | plain / cpu |", "| --- | --- | --- | --- | --- | --- |"]
    for name, (shapes, others, told) in KERNELS.items():
        arrays = [random(*shape) for shape in shapes]
        ms = [best(partial(getattr(room, name), *arrays, *others)) for room in (reference, plain, cpu)]
        ratio = ms[1] / ms[2]
        times = " | ".join(f"{one:.3g}" for one in ms)
        lines.append(f"| `{name}` | {told} | {times} | {ratio:.{0 if ratio >= 10 else 1}f} |")
    return lines


def machine() -> str:
    """The processor, as far as it says so."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    name = found[1].strip() if found else "unknown"
    return f"{name} ({llvmlite.binding.get_host_cpu_name()}), one thread, best of several calls"


def main() -> None:
    """Measure, print, write."""
    matplotlib.use("agg")
    text = PAGE.read_text(encoding="utf-8")
    with threadpool_limits(1):
        tables = {"steps": steps(), "kernels": kernels()}
    for part, lines in tables.items():
        print("\n".join(lines))
        marks = f"<!-- rooms.py: {part} -->", "<!-- rooms.py: end -->"
        before, _, rest = text.partition(f"{marks[0]}\n")
        _, _, after = rest.partition(f"{marks[1]}\n")
        text = "\n".join([before + marks[0], "", *lines, "", marks[1], after])
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
