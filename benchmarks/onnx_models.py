"""Every model of ``minigen list``, trained for two updates; every part of it as ONNX, run in onnxruntime: a table.

    python benchmarks/onnx_models.py [MODEL ...] [--dtype float64] [--fold] [--record]

Each part is compared on ordinary inputs (also zeros, and 1e-20) and on extreme ones (1e3, also all negative), with
batches of two sizes. The difference is relative to the largest output of a sample, or of ordinary inputs if that is
larger. Images are random, 28x28 in ten classes. `--record` keeps the table in ``benchmarks/results/onnx-models.md``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import tempfile
import warnings
from pathlib import Path

import numpy as np

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.runs.parts import parts_of

RECORD = Path(__file__).parent / "results" / "onnx-models.md"
RNG = np.random.default_rng(0)
LABELS = np.arange(400) % 10
IMAGES = (RNG.random((400, 1, 28, 28)) * 0.5 + 0.05 * LABELS[:, None, None, None]).astype(np.float32)


def rows(model: str, dtype: str, fold: bool) -> list[list[str]]:
    """A row for each part of a model."""
    run = mg.train(model, data=IMAGES, labels=LABELS, progress=False, max_steps=2, batch_size=16)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts_of(run):
            made = run.export(Path(folder) / "part.onnx", part, dtype=dtype, fold=fold)
            assert made.difference is not None, "onnxruntime is not installed"
            found.append([
                model, part, ", ".join(made.inputs), ", ".join(made.outputs), str(made.nodes),
                f"{made.size / 1000:,.0f}", f"{made.difference:.0e}", f"{made.extreme:.0e}",
            ])  # fmt: skip
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--fold", action="store_true")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "| model | part | takes | gives | nodes | kB | difference | extreme inputs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    largest, extreme = 0.0, 0.0
    for model in given.models:
        for row in rows(model, given.dtype, given.fold):
            lines.append(f"| {' | '.join(row)} |")
            print(lines[-1], flush=True)
            largest, extreme = max(largest, float(row[-2])), max(extreme, float(row[-1]))
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("onnx", "onnxruntime", "numpy"))
    count = f"{len(given.models)} models, {len(lines) - 2} parts, {given.dtype}"
    last = f"{count}: largest difference {largest:.0e}, on extreme inputs {extreme:.0e} ({versions})"
    print(last)
    if given.record:
        RECORD.write_text("\n".join([*lines, "", last, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
