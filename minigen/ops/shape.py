"""Operations that move elements and change none: concat, stack, flatten. Reshape and transpose are in tensor.py.

Imports: tensor. Read next: ``linalg.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigen.autograd import (
    Function,
    Tensor,
    as_tensor,
    broadcast_to,
    getitem,
    reshape,
    sum_to,
    transpose,
)
from minigen.device import array_module
from minigen.shapes import is_whole, one_axis, shown
from minigen_kernels import Array


class Concat(Function):
    one_dtype = True
    axis: int

    def forward(self, *xs: Array) -> Array:
        return array_module(xs[0]).concatenate(xs, self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        gxs: list[Tensor | None] = []
        start = 0
        for i, x in enumerate(self.inputs):
            stop = start + x.shape[self.axis]
            part = (slice(None),) * self.axis + (slice(start, stop),)
            gxs.append(getitem(gy, part) if self.needs(i) else None)
            start = stop
        return tuple(gxs)


def _check_several(name: str, xs: Sequence[Tensor]) -> None:
    if isinstance(xs, (Tensor, str)) or not hasattr(xs, "__len__") or getattr(xs, "shape", None) == () or not len(xs):
        raise ValueError(f"{name}: expected a sequence of at least one Tensor, got {shown(xs)}")


def concat(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The Tensors one after another along `axis`; the other axes must agree."""
    _check_several("concat", xs)
    tensors = [as_tensor(x) for x in xs]
    if not all(t.ndim for t in tensors):
        raise ValueError("concat: a single number has no axis; use stack for numbers, or reshape them to (1,)")
    k = one_axis("concat", axis, tensors[0].ndim)
    shapes = [t.shape for t in tensors]
    if len({(s[:k], s[k + 1 :]) for s in shapes}) > 1:
        raise ValueError(f"concat: shapes {shapes} differ outside axis {axis}")
    return Concat.apply(*tensors, axis=k)


def stack(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The Tensors, all of one shape, along a new axis."""
    _check_several("stack", xs)
    tensors = [as_tensor(x) for x in xs]
    shape = tensors[0].shape
    if any(t.shape != shape for t in tensors):
        raise ValueError(f"stack: shapes {[t.shape for t in tensors]} are not all the same")
    k = one_axis("stack", axis, len(shape) + 1)
    return Concat.apply(*(reshape(t, (*shape[:k], 1, *shape[k:])) for t in tensors), axis=k)


def flatten(x: Tensor, start_axis: int = 1) -> Tensor:
    """All axes from `start_axis` on as one: (N, C, H, W) -> (N, C*H*W) by default."""
    x = as_tensor(x)
    if not is_whole(start_axis):
        raise TypeError(f"flatten: start_axis is a whole number, got {start_axis!r}")
    if not 0 <= start_axis < x.ndim:
        raise ValueError(f"flatten: start_axis {start_axis} is not an axis of shape {x.shape}")
    size = 1
    for n in x.shape[start_axis:]:
        size *= n
    return reshape(x, (*x.shape[:start_axis], size))


__all__ = ["broadcast_to", "concat", "flatten", "getitem", "reshape", "stack", "sum_to", "transpose"]
