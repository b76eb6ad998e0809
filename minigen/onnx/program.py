"""`program`: a network or a function as a plain dict, the same operations that `export` writes to an ONNX file.

A page computes it in the browser (``minigen/pages/static/forward.js``). The package ``onnx`` is not needed.

    {"inputs":     [{"name", "dtype", "shape"}, ...],     the batch is "N"
     "outputs":    [{"name", "dtype", "shape"}, ...],
     "operations": [{"op", "inputs", "outputs", "attributes", "layer"}, ...],
     "weights":    {name: {"dtype", "shape", "data" or "values"}},
     "bytes":      of all weights as text}

Operations are those of ONNX, opset 20 (https://onnx.ai/onnx/operators/); in "inputs" of one, "" is left out. Weights of
floats are "data", little-endian numbers as base64 (RFC 4648); whole numbers and bools are "values", a list.

Imports: export, graph. Read next: ``export.py``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigen.nn import Module
from minigen.onnx.export import recorded
from minigen.onnx.graph import Node, Value
from minigen.onnx.model import axes
from minigen.onnx.recording import ExportError
from minigen_kernels import Array

#: Whole numbers are 32 bits wide in the browser; larger ones, which say "to the end", are the largest of those.
LARGEST = 2**31 - 1
#: The operations that ``minigen/pages/static/forward*.js`` compute.
OPERATIONS = frozenset(
    """Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Concat Conv ConvTranspose Cos CumSum Div Elu
    Equal Erf Exp Expand Floor Gather GatherElements GatherND Gemm Greater GreaterOrEqual Identity IsInf IsNaN
    LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Min Mod Mul Neg Not Or Pad Pow
    Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Resize Round ScatterElements Shape
    Sigmoid Sign Sin Slice Softmax Softplus Sqrt Sub Tanh TopK Transpose Unsqueeze Where Xor""".split()
)


def program(
    function: Module | Callable[..., Any],
    example_inputs: Any,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    modules: Mapping[str, Module] | None = None,
    dynamic_batch: bool = True,
    fold: bool = True,
) -> dict[str, Any]:
    """A Module, or a function of Tensors, as a dict that JSON can hold, in float32; with `dynamic_batch` for every N.

    The arguments are those of `export`; batch norm is multiplied into the weights before it, if `fold` is true.
    ExportError: something has no ONNX form, or the page has no operation for it.
    """
    with recorded(
        function, example_inputs, dtype="float32", dynamic_batch=dynamic_batch, fold=fold, input_names=input_names,
        output_names=output_names, modules=modules,
    ) as (_, _, written):  # fmt: skip
        for node in written.nodes:
            _check(node)
        weights = {name: _numbers(array) for name, array in written.initializers.items()}
        return {
            "inputs": [_about(x, written.batch) for x in written.inputs],
            "outputs": [_about(x, written.batch) for x in written.outputs],
            "operations": [
                {"op": n.op, "inputs": n.inputs, "outputs": n.outputs, "attributes": n.attributes, "layer": n.path}
                for n in written.nodes
            ],
            "weights": weights,
            "bytes": sum(len(w.get("data", "")) for w in weights.values()),
        }


def _check(node: Node) -> None:
    if node.op not in OPERATIONS:
        where = f"in the layer '{node.path}' " if node.path else ""
        raise ExportError(f"program: {where}the operation {node.op} is none that a page computes")


def _about(value: Value, batch: int | None) -> dict[str, Any]:
    return {"name": value.name, "dtype": str(np.dtype(value.dtype)), "shape": axes(value.shape or (), batch)}


def _numbers(array: Array) -> dict[str, Any]:
    about: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if array.dtype.kind == "f":
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return {**about, "data": base64.b64encode(little.tobytes()).decode()}
    whole = array.astype(np.int64).clip(-LARGEST, LARGEST)
    return {**about, "values": whole.ravel().tolist()}
