"""Padding: more elements before and after those of each axis, a constant or what stands there already.

The modes that repeat elements are made of pieces of the array, laid side by side; so their gradient is that of slicing
and joining, in a fixed order of additions.

Imports: autograd, shape. Read next: ``conv.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.indexing import getitem
from minigen.ops.reduce import broadcast_to
from minigen.ops.shape import concat
from minigen.shapes import one_number, shown
from minigen_kernels import Array

PadMode = Literal["constant", "reflect", "replicate", "circular"]
Pads = tuple[tuple[int, int], ...]


class Pad(Function):
    pads: Pads
    value: float

    def forward(self, x: Array) -> Array:
        return array_module(x).pad(x, self.pads, constant_values=self.value)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.pad(x, self.pads, self.value)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return getitem(gy, tuple(slice(a, n - b) for (a, b), n in zip(self.pads, y.shape, strict=True)))


def pad(x: Tensor, pads: Sequence[tuple[int, int]], value: float = 0.0, mode: PadMode = "constant") -> Tensor:
    """More elements around those of x; `pads` has a pair (before, after) for each axis, the first axis first.

    Mode "constant" puts `value` there; "reflect" mirrors the elements at the outermost one, which is not repeated;
    "replicate" repeats the outermost one; "circular" goes on at the other end. Images (N, C, H, W) take
    ``[(0, 0), (0, 0), (top, bottom), (left, right)]``. The modes are named as in PyTorch, whose ``F.pad`` counts the
    axes from the last one; in ``numpy.pad`` they are called reflect, edge and wrap, and the pairs are these. As there,
    a pad may be longer than the axis, which is then mirrored or gone round several times.
    """
    x = as_tensor(x)
    pairs, value = _pairs(x, pads), one_number("pad", "value", value)
    if not isinstance(mode, str):
        raise TypeError(f"pad: mode is a word such as 'constant', got {shown(mode)}")
    if mode == "constant":
        if x.dtype.kind != "f" and not float(value).is_integer():
            raise TypeError(f"pad: value {value} cannot stand in a Tensor of {x.dtype}; use .to(dtype=...) first")
        if not pairs:  # a number has no axis to pad, and NumPy refuses an empty list
            return x
        return Pad.apply(x, pads=pairs, value=float(value))
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(
            f"pad: mode is 'constant', 'reflect', 'replicate' (NumPy's edge) or 'circular' (its wrap), got {mode!r}"
        )
    if value != 0:
        raise ValueError(f"pad: value {value} goes with mode 'constant'; {mode!r} takes its elements from x")
    least = 2 if mode == "reflect" else 1
    for axis, (before, after) in enumerate(pairs):
        if before + after and x.shape[axis] < least:
            raise ValueError(f"pad: mode {mode!r} needs {least} elements along axis {axis}, x has shape {x.shape}")
    for axis, (before, after) in enumerate(pairs):
        x = _extended(x, axis, before, after, mode)
    return x


def _extended(x: Tensor, axis: int, before: int, after: int, mode: PadMode) -> Tensor:
    """x with elements of its own before and after along one axis."""
    period = x.shape[axis]

    def part(start: int | None, stop: int | None, step: int = 1) -> Tensor:
        return getitem(x, (slice(None),) * axis + (slice(start, stop, step),))

    while before or after:
        n = x.shape[axis]
        if mode == "replicate":
            first, last = before, after
            shapes = [(*x.shape[:axis], count, *x.shape[axis + 1 :]) for count in (first, last)]
            pieces = [broadcast_to(part(0, 1), shapes[0]), x, broadcast_to(part(n - 1, n), shapes[1])]
        elif mode == "reflect":  # a whole length at a time: it ends at an outermost element, a mirror again
            first, last = min(before, period - 1), min(after, period - 1)
            stop = n - 2 - last
            pieces = [part(first, 0, -1), x, part(n - 2, stop if stop >= 0 else None, -1)]
        else:
            first, last = min(before, period), min(after, period)
            pieces = [part(period - first, period), x, part(n - period, n - period + last)]
        x = concat([piece for piece in pieces if piece.shape[axis]], axis)
        before, after = before - first, after - last
    return x


def _pairs(x: Tensor, pads: Sequence[tuple[int, int]]) -> Pads:
    """`pads`, checked: a pair of whole numbers from 0 up for each axis."""
    try:
        pairs = tuple((before.__index__(), after.__index__()) for before, after in pads)
    except (TypeError, ValueError, AttributeError):
        pairs = None
    if pairs is None or len(pairs) != x.ndim:
        example = [(0, 0)] * (x.ndim - 1) + [(1, 1)] * min(x.ndim, 1)
        raise ValueError(
            f"pad: expected {x.ndim} pairs of whole numbers (before, after), one for each axis of shape {x.shape}, "
            f"such as {example}; got {pads!r}"
        )
    if any(before < 0 or after < 0 for before, after in pairs):
        raise ValueError(f"pad: expected numbers from 0 up for shape {x.shape}, got {pads}; to cut off, slice: x[1:-1]")
    return pairs


__all__ = ["pad"]
