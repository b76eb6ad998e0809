"""ONNX operators that normalise, and those that need more than their inputs: the mode of the module, random numbers.

The latter take, after the node, the module that they are part of: batch norm and dropout act by its mode, as layers of
`nn` do, whatever mode the file was written in.

Imports: autograd, ops, load_node, load_elementwise. Read next: ``load_resize.py``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, note_change
from minigen.device import array_module, to_device
from minigen.onnx.load_elementwise import DTYPES, Operator
from minigen.onnx.load_node import Node, is_float, number
from minigen.ops.norm import batch_norm_with_running_statistics
from minigen.random import Generator


class State(Protocol):
    """What these operators see of the module."""

    @property
    def training(self) -> bool:
        """Is it in training mode?"""

    @property
    def generator(self) -> Generator:
        """Where random numbers come from."""

    def owns(self, name: str) -> bool:
        """Is there a parameter or buffer of this name, which may be changed?"""


def batch_normalization(
    node: Node, module: State, x: Tensor, w: Tensor, b: Tensor, mean: Tensor, var: Tensor
) -> tuple[Tensor, ...] | Tensor:
    """In training by the batch's own statistics, which move the running ones as `nn.BatchNorm` does.

    A node that hands the moved statistics on is given the biased variance, as the specification says.
    """
    if not node.get("spatial", 1):
        raise node.refuse("spatial=0, a mean for each pixel, is not what minigen has; export with a newer opset")
    eps, momentum = node.get("epsilon", 1e-5), 1 - node.get("momentum", 0.9)
    if x.ndim < 2 or any(v.shape != x.shape[1:2] for v in (w, b, mean, var)):
        raise node.error(f"expected one number for each channel of shape {x.shape}, got {w.shape}")
    if not module.training:
        y = ops.batch_norm_inference(x, mean, var, w, b, eps=eps)
        return y if len(node.outputs) == 1 else (y, mean, var)
    if len(node.outputs) == 1:
        running = mean.data, var.data
        y, *moved = batch_norm_with_running_statistics(x, w, b, running, momentum=momentum, eps=eps, activation=None)
    else:
        y, *own = ops.batch_norm_with_statistics(x, w, b, eps=eps)
        old = mean.data, var.data
        moved = [a * (1 - momentum) + s.data * momentum for a, s in zip(old, own, strict=True)]
    for name, t, array in zip(node.inputs[3:5], (mean, var), moved, strict=True):
        if module.owns(name):
            t.data = array.astype(t.dtype, copy=False)
            note_change(t)
    return y if len(node.outputs) == 1 else (y, *(Tensor(a.astype(mean.dtype, copy=False)) for a in moved))


def _dropout(node: Node, module: State, x: Tensor, ratio: Any = None, _: Any = None) -> tuple[Tensor, Tensor]:
    p = node.get("ratio", 0.5) if ratio is None else number(ratio)
    if not 0 <= p < 1:
        raise node.error(f"ratio={p} is no probability below 1")
    xp = array_module(x.data)
    if not module.training or p == 0:
        return x, Tensor(xp.ones(x.shape, bool))
    kept = to_device(module.generator.bernoulli(1 - p, x.shape, dtype=x.dtype), x.device)
    return x * Tensor(kept / (1 - p)), Tensor(kept != 0)


def random_numbers(kind: str, like: bool) -> Operator:
    """RandomNormal or RandomUniform, of a shape that is an attribute or (`like`) that of the input. No gradient."""

    def call(node: Node, module: State, x: Tensor | None = None) -> Tensor:
        shape = tuple(node.get("shape", ())) if x is None else x.shape
        dtype = x.dtype if x is not None and is_float(x) else np.dtype(np.float32)
        if "dtype" in node.attributes and not (x is not None and is_float(x)):
            dtype = np.dtype(DTYPES.get(node.get("dtype"), np.void))
        if dtype.kind != "f":
            raise node.refuse(f"dtype={node.get('dtype')}: random numbers are float32 or float64")
        first, second = ("mean", "scale") if kind == "normal" else ("low", "high")
        a, b = node.get(first, 0.0), node.get(second, 1.0)
        return Tensor(to_device(getattr(module.generator, kind)(shape, a, b, dtype), "cpu" if x is None else x.device))

    return call


def _bernoulli(node: Node, module: State, p: Tensor) -> Tensor:
    drawn = module.generator.uniform(p.shape, dtype=p.dtype)
    result = Tensor(to_device(drawn, p.device)) < p
    return result.to(dtype=DTYPES[node.get("dtype")] if "dtype" in node.attributes else p.dtype)


def _instance_normalization(node: Node, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return ops.instance_norm(x, w, b, eps=node.get("epsilon", 1e-5))


def _layer_normalization(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
    axis, eps = node.axis(node.whole("axis", -1), x.ndim), node.get("epsilon", 1e-5)
    shape = x.shape[axis:]
    w = ops.broadcast_to(w, shape)
    b = Tensor(array_module(x.data).zeros(shape, x.dtype)) if b is None else ops.broadcast_to(b, shape)
    y = ops.layer_norm(x, w, b, eps=eps)
    if len(node.outputs) == 1:
        return y
    axes = tuple(range(axis, x.ndim))
    mean = ops.mean(x, axes, True)
    return y, mean, (ops.var(x, axes, True) + eps) ** -0.5


def group_normalization(node: Node, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Up to opset 20 weight and bias are one for each group, from 21 on one for each channel."""
    groups, eps = node.whole("num_groups", 0), node.get("epsilon", 1e-5)
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise node.error(f"num_groups={groups} does not divide the channels of shape {x.shape}")
    if node.opset < 21:
        apart = (groups, x.shape[1] // groups)
        w, b = (ops.reshape(ops.broadcast_to(ops.reshape(v, (groups, 1)), apart), (x.shape[1],)) for v in (w, b))
    return ops.group_norm(x, groups, w, b, eps=eps)


def _rms_normalization(node: Node, x: Tensor, w: Tensor) -> Tensor:
    axes = tuple(range(node.axis(node.whole("axis", -1), x.ndim), x.ndim))
    return x * (ops.mean(x * x, axes, True) + node.get("epsilon", 1e-5)) ** -0.5 * w


NORM: dict[str, Operator] = {
    "InstanceNormalization": _instance_normalization, "LayerNormalization": _layer_normalization,
    "GroupNormalization": group_normalization, "RMSNormalization": _rms_normalization,
}  # fmt: skip

#: These take the module after the node.
STATEFUL: dict[str, Operator] = {
    "BatchNormalization": batch_normalization, "Dropout": _dropout,
    "RandomNormal": random_numbers("normal", False), "RandomNormalLike": random_numbers("normal", True),
    "RandomUniform": random_numbers("uniform", False), "RandomUniformLike": random_numbers("uniform", True),
    "Bernoulli": _bernoulli,
}  # fmt: skip
