"""The protocols of Python and NumPy that a Tensor follows: text, formats, numbers, copies, NumPy's operators.

The operators of arrays, as in ``array + tensor``, are those of the Tensor. NumPy's functions are refused with the
operation to use: they would return arrays, and the history would end without a word.

Imports: names, display, shown, NumPy. Read next: ``tensor.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.autograd.shown import tensor_html
from minigen.display.blocks import safely
from minigen.names import instead
from minigen_kernels import Array

FEW = 20  # so many numbers are shown one by one


class _Ufuncs:
    """The attribute `__array_ufunc__`, which two parties read.

    CuPy reads it of the Tensor: None tells its operators to leave the work to the Tensor. NumPy reads it of the class,
    and calls what it finds for its functions and operators alike.
    """

    def __get__(self, tensor: object | None, owner: type) -> Callable[..., Any] | None:
        return _call_ufunc if tensor is None else None


def _call_ufunc(tensor: object, function: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """``array + tensor`` is the work of the Tensor's operator; so is ``array += tensor``, which makes a new Tensor."""
    if function in _OPERATORS and method == "__call__" and not options and (out is None or out[0] is inputs[0]):
        own, reflected = _OPERATORS[function]
        a, b = inputs
        return getattr(a, own)(b) if isinstance(a, Protocols) else getattr(b, reflected)(a)
    return _refuse(tensor, function)


def _refuse(tensor: object, function: Any) -> Any:
    answer = instead(function.__name__) or "; write what it does with minigen.ops"
    raise TypeError(f"np.{function.__name__} does not take a Tensor{answer}, or use x.numpy() for its values")


class Protocols:
    """The base of Tensor: its special methods for other code. Nothing here is about gradients."""

    __slots__ = ()
    __array_ufunc__ = _Ufuncs()

    def __repr__(self: Any) -> str:
        parts = [f"shape={self.shape}", str(self.dtype), self.device]
        parts += describe(self.numpy())
        if self.node is not None:
            parts.append(f"made by {type(self.node).__name__}")
        elif self.requires_grad:
            parts.append("requires_grad")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        return safely(tensor_html, self)

    def __getstate__(self: Any) -> Any:  # for copy and pickle; numbers of the sequence mean nothing in another process
        if self.node is not None:
            raise TypeError(f"{self!r} has a history, so it is not copied or pickled; use .detach() for its values")
        return None, {"data": self.data, "grad": self.grad, "node": self.node, "changed": 0,
                      "requires_grad": self.requires_grad}  # fmt: skip

    def __float__(self: Any) -> float:
        return float(self.item())

    def __int__(self: Any) -> int:
        return int(self.item())

    def __bool__(self: Any) -> bool:
        return bool(self.data if self.size == 1 else self.item())

    def __array_function__(self: Any, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in _OF_SHAPES and len(args) == 1 and args[0] is self and not options:
            return _OF_SHAPES[function](self.shape)
        return _refuse(self, function)

    def __array__(self: Any, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "a Tensor does not become an array by itself: use .numpy() for its values, or ops.stack for a list"
        )

    def __format__(self: Any, spec: str) -> str:
        """One number as Python formats it, ``f"{loss:.4f}"``; any other Tensor only without a specification."""
        if not spec and self.shape != ():
            return str(self)
        if self.size == 1:
            return format(self.item(), spec)
        raise TypeError(
            f"Tensor: format {spec!r} is for one number, and shape {self.shape} has {self.size}; index it, or take the "
            "mean, first"
        )

    def __round__(self: Any, digits: int | None = None) -> float:
        """One number, rounded, as a number of Python."""
        return round(self._number("round"), digits)

    def __floor__(self: Any) -> int:
        return math.floor(self._number("math.floor"))

    def __ceil__(self: Any) -> int:
        return math.ceil(self._number("math.ceil"))

    def __trunc__(self: Any) -> int:
        return math.trunc(self._number("math.trunc"))

    def _number(self: Any, name: str) -> float:
        if self.size != 1:
            raise ValueError(f"{name} takes one number, and shape {self.shape} has {self.size}; index it first")
        return self.item()


_OPERATORS: dict[Any, tuple[str, str]] = {
    np.add: ("__add__", "__radd__"),
    np.subtract: ("__sub__", "__rsub__"),
    np.multiply: ("__mul__", "__rmul__"),
    np.true_divide: ("__truediv__", "__rtruediv__"),
    np.floor_divide: ("__floordiv__", "__rfloordiv__"),
    np.remainder: ("__mod__", "__rmod__"),
    np.power: ("__pow__", "__rpow__"),
    np.matmul: ("__matmul__", "__rmatmul__"),
    np.equal: ("__eq__", "__eq__"),
    np.not_equal: ("__ne__", "__ne__"),
    np.less: ("__lt__", "__gt__"),
    np.less_equal: ("__le__", "__ge__"),
    np.greater: ("__gt__", "__lt__"),
    np.greater_equal: ("__ge__", "__le__"),
    np.bitwise_and: ("__and__", "__and__"),
    np.bitwise_or: ("__or__", "__or__"),
}
_OF_SHAPES: dict[Any, Callable[[tuple[int, ...]], Any]] = {
    np.shape: lambda shape: shape,
    np.ndim: len,
    np.size: lambda shape: int(np.prod(shape, dtype=np.int64)),
}


def describe(x: Array) -> list[str]:
    """The numbers of a NumPy array, or their range and mean; and a loud mark for those that are not finite."""
    if not x.size:
        return []
    finite = np.isfinite(x)
    good = x[finite]
    if x.size <= FEW:
        parts = [_written(x.ravel()[0] if x.size == 1 else x)]
    elif good.size:
        with np.errstate(over="ignore"):  # the sum of huge numbers may be Inf, which is no reason to warn
            mean = good.mean(dtype=np.float64)
        parts = [f"range [{good.min():.4g}, {good.max():.4g}]", f"mean {mean:.4g}"]
    else:
        parts = []
    if not finite.all():
        nan = int(np.isnan(x).sum())
        inf = x.size - int(finite.sum()) - nan
        parts += [f"!!! {n} {name} !!!" for n, name in ((nan, "NaN"), (inf, "Inf")) if n]
    return parts


def _written(x: Any) -> str:
    """An array as nested lists, in one line."""
    if np.ndim(x):
        return f"[{', '.join(map(_written, x))}]"
    return f"{x:.6g}" if x.dtype.kind == "f" else str(x)
