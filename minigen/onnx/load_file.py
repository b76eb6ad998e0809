"""From an ONNX file to a graph that can be run: read, checked, in an order in which everything comes before its use.

A file comes from anywhere. What is damaged, does not fit together or points outside of its folder is one LoadError,
before anything is computed.

Imports: load_node. Read next: ``load.py``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from minigen.onnx.load_node import LoadError, Node
from minigen_kernels import Array

OLDEST = 7  # opset: broadcasting as in NumPy, and batch norm with one meaning, are from there on

FURTHER = ("BatchNormalization", "Dropout", "LayerNormalization", "MaxPool")  # what they make second may be left out

Shape = tuple[int | str | None, ...]  # a name or None for a length that the file leaves open


@dataclass(frozen=True)
class Value:
    """An input or output of a graph: its name, dtype, and shape (None if the file does not say)."""

    name: str
    dtype: np.dtype[Any]
    shape: Shape | None


@dataclass
class Graph:
    """What a file says. `weights`: the initializers; `fixed`: values that nodes of the file state (Constant)."""

    path: str
    opset: int
    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    weights: dict[str, Array]
    fixed: dict[str, Array]
    metadata: dict[str, str]
    producer: str = ""


def read_graph(path: str | os.PathLike[str], known: Iterable[str]) -> Graph:
    """The graph in a file. `known`: the operators that can be run; LoadError names every node with another one."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("onnx.load needs the package onnx: pip install 'minigen-engine[onnx]'") from error
    text = os.fspath(path)
    model, folder = _read(onnx, text), Path(text).resolve().parent
    if len(model.functions):
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    opset = _opset(onnx, model)
    weights = _weights(onnx, folder, model.graph)
    inputs = [_value(onnx, v) for v in model.graph.input if v.name not in weights]
    nodes, fixed = _nodes(onnx, folder, model, opset, set(known))
    outputs = [_value(onnx, v) for v in model.graph.output]
    nodes = _ordered(nodes, {v.name for v in inputs} | weights.keys() | fixed.keys(), outputs)
    nodes = _without_unused(nodes, {v.name for v in outputs})
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return Graph(text, opset, nodes, inputs, outputs, weights, fixed, metadata, model.producer_name)


def whole_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of one file that needs no other: external data is taken in. LoadError if it cannot be read."""
    import onnx

    model, folder = _read(onnx, os.fspath(path)), Path(path).resolve().parent
    nodes = itertools.chain(model.graph.node, *(function.node for function in model.functions))
    stated = (attribute.t for node in nodes for attribute in node.attribute if attribute.HasField("t"))
    for tensor in itertools.chain(model.graph.initializer, stated):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _load_external(onnx, folder, tensor, f"tensor {tensor.name!r}")
            del tensor.external_data[:]
    made: bytes = model.SerializeToString()
    return made


def _read(onnx: Any, path: str) -> Any:
    """The message in the file, and the weights that lie beside it."""
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise LoadError("cannot be read: it is a folder, or something else that is no file")
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except FileNotFoundError as error:
        raise LoadError("there is no such file") from error
    except OSError as error:
        raise LoadError(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # DecodeError of protobuf
        raise LoadError(f"this is no ONNX file, or it was cut off: {error}") from error
    if not len(model.graph.output) or not len(model.opset_import):
        raise LoadError("this is no ONNX file: it has no output" + (" and no nodes" * (not len(model.graph.node))))
    return model


def _opset(onnx: Any, model: Any) -> int:
    newest = onnx.defs.onnx_opset_version()
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    opset = versions.get("ai.onnx", 0)
    if not OLDEST <= opset <= newest:
        hint = "pip install -U onnx" if opset > newest else "convert it first: onnx.version_converter.convert_version"
        raise LoadError(
            f"it is written in opset {opset}; opsets from {OLDEST} to {newest} (that of the installed onnx "
            f"{onnx.__version__}) can be read; {hint}"
        )
    return int(opset)


def _weights(onnx: Any, folder: Path, graph: Any) -> dict[str, Array]:
    """The initializers by name; those of half precision and bfloat16 become float32."""
    if len(graph.sparse_initializer):
        raise LoadError(f"{graph.sparse_initializer[0].values.name!r} is sparse; export dense weights")
    weights: dict[str, Array] = {}
    for tensor in graph.initializer:
        if tensor.name in weights or not tensor.name:
            raise LoadError(f"there are two initializers named {tensor.name!r}")
        weights[tensor.name] = _array(onnx, folder, tensor, f"initializer {tensor.name!r}")
    return weights


def _array(onnx: Any, folder: Path, tensor: Any, what: str) -> Array:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        _load_external(onnx, folder, tensor, what)
    kind = tensor.data_type
    try:
        kind = onnx.TensorProto.DataType.Name(kind)
        if any(n < 0 for n in tensor.dims):
            raise ValueError("a length is below 0")
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # too few bytes, a type that has no numbers
        raise LoadError(f"{what}, {list(tensor.dims)} of {kind}, is damaged: {error}") from error
    if kind in ("FLOAT16", "BFLOAT16"):
        return np.array(array, np.float32)
    if array.dtype not in (np.float32, np.float64) and array.dtype.kind not in "iub":
        raise LoadError(
            f"{what} is of {kind}; minigen has float32, float64, whole numbers and bool (and takes float16 "
            "and bfloat16 as float32): export it without quantisation"
        )
    return np.array(array)  # a copy that may be written to


def _load_external(onnx: Any, folder: Path, tensor: Any, what: str) -> None:
    """The bytes of a tensor that lie in a file beside the model. Nothing outside the model's folder is opened."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    place = entries.get("location", "")
    if not place or not (folder / place).resolve().is_relative_to(folder) or Path(place).is_absolute():
        raise LoadError(f"{what} names the file {place!r}, which is not in the folder of the model; not read")
    try:
        onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
    except Exception as error:  # a ValidationError for a missing file or a link, a ValueError for wrong numbers
        hint = "keep the two files together" if not (folder / place).exists() else str(error).strip().split("\n")[0]
        raise LoadError(f"{what} lies in {place!r}, which cannot be read: {hint}") from error
    tensor.data_location = onnx.TensorProto.DEFAULT


