"""Arrays that count: the floating-point operations that the NumPy reference of a kernel makes with them.

An independent count for ``minigen/anatomy/costs.py``: it knows nothing of kernels, only what each function of NumPy
does with an element.

Read next: ``test_costs.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ONE = {
    "add", "subtract", "multiply", "divide", "true_divide", "square", "power", "exp", "expm1", "log", "log1p", "sqrt",
    "tanh", "reciprocal",
}  # fmt: skip
total = 0


class Counted(np.ndarray):
    """An array of floats whose operations are counted."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        global total
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            kwargs["out"] = tuple(x.view(np.ndarray) if isinstance(x, Counted) else x for x in out)
        result = getattr(ufunc, method)(*plain, **kwargs)
        size = {"__call__": np.size(result), "reduce": np.size(plain[0]), "at": np.size(plain[-1])}[method]
        if ufunc is np.matmul:
            total += 2 * np.size(result) * plain[0].shape[-1]
        elif ufunc.__name__ in ONE and _is_float(result if result is not None else plain[0]):
            total += size
        return counted(out[0] if out is not None else result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        global total
        if function is np.einsum:
            letters = {
                c: n for word, x in zip(args[0].split("->")[0].split(","), args[1:]) for c, n in zip(word, x.shape)
            }
            result = np.einsum(args[0], *(np.asarray(x) for x in args[1:]))
            total += 2 * math.prod(letters.values()) - result.size  # a sum of n products has n - 1 additions
            return counted(result)
        return counted(super().__array_function__(function, types, args, kwargs))


def count(function: Any, given: list[Any]) -> int:
    """The operations of a call."""
    global total
    total = 0
    function(*[counted(a.copy()) if isinstance(a, np.ndarray) else a for a in given])
    return total


def counted(x: Any) -> Any:
    """The array as one that counts; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(map(counted, x))
    if isinstance(x, np.ndarray) or (isinstance(x, np.generic) and x.dtype.kind == "f"):
        return np.asarray(x).view(Counted)
    return x


def _is_float(x: Any) -> bool:
    return getattr(x, "dtype", np.dtype(int)).kind == "f"
