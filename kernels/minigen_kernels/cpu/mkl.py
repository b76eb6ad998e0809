"""Matrix products by Intel's MKL, for who has it and asks for it with ``MINIGEN_BLAS=mkl``.

Nobody gets it unasked: it is proprietary, its files take 1 GB, and results differ in their last bits from those of
minigen's own products. It is set up before its first product: the sequential layer, since its threads would wait for
each other by spinning beside ours; and the conditional numerical reproducibility (CNR) of its manual, without which the
order of a sum may depend on where an array begins in memory.

The names and numbers are those of mkl_service.h and mkl_cblas.h ("oneMKL Developer Reference for C", Intel).

Imports: NumPy. Specification: ``gemm.py`` in ``reference``. Read next: ``gemm.py``.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigen_kernels import Array

_SEQUENTIAL, _LP64 = 1, 0  # MKL_THREADING_SEQUENTIAL, MKL_INTERFACE_LP64: whole numbers of 32 bits
_AUTO, _SUCCESS = 2, 0  # MKL_CBWR_AUTO: reproducible on this kind of processor; MKL_CBWR_SUCCESS
_BY_ROWS, _NORMAL, _TRANSPOSED = 101, 111, 112  # CblasRowMajor, CblasNoTrans, CblasTrans
_FUNCTIONS = {"f": ("cblas_sgemm", ctypes.c_float), "d": ("cblas_dgemm", ctypes.c_double)}


@functools.cache
def library() -> Any | None:
    """MKL, ready for products, if ``MINIGEN_BLAS`` asks for it; else None.

    ValueError for another name than ``mkl``; RuntimeError if MKL is not there, or was set up otherwise before.
    """
    named = os.environ.get("MINIGEN_BLAS", "")
    if not named:
        return None
    if named.lower() != "mkl":
        raise ValueError(f"MINIGEN_BLAS: expected 'mkl', or nothing for minigen's own products; got {named!r}")
    for path in _places():
        with contextlib.suppress(OSError):
            return _set_up(ctypes.CDLL(path))
    raise RuntimeError(
        "MINIGEN_BLAS=mkl, but no MKL was found: pip install 'minigen-engine[mkl]' (1 GB, proprietary, x86 only), or "
        "unset it"
    )


def _places() -> Iterator[str]:
    """Where MKL's one entry, mkl_rt, may lie: in the package of pip or conda, then wherever the system looks."""
    pattern = "mkl_rt*.dll" if sys.platform == "win32" else "libmkl_rt.*"
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("mkl") or ():
            if Path(file.name).match(pattern):
                yield str(file.locate())
    for folder in (Path(sys.prefix, "lib"), Path(sys.prefix, "Library", "bin")):
        yield from map(str, sorted(folder.glob(pattern), reverse=True))
    yield from {"win32": ("mkl_rt.2.dll",), "darwin": ("libmkl_rt.dylib",)}.get(
        sys.platform, ("libmkl_rt.so", "libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so.1")
    )


def _set_up(mkl: Any) -> Any:
    """Choose the layers, which is possible only before MKL is first used, and declare the products."""
    layers = mkl.MKL_Set_Interface_Layer(_LP64), mkl.MKL_Set_Threading_Layer(_SEQUENTIAL)
    if layers != (_LP64, _SEQUENTIAL) or mkl.MKL_CBWR_Set(_AUTO) != _SUCCESS:
        raise RuntimeError(
            "MINIGEN_BLAS=mkl, but another library has used MKL in this process before, with threads or without "
            "reproducible sums: set MKL_THREADING_LAYER=SEQUENTIAL and MKL_CBWR=AUTO, or unset MINIGEN_BLAS"
        )
    whole, pointer = ctypes.c_int, ctypes.c_void_p
    for name, real in _FUNCTIONS.values():
        function = getattr(mkl, name)
        function.restype = None
        function.argtypes = (*[whole] * 6, real, pointer, whole, pointer, whole, real, pointer, whole)
    return mkl


def describe() -> str:
    """Whose matrix products these are, in words."""
    try:
        mkl = library()
    except (ValueError, RuntimeError) as error:
        return f"no: {error}"
    if mkl is None:
        return "minigen's own"
    text = ctypes.create_string_buffer(200)
    mkl.MKL_Get_Version_String(text, len(text))
    return f"{' '.join(text.value.decode().split())}, sequential, reproducible"


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b by MKL: a (M, K), b (K, N) of one dtype and any strides -> (M, N)."""
    (m, k), n = a.shape, b.shape[1]
    if not m * n * k:
        return np.zeros((m, n), a.dtype)
    a, of_a, wide_a = _readable(a)
    b, of_b, wide_b = _readable(b)
    c = np.empty((m, n), a.dtype)
    product = getattr(library(), _FUNCTIONS[a.dtype.char][0])
    product(_BY_ROWS, of_a, of_b, m, n, k, 1, a.ctypes.data, wide_a, b.ctypes.data, wide_b, 0, c.ctypes.data, n)
    return c


def _readable(x: Array) -> tuple[Array, int, int]:
    """A matrix that MKL can read, a copy if need be; whether it has to transpose it; the numbers from row to row."""
    for turned, y in ((_NORMAL, x), (_TRANSPOSED, x.T)):
        distance, step = y.strides
        if step == x.itemsize and distance % x.itemsize == 0 and distance >= y.shape[1] * x.itemsize:
            return x, turned, distance // x.itemsize
    return np.ascontiguousarray(x), _NORMAL, x.shape[1]


__all__ = ["describe", "library", "matmul"]
