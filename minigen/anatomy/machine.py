"""What this machine can do at best: the rate of a product of matrices, of copies, and the time of the smallest call.

They are measured as `minigen bench` measures its floors: a product of two square matrices of side 1024, by BLAS and by
minigen's own kernel, of which the better counts; and copies of 16 kB to 64 MB, since one in a cache is faster
than one in memory. They are kept in the cache folder, by processor, threads and dtype.

Imports: kernels, device, cache, atomic, NumPy. Read next: ``explain.py``.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from minigen.atomic import write_atomically
from minigen.cache import cache_folder
from minigen.device import Device, array_module, cuda_event, cuda_facts, cuda_seconds, to_device
from minigen_kernels import Array, cpu_threads, for_array

SIDE = 1024
SIZES = tuple(1 << k for k in range(14, 28, 2))  # bytes that a copy reads
FILE = "anatomy.json"


@dataclass(frozen=True)
class Rates:
    """Of one dtype: FLOP/s of a product; of copies the bytes moved and bytes/s, read and written; seconds of a call."""

    name: str
    flops: float
    copies: tuple[tuple[int, float], ...]
    call: float

    def copy_rate(self, moved: int) -> float:
        """That of the copy that moves the nearest number of bytes, on a logarithmic scale."""
        return min(self.copies, key=lambda copy: abs(math.log(copy[0] / max(moved, 1))))[1]


def forget() -> None:
    """Let the rates be measured anew when they are needed next."""
    (cache_folder() / FILE).unlink(missing_ok=True)


def rates(device: Device, dtype: Any) -> Rates:
    """Those of this machine with the threads that are set: from the cache folder, else measured now, and kept there."""
    path, name = cache_folder() / FILE, _name(device, np.dtype(dtype))
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    with contextlib.suppress(KeyError, TypeError, ValueError):  # an older file, or one by another hand
        own = known[name]
        copies = tuple((int(n), float(rate)) for n, rate in own["copies"])
        return Rates(name, float(own["flops"]), copies, float(own["call"]))
    measured = _measure(name, device, np.dtype(dtype))
    with contextlib.suppress(OSError):  # a folder that cannot be written: they are measured again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        own = {**(known if isinstance(known, dict) else {}), name: asdict(measured)}
        write_atomically(path, (json.dumps(own, indent=1) + "\n").encode())
    return measured


def _measure(name: str, device: Device, dtype: np.dtype[Any]) -> Rates:
    rng = np.random.default_rng(0)
    a, b = (to_device(rng.standard_normal((SIDE, SIDE)).astype(dtype), device) for _ in range(2))
    ways = [lambda: for_array(a).matmul(a, b)]
    if device == "cpu":
        ways.append(lambda: np.matmul(a, b))
    with threadpoolctl.threadpool_limits(cpu_threads().threads(), user_api="blas"):
        product = min(_best(way, device, 6) for way in ways)
    copies = []
    for size in SIZES:
        source, target = (_aligned(size, dtype, device) for _ in range(2))
        seconds = _best(_copy(source, target), device, max(6, min(300, (1 << 24) // size)))
        copies.append((2 * size, 2 * size / seconds))
    one = to_device(np.ones(1, dtype), device)
    return Rates(name, 2 * SIDE**3 / product, tuple(copies), _best(lambda: for_array(one).erf(one), device, 200))


def _aligned(size: int, dtype: np.dtype[Any], device: Device) -> Array:
    """An array of so many bytes that begins at a page: copies between others may be slower by far.

    glibc's memcpy copies at a twelfth of the speed on an AMD EPYC (Zen 3) where the target begins 1 to 63 bytes after
    the source, modulo 4096 (glibc bug 30994).
    """
    if device == "cuda":
        return to_device(np.ones(size // dtype.itemsize, dtype), device)
    memory = np.ones(size + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    return memory[start : start + size].view(dtype)


def _copy(source: Array, target: Array) -> Callable[[], Any]:
    return lambda: array_module(source).copyto(target, source)


def _best(call: Callable[[], Any], device: Device, times: int) -> float:
    """The shortest of several, in seconds, after one that compiles."""
    call()
    best = math.inf
    for _ in range(times):
        if device == "cuda":
            start, _, end = cuda_event(), call(), cuda_event()
            end.synchronize()
            best = min(best, cuda_seconds(start, end))
        else:
            begun = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - begun)
    return max(best, 1e-9)


def _name(device: Device, dtype: np.dtype[Any]) -> str:
    """What the rates depend on, in words."""
    if device == "cuda":
        return f"{cuda_facts()['device']}, {dtype}"
    threads = cpu_threads().threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {threads} of {cores} cores, {dtype}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
