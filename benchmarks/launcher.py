"""The launcher's own time: what `launch` takes before CuPy's function is called, for ten kernels.

    python benchmarks/launcher.py                # on arrays of NumPy's
    python benchmarks/launcher.py --device cuda  # on the device's arrays: no kernel runs
    python benchmarks/launcher.py --before FILE  # beside the result of another version

Every kernel is called once, with a backend that runs nothing, and its launch is noted; then that launch is repeated.
Microseconds of processor time, the smallest of many rounds. Writes ``benchmarks/results/launcher-<cpu>.json``.

Imports: NumPy, minigen_kernels. Read next: ``run.py``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
import numpy as np

from minigen_bench.harness import processor
from minigen_bench.tables import slug
from minigen_kernels import cuda
from minigen_kernels.cuda import launch as launcher
from minigen_kernels.cuda.backend import CupyBackend

HERE = Path(__file__).resolve().parent
CONVOLUTION = ((8, 8), (1, 1), (0, 0), (1, 1), 1)
Launch = tuple[str, str, Any, Any, tuple[Any, ...]]


class OnHost:
    """Arrays of NumPy's, and no kernel runs."""

    def owns(self, *arrays: Any) -> bool:
        return {*map(type, arrays)} <= {np.ndarray}

    def addresses(self, arrays: Any) -> list[int]:
        return [id(array) for array in arrays]

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.empty(shape, dtype)

    def counters(self, n: int) -> Any:
        return np.zeros(n, np.uint32)

    def run(self, *_: Any) -> None:
        pass


class OnDevice(CupyBackend):
    """Arrays of CuPy's, and no kernel runs."""

    def run(self, *_: Any) -> None:
        pass


def calls(array: Callable[..., Any]) -> dict[str, Callable[[], Any]]:
    """A call of each kernel; `array(shape)` makes an argument."""
    x, gy = array(16, 64), array(16, 64)
    image, w = array(2, 4, 10, 10), array(8, 4, 3, 3)
    bias = array(64)
    one, ten = [array(64, 64) for _ in range(4)], [[array(64, 64) for _ in range(10)] for _ in range(4)]
    adam = (3, 0.1, 0.9, 0.999, 1e-8, 0.01, True)
    return {
        "sigmoid": lambda: cuda.sigmoid(x),
        "scale_where": lambda: cuda.scale_where(x, x > 0, 0.1),
        "reparameterize": lambda: cuda.reparameterize(x, gy, x),
        "layer_norm": lambda: cuda.group_norm(x[:, :, None], bias, bias, 1, 1e-5),
        "bce_with_logits_sum": lambda: cuda.bce_with_logits_sum(x, gy, 0.1),
        "max_pool2d": lambda: cuda.max_pool2d(image, (5, 5), (2, 2), (2, 2), (0, 0)),
        "softmax": lambda: cuda.softmax(x),
        "normal": lambda: cuda.normal(7, 1, 5, 100, np.float32),
        "conv2d": lambda: cuda.conv2d(image, w, *CONVOLUTION),
        "adam_update, 1 parameter": lambda: cuda.adam_update(*one, *adam),
        "adam_update, 10 parameters": lambda: cuda.adam_update(*ten, *adam),
    }


def launches_of(call: Callable[[], Any]) -> list[Launch]:
    """The launches that a call makes."""
    found: list[Launch] = []

    def noted(file: str, kernel: str, grid: Any, block: Any, *arguments: Any) -> None:
        found.append((file, kernel, grid, block, arguments))

    real = launcher.launch
    modules = [m for name, m in sys.modules.items() if name.startswith("minigen_kernels.cuda.")]
    places = [module for module in modules if getattr(module, "launch", None) is real]
    for module in places:
        module.launch = noted  # type: ignore[attr-defined]
    try:
        call()
    finally:
        for module in places:
            module.launch = real  # type: ignore[attr-defined]
    return found


def microseconds(one: Launch, rounds: int = 30, repeats: int = 300) -> float:
    """Processor time of a launch."""
    file, kernel, grid, block, arguments = one
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(repeats):
            launcher.launch(file, kernel, grid, block, *arguments)
        best = min(best, time.process_time() - begun)
    return best / repeats * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--before", type=Path, help="the result of another version, to be kept beside this one")
    options = parser.parse_args()
    xp = importlib.import_module("cupy") if options.device == "cuda" else np
    backend: Any = OnDevice() if options.device == "cuda" else OnHost()
    rows: dict[str, dict[str, Any]] = {}
    print(f"{'kernel':<28}{'entry point':<28}{'arguments':>10}{'us':>8}")
    with launcher.using(backend):
        for name, call in calls(lambda *shape: xp.ones(shape, np.float32)).items():
            for one in launches_of(call)[:1]:
                row = {"entry": one[1], "arguments": len(one[4]), "us": round(microseconds(one, options.rounds), 2)}
                rows[name] = row
                print(f"{name:<28}{one[1]:<28}{len(one[4]):>10}{row['us']:>8.2f}")
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": {"cpu": processor(), "python": platform.python_version(), "numpy": np.__version__},
        "arrays": xp.__name__,
        "launches": rows,
    }
    if options.before is not None:
        result["before"] = json.loads(options.before.read_text(encoding="utf-8"))["launches"]
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"launcher-{slug(processor())}{'-cuda' if options.device == 'cuda' else ''}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
