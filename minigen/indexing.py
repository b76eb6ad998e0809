"""The forms of an index: what may stand between the square brackets of ``x[...]``, as NumPy and CuPy want it.

The rule is NumPy's. Only a tuple that is the whole index is a list of parts, one for each axis; any other sequence is a
set of positions (or a mask), also a tuple *inside* an index: ``x[:, (0, 0, 2)]`` is ``x[:, np.array([0, 0, 2])]``. Here
all such sets become arrays, so that whoever looks at an index later sees at once whether it can name an element twice.

Imports: device, NumPy. Read next: ``GetItem`` and ``ScatterAdd`` in ``tensor.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import EllipsisType
from typing import Any

import numpy as np

from minigen.device import array_module, refuse_masked
from minigen_kernels import Array

_PLAIN = (int, bool, np.bool_, EllipsisType, type(None))


def plain_index(x: Array, index: Any, values: Callable[[Any], Any], keep: bool) -> Any:
    """An index of `x` with every set of positions and every mask as an array: of whole numbers or of bool.

    `values` gives the array of a Tensor, and anything else as it is. With `keep` the arrays are copies: nobody can
    change them between the forward and the backward pass. IndexError names the part that is no index.
    """
    if isinstance(index, tuple):
        return tuple([_plain_part(x, part, values, keep) for part in index])
    return _plain_part(x, index, values, keep)


def repeats(index: Any) -> bool:
    """May this index, made by `plain_index`, name an element twice? Slices and numbers never do."""
    return any(hasattr(part, "dtype") for part in (index if isinstance(index, tuple) else (index,)))


def _plain_part(x: Array, part: Any, values: Callable[[Any], Any], keep: bool) -> Any:
    kind = type(part)
    if kind is slice:
        return slice(values(part.start), values(part.stop), values(part.step))
    if kind in _PLAIN:
        return part
    if isinstance(part, np.integer) or (hasattr(kind, "__index__") and not hasattr(part, "dtype")):
        return operator.index(part)
    refuse_masked("getitem", part)
    given, xp = _nested(part, values), array_module(x)
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


def _nested(part: Any, values: Callable[[Any], Any]) -> Any:
    """A list or tuple with the arrays of the Tensors that are in it; anything else by `values`."""
    if isinstance(part, (list, tuple)):
        return [_nested(element, values) for element in part]
    return values(part)


def _shown(part: Any) -> str:
    text = repr(part)
    return text if len(text) <= 60 else f"{text[:60]} ..."
