"""Ways of an array to the host (CuPy 14.2.0, cupy/_core/core.pyx:2098 `get`, :2210 `set`, :1803 `__array__`).

Nothing goes there without a call that says so, except one number: `int(x)`, `float(x)`, `bool(x)`, which wait.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _launch


class Transfers:
    __slots__ = ()

    def get(self: Any, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError("Only numpy.ndarray can be obtained fromcupy.ndarray")
            if self.dtype != out.dtype:
                raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
            if self.shape != out.shape:
                raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
            if not (out.flags.c_contiguous or out.flags.f_contiguous):
                raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")
            order = "C" if out.flags.c_contiguous else "F"
        elif self.size == 0:
            return np.empty(self.shape, self.dtype)
        order = order.upper()
        if order == "A":
            order = "F" if self._a.flags.f_contiguous else "C"
        if not (self._a.flags.c_contiguous if order == "C" else self._a.flags.f_contiguous):
            _launch.launch("elementwise", "copy", lambda: None, stream=stream)
        _launch.to_host("get", stream, blocking)
        if out is not None:
            out[...] = self._a
            return out
        return np.array(self._a, order=order)

    def set(self: Any, arr: Any, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self._a.flags.c_contiguous or self._a.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        _launch.to_device("set", stream=stream)
        self._a[...] = arr

    def item(self: Any) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)

    def __bool__(self: Any) -> bool:
        if self.size == 0:
            import warnings

            warnings.warn("The truth value of an empty array is ambiguous.", DeprecationWarning, stacklevel=2)
            return False
        if self.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __array__(self, dtype: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __reduce__(self) -> Any:
        from . import array

        return array, (self.get(order="A"),)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def dumps(self) -> bytes:
        import pickle

        return pickle.dumps(self, -1)
