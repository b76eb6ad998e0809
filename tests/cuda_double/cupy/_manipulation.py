"""Shapes, joins, copies (CuPy 14.2.0, cupy/_manipulation/*.py, _padding/pad.py, _core/_routines_manipulation.pyx)."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _launch
from ._array import ndarray
from ._core import Base, device_array, operand, produce, wrap, write
from ._ledger import hazard
from ._registry import FUNCTIONS, function


@function
def shape(a: Any) -> tuple[int, ...]:
    return a.shape if isinstance(a, Base) else np.shape(a)


@function
def ndim(a: Any) -> int:
    return a.ndim if isinstance(a, Base) else np.ndim(a)


@function
def size(a: Any, axis: Any = None) -> int:
    return np.size(a._a if isinstance(a, Base) else a, axis)


@function
def reshape(a: Any, newshape: Any, order: str = "C", *, copy: Any = None) -> ndarray:
    device_array(a)
    return a.reshape(newshape, order=order)


@function
def ravel(a: Any, order: str = "C") -> ndarray:
    device_array(a)
    return a.ravel(order)


@function
def transpose(a: Any, axes: Any = None) -> ndarray:
    device_array(a)
    return a.transpose(axes)


@function
def moveaxis(a: Any, source: Any, destination: Any) -> ndarray:
    return wrap(np.moveaxis(device_array(a), source, destination), a)


@function
def swapaxes(a: Any, axis1: int, axis2: int) -> ndarray:
    device_array(a)
    return a.swapaxes(axis1, axis2)


@function
def squeeze(a: Any, axis: Any = None) -> ndarray:
    device_array(a)
    return a.squeeze(axis)


@function
def expand_dims(a: Any, axis: Any) -> ndarray:
    return wrap(np.expand_dims(device_array(a), axis), a)


@function
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> ndarray:
    """A view that may be written, unlike NumPy's (_routines_manipulation.pyx, broadcast_to)."""
    if not isinstance(array, Base):
        hazard("cupy.broadcast_to of what is no array of CuPy's: it becomes one")
        array = FUNCTIONS["array"](array)
    b = np.broadcast_to(array._a, shape)
    return wrap(np.lib.stride_tricks.as_strided(array._a, b.shape, b.strides, writeable=True), array)


@function
def flip(m: Any, axis: Any = None) -> ndarray:
    return wrap(np.flip(device_array(m), axis), m)


@function
def concatenate(tup: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> ndarray:
    """A copy for each array; or, for more than 8 small ones, a kernel that reads their addresses from a table.

    _routines_manipulation.pyx, `_concatenate`: the table (with their ends and strides, unless all are alike) is
    transferred each time, so that this is refused in a capture.
    """
    if isinstance(tup, Base):
        tup = list(tup)
    for x in tup:
        operand(x)
        if not isinstance(x, Base):
            raise TypeError("Only cupy arrays can be concatenated")
    if out is not None:
        raise NotImplementedError("double: concatenate(out=)")
    if axis is None:
        tup, axis = [x.ravel() for x in tup], 0
    if any(x.ndim == 0 for x in tup):
        raise TypeError("zero-dimensional arrays cannot be concatenated")
    total = sum(x.nbytes for x in tup)
    launches = len(tup)
    if len(tup) > 8 and len({x.dtype for x in tup}) == 1 and total < (2 << 20) * len(tup):
        alike = all(x.flags.c_contiguous for x in tup) and len({x.shape[axis] for x in tup}) == 1
        _launch.to_device("concatenate (addresses)", 1 if alike else 3)
        launches = 1
    parts = [x._a for x in tup]
    return produce(
        "elementwise", "concatenate", lambda: np.concatenate(parts, axis, dtype=dtype, casting=casting), launches
    )


@function
def stack(tup: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> ndarray:
    return concatenate([expand_dims(x, axis) for x in tup], axis, out, dtype=dtype, casting=casting)


@function
def pad(array: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> ndarray:
    x = device_array(array)
    if mode != "constant":
        raise NotImplementedError("double: pad(mode=)")
    if set(kwargs) - {"constant_values"}:
        raise ValueError(f"unsupported keyword arguments for mode 'constant': {kwargs}")
    values = kwargs.get("constant_values", 0)
    if isinstance(values, Base):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")
    if np.asarray(pad_width).dtype.kind != "i":
        raise TypeError("`pad_width` must be of integral type.")
    zero = np.ndim(values) == 0 and values == 0
    _launch.launch("memset" if zero else "elementwise", "pad", lambda: None, 1 if zero else 2 * x.ndim)
    return produce("elementwise", "pad copy", lambda: np.pad(x, pad_width, constant_values=values))


@function
def tile(A: Any, reps: Any) -> ndarray:
    a = device_array(A)
    return produce("elementwise", "tile", lambda: np.tile(a, reps))


@function
def repeat(a: Any, repeats: Any, axis: Any = None) -> ndarray:
    device_array(a)
    return a.repeat(repeats, axis)


@function
def roll(a: Any, shift: Any, axis: Any = None) -> ndarray:
    x = device_array(a)
    return produce("elementwise", "roll", lambda: np.roll(x, shift, axis))


@function
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[ndarray]:
    return [wrap(part, ary) for part in np.split(device_array(ary), indices_or_sections, axis)]


@function
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ndarray:
    device_array(a)
    return a.diagonal(offset, axis1, axis2)


@function
def tril(m: Any, k: int = 0) -> ndarray:
    a = device_array(m)
    return produce("elementwise", "tril", lambda: np.tril(a, k), 2)


@function
def triu(m: Any, k: int = 0) -> ndarray:
    a = device_array(m)
    return produce("elementwise", "triu", lambda: np.triu(a, k), 2)


@function
def copy(a: Any, order: str = "K") -> ndarray:
    device_array(a)
    return a.copy(order=order)


@function
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    target = device_array(dst)
    if where is not None:
        raise NotImplementedError("double: copyto(where=)")
    if isinstance(src, np.ndarray):
        raise TypeError(f"Unsupported type {type(src)}")
    source = operand(src)
    if not np.can_cast(getattr(source, "dtype", type(source)), target.dtype, casting):
        raise TypeError(f"Cannot cast {type(source).__name__} to {target.dtype} in {casting} casting mode")
    write("elementwise", "copyto", target, lambda: source)
