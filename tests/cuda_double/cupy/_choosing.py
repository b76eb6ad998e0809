"""Choosing, sorting, counting and comparing, and reductions by name.

CuPy 14.2.0, cupy/_indexing/*.py, _sorting/*.py, _statistics/histogram.py, _logic/comparison.py, _math/*.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _launch
from ._array import ndarray, sort_kind
from ._core import device_array, operand, produce
from ._creation import arange
from ._registry import FUNCTIONS, function


@function
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    c = device_array(condition)
    if x is None:
        return condition.nonzero()
    if c.dtype != bool:
        _launch.launch("elementwise", "astype", lambda: None)
    values = operand(x), operand(y)
    return produce("elementwise", "where", lambda: np.where(c, *values))


@function
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = None) -> ndarray:
    device_array(a)
    return a.take(indices, axis, out)


def _along(shape: tuple[int, ...], indices: ndarray, axis: int) -> tuple[Any, ...]:
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if len(shape) != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    n = len(shape)
    return tuple(indices if i == axis else arange(m).reshape((1,) * i + (-1,) + (1,) * (n - i - 1))
                 for i, m in enumerate(shape))  # fmt: skip


@function
def take_along_axis(a: Any, indices: Any, axis: Any) -> ndarray:
    device_array(a), device_array(indices)
    if axis is None:
        a, axis = a.ravel(), 0
    return a[_along(a.shape, indices, axis % a.ndim)]


@function
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    device_array(arr), device_array(indices)
    arr[_along(arr.shape, indices, axis % arr.ndim)] = values


@function
def nonzero(a: Any) -> Any:
    device_array(a)
    return a.nonzero()


@function
def flatnonzero(a: Any) -> ndarray:
    return a.ravel().nonzero()[0]


@function
def argsort(a: Any, axis: Any = -1, kind: Any = None) -> ndarray:
    device_array(a)
    return a.argsort(axis, kind)


@function
def sort(a: Any, axis: Any = -1, kind: Any = None) -> ndarray:
    sort_kind(kind)
    x = device_array(a)
    return produce("gather", "sort", lambda: np.sort(x, axis, kind="stable"))


@function
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> ndarray:
    x, y = device_array(a), device_array(v)
    return produce("gather", "searchsorted", lambda: np.searchsorted(x, y, side))


@function
def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: Any = None, *, equal_nan: bool = True) -> Any:  # fmt: skip
    x = device_array(ar)
    _launch.wait("unique")
    _launch.launch("gather", "unique", lambda: None, 4)
    found = np.unique(x, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)
    if isinstance(found, tuple):
        return tuple(produce("gather", "unique", lambda f=f: f, 0) for f in found)
    return produce("gather", "unique", lambda: found, 0)


@function
def bincount(x: Any, weights: Any = None, minlength: Any = None) -> ndarray:
    a, w = device_array(x), None if weights is None else device_array(weights)
    _launch.wait("bincount", 2)
    return produce("gather", "bincount", lambda: np.bincount(a, w, minlength or 0))


def _method(name: str) -> Any:
    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        device_array(a)
        return getattr(a, name)(*args, **kwargs)

    call.__name__ = name
    return call


for _name in ("sum", "prod", "mean", "var", "std", "max", "min", "ptp", "all", "any", "argmax", "argmin", "cumsum",
              "cumprod", "clip", "round", "trace"):  # fmt: skip
    FUNCTIONS[_name] = _method(_name)
FUNCTIONS["amax"], FUNCTIONS["amin"], FUNCTIONS["around"] = FUNCTIONS["max"], FUNCTIONS["min"], FUNCTIONS["round"]


@function
def count_nonzero(a: Any, axis: Any = None) -> ndarray:
    x = device_array(a)
    return produce("reduction", "count_nonzero", lambda: np.count_nonzero(x, axis))


@function
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> ndarray:
    x, y = device_array(a1), device_array(a2)
    _launch.launch("elementwise", "equal", lambda: None)
    return produce("reduction", "all", lambda: np.array_equal(x, y, equal_nan))


@function
def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> ndarray:
    x, y = operand(a), operand(b)
    _launch.launch("elementwise", "isclose", lambda: None)
    return produce("reduction", "all", lambda: np.allclose(x, y, rtol, atol, equal_nan))


@function
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> ndarray:
    a = device_array(x)
    return produce("elementwise", "nan_to_num", lambda: np.nan_to_num(a, nan=nan, posinf=posinf, neginf=neginf))
