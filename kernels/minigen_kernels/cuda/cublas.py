"""cuBLAS called by itself: products of matrices that may be part of a captured graph.

CuPy refuses products of matrices while a stream is captured (14.2, ``cublas.setStream``: "calling cuBLAS API during
stream capture is currently unsupported"), because a handle without a workspace of its own may allocate one. So a
`Handle` here has one stream for its life and a workspace of fixed size, as the cuBLAS documentation asks for ("CUDA
Graphs Support", and "cublasSetWorkspace": 32 MiB on the architecture 9.0, 4 MiB on older ones). It makes the calls that
CuPy makes for the same product (``_routines_linalg.pyx``, `tensordot_core_v11` and `matmul`): the same function, types
and algorithm.

The library is the one that CuPy has loaded, found by its name.

Imports: NumPy; CuPy when a handle is made. Read next: ``gemm.py``, ``graph.py``.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import math
import sys
import weakref
from typing import Any

import numpy as np

from minigen_kernels import Array

#: From cublas_api.h and library_types.h of CUDA 12 and 13.
_NORMAL, _TRANSPOSED = 0, 1  # cublasOperation_t
_TYPES = {"f": (0, 68, ctypes.c_float), "d": (1, 70, ctypes.c_double)}  # cudaDataType, cublasComputeType_t
_DEFAULT, _DEFAULT_TENSOR_OP = -1, 99  # cublasGemmAlgo_t

_Pointer, _Int, _Long = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_MATRIX = (_Pointer, _Int, _Int)  # address, type, leading dimension
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (ctypes.POINTER(_Pointer),),
    "cublasDestroy_v2": (_Pointer,),
    "cublasSetStream_v2": (_Pointer, _Pointer),
    "cublasSetWorkspace_v2": (_Pointer, _Pointer, ctypes.c_size_t),
    "cublasGemmEx": (
        _Pointer, _Int, _Int, _Int, _Int, _Int, _Pointer, *_MATRIX, *_MATRIX, _Pointer, *_MATRIX, _Int, _Int,
    ),
    "cublasGemmStridedBatchedEx": (
        _Pointer, _Int, _Int, _Int, _Int, _Int, _Pointer, *_MATRIX, _Long, *_MATRIX, _Long, _Pointer, *_MATRIX, _Long,
        _Int, _Int, _Int,
    ),
}  # fmt: skip


class Handle:
    """A cuBLAS handle on a stream of CuPy's. RuntimeError if the library cannot be called by itself."""

    def __init__(self, stream: Any) -> None:
        cupy = importlib.import_module("cupy")
        cupy.cuda.get_cublas_handle()  # with CuPy's own handle the library is loaded
        self._library = _library(cupy.cuda.runtime.runtimeGetVersion() // 1000)
        capability = int(cupy.cuda.Device().compute_capability)
        self._algorithm = _DEFAULT_TENSOR_OP if capability >= 80 else _DEFAULT
        self._workspace = cupy.empty(32 << 20 if capability >= 90 else 4 << 20, np.uint8)
        self._handle, self.stream = _Pointer(), stream
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        weakref.finalize(self, self._library.cublasDestroy_v2, self._handle)
        self._call("cublasSetStream_v2", self._handle, stream.ptr)  # before the workspace, which it would reset
        self._call("cublasSetWorkspace_v2", self._handle, self._workspace.data.ptr, self._workspace.nbytes)

    def matmul(self, a: Array, b: Array) -> Array:
        """The product a @ b of floats of one dtype, as in NumPy: vectors, matrices (M, K) and (K, N), stacks of them.

        It runs on the handle's stream, which has to be CuPy's current one: the arrays come from there.
        """
        if a.ndim == 2 and b.ndim == 1:
            return self._of_matrices(a, b[:, None])[:, 0]
        if a.ndim == 1 and b.ndim == 2:
            return self._of_matrices(a[None], b)[0]
        if a.ndim == b.ndim == 2:
            return self._of_matrices(a, b)
        if a.ndim < 2 or b.ndim < 2:
            raise NotImplementedError(f"a product of shapes {a.shape} and {b.shape} in a captured step")
        return self._of_stacks(a, b)

    def _of_matrices(self, a: Array, b: Array) -> Array:
        (m, k), n = a.shape, b.shape[1]
        if not m * n * k:
            return importlib.import_module("cupy").zeros((m, n), a.dtype)
        if m == n == 1:
            return a @ b  # CuPy multiplies and adds up, without cuBLAS
        a, of_a, wide_a = _for_cublas(a)
        b, of_b, wide_b = _for_cublas(b)
        c = importlib.import_module("cupy").empty((m, n), a.dtype)
        kind, compute, number = _TYPES[a.dtype.char]
        one, zero = ctypes.byref(number(1)), ctypes.byref(number(0))
        # cuBLAS has columns one after another, so to it our c is its transpose, b^T a^T.
        self._call(
            "cublasGemmEx", self._handle, of_b, of_a, n, m, k, one,
            _address(b), kind, wide_b, _address(a), kind, wide_a, zero, _address(c), kind, n,
            compute, self._algorithm,
        )  # fmt: skip
        return c

    def _of_stacks(self, a: Array, b: Array) -> Array:
        cupy = importlib.import_module("cupy")
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        (m, k), n, count = a.shape[-2:], b.shape[-1], math.prod(stack)
        if not count * m * n * k:
            return cupy.zeros((*stack, m, n), a.dtype)
        a, b = (cupy.ascontiguousarray(cupy.broadcast_to(x, (*stack, *x.shape[-2:]))) for x in (a, b))
        c = cupy.empty((*stack, m, n), a.dtype)
        kind, compute, number = _TYPES[a.dtype.char]
        one, zero = ctypes.byref(number(1)), ctypes.byref(number(0))
        self._call(
            "cublasGemmStridedBatchedEx", self._handle, _NORMAL, _NORMAL, n, m, k, one,
            _address(b), kind, n, k * n, _address(a), kind, k, m * k, zero, _address(c), kind, n, m * n,
            count, compute, _DEFAULT,
        )  # fmt: skip
        return c

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"cuBLAS: {name} failed with status {status}")


def _address(x: Any) -> int:
    address: int = x.data.ptr
    return address


def _for_cublas(x: Array) -> tuple[Array, int, int]:
    """A matrix that cuBLAS can read, a copy if need be; whether it is to transpose it; and its leading dimension."""
    if not x.flags.c_contiguous and x.flags.f_contiguous:
        return x, _TRANSPOSED, x.shape[0]
    return (x if x.flags.c_contiguous else x.copy()), _NORMAL, x.shape[1]


@functools.cache
def _library(major: int) -> Any:
    """The shared library of a major version of CUDA, which the process has loaded, with its functions declared."""
    name = f"cublas64_{major}.dll" if sys.platform == "win32" else f"libcublas.so.{major}"
    try:
        library = ctypes.CDLL(name)
        for function, parameters in _SIGNATURES.items():
            getattr(library, function).argtypes, getattr(library, function).restype = parameters, ctypes.c_int
    except (OSError, AttributeError) as error:
        raise RuntimeError(f"cuBLAS cannot be called beside CuPy: {error}") from error
    return library
