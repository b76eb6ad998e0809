"""One valid call of every public name of `minigen.weights`.

Read next: ``wrong_argument_rows.py``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from wrong_arguments.wrong_argument_row import Row

from minigen import nn, weights

FILE, WRITTEN, MODEL = "weights.safetensors", "written.safetensors", "model.keras"  # which the test is beside


def _module() -> nn.Module:
    return nn.Sequential(nn.Dense(3, 2))


def write_files() -> None:
    """Make the files that the calls read."""
    weights.write(_module(), FILE)
    if find_spec("h5py"):
        weights.write(_module(), MODEL)


def _load() -> dict[str, Any]:
    return {"module": _module(), "path": FILE, "renames": {"0.": "0."}, "by_order": False, "input_shape": (3,)}


WEIGHTS = [
    Row("weights.write", weights.write, lambda: {"module": _module(), "path": WRITTEN, "input_shape": (3,)}),
    Row("weights.write (Keras)", weights.write, lambda: {"module": _module(), "path": MODEL, "input_shape": (3,)}),
    Row("weights.load", weights.load, _load, "read"),
    Row("weights.read", weights.read, lambda: {"path": FILE}),
    Row("weights.read_keras", weights.read_keras, lambda: {"path": MODEL}, "read"),
    Row("weights.to_torch", weights.to_torch, lambda: {"module": _module()}),
]
