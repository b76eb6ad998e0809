"""Between which numbers the output of a loaded network lies, as far as its last operator says.

Imports: load, load_roles. Read next: ``minigen/algorithms/donor_files.py``.
"""

from __future__ import annotations

from minigen.onnx.load import Loaded
from minigen.onnx.load_node import Node
from minigen.onnx.load_roles import MOVES

#: Operators whose results have bounds.
BOUNDED = {"Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0), "Tanh": (-1.0, 1.0),
           "Softsign": (-1.0, 1.0)}  # fmt: skip


def last_operator(network: Loaded) -> Node | None:
    """The node that computes the first output, behind which elements are only moved; None if it is an input."""
    makers = {name: node for node in network.nodes for name in node.outputs}
    node = makers.get(network.outputs[0].name)
    while node is not None and node.op in MOVES:
        node = makers.get(node.inputs[0])
    return node


def output_range(network: Loaded) -> tuple[float, float] | None:
    """The bounds of the first output; None if its operator has none."""
    node = last_operator(network)
    return None if node is None else BOUNDED.get(node.op)
