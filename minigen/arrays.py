"""Which arrays a Tensor can hold, how numbers, lists and other arrays become one; products of matrices, and sums.

Imports: device, kernels, NumPy. Read next: ``tensor.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.device import array_module, check_device, refuse_masked, to_device
from minigen.shapes import as_dtype, shown
from minigen_kernels import Array, for_array

DTYPES = frozenset(np.dtype(name) for name in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"))


def as_array(data: Any, device: str | None, dtype: Any) -> Array:
    """What the constructor of Tensor was given, as an array of a supported dtype on the right device."""
    refuse_masked("Tensor", data)
    if not hasattr(data, "dtype"):  # numbers and lists
        data = _of_numbers(data)
        if data.dtype == np.float64 and dtype is None:
            dtype = np.float32
    xp = array_module(data)
    if dtype is not None:
        dtype = as_dtype("Tensor", dtype)
        if data.dtype.kind not in "fiub":
            raise TypeError(f"Tensor: dtype {data.dtype} is not one of numbers, and is not converted to {dtype}")
    data = xp.asarray(data, dtype=dtype)
    if data.dtype not in DTYPES:
        if data.dtype.newbyteorder("=") in DTYPES:
            native = data.dtype.newbyteorder("=")
            raise TypeError(
                f"Tensor: dtype {data.dtype.str} has its bytes in the order of another kind of machine; use "
                f"x.astype(np.{native})"
            )
        raise TypeError(f"Tensor: dtype {data.dtype} is not supported; use float32 or float64 (or integers, or bool)")
    return data if device is None else to_device(data, check_device(device, "Tensor: "))


def _of_numbers(data: Any) -> Array:
    """A number or nested lists of numbers as an array."""
    try:
        array = np.asarray(data)
    except (TypeError, ValueError) as error:
        if "does not become an array" in str(error):  # Tensors in a list say what to do with them
            raise
        raise ValueError(f"Tensor: {shown(data)} is no array, whose rows are of one length") from error
    if array.dtype.kind in "OSUV":
        raise TypeError(f"Tensor: expected numbers, lists of them, or an array, got {shown(data)}")
    return array


def gemm(a: Array, b: Array) -> Array:
    """a @ b: the one place where the engine multiplies matrices. Two of floats are a kernel's work, see its file."""
    if a.ndim == b.ndim == 2 and a.dtype == b.dtype and a.dtype.kind == "f":
        return for_array(a).matmul(a, b)
    return _for_blas(a) @ _for_blas(b)


def _for_blas(x: Array) -> Array:
    """A copy of matrices that repeat a number, such as the gradient of a sum: NumPy multiplies them without BLAS."""
    return x.copy() if isinstance(x, np.ndarray) and 0 in x.strides[-2:] else x


def add_up(x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """The sum over axes (from 0 to x.ndim - 1): the one place where the engine adds up. Floats are a kernel's work."""
    if x.dtype.kind != "f":
        return x.sum(axes, keepdims=keepdims)
    y = for_array(x).sum_axes(x, axes)
    return y.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else y