def _value(onnx: Any, value: Any) -> Value:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise LoadError(f"{value.name!r} is a {kind or 'value without type'}; only tensors can be handled")
    tensor = value.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type)
    if name in ("FLOAT16", "BFLOAT16"):
        dtype: Any = np.dtype(np.float32)
    else:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type) if tensor.elem_type else np.dtype(object)
    if dtype not in (np.float32, np.float64) and dtype.kind not in "iub":
        raise LoadError(f"{value.name!r} is of {name}; minigen has float32, float64, whole numbers and bool")
    if not tensor.HasField("shape"):
        return Value(value.name, np.dtype(dtype), None)
    lengths = (d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
    return Value(value.name, np.dtype(dtype), tuple(lengths))


def _nodes(onnx: Any, folder: Path, model: Any, opset: int, known: set[str]) -> tuple[list[Node], dict[str, Array]]:
    """The nodes in the order of the file, and what those of kind Constant state."""
    nodes, fixed, missing = list[Node](), dict[str, Array](), list[str]()
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = model.ir_version, {"": opset}
    for proto in model.graph.node:
        attributes = {a.name: _attribute(onnx, folder, proto, a) for a in proto.attribute}
        node = Node(
            proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}",
            proto.name, opset, tuple(proto.input), tuple(proto.output), attributes,
        )  # fmt: skip
        if node.op == "Constant":
            fixed[node.outputs[0]] = _constant(node)
        elif node.op not in known:
            missing.append(node.title)
        else:
            _check(onnx, proto, node, context)
            nodes.append(node)
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise LoadError(
            f"minigen has no operation for {', '.join(missing[:5])}{more}; export the network without, or the "
            "part of it that has none (docs/onnx_load.md lists the operators)"
        )
    return nodes, fixed


def _check(onnx: Any, proto: Any, node: Node, context: Any) -> None:
    """LoadError for attributes and inputs that the operator does not have, or lacks: the check of the package onnx."""
    try:
        onnx.checker.check_node(proto, context)
    except onnx.checker.ValidationError as error:
        raise LoadError(f"{node.title} is not valid: {str(error).strip().splitlines()[0]}") from error


def _attribute(onnx: Any, folder: Path, proto: Any, attribute: Any) -> Any:
    """The value of an attribute: a number, a text, a list of these, an array."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _array(onnx, folder, value, f"attribute {attribute.name!r} of node {proto.name!r} ({proto.op_type})")
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if attribute.type == onnx.AttributeProto.FLOAT:
        return _decimal(value)
    if attribute.type == onnx.AttributeProto.FLOATS:
        return [_decimal(v) for v in value]
    return list(value) if attribute.type == onnx.AttributeProto.INTS else value


def _decimal(value: float) -> float:
    """What was written: an attribute has 32 bits, so that 1e-5 comes as 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _constant(node: Node) -> Array:
    kinds: Mapping[str, Any] = {"value": None, "value_float": np.float32, "value_floats": np.float32,
                                "value_int": np.int64, "value_ints": np.int64}  # fmt: skip
    for name, dtype in kinds.items():
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype)
    raise LoadError(f"{node.title}: it states {', '.join(node.attributes) or 'nothing'}, which is no number")


def _without_unused(nodes: list[Node], outputs: set[str]) -> list[Node]:
    """Nodes without the further results (a mask, places, moved statistics) that nobody takes."""
    used = outputs.union(*(node.inputs for node in nodes))

    def kept(node: Node) -> tuple[str, ...]:
        last = max((i for i, name in enumerate(node.outputs) if name in used), default=0)
        return node.outputs[: last + 1]

    return [replace(node, outputs=kept(node)) if node.op in FURTHER else node for node in nodes]


def _ordered(nodes: list[Node], given: set[str], outputs: list[Value]) -> list[Node]:
    """The nodes that the outputs need, each after those that it takes from."""
    maker: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in maker or name in given:
                raise LoadError(f"{node.title}: {name!r} is made twice")
            maker[name] = node
    ordered, state = list[Node](), dict[int, bool]()  # id of a node -> is it in its place?
    for output in outputs:
        stack = [(output.name, "the output of the graph")]
        while stack:
            name, user = stack[-1]
            if name in given or not name:
                stack.pop()
                continue
            if name not in maker:
                raise LoadError(f"{user} takes {name!r}, which is neither an input nor made by any node")
            node = maker[name]
            if id(node) not in state:
                state[id(node)] = False
                stack += [(needed, node.title) for needed in node.inputs]
                continue
            stack.pop()
            if not state[id(node)]:
                waiting = [n for n in node.inputs if n and n not in given and not state.get(id(maker[n]), False)]
                if waiting:
                    raise LoadError(f"{node.title} is part of a circle: it takes {waiting[0]!r}, made from it")
                state[id(node)] = True
                ordered.append(node)
    return ordered
