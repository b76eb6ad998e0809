"""A process that measures what the machine can do at best: a product of matrices and a copy, of which floors are made.

Both in NumPy and, where it is installed, in PyTorch; the better one counts.

Imports: NumPy, llvmlite. Read next: ``harness.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from llvmlite import binding

from minigen_bench.harness import processor
from minigen_bench.steps import STEPS
from minigen_bench.worker import Order, serve

SIDE = 1024  # of the square matrices whose product is timed
Calls = dict[str, tuple[Callable[[], Any], Callable[[], Any]]]  # library -> its product, its copy


class Machine:
    """Takes part in the rounds like a training step."""

    def __init__(self, order: Order) -> None:
        weights = order.read_weights()
        self.device, self.dtype = order.device, np.dtype(STEPS[order.step].dtype)
        self.parameters = sum(w.size for k, w in weights.items() if ".running_" not in k)
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal((SIDE, SIDE)).astype(self.dtype) for _ in range(2))
        # Source and target of the copy take what Adam's four arrays take: both are in the same cache, or in none.
        source = np.ones(2 * self.parameters, self.dtype)
        self.bytes = 2 * source.nbytes
        if order.device == "cuda":
            self.calls: Calls = {"CuPy": calls_of(importlib.import_module("cupy"), a, b, source)}
            return
        self.calls = {"NumPy": calls_of(np, a, b, source)}
        if importlib.util.find_spec("torch") is not None:
            self.calls["PyTorch"] = calls_of_torch(order.threads, a, b, source)

    def rates(self, _: int) -> dict[str, Any]:
        """FLOP/s of the product, and bytes a second (read and written) of the copy, the best of a few, by library."""
        product = {name: 2 * SIDE**3 / self._best(calls[0], 4) for name, calls in self.calls.items()}
        copy = {name: self.bytes / self._best(calls[1], 20) for name, calls in self.calls.items()}
        return {"product": product, "copy": copy}

    def facts(self) -> dict[str, Any]:
        """What a reader has to know of the machine."""
        if self.device == "cuda":
            cuda = importlib.import_module("cupy").cuda.runtime
            name = cuda.getDeviceProperties(0)["name"].decode()
            return {"blas": f"cuBLAS of CUDA {cuda.runtimeGetVersion()}", "kernels": name, "gpu": name}
        pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        numpy_blas = next((pool for pool in pools if "numpy" in pool["filepath"]), pools[0] if pools else {})
        features = binding.get_host_cpu_features()
        width = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
        return {
            "cpu": processor(),
            "llvm_cpu": binding.get_host_cpu_name(),
            "register_bits": width,
            "caches": caches(),
            "blas": f"{numpy_blas.get('internal_api', 'unknown')} {numpy_blas.get('version', '')}".strip(),
            "kernels": numpy_blas.get("architecture", ""),
        }

    def _best(self, call: Callable[[], Any], times: int) -> float:
        """The shortest of several. On a GPU each is of ten calls, which wait for each other only at the end."""
        repeats, best = 10 if self.device == "cuda" else 1, float("inf")
        for _ in range(times):
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            if self.device == "cuda":
                importlib.import_module("cupy").cuda.Device().synchronize()
            best = min(best, (time.perf_counter() - start) / repeats)
        return best


def calls_of(xp: Any, *arrays: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Product and copy in NumPy or CuPy."""
    a, b, source = map(xp.asarray, arrays)
    product, target = a @ b, source.copy()
    return lambda: xp.matmul(a, b, out=product), lambda: xp.copyto(target, source)


def calls_of_torch(threads: int, *arrays: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Product and copy in PyTorch."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    a, b, source = map(torch.from_numpy, arrays)
    product, target = a @ b, source.clone()
    return lambda: torch.mm(a, b, out=product), lambda: target.copy_(source)


def caches() -> dict[str, str]:
    """The sizes of the caches that the first core sees, as Linux tells them; empty elsewhere."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def main() -> None:
    """Measure until told to stop."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.argv[1] == "facts":  # alone, without a step
        print(json.dumps({"cpu": processor(), "llvm_cpu": binding.get_host_cpu_name()}), file=answers, flush=True)
        return
    machine = Machine(Order.from_words(*sys.argv[1:]))
    serve(machine.rates, {"parameters": machine.parameters, "facts": machine.facts()}, answers)


if __name__ == "__main__":
    main()
