"""A graph as a model of the package ``onnx``: without nodes that nothing needs, with names and facts about it.

Imports: graph, fold. Read next: ``export.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minigen.onnx import fold
from minigen.onnx.graph import Graph, Node, Value, code
from minigen_kernels import Array

#: The version of the file format that runtimes of an opset's time can read.
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10}


@dataclass
class Written:
    """A graph that is complete: what a model is made of."""

    nodes: list[Node]
    initializers: dict[str, Array]
    inputs: list[Value]
    outputs: list[Value]
    batch: int | None
    spreads: bool


def complete(
    graph: Graph, inputs: Sequence[Value], outputs: Mapping[str, Value], layers: Any, *, fold_norm: bool
) -> Written:
    """Name the outputs, join what are two nodes of one layer, and leave out what no output needs."""
    named: list[Value] = []
    for name, value in outputs.items():
        graph.nodes.append(Node("Identity", [value.name], [name], {}, ""))
        named.append(Value(name, value.dtype, value.shape))
    written = Written(graph.nodes, graph.initializers, list(inputs), named, graph.batch, graph.spreads)
    _prune(written)
    fold.join_bias(written)
    fold.batch_norm(written, layers, into_weights=fold_norm)
    _without_identities(written)
    _prune(written)
    return written


def _prune(written: Written) -> None:
    needed, kept = {x.name for x in written.outputs}, list[Node]()
    for node in reversed(written.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(filter(None, node.inputs))
    written.nodes = kept[::-1]
    written.initializers = {name: array for name, array in written.initializers.items() if name in needed}


def _without_identities(written: Written) -> None:
    """The node that makes an output has its name, if that is its only name."""
    makers = {name: node for node in written.nodes for name in node.outputs}
    for last in [node for node in written.nodes if node.op == "Identity"]:
        (inner,), (outer,) = last.inputs, last.outputs
        again = sum(node.op == "Identity" and node.inputs == [inner] for node in written.nodes)
        if inner not in makers or again > 1:
            continue
        for node in written.nodes:
            node.inputs = [outer if name == inner else name for name in node.inputs]
            node.outputs = [outer if name == inner else name for name in node.outputs]
        written.nodes = [node for node in written.nodes if node is not last]
        makers = {name: node for node in written.nodes for name in node.outputs}


def model(written: Written, opset: int, name: str, facts: Mapping[str, str]) -> Any:
    """The model, as the package ``onnx`` has it."""
    helper: Any = importlib.import_module("onnx.helper")
    numpy_helper: Any = importlib.import_module("onnx.numpy_helper")

    def info(value: Value) -> Any:
        return helper.make_tensor_value_info(value.name, code(value.dtype), axes(value.shape or (), written.batch))

    nodes = []
    for node in written.nodes:
        made = helper.make_node(node.op, node.inputs, node.outputs, name=node.outputs[0])
        for key, x in sorted(node.attributes.items()):
            made.attribute.append(helper.make_attribute(key, x))
        nodes.append(made)
    initializers = [numpy_helper.from_array(array, key) for key, array in written.initializers.items()]
    graph = helper.make_graph(
        nodes, name, [info(x) for x in written.inputs], [info(x) for x in written.outputs], initializers
    )
    made_model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSIONS[opset], producer_name="minigen",
        producer_version=facts.get("minigen", ""),
    )  # fmt: skip
    helper.set_model_props(made_model, dict(facts))
    return made_model


def axes(shape: Sequence[int], batch: int | None) -> list[Any]:
    """The lengths of a shape; of axes that depend on the batch, names."""
    if batch is None:
        return list(shape)
    times = {n: n // batch for n in shape if n and n % batch == 0}
    return [n if n not in times else "N" if times[n] == 1 else f"{times[n]}N" for n in shape]
