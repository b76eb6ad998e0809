"""Which sizes suit the tiles of the CUDA convolutions? Each choice in ``conv_tile.cuh`` and ``conv.py`` by itself.

    python benchmarks/conv_tiles.py [--out FILE] [--batch-size 128]

A variant is a copy of the kernels in which one constant has another value, timed in a process of its own on the
convolutions of the benchmark's models. Its results must be those of the kernels that ship. Results are written variant
by variant; a variant that does not compile, or computes something else, is a line that says so.

Imports: NumPy; each process minigen_kernels. Read next: ``../kernels/minigen_kernels/cuda/conv_tile.cuh``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "kernels" / "minigen_kernels"
TIMEOUT = 120  # seconds for a variant

#: File -> constant -> values to try besides the one that is there.
CHOICES: dict[str, dict[str, tuple[int, ...]]] = {
    "conv_tile.cuh": {
        "RESIDENT": (1, 3, 4), "DEPTH": (4, 16), "CHUNK": (32, 128), "WIDE_ROWS": (32, 128), "WIDE_PLACES": (64, 256),
        "FLAT_ROWS": (32,), "FLAT_PLACES": (128,), "GRAD_PLACES": (32, 128),
    },
    "conv.py": {
        "DIRECT_ROWS": (1, 4, 16), "DIRECT_TERMS": (8, 128), "FLAT_ROWS_UP_TO": (16, 64), "DIRECT_WEIGHTS": (16, 256),
        "WANTED_BLOCKS": (256, 1024), "PART_TERMS": (256, 1024),
    },
}  # fmt: skip

#: Channels in and out, side of the image, kernel, stride, padding: the convolutions of the six training steps.
LAYERS = {
    "conv-ae 1-16": (1, 16, 28, 3, 1, 1),
    "conv-ae 16-8": (16, 8, 14, 3, 1, 1),
    "conv-ae 8-8": (8, 8, 7, 3, 1, 1),
    "dcgan 256-128": (256, 128, 7, 5, 1, 2),
    "dcgan 64-128, stride 2": (64, 128, 14, 5, 2, 2),
    "dcgan 1-64, stride 2": (1, 64, 28, 3, 2, 1),
    "wgan-gp 64-128, stride 2": (64, 128, 14, 5, 2, 2),
}


def measure(batch: int, rounds: int) -> None:
    """In a process of its own: print the times of every layer's three convolutions, and what they sum to, as JSON."""
    cupy = importlib.import_module("cupy")
    cuda = importlib.import_module("minigen_kernels.cuda")
    rng, found = np.random.default_rng(0), {}
    for name, (c, k, side, kernel, stride, padding) in LAYERS.items():
        out = (side + 2 * padding - kernel) // stride + 1
        geometry = ((stride, stride), (padding, padding), (1, 1), 1)
        shapes = (batch, c, side, side), (k, c, kernel, kernel), (batch, k, out, out)
        x, w, g = (cupy.asarray(rng.standard_normal(shape, dtype=np.float32)) for shape in shapes)
        calls = {
            "forward": partial(cuda.conv2d, x, w, (out, out), *geometry),
            "input": partial(cuda.conv_transpose2d, g, w, (side, side), *geometry),
            "weight": partial(cuda.conv2d_weight_grad, x, g, (kernel, kernel), *geometry),
        }
        for pass_, call in calls.items():
            result = cupy.asnumpy(call()).astype(np.float64)  # and compiles
            checked = [float(result.sum()), float(np.abs(result).sum()), float(result.ravel()[::7].sum())]
            found[f"{name}: {pass_}"] = {"us": microseconds(cupy, call, rounds), "sums": checked}
    print(json.dumps(found))


def microseconds(cupy: Any, call: Any, rounds: int) -> float:
    """The shortest of a few runs of ten calls, between two events."""
    best = float("inf")
    for _ in range(rounds):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(10):
            call()
        end.record()
        end.synchronize()
        best = min(best, 100 * cupy.cuda.get_elapsed_time(start, end))
    return float(best)


def variant(file: str | None, constant: str, value: int, options: argparse.Namespace) -> dict[str, Any]:
    """Times with one constant changed; {"error": ...} if it does not compile or run in time."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "minigen_kernels"
        shutil.copytree(KERNELS, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if file is not None:
            path = copy / "cuda" / file
            pattern = rf"^((?:constexpr int )?{constant} = )\d+"
            text, count = re.subn(pattern, rf"\g<1>{value}", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            if count != 1:
                return {"error": f"{file} has no constant {constant}"}
            path.write_text(text, encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, __file__, "--measure", *map(str, (options.batch_size, options.rounds))]
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {TIMEOUT} s"}
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if "rror" in line]
        return {"error": lines[-1] if lines else f"it ended with code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def differs(found: dict[str, Any], base: dict[str, Any]) -> str | None:
    """The first layer whose results are not those of the base, but for rounding."""
    for name, layer in found.items():
        total = base[name]["sums"][1]
        if any(abs(a - b) > 1e-4 * total for a, b in zip(layer["sums"], base[name]["sums"], strict=True)):
            return name
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--constants", help="only these, with commas between")
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    parser.add_argument("--measure", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    base = variant(None, "", 0, options)
    if "error" in base:
        sys.exit(f"conv_tiles.py: {base['error']}")
    total = sum(layer["us"] for layer in base.values())
    result: dict[str, Any] = {"batch_size": options.batch_size, "base": base, "variants": {}}
    print(f"as it ships: {total:.0f} us for all")
    wanted = options.constants.split(",") if options.constants else None
    for file, constants in CHOICES.items():
        for constant, values in constants.items():
            for value in values if wanted is None or constant in wanted else ():
                found = variant(file, constant, value, options)
                if "error" not in found and (layer := differs(found, base)):
                    found = {"error": f"other results in {layer}"}
                result["variants"][f"{constant} = {value}"] = found
                if "error" in found:
                    said = found["error"]
                else:
                    ratios = {name: layer["us"] / base[name]["us"] for name, layer in found.items()}
                    best = min(ratios, key=lambda name: ratios[name])
                    share = sum(layer["us"] for layer in found.values()) / total
                    said = f"{share:.2f} of the time, best {ratios[best]:.2f} ({best})"
                print(f"{constant} = {value}: {said}", flush=True)
                if options.out is not None:
                    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
