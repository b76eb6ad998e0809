"""ONNX Resize and Upsample: images, or values of any axes, at another size.

Resizing is linear, and done axis by axis: "nearest" takes elements at places, "linear" and "cubic" multiply by a matrix
of a few weights in each row. So every rule of coordinates that the specification has is one formula, and derivatives of
any order are those of indexing and of products. Whole factors that `ops.upsample` knows are done by it.

Imports: autograd, ops, load_node, load_elementwise. Read next: ``load_file.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.onnx.load_elementwise import Operator
from minigen.onnx.load_node import Node, host, numbers
from minigen_kernels import Array

COORDINATES = (
    "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric",
)  # fmt: skip
ROUNDING: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)), "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor, "ceil": np.ceil,
}  # fmt: skip


def upsample(node: Node, x: Tensor, scales: Any = None) -> Tensor:
    """Upsample (to opset 9), and Resize of opset 10: pixels are points, and the first one stays where it is."""
    factors = host(scales).ravel() if scales is not None else np.asarray(node.get("scales", ()), np.float32)
    mode = node.choice("mode", "nearest", ("nearest", "linear", "bilinear"))
    if len(factors) != x.ndim:
        raise node.error(f"scales {factors.tolist()} are not one for each axis of shape {x.shape}")
    sizes = [math.floor(n * f) for n, f in zip(x.shape, factors, strict=True)]
    rule = _Rule("nearest" if mode == "nearest" else "linear", "asymmetric", "floor", -0.75, False)
    return _resized(node, x, range(x.ndim), sizes, factors, rule)


def _resize(node: Node, x: Tensor, *rest: Any) -> Tensor:
    if node.opset < 11:
        return upsample(node, x, *rest)
    _, scales, sizes = (*rest, None, None, None)[:3]
    hint = "export with mode nearest, linear or cubic, at half_pixel, asymmetric or align_corners"
    rule = _Rule(
        node.choice("mode", "nearest", ("nearest", "linear", "cubic"), hint),
        node.choice("coordinate_transformation_mode", "half_pixel", COORDINATES, hint),
        node.choice("nearest_mode", "round_prefer_floor", tuple(ROUNDING)),
        node.get("cubic_coeff_a", -0.75),
        bool(node.get("exclude_outside", 0)),
    )
    if node.get("antialias", 0):
        raise node.refuse("antialias=1: minigen does not average when it makes images smaller; export without it")
    axes = [node.axis(a, x.ndim) for a in node.get("axes", range(x.ndim))]
    if scales is not None and host(scales).size:
        factors = host(scales).ravel().astype(np.float32)
        wanted = [math.floor(x.shape[i] * f) for i, f in zip(axes, factors, strict=False)]
    elif sizes is not None:
        wanted, factors = _by_sizes(node, [x.shape[i] for i in axes], numbers(sizes))
    else:
        raise node.error("it has neither scales nor sizes")
    if len(wanted) != len(axes) or len(factors) != len(axes):
        raise node.error(f"it has {len(factors)} scales or sizes for {len(axes)} axes")
    return _resized(node, x, axes, wanted, factors, rule)


def _by_sizes(node: Node, lengths: list[int], sizes: list[int]) -> tuple[list[int], Array]:
    """The sizes of the result and the factors that lead to them, by the policy about the ratio of the sides."""
    policy = node.choice("keep_aspect_ratio_policy", "stretch", ("stretch", "not_larger", "not_smaller"))
    factors = np.asarray(sizes, np.float32) / np.asarray(lengths, np.float32)
    if policy == "stretch":
        return sizes, factors
    factor = factors.min() if policy == "not_larger" else factors.max()
    return [math.floor(n * factor + 0.5) for n in lengths], np.full(len(lengths), factor, np.float32)


class _Rule:
    """How elements are looked up: the attributes of Resize."""

    def __init__(self, mode: str, coordinates: str, nearest: str, a: float, exclude: bool) -> None:
        self.mode, self.coordinates, self.nearest, self.a, self.exclude = mode, coordinates, nearest, a, exclude

    def places(self, n: int, o: int, scale: Any) -> Array:
        """Where the centres of `o` elements lie among `n`, by the factor `scale`.

        Runtimes compute places in float32, and so does this where they are rounded.
        """
        kind: Any = np.float32 if self.mode == "nearest" else np.float64
        i, scale, half = np.arange(o).astype(kind), kind(scale), kind(0.5)
        if self.coordinates == "asymmetric":
            return i / scale
        if self.coordinates == "align_corners":
            return i * kind(n - 1) / kind(o - 1) if o > 1 else i * 0
        if self.coordinates == "pytorch_half_pixel" and o == 1:
            return i * 0
        shift = kind(n) / 2 * (1 - kind(o) / (scale * kind(n))) if self.coordinates == "half_pixel_symmetric" else 0
        return shift + (i + half) / scale - half

    def matrix(self, n: int, o: int, scale: Any) -> Array:
        """(o, n) weights: row i makes element i of the result."""
        x = self.places(n, o, scale)
        first, reach = (np.floor(x), (0, 1)) if self.mode == "linear" else (np.floor(x), (-1, 0, 1, 2))
        weights, rows = np.zeros((o, n)), np.arange(o)
        for step in reach:
            place = first + step
            share = self._weight(np.abs(x - place))
            if self.exclude:
                share = np.where((place >= 0) & (place < n), share, 0)
            np.add.at(weights, (rows, np.clip(place, 0, n - 1).astype(int)), share)
        return weights / weights.sum(1, keepdims=True) if self.exclude else weights

    def _weight(self, d: Array) -> Array:
        """The share of an element at distance `d`: a hat, or the cubic of Keys 1981."""
        if self.mode == "linear":
            return np.maximum(1 - d, 0)
        a = self.a
        near, far = ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _resized(node: Node, x: Tensor, axes: Any, sizes: list[int], scales: Array, rule: _Rule) -> Tensor:
    todo = {a: (o, s) for a, o, s in zip(axes, sizes, scales, strict=True) if o != x.shape[a] or s != 1}
    if any(o < 1 for o, _ in todo.values()):
        raise node.error(f"sizes {sizes} leave nothing of shape {x.shape}")
    factors = _whole_factors(x, todo, rule)
    if factors is not None:
        return ops.upsample(x, factors, "nearest" if rule.mode == "nearest" else "bilinear")
    for axis, (o, scale) in todo.items():
        n = x.shape[axis]
        if rule.mode == "nearest":
            places = np.clip(ROUNDING[rule.nearest](rule.places(n, o, scale)), 0, n - 1).astype(np.int64)
            x = x[(*(slice(None),) * axis, places)]
        else:
            if not x.dtype.kind == "f":
                raise node.refuse(f"mode {rule.mode} is for floats, this is {x.dtype}")
            weights = Tensor(array_module(x.data).asarray(rule.matrix(n, o, scale).T, dtype=x.dtype))
            order = [*(i for i in range(x.ndim) if i != axis), axis]
            back = [order.index(i) for i in range(x.ndim)]
            x = ops.transpose(ops.matmul(ops.transpose(x, order), weights), back)
    return x


def _whole_factors(x: Tensor, todo: dict[int, tuple[int, Any]], rule: _Rule) -> tuple[int, int] | None:
    """(vertical, horizontal) if this is what `ops.upsample` does; else None."""
    if (
        x.ndim != 4
        or x.dtype.kind != "f"
        or not set(todo) <= {2, 3}
        or any(o % x.shape[a] for a, (o, _) in todo.items())
    ):
        return None
    for axis, (o, scale) in todo.items():
        n = x.shape[axis]
        if rule.mode == "nearest":
            places = np.clip(ROUNDING[rule.nearest](rule.places(n, o, scale)), 0, n - 1)
            if not (places == np.arange(o) // (o // n)).all():
                return None
        elif rule.mode != "linear" or not rule.coordinates.startswith(("half_pixel", "pytorch")) or scale != o // n:
            return None
    down, across = (todo[a][0] // x.shape[a] if a in todo else 1 for a in (2, 3))
    return down, across


RESIZE: dict[str, Operator] = {"Resize": _resize, "Upsample": upsample}
