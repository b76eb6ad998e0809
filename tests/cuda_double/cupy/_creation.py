"""New arrays (CuPy 14.2.0, cupy/_creation/basic.py, from_data.py, ranges.py; cupy/_core/core.pyx:2800 `array`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._array import ndarray
from ._core import DTYPES, Base, device_array, from_host, new, operand, produce, write
from ._indexing import assign
from ._registry import function


@function
def array(obj: Any, dtype: Any = None, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0, *,
          blocking: bool = False) -> ndarray:  # fmt: skip
    """An array of NumPy's is transferred; a list of arrays of CuPy's is concatenated, a mixed one refused."""
    if subok:
        raise NotImplementedError
    if isinstance(obj, Base):
        a = obj.astype(dtype or obj.dtype, order=order or "K", copy=bool(copy))
        return a if a.ndim >= ndmin else a.reshape((1,) * (ndmin - a.ndim) + a.shape)
    if isinstance(obj, (list, tuple)):
        flat = _flat(obj)
        if flat and all(isinstance(x, Base) for x in flat):
            parts = _unwrapped(obj)
            return produce("gather", "concatenate", lambda: np.array(parts, dtype=dtype))
        if any(isinstance(x, Base) for x in flat):
            raise TypeError("Implicit conversion to a NumPy array is not allowed. (a list with arrays of CuPy's)")
    if hasattr(obj, "__array_ufunc__") and obj.__array_ufunc__ is None:
        raise TypeError(f"Unsupported type {type(obj)}")
    a = np.array(obj, dtype=dtype, ndmin=ndmin)
    if a.dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {a.dtype}")
    keep = isinstance(obj, np.ndarray) and obj.flags.fnc and order in ("K", "A", None)
    return from_host(a, order="F" if keep else "C")


def _flat(obj: Any) -> list[Any]:
    return [y for x in obj for y in _flat(x)] if isinstance(obj, (list, tuple)) else [obj]


def _unwrapped(obj: Any) -> Any:
    return [_unwrapped(x) for x in obj] if isinstance(obj, (list, tuple)) else obj._a


@function
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, bool(copy), order or "K")


@function
def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    return array(a, dtype, False, order or "K")


@function
def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    x = device_array(a)
    if (dtype is None or np.dtype(dtype) == x.dtype) and x.flags.c_contiguous:
        return a.ravel() if x.ndim == 0 else a
    return produce("elementwise", "copy", lambda: np.ascontiguousarray(x, dtype))


@function
def asfortranarray(a: Any, dtype: Any = None) -> ndarray:
    x = device_array(a)
    if x.flags.f_contiguous and (dtype is None or np.dtype(dtype) == x.dtype):
        return a
    return produce("elementwise", "copy", lambda: np.array(x, dtype, order="F"), order="K")


@function
def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    if isinstance(a, Base):
        return a.get(stream, order, out)
    return np.asarray(a, order=order)


@function
def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype, order=order)


@function
def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(ndarray(shape, dtype, order=order), 0)


@function
def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(ndarray(shape, dtype, order=order), 1)


@function
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    if dtype is None:
        dtype = fill_value.dtype if isinstance(fill_value, Base) else np.array(fill_value).dtype
    x = ndarray(shape, dtype, order=order)
    assign(x._a, fill_value)
    return x


def _filled(x: ndarray, value: int) -> ndarray:
    write("memset" if value == 0 else "elementwise", "fill", x._a, lambda: value)
    return x


def _like(a: Any, dtype: Any, order: str, subok: Any, shape: Any) -> ndarray:
    model = np.empty_like(device_array(a), dtype=dtype, order=order, shape=shape)
    if subok is not None:
        raise TypeError("subok is not supported yet")
    return new(model.shape, model.dtype, model.strides)


@function
def empty_like(prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return _like(prototype, dtype, order, subok, shape)


@function
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return _filled(_like(a, dtype, order, subok, shape), 0)


@function
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return _filled(_like(a, dtype, order, subok, shape), 1)


@function
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    x = _like(a, dtype, order, subok, shape)
    assign(x._a, fill_value)
    return x


@function
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    if any(isinstance(end, Base) for end in (start, stop, step)):
        raise TypeError("double: arange of arrays of CuPy's would wait for the device")
    ends = (start,) if stop is None else (start, stop, step)
    return produce("elementwise", "arange", lambda: np.arange(*ends, dtype=dtype))


@function
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0) -> Any:  # fmt: skip
    first, last = operand(start), operand(stop)
    return produce("elementwise", "linspace", lambda: np.linspace(first, last, num, endpoint, dtype=dtype, axis=axis))


@function
def eye(N: int, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C") -> ndarray:
    x = _filled(ndarray((N, N if M is None else M), dtype), 0)
    write("elementwise", "eye", x._a, lambda: np.eye(N, M, k, dtype))
    return x
