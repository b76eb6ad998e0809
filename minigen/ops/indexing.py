"""Indexing, ``x[...]``, as in NumPy; and the forms of an index.

The rule is NumPy's. Only a tuple that is the whole index is a list of parts, one for each axis; any other sequence is a
set of positions (or a mask), also a tuple *inside* an index: ``x[:, (0, 0, 2)]`` is ``x[:, np.array([0, 0, 2])]``. Here
all such sets become arrays, so that whoever looks at an index later sees at once whether it can name an element twice.

Imports: autograd, device. Read next: ``linalg.py``.
"""

from __future__ import annotations

import math
import operator
from types import EllipsisType
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, as_tensor, is_recording
from minigen.autograd.tensor import data_of
from minigen.device import array_module, refuse_masked
from minigen_kernels import Array

_PLAIN = (int, bool, np.bool_, EllipsisType, type(None))


class GetItem(Function):
    """x[index]. Its gradient is ScatterAdd, whose gradient is this."""

    index: Any

    def forward(self, x: Array) -> Array:
        return x[self.index]

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return ScatterAdd.apply(gy, index=self.index, shape=self.inputs[0].shape)


class ScatterAdd(Function):
    """Zeros of `shape` to which x is added at `index`; where an index comes twice, both are added."""

    index: Any
    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        many = x.dtype == np.float32 and x.size > math.prod(self.shape)  # an element may get a million terms
        if many:
            x = x.astype(np.float64)
        y = xp.zeros(self.shape, x.dtype)
        if repeats(self.index):
            xp.add.at(y, self.index, x)
        else:
            y[self.index] = x
        return y.astype(np.float32) if many else y

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return GetItem.apply(gy, index=self.index)


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]` as in NumPy: numbers, slices, None, ..., and sequences, arrays or Tensors of positions, and masks."""
    x = as_tensor(x)
    keep = x.requires_grad and is_recording()
    return GetItem.apply(x, index=plain_index(x.data, index, keep))


def plain_index(x: Array, index: Any, keep: bool) -> Any:
    """An index of `x` with every set of positions and every mask as an array: of whole numbers or of bool.

    With `keep` the arrays are copies: nobody can change them between the forward and the backward pass. IndexError
    names the part that is no index.
    """
    if isinstance(index, tuple):
        return tuple([_plain_part(x, part, keep) for part in index])
    return _plain_part(x, index, keep)


def _plain_part(x: Array, part: Any, keep: bool) -> Any:
    kind = type(part)
    if kind is slice:
        return slice(data_of(part.start), data_of(part.stop), data_of(part.step))
    if kind in _PLAIN:
        return part
    if isinstance(part, np.integer) or (hasattr(kind, "__index__") and not hasattr(part, "dtype")):
        return operator.index(part)
    refuse_masked("getitem", part)
    given, xp = _nested(part), array_module(x)
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
