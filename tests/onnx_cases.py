"""Cases of the inventory as functions of arrays, to be exported.

Not in ``tests/onnx/``: that folder has the name of the package `onnx`. Read next: ``onnx/test_export_inventory.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.autograd import Tensor
from minigen.inventory import ITEMS
from minigen.inventory.cases import Case

pytest.importorskip("onnx.reference", reason="needs onnx: pip install 'minigen-engine[onnx]'")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'minigen-engine[onnx]'")
onnx: Any = importlib.import_module("onnx")

CASES = [(f"{item.name} {i}", case) for item in ITEMS for i, case in enumerate(item.cases)]


def of_arrays(case: Case, dtype: str, seed: int) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, mg.nn.Module]]:
    """A function of the arrays among a case's inputs, those arrays, and its networks."""
    fn, inputs = case(np.random.default_rng(seed))
    places = [i for i, x in enumerate(inputs) if isinstance(x, (np.ndarray, Tensor))]
    arrays = [x.numpy() if isinstance(x, Tensor) else x for x in (inputs[i] for i in places)]

    def call(*tensors: Tensor) -> Any:
        full = list(inputs)
        for i, t in zip(places, tensors):
            full[i] = t
        return fn(*full)

    floats = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays)
    return call, floats, {"": fn} if isinstance(fn, mg.nn.Module) else {}


def export_case(case: Case, path: Path, dtype: str = "float32", seed: int = 0, **options: Any) -> Any:
    """Export one case."""
    call, arrays, modules = of_arrays(case, dtype, seed)
    return mg.onnx.export(call, arrays, path, dtype=dtype, modules=modules, **options)
