"""What the machine can do at best: the rate of a matrix product and of a copy, which the floor of a step is made of.

Imports: NumPy. Read next: ``report.py``.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

import numpy as np
import threadpoolctl

SIDE = 1024  # of the square matrices whose product is timed, in float32


class Machine:
    """Measures both rates; takes part in the rounds like a training step."""

    def __init__(self, parameters: int, device: str) -> None:
        self.device = device
        self.xp: Any = importlib.import_module("cupy") if device == "cuda" else np
        rng = np.random.default_rng(0)
        self.a, self.b = (self.xp.asarray(rng.standard_normal((SIDE, SIDE), dtype=np.float32)) for _ in range(2))
        self.product = self.a @ self.b
        # Source and target of the copy take what Adam's four arrays take: both are in the same cache, or in none.
        self.source = self.xp.ones(2 * parameters, np.float32)
        self.target = self.source.copy()

    def rates(self) -> dict[str, float]:
        """FLOP/s of sgemm, and bytes a second (read and written) of a copy: the best of a few."""
        products = [self._seconds(lambda: self.xp.matmul(self.a, self.b, out=self.product)) for _ in range(5)]
        copies = [self._seconds(lambda: self.xp.copyto(self.target, self.source)) for _ in range(20)]
        return {"sgemm": 2 * SIDE**3 / min(products), "copy": 2 * self.source.nbytes / min(copies)}

    def versions(self) -> dict[str, str]:
        """Of the matrix product: library, version, and the processor whose kernels it runs."""
        if self.device == "cuda":
            name = self.xp.cuda.runtime.getDeviceProperties(0)["name"].decode()
            return {"blas": f"cuBLAS of CUDA {self.xp.cuda.runtime.runtimeGetVersion()}", "kernels": name, "gpu": name}
        for pool in threadpoolctl.threadpool_info():
            if pool["user_api"] == "blas":
                return {"blas": f"{pool['internal_api']} {pool['version']}", "kernels": pool.get("architecture", "")}
        return {"blas": "unknown", "kernels": ""}

    def _seconds(self, call: Any) -> float:
        """On a GPU, of ten calls that wait for each other only at the end: one alone is short against the waiting."""
        repeats = 10 if self.device == "cuda" else 1
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        if self.device == "cuda":
            self.xp.cuda.Device().synchronize()
        return (time.perf_counter() - start) / repeats
