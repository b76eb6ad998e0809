"""Which initializers of a graph are trained, which are statistics, and which are constants of a formula.

ONNX does not say: a weight and the 0.5 of a formula are both initializers. So it is told from where they are used.

Imports: load_file, load_node. Read next: ``load.py``.
"""

from __future__ import annotations

import re
from typing import Literal

from minigen.onnx.load_file import Graph
from minigen.onnx.load_node import Node
from minigen_kernels import Array

Role = Literal["parameter", "buffer", "constant"]

#: Inputs that are weights of a layer, however few numbers they have.
OF_LAYERS = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "Gemm": (1, 2), "MatMul": (0, 1), "Einsum": (0, 1, 2),
    "BatchNormalization": (1, 2), "InstanceNormalization": (1, 2), "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2), "RMSNormalization": (1,), "PRelu": (1,),
}  # fmt: skip
STATISTICS = {"BatchNormalization": (3, 4)}
#: Inputs that say how, and have no gradient.
SETTINGS = {
    "Resize": (1, 2, 3), "Upsample": (1,), "Pad": (2,), "Clip": (1, 2), "Dropout": (1, 2), "OneHot": (0, 1, 2),
    "Where": (0,), "Range": (0, 1, 2), "Shape": (0,), "Size": (0,), "ConstantOfShape": (0,), "Pow": (1,),
}  # fmt: skip
#: What only moves elements: a weight before it is one behind it.
MOVES = ("Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity", "Cast", "Expand", "Concat", "Slice")
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum")


def role_of_weights(graph: Graph) -> dict[str, Role]:
    """The role of every initializer and constant of floats.

    A parameter is what a layer takes as its weight or bias, any other array of several numbers that is computed with,
    and a single number that is added to a product (a bias). Of what a node of the file states (Constant) only factors
    of products are: some exporters write weights so.
    """
    arrays = {**graph.fixed, **graph.weights}
    products = _behind_products(graph)
    found: dict[str, set[str]] = {name: set() for name in arrays}
    behind: dict[str, list[str]] = {}  # a value that is a moved initializer -> which
    for node in graph.nodes:
        for i, name in enumerate(node.inputs):
            for source in [name] if name in arrays else behind.get(name, ()):
                several = arrays[source].size > 1
                if i in STATISTICS.get(node.op, ()):
                    found[source].add("buffer")
                elif i in SETTINGS.get(node.op, ()):
                    continue
                elif node.op in MOVES:
                    behind.setdefault(node.outputs[0], []).append(source)
                elif source in graph.fixed and node.op not in PRODUCTS:
                    continue
                elif i in OF_LAYERS.get(node.op, ()) or several or _is_bias(node, arrays[source], products):
                    found[source].add("parameter")
    own = graph.producer == "minigen"  # which names what is no weight "constant"
    for name in arrays:
        if own and re.fullmatch(r"(.*/)?constant(_\d+)?", name):
            found[name] = set()
    return {name: _role(found[name]) for name, array in arrays.items() if array.dtype.kind == "f"}


def _role(found: set[str]) -> Role:
    return "buffer" if "buffer" in found else "parameter" if "parameter" in found else "constant"


def _is_bias(node: Node, array: Array, products: set[str]) -> bool:
    return node.op in ("Add", "Sub") and array.ndim > 0 and not products.isdisjoint(node.inputs)


def _behind_products(graph: Graph) -> set[str]:
    """The names of values that are a product, perhaps with its elements moved."""
    names: set[str] = set()
    for node in graph.nodes:
        if node.op in PRODUCTS or (node.op in MOVES and node.inputs and node.inputs[0] in names):
            names.update(node.outputs)
    return names
