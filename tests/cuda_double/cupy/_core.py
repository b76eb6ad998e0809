"""The base of the double's arrays: memory, views, and how a kernel's result comes into memory.

A kernel is a function without arguments that computes an array of NumPy's from arrays of NumPy's (`x._a`), which are
views of device memory. `produce` puts the result into new memory, `write` into memory that exists. Both run it now, or
leave it to the graph of a capturing stream: so the function must change nothing, and must hold `x._a`, never `x`, since
a graph keeps no memory alive.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _launch
from ._launch import launch
from .cuda import memory

PYTHON_SCALARS = (int, float, bool, complex)
DTYPES = "?bhilqBHILQefdFD"  # what an array of CuPy's may hold (cupy/_core/_dtype.pyx:18)
_TINY = np.finfo(np.float32).tiny


def flushed(a: Any) -> Any:
    """Subnormal float32 numbers as zeros: every kernel that CuPy compiles has -ftz=true (cuda/compiler.py:667)."""
    if getattr(a, "dtype", None) == np.float32:
        small = (np.abs(a) < _TINY) & (a != 0)
        if small.any():
            a = np.where(small, np.copysign(np.float32(0), a), a)
    return a


def normal_shape(shape: Any) -> tuple[int, ...]:
    shape = (operator.index(shape),) if not hasattr(shape, "__iter__") else tuple(operator.index(n) for n in shape)
    if any(n < 0 for n in shape):
        raise ValueError("Negative dimensions are not allowed")
    return shape


class Flags:
    """cupy.ndarray.flags: no `writeable` (cupy/_core/flags.pyx)."""

    def __init__(self, a: np.ndarray, own: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = a.flags.c_contiguous, a.flags.f_contiguous, own

    @property
    def fnc(self) -> bool:
        return self.f_contiguous and not self.c_contiguous

    @property
    def forc(self) -> bool:
        return self.f_contiguous or self.c_contiguous

    def __getitem__(self, name: str) -> bool:
        try:
            return {"C_CONTIGUOUS": self.c_contiguous, "F_CONTIGUOUS": self.f_contiguous, "OWNDATA": self.owndata}[name]
        except KeyError:
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags") from None


class Base:
    """`_a`: the array of NumPy's over device memory; `_mem`: what keeps that memory; `_base`: the owner of a view."""

    __slots__ = ("__weakref__", "_a", "_base", "_mem")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ) -> None:
        dtype = np.dtype(dtype)
        if dtype.char not in DTYPES:
            raise ValueError(f"Unsupported dtype {dtype}")
        shape = normal_shape(shape)
        if order not in ("C", "F", None):
            raise ValueError(f"order not understood. order={order}")
        size = functools.reduce(operator.mul, shape, 1) * dtype.itemsize
        if memptr is None:
            if strides is not None:
                raise ValueError("memptr is required if strides is given.")
            memptr = memory.alloc(size)
        self._mem, self._base = memptr.mem, None
        offset = memptr.ptr - memptr.mem.ptr if size else 0
        self._a = np.ndarray(shape, dtype, memptr.mem.data, offset, strides, order or "C")

    dtype = property(lambda self: self._a.dtype)
    size = property(lambda self: self._a.size)
    ndim = property(lambda self: self._a.ndim)
    strides = property(lambda self: self._a.strides)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    base = property(lambda self: self._base)
    flags = property(lambda self: Flags(self._a, self._base is None))
    T = property(lambda self: wrap(self._a.T, self))
    mT = property(lambda self: wrap(np.swapaxes(self._a, -1, -2), self))  # noqa: N815

    @property
    def data(self) -> memory.MemoryPointer:
        return memory.MemoryPointer(self._mem, self._a.ctypes.data - self._mem.ptr if self._a.size else 0)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._a.shape

    @shape.setter
    def shape(self, new: Any) -> None:
        view = self._a.reshape(new)
        if self._a.size and not np.may_share_memory(view, self._a):
            raise AttributeError("Incompatible shape for in-place modification. Use `.reshape()`")
        self._a = view

    @property
    def device(self) -> Any:
        from .cuda import Device

        return Device(self._mem.device_id)

    @property
    def real(self) -> Any:
        return self

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        a = self._a
        return {"shape": a.shape, "typestr": a.dtype.str, "version": 3, "data": (a.ctypes.data if a.size else 0, False),
                "strides": None if a.flags.c_contiguous else a.strides, "stream": 1}  # fmt: skip


