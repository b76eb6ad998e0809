"""cuBLAS and captures: CuPy's functions refuse them, a handle of one's own does not. Holds on a device too.

Read next: ``cupy/cuda/cublas.py``.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.gpu
cp = pytest.importorskip("cupy")


class Cublas:
    """cuBLAS with a handle of its own, which may be captured, unlike CuPy's functions."""

    def __init__(self, stream: Any) -> None:
        cp.cuda.cublas  # noqa: B018  loads the library
        self.library = ctypes.CDLL(f"libcublas.so.{cp.cuda.runtime.runtimeGetVersion() // 1000}")
        self.handle = ctypes.c_void_p()
        self.workspace = cp.empty(1 << 20, cp.uint8)
        self.call("cublasCreate_v2", ctypes.byref(self.handle))
        self.call("cublasSetStream_v2", self.handle, ctypes.c_void_p(stream.ptr))
        where, size = ctypes.c_void_p(self.workspace.data.ptr), ctypes.c_size_t(self.workspace.nbytes)
        self.call("cublasSetWorkspace_v2", self.handle, where, size)

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.library, name)(*arguments)
        assert status == 0, (name, status)

    def product(self, x: Any, y: Any, out: Any) -> None:
        """out = x @ y for C-contiguous float32: the transposes, column by column."""
        (n, k), m = x.shape, y.shape[1]
        one, zero = ctypes.byref(ctypes.c_float(1)), ctypes.byref(ctypes.c_float(0))
        a, b, c = (ctypes.c_void_p(z.data.ptr) for z in (y, x, out))
        self.call("cublasSgemm_v2", self.handle, 0, 0, m, n, k, one, a, m, b, k, zero, c, m)


def test_cublas_is_captured_with_a_handle_of_its_own() -> None:
    stream = cp.cuda.Stream(non_blocking=True)
    draw = np.random.default_rng(1)
    x, y = (cp.asarray(draw.standard_normal(s).astype(np.float32)) for s in ((5, 3), (3, 4)))
    out, pool = cp.zeros((5, 4), cp.float32), cp.cuda.MemoryPool()
    cublas = Cublas(stream)
    stream.synchronize()
    with stream, cp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        cublas.product(x, y, out)
        doubled = out * 2
        graph = stream.end_capture()
    assert not out.get().any()
    for _ in range(2):
        x *= 2
        cp.cuda.Device().synchronize()
        graph.launch(stream)
        stream.synchronize()
        np.testing.assert_allclose(doubled.get(), 2 * x.get() @ y.get(), rtol=1e-5)


@pytest.mark.skipif(not hasattr(cp, "_ledger"), reason="a device says nothing here")
def test_cublas_of_a_matrix_beyond_its_memory_fails() -> None:
    cublas = Cublas(cp.cuda.Stream.null)
    small = cp.zeros((2, 2), cp.float32)
    with pytest.raises(AssertionError, match="cublasSgemm_v2"):
        cublas.product(cp.zeros((5, 2), cp.float32), small, small)


def test_cupys_own_cublas_functions_refuse_a_capture() -> None:
    stream = cp.cuda.Stream(non_blocking=True)
    handle = cp.cuda.cublas.create()
    cp.cuda.cublas.setStream(handle, stream.ptr)
    assert cp.cuda.cublas.getStream(handle) == stream.ptr
    stream.begin_capture()
    with pytest.raises(NotImplementedError, match="cuBLAS"):
        cp.cuda.cublas.setStream(handle, stream.ptr)
    stream.end_capture()
    cp.cuda.cublas.destroy(handle)
