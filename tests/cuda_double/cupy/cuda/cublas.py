"""`cupy.cuda.cublas` of the double, and a library of the name libcublas.so.12 for `ctypes`: products of matrices.

CuPy's functions refuse a capturing stream (CuPy 14.2.0, cupy_backends/cuda/libs/cublas.pyx:642: each sets the current
stream first, and that raises), and CuPy has no cublasSetWorkspace. cuBLAS itself can be captured, so who wants that
calls the library that CuPy has loaded, with a handle of his own:

    cupy.cuda.cublas                                # loads it (cupy/cuda/__init__.py:76)
    library = ctypes.CDLL("libcublas.so.12")        # the same one, by its name
    library.cublasCreate_v2(ctypes.byref(handle))   # then SetStream_v2, SetWorkspace_v2, Sgemm_v2, ...

Here that name is a small library, which hands every call to `_gemm`. As in cuBLAS (documentation, "cuBLASLt and CUDA
Graphs Support", cublasSetWorkspace): the stream is the handle's, not CuPy's current one; a change of stream resets the
workspace; alpha and beta are read on the host at the call; matrices lie column by column.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import weakref
from typing import Any

import numpy as np

from .. import _launch
from .._build import shared_library
from .._ledger import hazard
from . import memory, stream

CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_OP_C = 0, 1, 2
CUBLAS_DEFAULT_MATH, CUBLAS_TENSOR_OP_MATH, CUBLAS_PEDANTIC_MATH, CUBLAS_TF32_TENSOR_OP_MATH = 0, 1, 2, 3
_STATUS = {1: "CUBLAS_STATUS_NOT_INITIALIZED", 7: "CUBLAS_STATUS_INVALID_VALUE", 13: "CUBLAS_STATUS_EXECUTION_FAILED",
           15: "CUBLAS_STATUS_NOT_SUPPORTED"}  # fmt: skip
_ONE = "void* h, int ta, int tb, int m, int n, int k, const {0}* al, const {0}* a, int la, {1}const {0}* b, int lb, "
_TWO = "{1}const {0}* be, {0}* c, int lc"
#: By the types of the matrices, CUDA_R_32F or CUDA_R_64F, and what is computed in, CUBLAS_COMPUTE_32F or _64F.
_EX = """
static bool known(int at, int bt, int ct, int compute, int algorithm) {
  return at == bt && bt == ct && ((ct == 0 && compute == 68) || (ct == 1 && compute == 70)) &&
         (algorithm == -1 || algorithm == 99);
}
int cublasGemmEx(void* h, int ta, int tb, int m, int n, int k, const void* al, const void* a, int at, int la,
                 const void* b, int bt, int lb, const void* be, void* c, int ct, int lc, int compute, int algorithm) {
  if (!known(at, bt, ct, compute, algorithm)) return 15;
  return host_gemm(h, ct ? 8 : 4, ta, tb, m, n, k, al, a, la, 0, b, lb, 0, be, c, lc, 0, 1);
}
int cublasGemmStridedBatchedEx(void* h, int ta, int tb, int m, int n, int k, const void* al, const void* a, int at,
                               int la, long long sa, const void* b, int bt, int lb, long long sb, const void* be,
                               void* c, int ct, int lc, long long sc, int count, int compute, int algorithm) {
  if (!known(at, bt, ct, compute, algorithm)) return 15;
  return host_gemm(h, ct ? 8 : 4, ta, tb, m, n, k, al, a, la, sa, b, lb, sb, be, c, lc, sc, count);
}
"""
_SOURCE = "\n".join(
    [
        'extern "C" {',
        "int (*host_gemm)(void*, int, int, int, int, int, int, const void*, const void*, int, long long, const void*,",
        "                 int, long long, const void*, void*, int, long long, int);",
        "int (*host_handle)(int, void*, void*, unsigned long);",
        "int cublasCreate_v2(void** h) { return host_handle(0, 0, h, 0); }",
        "int cublasDestroy_v2(void* h) { return host_handle(1, h, 0, 0); }",
        "int cublasSetStream_v2(void* h, void* s) { return host_handle(2, h, s, 0); }",
        "int cublasGetStream_v2(void* h, void** s) { return host_handle(3, h, s, 0); }",
        "int cublasSetWorkspace_v2(void* h, void* w, unsigned long n) { return host_handle(4, h, w, n); }",
        "int cublasSetMathMode(void* h, int mode) { return host_handle(5, h, 0, mode); }",
        "int cublasSetPointerMode_v2(void* h, int mode) { return host_handle(6, h, 0, mode); }",
    ]
    + [
        f"int cublas{letter}gemm_v2({_ONE.format(real, '')}{_TWO.format(real, '')}) "
        f"{{ return host_gemm(h, {size}, ta, tb, m, n, k, al, a, la, 0, b, lb, 0, be, c, lc, 0, 1); }}\n"
        f"int cublas{letter}gemmStridedBatched({_ONE.format(real, 'long long sa, ')}"
        f"{_TWO.format(real, 'long long sb, ')}, long long sc, int count) "
        f"{{ return host_gemm(h, {size}, ta, tb, m, n, k, al, a, la, sa, b, lb, sb, be, c, lc, sc, count); }}"
        for letter, real, size in (("S", "float", 4), ("D", "double", 8))
    ]
    + [_EX, "}"]
)


class CUBLASError(RuntimeError):
    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(_STATUS[status])


@dataclasses.dataclass
class _Handle:
    stream: Any = dataclasses.field(default_factory=lambda: stream.Stream.null)
    workspace: tuple[int, int] | None = None
    math_mode: int = 0


_handles: dict[int, _Handle] = {}
_numbers = itertools.count(0x7000_0000, 0x40)
#: What went wrong in a call from C, where no exception passes.
last_error: list[BaseException] = []


def _handle_call(what: int, number: int, pointer: int, size: int) -> int:
    """The functions of a handle, in the order of `_SOURCE`."""
    if what == 0:
        ctypes.c_void_p.from_address(pointer).value = create()
        return 0
    handle = _handles.get(number or 0)
    if handle is None:
        return 1
    if what == 1:
        del _handles[number]
    elif what == 2:
        found = [s for s in list(stream._streams) if s.ptr == (pointer or 0)]
        if not found:
            return 7
        handle.stream, handle.workspace = found[0], None
    elif what == 3:
        ctypes.c_void_p.from_address(pointer).value = handle.stream.ptr
    elif what == 4:
        if size and (not pointer or pointer % 256 or memory.owner(pointer, size) is None):
            return 7
        handle.workspace = (pointer, size) if size else None
    elif what == 5:
        handle.math_mode = size
    elif size:
        raise NotImplementedError("double: alpha and beta on the device (cublasSetPointerMode)")
    return 0


def _matrix(address: int, rows: int, columns: int, ld: int, stride: int, count: int, dtype: Any) -> Any:
    """The transpose of `count` matrices that lie column by column: arrays of shape (count, columns, rows)."""
    item = np.dtype(dtype).itemsize
    if address % item:
        raise ValueError(f"double: a matrix at {address:#x} is not aligned to {dtype}")
    size = ((count - 1) * stride + (columns - 1) * ld + rows) * item
    owner = memory.owner(address, size)
    if owner is None:
        raise ValueError(f"double: {size} bytes at {address:#x} do not lie in one array of the device")
    flat = np.ndarray(size // item, dtype, owner.data, address - owner.ptr)
    return np.lib.stride_tricks.as_strided(flat, (count, columns, rows), (stride * item, ld * item, item)), owner


def _gemm(number: int, item: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, a: int, lda: int, sa: int,
          b: int, ldb: int, sb: int, beta: int, c: int, ldc: int, sc: int, count: int) -> int:  # fmt: skip
    """C = alpha op(A) op(B) + beta C, for `count` matrices; the status of cuBLAS."""
    handle = _handles.get(number or 0)
    if handle is None:
        return 1
    dtype, real = (np.float32, ctypes.c_float) if item == 4 else (np.float64, ctypes.c_double)
    a_size, b_size = (k, m) if ta else (m, k), (n, k) if tb else (k, n)
    if min(m, n, k) < 0 or lda < max(1, a_size[0]) or ldb < max(1, b_size[0]) or ldc < max(1, m):
        return 7
    if not (m and n and count):
        return 0
    x, x_owner = _matrix(a, *a_size, lda, sa, count, dtype)
    y, y_owner = _matrix(b, *b_size, ldb, sb, count, dtype)
    z, z_owner = _matrix(c, m, n, ldc, sc, count, dtype)
    al, be = real.from_address(alpha).value, real.from_address(beta).value
    owners = [weakref.ref(o) for o in (x_owner, y_owner, z_owner)]
    if _launch.captures and _launch.is_capturing(handle.stream) and handle.workspace is None:
        hazard("cuBLAS in a capture without a workspace of its own: the graph allocates memory in each replay")

    def work() -> None:
        with np.errstate(all="ignore"):
            for i in range(count):  # by `dot`, as cupy.matmul of the double: the same bits
                product = np.dot(y[i].T if tb else y[i], x[i].T if ta else x[i])
                product = product if al == 1 else dtype(al) * product
                z[i] = product if be == 0 else product + dtype(be) * z[i]
        alive = [] if _launch.thread.replaying else [o for o in (ref() for ref in owners) if o is not None and o.ptr]
        assert not any(o.check() for o in alive)

    _launch.launch("cublas", "gemm", work, stream=handle.stream)
    return 0


def _safely(function: Any) -> Any:
    def call(*arguments: Any) -> int:
        try:
            return function(*arguments)
        except BaseException as error:  # C cannot pass it on
            last_error[:] = [error]
            print(f"cuBLAS of the double: {error!r}")
            return 13

    return call


def _load() -> Any:
    """The library, in this process under its name."""
    library = shared_library(_SOURCE, ("-O1", "-shared", "-fPIC", "-Wl,-soname,libcublas.so.12"), ctypes.RTLD_GLOBAL)
    i, p, q = ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong
    gemm = ctypes.CFUNCTYPE(i, p, *[i] * 6, p, p, i, q, p, i, q, p, p, i, q, i)(_safely(_gemm))
    calls = ctypes.CFUNCTYPE(i, i, p, p, ctypes.c_ulong)(_safely(_handle_call))
    for name, callback in (("host_gemm", gemm), ("host_handle", calls)):
        p.in_dll(library, name).value = ctypes.cast(callback, p).value
    return library, gemm, calls


_library = _load()


def create() -> int:
    number = next(_numbers)
    _handles[number] = _Handle()
    return number


def destroy(handle: int) -> None:
    _checked(_handle_call(1, handle, 0, 0))


def setStream(handle: int, stream: int) -> None:  # noqa: N802
    _refuse_capture(stream)
    _checked(_handle_call(2, handle, stream, 0))


def getStream(handle: int) -> int:  # noqa: N802
    return _handles[handle].stream.ptr


def setMathMode(handle: int, mode: int) -> None:  # noqa: N802
    _checked(_handle_call(5, handle, 0, mode))


def getMathMode(handle: int) -> int:  # noqa: N802
    return _handles[handle].math_mode


def _checked(status: int) -> None:
    if status:
        raise CUBLASError(status)


def _refuse_capture(pointer: int) -> None:
    if any(s.ptr == pointer and _launch.is_capturing(s) for s in list(stream._streams)):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")


def _through_cupy(item: int, batched: bool) -> Any:
    """CuPy's own gemm: on the current stream."""

    def gemm(handle: int, *arguments: int) -> None:
        setStream(handle, _launch.current_stream().ptr)
        if batched:
            _checked(_gemm(handle, item, *arguments))
        else:
            ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc = arguments
            _checked(_gemm(handle, item, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1))

    return gemm


sgemm, dgemm = _through_cupy(4, False), _through_cupy(8, False)
sgemmStridedBatched, dgemmStridedBatched = _through_cupy(4, True), _through_cupy(8, True)  # noqa: N816
