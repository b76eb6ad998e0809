"""Indexing, ``x[...]``, as in NumPy; and the forms of an index.

The rule is NumPy's. Only a tuple that is the whole index is a list of parts, one for each axis; any other sequence is a
set of positions (or a mask), also a tuple *inside* an index: ``x[:, (0, 0, 2)]`` is ``x[:, np.array([0, 0, 2])]``. Here
all such sets become arrays, so that whoever looks at an index later sees at once whether it can name an element twice.

Imports: autograd, device, kernels. Read next: ``linalg.py``.
"""

from __future__ import annotations

import contextlib
import math
import operator
from types import EllipsisType
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, as_tensor, is_recording
from minigen.autograd.tensor import data_of
from minigen.device import array_module, device_of, refuse_masked
from minigen_kernels import Array, for_array

_PLAIN = (int, bool, np.bool_, EllipsisType, type(None))


class GetItem(Function):
    """x[index]. Its gradient is ScatterAdd, whose gradient is this."""

    index: Any

    def forward(self, x: Array) -> Array:
        return x[self.index]

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.getitem(x, self.index)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return ScatterAdd.apply(gy, index=self.index, shape=self.inputs[0].shape)


class ScatterAdd(Function):
    """Zeros of `shape` to which x is added at `index`; where an index comes twice, both are added.

    Derived in docs/guide/04_broadcasting.md.
    """

    index: Any
    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        many = x.dtype == np.float32 and x.size > math.prod(self.shape)  # an element may get a million terms
        if many:
            x = x.astype(np.float64)
        if not repeats(self.index):
            y = xp.zeros(self.shape, x.dtype)
            y[self.index] = x
        elif isinstance(x, np.ndarray):
            y = xp.zeros(self.shape, x.dtype)
            np.add.at(y, self.index, x)
        else:
            y = self._in_order(x, xp)
        return y.astype(np.float32) if many else y

    def _in_order(self, x: Array, xp: Any) -> Array:
        """On a GPU `add.at` adds whatever thread comes first, with other bits in every run; this kernel has an order.

        It adds to planes: axes after those that the index names become planes, the others one line of places.
        """
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        k = sum(_axes_named(parts, len(self.shape)))
        places, planes = math.prod(self.shape[:k]), math.prod(self.shape[k:])
        at = xp.arange(places).reshape(self.shape[:k])[self.index].reshape(-1)
        lines = xp.ascontiguousarray(x.reshape(at.size, planes).T).reshape(1, planes, 1, at.size)
        y = for_array(x).plane_scatter(lines, xp.broadcast_to(at, lines.shape), (1, places), None)
        return xp.ascontiguousarray(y.reshape(planes, places).T).reshape(self.shape)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return GetItem.apply(gy, index=self.index)


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]` as in NumPy: numbers, slices, None, ..., and sequences, arrays or Tensors of positions, and masks.

    A position beyond the axis is an IndexError. Positions that lie on a GPU are not looked at, for the host would have
    to wait: there one beyond the axis is counted modulo its length. A mask makes the host wait, which has to know how
    many elements there are.
    """
    x = as_tensor(x)
    keep = x.requires_grad and is_recording()
    return GetItem.apply(x, index=plain_index(x.data, index, keep))


def plain_index(x: Array, index: Any, keep: bool) -> Any:
    """An index of `x` with every set of positions and every mask as an array: of whole numbers or of bool.

    With `keep` the arrays are copies: nobody can change them between the forward and the backward pass. IndexError
    names the part that is no index.
    """
    parts = index if isinstance(index, tuple) else (index,)
    plain = tuple([_plain_part(x, part, keep) for part in parts])
    if not isinstance(x, np.ndarray):
        _check_on_host(x, parts, plain)
    return plain if isinstance(index, tuple) else plain[0]


def _axes_named(parts: tuple[Any, ...], ndim: int) -> list[int]:
    """How many axes of an array each part of an index, made by `plain_index`, names. An ellipsis names the rest."""
    counts = [_axes_of(part) for part in parts]
    return [ndim - sum(counts) if part is Ellipsis else count for part, count in zip(parts, counts)]


def _axes_of(part: Any) -> int:
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if getattr(getattr(part, "dtype", None), "kind", "") == "b" else 1


def _check_on_host(x: Array, parts: tuple[Any, ...], plain: tuple[Any, ...]) -> None:
    """IndexError for a position beyond an axis of `x` on a GPU, where the host has it: CuPy would not say."""
    axis = 0
    for part, count in zip(parts, _axes_named(plain, x.ndim)):
        given = data_of(part)
        if isinstance(given, (list, tuple, np.ndarray)) and count == 1 and axis < x.ndim:
            with contextlib.suppress(TypeError):  # numbers of a GPU in a list
                given, length = np.asarray(_nested(given)), x.shape[axis]
                beyond = given[(given < -length) | (given >= length)]
                if beyond.size:
                    raise IndexError(f"getitem: index {beyond[0]} is out of bounds for axis {axis} with size {length}")
        axis += count


def _plain_part(x: Array, part: Any, keep: bool) -> Any:
    kind = type(part)
    if kind is slice:
        return slice(*[_bound(bound) for bound in (part.start, part.stop, part.step)])
    if kind in _PLAIN:
        return part
    if isinstance(part, np.integer) or (hasattr(kind, "__index__") and not hasattr(part, "dtype")):
        return operator.index(part)
    refuse_masked("getitem", part)
    given, xp = _nested(part), array_module(x)
    if hasattr(given, "dtype") and device_of(given) == "cuda" != device_of(x):
        raise TypeError("getitem: the index is on cuda, the Tensor on cpu. Nothing is moved silently: use .to(device)")
    if xp is np and hasattr(given, "dtype"):
        xp = array_module(given)  # that of a stand-in
    try:
        array: Array = xp.array(given) if keep else xp.asarray(given)
    except ValueError as error:  # a ragged list
        raise IndexError(f"getitem: {_shown(part)} is no index: its rows differ in length") from error
    if array.size == 0 and not hasattr(given, "dtype"):  # an empty list has no positions, of whatever dtype
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"getitem: an index is made of whole numbers, slices, None, ..., and arrays of whole numbers or bool; got "
            f"{_shown(part)}, of dtype {array.dtype}; make whole numbers of it first"
        )
    return array


def _bound(bound: Any) -> Any:
    """A bound of a slice. One that lies on a GPU makes the host wait, which has to know the shape of the result."""
    bound = data_of(bound)
    return bound if array_module(bound) is np else bound.item()


def _nested(part: Any) -> Any:
    """A list or tuple with the arrays of the Tensors that are in it; anything else as it is."""
    if isinstance(part, (list, tuple)):
        return [_nested(element) for element in part]
    return data_of(part)


def repeats(index: Any) -> bool:
    """May this index, made by `plain_index`, name an element twice? Slices and numbers never do."""
    return any(hasattr(part, "dtype") for part in (index if isinstance(index, tuple) else (index,)))


def _shown(part: Any) -> str:
    text = repr(part)
    return text if len(text) <= 60 else f"{text[:60]} ..."


__all__ = ["getitem"]
