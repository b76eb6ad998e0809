"""Operators and NumPy's protocols of `cupy.ndarray` (CuPy 14.2.0, cupy/_core/core.pyx:1490-1800, 1855-1990).

An array of NumPy's beside one of CuPy's is refused: the operator leaves it to NumPy, whose ufunc comes back here by
`__array_ufunc__`, and CuPy's ufunc takes no array of NumPy's.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ._core import PYTHON_SCALARS, Base

_COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")


def _use_rop(x: Any, y: Any) -> bool:
    """Whether the other operand's reflected method goes first (core.pyx, `_should_use_rop`)."""
    marker = object()
    ufunc = getattr(y, "__array_ufunc__", marker)
    if ufunc is not marker:
        return ufunc is None
    return getattr(x, "__array_priority__", 0) < getattr(y, "__array_priority__", 0)


def _binary(name: str, x: Any, y: Any) -> Any:
    import cupy

    if isinstance(y, Base):
        return getattr(cupy, name)(x, y)
    return NotImplemented if _use_rop(x, y) else getattr(np, name)(x, y)


def _forward(name: str) -> Any:
    return lambda self, y: _binary(name, self, y)


def _reverse(name: str) -> Any:
    def operator(self: Any, x: Any) -> Any:
        import cupy

        return getattr(cupy, name)(x, self)

    return operator


def _inplace(name: str) -> Any:
    def operator(self: Any, y: Any) -> Any:
        import cupy

        return getattr(cupy, name)(self, y, self)

    return operator


def _unary(name: str) -> Any:
    def operator(self: Any) -> Any:
        import cupy

        return getattr(cupy, name)(self)

    return operator


def _comparison(name: str) -> Any:
    def operator(self: Any, other: Any) -> Any:
        import cupy

        if isinstance(other, Base):
            return getattr(cupy, name)(self, other)
        if _use_rop(self, other):
            return NotImplemented
        if isinstance(other, np.ndarray) and other.ndim == 0:
            other = other.item()
        if name in ("equal", "not_equal") and (type(other).__eq__ is object.__eq__ or other is None):
            return cupy.full(self.shape, name == "not_equal")
        return getattr(np, name)(self, other)

    return operator


class Operators:
    """The operators as methods, from the tables below."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __pos__(self: Any) -> Any:
        return self.copy()

    def __pow__(self: Any, y: Any) -> Any:
        """Squares, roots and reciprocals have kernels of their own (core.pyx:1636)."""
        import cupy

        fast, dtype = None, None
        if type(y) is int and y == 2:
            fast = cupy.square
            if self.dtype.kind not in "ifc":
                dtype = np.result_type(self.dtype, y)
        elif type(y) is float:
            fast = {0.5: cupy.sqrt, 2.0: cupy.square, -1.0: cupy.reciprocal}.get(y)
            if fast is not None and self.dtype.kind not in "fc":
                dtype = np.result_type(self.dtype, y)
        return _binary("power", self, y) if fast is None else fast(self, dtype=dtype)

    def __matmul__(self: Any, y: Any) -> Any:
        import cupy

        if isinstance(y, Base):
            return cupy.matmul(self, y)
        return NotImplemented if _use_rop(self, y) else np.matmul(self, y)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's ufuncs on arrays of CuPy's call CuPy's (core.pyx:1855)."""
        import cupy

        operands = inputs
        if "out" in kwargs:
            out = kwargs["out"]
            if len(out) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            operands += out
            kwargs["out"] = out[0]
        if method not in ("__call__", "outer", "at", "reduce", "accumulate", "reduceat"):
            return NotImplemented
        name = ufunc.__name__
        try:
            function = getattr(cupy, name)
            if method != "__call__":
                function = getattr(function, method)
        except AttributeError:
            return NotImplemented
        for x in operands:
            if not (type(x) in PYTHON_SCALARS or isinstance(x, (np.generic, Base, np.ndarray))):
                return NotImplemented
        if name in _COMPARISONS:
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        return function(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions on arrays of CuPy's call CuPy's of the same name (core.pyx:1940)."""
        import cupy

        try:
            module = functools.reduce(getattr, func.__module__.split(".")[1:], cupy)
            cupy_func = getattr(module, func.__name__)
        except AttributeError:
            return NotImplemented
        if cupy_func is func or not all(issubclass(t, (Base, np.ndarray)) for t in types):
            return NotImplemented
        return cupy_func(*args, **kwargs)


_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
    "rshift": "right_shift",
}  # fmt: skip
for _short, _name in _BINARY.items():
    setattr(Operators, f"__{_short}__", _forward(_name))
    setattr(Operators, f"__r{_short}__", _reverse(_name))
    setattr(Operators, f"__i{_short}__", _inplace(_name))
for _short, _name in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
    setattr(Operators, f"__{_short}__", _unary(_name))
for _short, _name in {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
                      "ge": "greater_equal"}.items():  # fmt: skip
    setattr(Operators, f"__{_short}__", _comparison(_name))
Operators.__ipow__ = _inplace("power")  # type: ignore[attr-defined]
Operators.__rpow__ = _reverse("power")  # type: ignore[attr-defined]
Operators.__rmatmul__ = _reverse("matmul")  # type: ignore[attr-defined]
