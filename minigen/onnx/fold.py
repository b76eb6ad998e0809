"""Two nodes that are one layer: a bias joined with its convolution, batch norm in evaluation, and that into weights.

In evaluation batch norm is y = x scale + shift with numbers of each channel. So it is recorded; here it becomes the
layer's node again, or is multiplied into the weights of the layer before it.

Imports: graph. Read next: ``model.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigen.nn import BatchNorm
from minigen.onnx.graph import Node
from minigen_kernels import Array

#: Where the output channels are among the axes of the weight.
CHANNELS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}


def join_bias(written: Any) -> None:
    """A convolution without bias, and a sum with numbers of each channel after it: one convolution with bias."""
    for node in list(written.nodes):
        before = _only_maker(written, node)
        if node.op != "Add" or before is None or before.op not in ("Conv", "ConvTranspose") or len(before.inputs) > 2:
            continue
        vector = _vector(written, node.inputs[1], _channels(written, before), 2)
        if vector is None:
            continue
        name = node.inputs[1].removesuffix("/2")
        written.initializers.setdefault(name, vector)
        before.inputs.append(name)
        _replace(written, node, before)


def batch_norm(written: Any, layers: Mapping[str, Any], *, into_weights: bool) -> None:
    """The product and the sum of a `nn.BatchNorm` as a node BatchNormalization, or in the weights before it."""
    for node in list(written.nodes):
        users = _users(written, node.outputs[0])
        if node.op != "Mul" or len(users) != 1 or users[0].op != "Add" or node.inputs[1] not in written.initializers:
            continue
        scale, shift = written.initializers[node.inputs[1]], written.initializers.get(users[0].inputs[1])
        if shift is None or scale.shape != shift.shape or scale.ndim < 2 or scale.size != scale.shape[1]:
            continue
        before = _only_maker(written, node)
        if into_weights and before is not None and _fold_through(written, before, scale.ravel(), shift.ravel()):
            _replace(written, users[0], before, node)
            continue
        layer = layers.get(node.path)
        if isinstance(layer, BatchNorm) and users[0].path == node.path:
            _as_layer(written, node, users[0], layer)


def _as_layer(written: Any, product: Node, total: Node, layer: BatchNorm) -> None:
    names = [f"{product.path}.{name}".lstrip(".") for name in ("weight", "bias", "running_mean", "running_var")]
    dtype = written.initializers[product.inputs[1]].dtype
    for name, tensor in zip(names, (layer.weight, layer.bias, layer.running_mean, layer.running_var)):
        written.initializers.setdefault(name, np.array(tensor.numpy(), dtype))
    product.op, product.inputs = "BatchNormalization", [product.inputs[0], *names]
    product.attributes = {"epsilon": layer.eps}
    _replace(written, total, product)


def _fold_through(written: Any, before: Node, scale: Array, shift: Array) -> bool:
    """`_fold`, also where a dense layer's result has become images before: each number is then that of a channel."""
    if before.op != "Reshape":
        return _fold(written, before, scale, shift)
    dense, shape = _only_maker(written, before), written.initializers.get(before.inputs[1])
    if dense is None or dense.op != "Gemm" or shape is None or len(shape) < 2 or shape[1] != scale.size:
        return False
    times = int(np.prod(shape[2:]))
    if times < 1 or _channels(written, dense) != scale.size * times:
        return False
    return _fold(written, dense, scale.repeat(times), shift.repeat(times))


def _fold(written: Any, before: Node, scale: Array, shift: Array) -> bool:
    """Multiply the weights of a layer by the scale of each output channel."""
    if before.op not in CHANNELS or before.inputs[1] not in written.initializers:
        return False
    if len(before.inputs) > 2 and before.inputs[2] not in written.initializers:
        return False
    weight, axis = written.initializers[before.inputs[1]], CHANNELS[before.op]
    groups, count = before.attributes.get("group", 1), scale.size
    if _channels(written, before) != count:
        return False
    bias = written.initializers[before.inputs[2]] if len(before.inputs) > 2 else np.zeros(count, weight.dtype)
    if before.op == "ConvTranspose" and groups > 1:  # the channels of a group are those of its part of axis 0
        parts = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        folded = (parts * scale.reshape(groups, 1, -1, 1, 1)).reshape(weight.shape)
    else:
        folded = weight * scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    label = before.inputs[1].removesuffix(".weight")
    for i, name, array in ((1, f"{label}.weight/folded", folded), (2, f"{label}.bias/folded", bias * scale + shift)):
        written.initializers[name] = np.ascontiguousarray(array.astype(weight.dtype))
        before.inputs[i:] = [name, *before.inputs[i + 1 :]]
    return True


def _channels(written: Any, node: Node) -> int:
    weight = written.initializers.get(node.inputs[1])
    if weight is None:
        return -1
    groups = node.attributes.get("group", 1) if node.op == "ConvTranspose" else 1
    return int(weight.shape[CHANNELS[node.op]]) * int(groups)


def _vector(written: Any, name: str, channels: int, after: int) -> Array | None:
    array = written.initializers.get(name)
    if array is None or array.shape not in ((channels, *(1,) * after), (1, channels, *(1,) * after)):
        return None
    return np.ascontiguousarray(array.reshape(channels))


def _users(written: Any, name: str) -> list[Node]:
    found = [node for node in written.nodes for other in node.inputs if other == name]
    return found if not any(x.name == name for x in written.outputs) else []


def _only_maker(written: Any, node: Node) -> Node | None:
    """The node that makes the first input of this one, for it alone."""
    if not node.inputs or len(_users(written, node.inputs[0])) != 1:
        return None
    return next((other for other in written.nodes if node.inputs[0] in other.outputs), None)


def _replace(written: Any, old: Node, new: Node, *also: Node) -> None:
    """`new` in the place of `old`, whose result it makes."""
    new.outputs = old.outputs
    written.nodes = [node for node in written.nodes if node is not old and not any(node is other for other in also)]
