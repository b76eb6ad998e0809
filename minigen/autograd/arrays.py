"""Which arrays a Tensor can hold, and how numbers, lists and other arrays become one.

Imports: device, shapes, NumPy. Read next: ``tensor.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.device import array_module, check_device, refuse_masked, to_device
from minigen.shapes import as_dtype, shown
from minigen_kernels import Array

#: The types of arrays that a Tensor holds: NumPy's, and CuPy's from its first array on.
ARRAYS: set[type] = {np.ndarray}
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
    data = data if device is None else to_device(data, check_device(device, "Tensor: "))
    ARRAYS.add(type(data))
    return data


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
