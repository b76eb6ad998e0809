"""ONNX operators that make one number of many, and those of matrices: reductions, softmax, products, order.

Imports: autograd, ops, load_node, load_elementwise. Read next: ``load_conv.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.onnx.load_elementwise import Operator
from minigen.onnx.load_node import Node, number
from minigen.onnx.load_shape import gather_elements


def reduction(function: Callable[..., Tensor], of_nothing: float | None = None) -> Operator:
    """A reduction over `axes`, which are an attribute or an input; over all if there are none.

    `of_nothing`: what it makes of no elements, where the function of `ops` refuses them.
    """

    def call(node: Node, x: Tensor, axes: Any = None) -> Tensor:
        given = node.argument("axes", axes) or None
        if given is None and node.get("noop_with_empty_axes", 0):
            return function(x, (), True)
        along = tuple(range(x.ndim)) if given is None else tuple(node.axis(a, x.ndim) for a in given)
        keep = bool(node.get("keepdims", 1))
        if of_nothing is not None and 0 in (x.shape[i] for i in along):
            kept = [1 if i in along else n for i, n in enumerate(x.shape) if keep or i not in along]
            return Tensor(np.full(kept, _limit(of_nothing, x.dtype), x.dtype))
        return function(x, along, keep)

    return call


def _limit(value: float, dtype: np.dtype[Any]) -> Any:
    """An infinity, or where the dtype has none, the number of it that is nearest."""
    if dtype.kind == "f" or not math.isinf(value):
        return value
    if dtype.kind == "b":
        return value > 0
    return np.iinfo(dtype).max if value > 0 else np.iinfo(dtype).min


def _sum(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    y = ops.sum(x, axes, keep)
    return y if y.dtype == x.dtype else y.to(dtype=x.dtype)  # NumPy widens small whole numbers


def _mean(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    y = ops.mean(x, axes, keep)
    return y if y.dtype == x.dtype else y.to(dtype=x.dtype)


def _extreme(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        if not axes:
            return x
        return function(x.to(dtype=np.uint8), axes, keep) != 0 if x.dtype == bool else function(x, axes, keep)

    return call


def arg_extreme(largest: bool) -> Operator:
    """ArgMax or ArgMin; of equal ones the first, or with select_last_index the last."""
    function = ops.argmax if largest else ops.argmin

    def call(node: Node, x: Tensor) -> Tensor:
        axis = node.axis(node.whole("axis", 0), x.ndim)
        keep = bool(node.get("keepdims", 1))
        if not node.get("select_last_index", 0):
            return function(x, axis, keep)
        return x.shape[axis] - 1 - function(x[(*(slice(None),) * axis, slice(None, None, -1))], axis, keep)

    return call


def _cumsum(node: Node, x: Tensor, axis: Any) -> Tensor:
    k = node.axis(int(number(axis)), x.ndim)
    turned = (*(slice(None),) * k, slice(None, None, -1))
    if node.get("reverse", 0):
        x = x[turned]
    y = ops.cumsum(x, k)
    y = y if y.dtype == x.dtype else y.to(dtype=x.dtype)
    y = y - x if node.get("exclusive", 0) else y
    return y[turned] if node.get("reverse", 0) else y


def softmax(function: Callable[..., Tensor]) -> Operator:
    """Softmax or LogSoftmax. Before version 13 it is over all axes from `axis` on, taken as one, and axis is 1."""

    def call(node: Node, x: Tensor) -> Tensor:
        if node.opset >= 13:
            return function(x, node.axis(node.whole("axis", -1), x.ndim))
        axis = node.axis(node.whole("axis", 1), x.ndim)
        rows = ops.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        return ops.reshape(function(rows, 1), x.shape)

    return call


def _matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return ops.matmul(a, b)


def _gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if a.ndim != 2 or b.ndim != 2:
        raise node.error(f"expected two matrices, got shapes {a.shape} and {b.shape}")
    a = ops.transpose(a) if node.get("transA", 0) else a
    plain = alpha == 1 and (c is None or (beta == 1 and c.ndim == 1))
    if node.get("transB", 0):
        if plain and (c is None or c.shape == b.shape[:1]):
            return ops.linear(a, b, c)  # a dense layer, as minigen has it
        b = ops.transpose(b)
    y = ops.matmul(a, b)
    y = y if alpha == 1 else y * alpha
    return y if c is None or beta == 0 else y + (c if beta == 1 else c * beta)


def _einsum(node: Node, *xs: Tensor) -> Tensor:
    return ops.einsum(node.get("equation"), *xs)


def _topk(node: Node, x: Tensor, k: Any = None) -> tuple[Tensor, Tensor]:
    axis = node.axis(node.whole("axis", -1), x.ndim)
    count = (node.argument("k", k) or [0])[0]
    if not 0 <= count <= x.shape[axis]:
        raise node.error(f"k={count} is more than axis {axis} of shape {x.shape} has")
    first = (*(slice(None),) * axis, slice(count))
    places = ops.argsort(x, axis, descending=bool(node.get("largest", 1)))[first]
    along = Node("GatherElements", node.name, node.opset, (), node.outputs, {"axis": axis})
    return gather_elements(along, x, places), places


def _lp_normalization(node: Node, x: Tensor) -> Tensor:
    size = ops.norm(x, node.axis(node.whole("axis", -1), x.ndim), True, order=node.choice("p", 2, (1, 2)))
    return x / ops.where(size == 0, 1.0, size)  # of zeros, zeros


REDUCE: dict[str, Operator] = {
    "ReduceSum": reduction(_sum),
    "ReduceMean": reduction(_mean),
    "ReduceMax": reduction(_extreme(ops.max), -math.inf),
    "ReduceMin": reduction(_extreme(ops.min), math.inf),
    "ReduceProd": reduction(ops.prod),
    "ReduceL1": reduction(lambda x, axes, keep: _sum(abs(x), axes, keep)),
    "ReduceL2": reduction(lambda x, axes, keep: ops.norm(x, axes, keep) if axes else abs(x), 0.0),
    "ReduceSumSquare": reduction(lambda x, axes, keep: _sum(x * x, axes, keep)),
    "ReduceLogSum": reduction(lambda x, axes, keep: ops.log(ops.sum(x, axes, keep))),
    "ReduceLogSumExp": reduction(lambda x, axes, keep: ops.logsumexp(x, axes, keep) if axes else x, -math.inf),
    "ArgMax": arg_extreme(True),
    "ArgMin": arg_extreme(False),
    "CumSum": _cumsum,
    "Softmax": softmax(ops.softmax),
    "LogSoftmax": softmax(ops.log_softmax),
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "TopK": _topk,
    "LpNormalization": _lp_normalization,
}
