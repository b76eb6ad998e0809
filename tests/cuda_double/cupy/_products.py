"""Products of matrices, by cuBLAS, and linear algebra, by cuSOLVER: neither may be captured, `_launch.library`.

CuPy 14.2.0, cupy/_core/_routines_linalg.pyx, cupy/_linalg/*.py, cupy/linalg. cuBLAS reads matrices that are contiguous
in either order; others are copied first (`_mat_to_cublas_contiguous`). cuSOLVER's status word is read by the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _launch
from ._array import ndarray
from ._core import Base, device_array, produce, quiet, write
from ._registry import function, linalg


def _nothing() -> None:
    pass


@function
def dot(a: Any, b: Any, out: Any = None) -> ndarray:
    x, y = device_array(a), device_array(b)
    if out is not None:
        raise NotImplementedError("double: dot(out=)")
    if x.ndim == 0 or y.ndim == 0:
        import cupy

        return cupy.multiply(a, b)
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ValueError("Axis dimension mismatch")
    _launches(x, y)
    return produce("cublas", "gemm", lambda: np.dot(x, y), 0)


def _launches(x: np.ndarray, y: np.ndarray) -> None:
    """Count what a product of `dot` launches (`tensordot_core`)."""
    k = x.shape[-1]
    if not x.size or not y.size:
        _launch.launch("memset", "matmul of nothing", _nothing)
    elif x.size == k and y.size == k:
        _launch.launch("elementwise", "dot of vectors", _nothing)
        _launch.launch("reduction", "dot of vectors", _nothing, 2)
    elif x.dtype.kind in "biu":
        _launch.launch("raw", "integer matmul", _nothing)
    else:
        for m in (x, y):
            if m.dtype != np.result_type(x, y):
                _launch.launch("elementwise", "astype", _nothing)
            if not (m.flags.c_contiguous or m.flags.f_contiguous):
                _launch.launch("elementwise", "copy for cublas", _nothing)
        _launch.library("cublas", "gemm")


@function
def matmul(*args: Any, **kwargs: Any) -> ndarray:
    out = kwargs.pop("out", None)
    if kwargs:
        raise NotImplementedError(f"double: matmul with {sorted(kwargs)}")
    a, b = args
    x, y = device_array(a), device_array(b)
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError("Scalar operands are not allowed, use '*' instead")
    if out is not None:
        like = quiet(lambda: np.matmul(x, y))
        if not isinstance(out, Base) or out.shape != like.shape or out.dtype != like.dtype:
            raise ValueError("Output array has an invalid size")
    elif max(x.ndim, y.ndim) <= 2:
        return dot(a, b)
    if max(x.ndim, y.ndim) <= 2:
        _launches(x, y)
    else:
        _batched_launches(x, y)
    if out is not None:
        write("cublas", "gemm", out._a, lambda: np.matmul(x, y), 0)
        return out
    return produce("cublas", "batched gemm", lambda: np.matmul(x, y), 0)


def _batched_launches(x: np.ndarray, y: np.ndarray) -> None:
    copies = sum(not m.flags.c_contiguous or m.dtype != np.result_type(x, y) for m in (x, y))
    if copies:
        _launch.launch("elementwise", "copy for cublas", _nothing, copies)
    if (x.shape[:-2] or None) != (y.shape[:-2] or None):
        _launch.launch("elementwise", "matrix addresses", _nothing, 3)
    if x.dtype.kind == "f":
        _launch.library("cublas", "batched gemm")
    else:
        _launch.launch("raw", "batched gemm", _nothing)


@function
def tensordot(a: Any, b: Any, axes: Any = 2) -> ndarray:
    x, y = device_array(a), device_array(b)
    _launch.library("cublas", "tensordot")
    return produce("cublas", "tensordot", lambda: np.tensordot(x, y, axes), 0)


@function
def outer(a: Any, b: Any, out: Any = None) -> ndarray:
    x, y = device_array(a), device_array(b)
    _launch.library("cublas", "outer")
    return produce("cublas", "outer", lambda: np.outer(x, y), 0)


@function
def einsum(*operands: Any, **kwargs: Any) -> ndarray:
    arrays = [device_array(x) for x in operands[1:]]
    _launch.library("cublas", "einsum")
    return produce("cublas", "einsum", lambda: np.einsum(operands[0], *arrays, **kwargs), 0)


def _solved(name: str, result: Any, launches: int = 1) -> Any:
    """What cuSOLVER computed, a tuple or one array, after the host has read its status."""
    _launch.library("cusolver", name, launches)
    _launch.wait(name)
    found = result()
    if isinstance(found, tuple):
        return tuple(produce("cusolver", name, lambda f=f: f, 0) for f in found)
    return produce("cusolver", name, lambda: found, 0)


@linalg
def qr(a: Any, mode: str = "reduced") -> Any:
    x = device_array(a)
    return _solved("qr", lambda: tuple(np.linalg.qr(x, mode)), 2)


@linalg
def solve(a: Any, b: Any) -> ndarray:
    x, y = device_array(a), device_array(b)
    return _solved("solve", lambda: np.linalg.solve(x, y), 2)


@linalg
def inv(a: Any) -> ndarray:
    x = device_array(a)
    return _solved("inv", lambda: np.linalg.inv(x), 2)


@linalg
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    x = device_array(a)
    return _solved(
        "svd", lambda: tuple(np.linalg.svd(x, full_matrices)) if compute_uv else np.linalg.svd(x, compute_uv=False)
    )


@linalg
def cholesky(a: Any, *, upper: bool = False) -> ndarray:
    x = device_array(a)
    return _solved("cholesky", lambda: np.linalg.cholesky(x))


@linalg
def eigh(a: Any, UPLO: str = "L") -> Any:
    x = device_array(a)
    return _solved("eigh", lambda: tuple(np.linalg.eigh(x, UPLO)))


@linalg
def slogdet(a: Any) -> Any:
    x = device_array(a)
    return _solved("slogdet", lambda: tuple(np.linalg.slogdet(x)))


@linalg
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> ndarray:
    a = device_array(x)
    _launch.launch("elementwise", "norm", _nothing, 2)
    return produce("reduction", "norm", lambda: np.linalg.norm(a, ord, axis, keepdims))
