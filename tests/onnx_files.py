"""Small ONNX files, written node by node.

Read next: ``onnx/test_load.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from minigen.onnx.load import Loaded, load

RNG = np.random.default_rng(0)
Arrays = Mapping[str, NDArray[Any]]


def node(op: str, inputs: str, outputs: str = "y", name: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node; names are separated by blanks, "_" stands for an input that is left out."""
    given = ["" if n == "_" else n for n in inputs.split()]
    return helper.make_node(op, given, outputs.split(), name=name, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None] | None],
    weights: Arrays | None = None,
    *,
    opset: int = 20,
    outputs: Sequence[str] = ("y",),
    kinds: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model of these nodes. `kinds`: the types of inputs that are not of float32."""
    kinds = kinds or {}
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def saved(made: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """The model as a file in `folder`."""
    onnx.save(made, folder / name)
    return folder / name


def loaded(made: onnx.ModelProto, folder: Path) -> Loaded:
    """The model as `load` gives it."""
    return load(saved(made, folder))


def draw(*shape: int, dtype: Any = np.float32) -> Any:
    """Normal numbers."""
    return RNG.normal(size=shape).astype(dtype)


def dense(dtype: Any = np.float32) -> Any:
    """x (N, 3) -> relu(x w^T + b) (N, 4) times a number, 0.5."""
    weights = {
        "net.0.weight": draw(4, 3, dtype=dtype),
        "net.0.bias": draw(4, dtype=dtype),
        "half": np.array(0.5, dtype),
    }
    nodes = [
        node("Gemm", "x net.0.weight net.0.bias", "h", transB=1),
        node("Relu", "h", "r"),
        node("Mul", "r half", "y"),
    ]
    kinds = {} if dtype != np.float64 else {"x": TensorProto.DOUBLE, "y": TensorProto.DOUBLE}
    return model(nodes, {"x": ["N", 3]}, weights, kinds=kinds), weights
