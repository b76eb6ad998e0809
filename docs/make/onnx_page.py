"""Write the tables of ``docs/onnx.md``: layers and settings in several runtimes, and the parts of all models.

    python docs/make/onnx_page.py       # needs onnx, onnxruntime and torch; ten seconds
    python benchmarks/onnx_models.py --record      # before it, if models have changed: the second table

Nothing in the tables is typed in. Each layer is exported and run; a difference is relative to the largest output, on
normal numbers. What cannot be run has the reason in its cell.

Imports: minigen, onnx, onnxruntime, PyTorch. Read next: ``onnx_rows.py``, ``onnx.md``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

import minigen as mg
from docs.make.onnx_rows import ROWS, Row
from minigen.autograd import Tensor
from minigen.onnx.verify import in_onnxruntime, relative

ROOT = Path(__file__).resolve().parents[2]
PAGE, MODELS = ROOT / "docs" / "onnx.md", ROOT / "benchmarks" / "results" / "onnx-models.md"
COLUMNS = ("layer", "setting", "onnxruntime", "in float64", "onnx's reference evaluator", "PyTorch")


def measured(row: Row, dtype: str) -> tuple[str, str, str]:
    """The differences to minigen of onnxruntime, of the reference evaluator, and of PyTorch."""
    rng = np.random.default_rng(0)
    x = row.draw(rng, row.x).astype(dtype)
    weights = [rng.normal(size=shape).astype(dtype) for shape in row.weights]

    def here(t: Tensor) -> Any:
        return row.here(t, *map(Tensor, weights))

    wanted = here(Tensor(x)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "row.onnx"
        mg.onnx.export(here, x, path)
        data = path.read_bytes()
    evaluator = importlib.import_module("onnx.reference").ReferenceEvaluator
    model = importlib.import_module("onnx").load_from_string(data)
    return (
        _told(wanted, lambda: in_onnxruntime(data)([x])[0]),
        _told(wanted, lambda: evaluator(model).run(None, {model.graph.input[0].name: x})[0]),
        _in_torch(row, wanted, x, weights),
    )


def _in_torch(row: Row, wanted: Any, x: Any, weights: list[Any]) -> str:
    if row.there is None:
        return "has none"
    torch = importlib.import_module("torch")
    there = row.there
    return _told(wanted, lambda: there(torch.nn.functional, *map(torch.from_numpy, (x, *weights))).numpy())


def _told(wanted: Any, run: Callable[[], Any]) -> str:
    """A difference in a cell, or why there is none."""
    try:
        found = np.asarray(run())
    except Exception as error:
        return f"fails: {type(error).__name__}"
    if found.shape != wanted.shape:
        return f"another shape, {found.shape}"
    finite = np.abs(wanted[np.isfinite(wanted)].astype(np.float64))
    apart = relative(wanted, found, float(finite.max(initial=0)))
    return "another value" if apart > 1e-2 else f"{apart:.0e}"


def layers() -> list[str]:
    """The lines of the first table."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    for row in ROWS:
        single, double = measured(row, "float32"), measured(row, "float64")
        lines.append(f"| {row.layer} | {row.setting} | {single[0]} | {double[0]} | {single[1]} | {single[2]} |")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("onnx", "onnxruntime", "torch"))
    return [*lines, "", f"{versions}; float32 where nothing is said."]


def replaced(page: str, block: str, lines: list[str]) -> str:
    """The page with other lines between the marks of a block."""
    begin, end = f"<!-- {block} -->\n", f"<!-- end of {block} -->"
    return re.sub(f"{begin}.*?{end}", lambda _: begin + "\n".join(lines) + f"\n{end}", page, flags=re.DOTALL)


def main() -> None:
    """Measure, write."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        page = replaced(PAGE.read_text(encoding="utf-8"), "layers", layers())
    page = replaced(page, "models", MODELS.read_text(encoding="utf-8").rstrip().split("\n"))
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(ROWS)} rows of layers, and {MODELS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
