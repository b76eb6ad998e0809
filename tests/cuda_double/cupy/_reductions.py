"""Reductions of `cupy.ndarray`: no `initial`, no `where` (CuPy 14.2.0, cupy/_core/core.pyx:1288-1480)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._core import Base, produce, quiet, write

_NO_IDENTITY = ("amax", "amin", "max", "min", "argmax", "argmin")


def _reduce(function: Callable[..., Any], x: Any, axis: Any, out: Any, keepdims: bool, **options: Any) -> Any:
    name = function.__name__
    if isinstance(axis, list):
        axis = tuple(axis)
    if out is not None and not isinstance(out, Base):
        raise TypeError(f"Argument 'out' has incorrect type (expected cupy._core.core._ndarray_base, got {type(out)})")
    if name in _NO_IDENTITY and x.size == 0:
        raise ValueError(f"zero-size array to reduction operation cupy_{name} which has no identity")
    a = x._a
    options = {k: v for k, v in options.items() if v is not None}

    def compute() -> Any:
        if a.size or name in ("sum", "prod", "all", "any"):
            return function(a, axis=axis, keepdims=keepdims, **options)
        import warnings

        with warnings.catch_warnings():  # the mean of nothing: NaN without a word
            warnings.simplefilter("ignore", RuntimeWarning)
            return function(a, axis=axis, keepdims=keepdims, **options)

    whole = axis is None or x.ndim <= 1 or (isinstance(axis, tuple) and len(axis) == x.ndim)
    # CUB: two kernels for a full reduction of contiguous memory, one otherwise; mean divides after it.
    launches = 2 if whole and (a.flags.c_contiguous or a.flags.f_contiguous) and x.size > 1 else 1
    if out is not None:
        if out.shape != quiet(compute).shape:
            raise ValueError("Out shape is mismatched")
        write("reduction", name, out._a, compute, launches)
        result = out
    elif a.flags.f_contiguous and not a.flags.c_contiguous:  # its input's order (_cub_reduction.pyx:642)
        result = produce("reduction", name, lambda: np.array(compute(), order="F"), launches, "K")
    else:
        result = produce("reduction", name, compute, launches)
    if name == "mean":
        from . import _launch

        _launch.launch("elementwise", "mean_divide", lambda: None)
    return result


class Reductions:
    __slots__ = ()

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.sum, self, axis, out, keepdims, dtype=dtype)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.prod, self, axis, out, keepdims, dtype=dtype)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.mean, self, axis, out, keepdims, dtype=dtype)

    def var(self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False) -> Any:
        return _reduce(np.var, self, axis, out, keepdims, dtype=dtype, ddof=ddof)

    def std(self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False) -> Any:
        return _reduce(np.std, self, axis, out, keepdims, dtype=dtype, ddof=ddof)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.max, self, axis, out, keepdims)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.min, self, axis, out, keepdims)

    def ptp(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.ptp, self, axis, out, keepdims)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.all, self, axis, out, keepdims)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.any, self, axis, out, keepdims)

    def argmax(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.argmax, self, axis, out, keepdims)

    def argmin(self, axis: Any = None, out: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return _reduce(np.argmin, self, axis, out, keepdims)

    def cumsum(self: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = self._a
        return produce("reduction", "cumsum", lambda: np.cumsum(a, axis, dtype))

    def cumprod(self: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = self._a
        return produce("reduction", "cumprod", lambda: np.cumprod(a, axis, dtype))

    def trace(self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
        a = self._a
        return produce("reduction", "trace", lambda: a.trace(offset, axis1, axis2, dtype))
