"""Elements in order: sort, and where the sorted, the largest and the smallest of them stood.

Places are whole numbers, int64, and have no gradient. The gradient of sorting puts each element back: a permutation,
whose gradient is the inverse one.

Imports: autograd. Read next: ``einsum.py``.
"""

from __future__ import annotations

from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import array_module
from minigen.shapes import flag, one_axis
from minigen_kernels import Array


class Permute(Function):
    """y[..., i, ...] = x[..., places[..., i, ...], ...] along one axis; `places` names each of the axis once."""

    axis: int
    places: Array

    def forward(self, x: Array) -> Array:
        return array_module(x).take_along_axis(x, self.places, self.axis)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Permute.apply(gy, axis=self.axis, places=_places(self.places, self.axis, False))


def sort(x: Tensor, axis: int = -1, descending: bool = False) -> Tensor:
    """The elements of `axis` from the smallest to the largest, or with `descending` from the largest; NaN is largest.

    Equal elements stay in their order. `argsort` says where each stood (``torch.sort`` returns both at once).
    """
    x, k = as_tensor(x), _one_axis("sort", x, axis)
    return Permute.apply(x, axis=k, places=_places(x.data, k, flag("sort", "descending", descending)))


def argsort(x: Tensor, axis: int = -1, descending: bool = False) -> Tensor:
    """Where the elements of `sort` stood: whole numbers of the shape of x, without gradient."""
    x, k = as_tensor(x), _one_axis("argsort", x, axis)
    return Tensor(_places(x.data, k, flag("argsort", "descending", descending)))


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the largest element stands along `axis` (by default among all, in C order), the first of equals.

    Whole numbers without gradient. A NaN counts as the largest.
    """
    return Tensor(_extreme("argmax", x, axis, flag("argmax", "keepdims", keepdims)))


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the smallest element stands; all else as in `argmax`, and a NaN counts as the smallest."""
    return Tensor(_extreme("argmin", x, axis, flag("argmin", "keepdims", keepdims)))


def _places(x: Array, axis: int, descending: bool) -> Array:
    xp = array_module(x)
    if not descending:
        return xp.argsort(x, axis, kind="stable")
    # Sorted from the other end and read from the other end, equal elements keep their order.
    return xp.flip(x.shape[axis] - 1 - xp.argsort(xp.flip(x, axis), axis, kind="stable"), axis)


def _extreme(name: str, x: Tensor, axis: int | None, keepdims: bool) -> Array:
    x = as_tensor(x)
    k = None if axis is None else _one_axis(name, x, axis)
    if (x.data.size if k is None else x.shape[k]) == 0:
        raise ValueError(f"{name}: nothing to choose from, x has shape {x.shape} and axis is {axis}")
    xp = array_module(x.data)
    y = xp.asarray(getattr(xp, name)(x.data, axis=k))
    shape = tuple(1 if k is None or i == k else n for i, n in enumerate(x.shape))
    return y.reshape(shape) if keepdims else y


def _one_axis(name: str, x: Tensor, axis: int) -> int:
    return one_axis(name, axis, as_tensor(x).ndim, "; reshape several axes to one")


__all__ = ["argmax", "argmin", "argsort", "sort"]