#: `cupy.ndarray`, which `_array.py` puts here.
final: list[type[Any]] = [Base]


def wrap(view: np.ndarray, base: Any) -> Any:
    """A view of an array."""
    x = object.__new__(final[0])
    x._a, x._mem, x._base = view, base._mem, base if base._base is None else base._base
    return x


def new(shape: Any, dtype: Any, strides: Any = None) -> Any:
    """New memory of any content."""
    x = final[0](shape, dtype)
    if strides is not None and strides != x._a.strides:
        x._a = np.ndarray(x._a.shape, x._a.dtype, x._mem.data, 0, strides)
    return x


def capturing() -> bool:
    """Whether what is launched now goes into a graph."""
    return bool(_launch.captures) and _launch.capture_of(_launch.current_stream()) is not None


def quiet(compute: Callable[[], Any]) -> np.ndarray:
    """The result of a kernel, without NumPy's warnings, as on a device."""
    with np.errstate(all="ignore"):
        return np.asarray(compute())


def produce(kind: str, name: str, compute: Callable[[], Any], n: int = 1, order: str = "C") -> Any:
    """A new array with the values of `compute`, C-contiguous or ("K") laid out as NumPy's result is.

    Shape and dtype are found by computing once, in a capture too: there from memory of any content.
    """
    a = quiet(compute)
    x = new(a.shape, a.dtype, (a if a.base is None else np.empty_like(a)).strides if order == "K" else None)
    target = x._a
    if capturing():
        launch(kind, name, lambda: _assign(target, compute), n)
    else:
        launch(kind, name, lambda: _assign(target, lambda: a), n)
    return x


def write(kind: str, name: str, target: np.ndarray, compute: Callable[[], Any], n: int = 1) -> None:
    """Write the values of `compute` to device memory."""
    launch(kind, name, lambda: _assign(target, compute), n)


def _assign(target: np.ndarray, compute: Callable[[], Any]) -> None:
    with np.errstate(all="ignore"):
        value = np.asarray(compute())
        target[...] = value if value.dtype == target.dtype else value.astype(target.dtype)


def operand(x: Any) -> Any:
    """What a kernel of CuPy's takes: an array of CuPy's, a scalar of Python's or NumPy's; TypeError for all else.

    cupy/_core/_kernel.pyx, `_preprocess_args`.
    """
    if isinstance(x, Base):
        return _here(x)
    if type(x) in PYTHON_SCALARS or isinstance(x, np.generic):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def device_array(x: Any, name: str = "Argument 'a'") -> np.ndarray:
    """The memory of an array of CuPy's; TypeError for all else."""
    if not isinstance(x, Base):
        raise TypeError(
            f"{name} must be cupy.ndarray, got {type(x)} (double: real CuPy may duck-type here; look it up)"
        )
    return _here(x)


def _here(x: Base) -> np.ndarray:
    """The memory of an array that lies on the current device; another one may not be able to read it."""
    if x.size and x._mem.device_id != _launch.thread.device:
        raise ValueError(
            f"Array device must be same as the current device: array device = {x._mem.device_id} while current = "
            f"{_launch.thread.device}"
        )
    return x._a


def from_host(value: Any, dtype: Any = None, name: str = "array", order: str = "C") -> Any:
    """An array of NumPy's, a number or a list, in device memory: a transfer, or for one number a kernel (core.array).

    cupy/_core/core.pyx:3020, `_array_default`.
    """
    if isinstance(value, Base):
        return value
    a = np.array(value, dtype=dtype, order=order)
    if a.dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {a.dtype}")
    a = a.astype(a.dtype.newbyteorder("="), copy=False)
    if a.ndim == 0:
        x = new((), a.dtype)
        write("memset" if a == 0 else "elementwise", "fill", x._a, lambda: a)
        return x
    _launch.to_device(name)
    x = new(a.shape, a.dtype, a.strides if a.flags.fnc else None)
    x._a[...] = a
    return x
