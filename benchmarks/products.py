"""Matrix products of dense networks: minigen's kernel, NumPy's BLAS and PyTorch, one thread, in GFLOP/s.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/products.py --out benchmarks/results/products-CPU.json

For a layer of `inputs` and `outputs` and a batch: the forward pass x @ w.T, and its two gradients g @ w and g.T @ x.
The best of several rounds; in each round every library has its turn. The peak is that of multiplications in registers.
PyTorch is left out if it is not installed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from minigen_kernels import cpu
from minigen_kernels.cpu.lanes import add, lane_count, mul_add, splat, store

LAYERS = [  # batch, inputs, outputs
    (16, 784, 400),
    (32, 784, 400),
    (64, 784, 128),
    (128, 784, 128),
    (128, 784, 400),
    (128, 400, 20),
    (128, 20, 400),
    (128, 400, 784),
    (128, 128, 64),
    (128, 64, 10),
    (64, 100, 6272),
    (128, 1024, 512),
    (256, 1024, 784),
    (1024, 784, 128),
    (1024, 1024, 1024),
]


@numba.njit
def multiply_in_registers(passes: int, number: Any, result: Any) -> None:
    """Ten chains of multiplications and additions, which wait for nothing but each other."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = a = splat(number)
    for _ in range(passes):
        s0, s1, s2 = mul_add(a, a, s0), mul_add(a, a, s1), mul_add(a, a, s2)
        s3, s4, s5 = mul_add(a, a, s3), mul_add(a, a, s4), mul_add(a, a, s5)
        s6, s7, s8, s9 = mul_add(a, a, s6), mul_add(a, a, s7), mul_add(a, a, s8), mul_add(a, a, s9)
    s0, s1, s2 = add(add(s0, s1), s2), add(add(s3, s4), s5), add(add(s6, s7), add(s8, s9))
    store(result, 0, add(add(s0, s1), s2))


@numba.njit
def _lanes(array: Any) -> int:
    return lane_count(array)


def best(calls: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The shortest time of each call in seconds."""
    times = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            times[i] = min(times[i], time.perf_counter() - start)
    return times


def peak(dtype: Any) -> float:
    """GFLOP/s of one core without memory."""
    result, passes, number = np.zeros(16, dtype), 200_000, np.dtype(dtype).type(0.5)
    multiply_in_registers(1, number, result)
    (seconds,) = best([lambda: multiply_in_registers(passes, number, result)], 10)
    return 2 * 10 * passes * _lanes(result) / seconds / 1e9


def products(batch: int, inputs: int, outputs: int, dtype: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The factors of the three products of a layer."""
    rng = np.random.default_rng(0)
    x, w, g = (rng.normal(size=shape).astype(dtype) for shape in ((batch, inputs), (outputs, inputs), (batch, outputs)))
    return {"x @ w.T": (x, w.T), "g @ w": (g, w), "g.T @ x": (g.T, x)}


def measure(dtype: str, rounds: int) -> list[dict[str, Any]]:
    """One entry for each layer and product."""
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:
        torch = None
    found = []
    for layer in LAYERS:
        for name, (a, b) in products(*layer, dtype).items():
            calls = {"minigen": lambda a=a, b=b: cpu.matmul(a, b), "numpy": lambda a=a, b=b: np.matmul(a, b)}
            if torch:
                s, t = torch.from_numpy(a), torch.from_numpy(b)
                calls["torch"] = lambda s=s, t=t: torch.mm(s, t)
            best(list(calls.values()), 1)
            flops = 2 * a.shape[0] * a.shape[1] * b.shape[1]
            seconds = best(list(calls.values()), max(rounds if flops < 1e9 else 3, int(rounds * 1e6 / flops)))
            exact = a.astype(np.float64) @ b.astype(np.float64)
            error = {k: float(np.abs(np.asarray(f()) - exact).max() / np.abs(exact).max()) for k, f in calls.items()}
            rates = {k: round(flops / s / 1e9, 1) for k, s in zip(calls, seconds)}
            found.append({"layer": layer, "product": name, "dtype": dtype, "gflops": rates, "error": error})
            print(f"{layer!s:20} {name:8} {dtype}", *(f"{k} {v:6.1f}" for k, v in rates.items()), flush=True)
    return found


def main() -> None:
    """Measure, print, and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dtypes", default="float32,float64")
    options = parser.parse_args()
    dtypes = options.dtypes.split(",")
    peaks = {dtype: round(peak(dtype), 1) for dtype in dtypes}
    print("peak", peaks)
    result = {
        "numpy": np.__version__,
        "peak": peaks,
        "products": [e for d in dtypes for e in measure(d, options.rounds)],
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
