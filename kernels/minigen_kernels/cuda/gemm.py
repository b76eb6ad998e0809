"""The product of two matrices on a CUDA device: cuBLAS, through CuPy. There is no source of ours beside this file.

Where a step is captured as a graph, `using_handle` puts a handle of its own in CuPy's place, see ``cublas.py``.

Imports: ``cublas.py``. Read next: ``elementwise.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from minigen_kernels import Array
from minigen_kernels.cuda.cublas import Handle

_handle: ContextVar[Handle | None] = ContextVar("handle", default=None)


@contextmanager
def using_handle(handle: Handle) -> Iterator[None]:
    """Inside of the ``with`` block, products are made by this handle, on its stream."""
    token = _handle.set(handle)
    try:
        yield
    finally:
        _handle.reset(token)


def matmul(a: Array, b: Array) -> Array:
    """The product a @ b: a (M, K), b (K, N) -> (M, N). Vectors and stacks of matrices are multiplied as in NumPy."""
    handle = _handle.get()
    return a @ b if handle is None else handle.matmul(a, b)
