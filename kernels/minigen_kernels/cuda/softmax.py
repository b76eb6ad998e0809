"""Softmax and its logarithm over rows in CUDA: a block for each row, its threads by the length of a row.

Imports: ``launch.py``; the check of arguments from ``reference``. Read next: ``softmax.cu``, ``loss.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch
from minigen_kernels.reference.softmax import check_rows


def softmax(x: Array) -> Array:
    """y = exp(x) / sum exp(x), the sum over each row: x (R, K) -> y (R, K)."""
    return _by_row("softmax_kernel", x)


def softmax_backward(gy: Array, y: Array) -> Array:
    """Gradient of `softmax` in x, from its result y: gx = y (gy - sum gy y)."""
    check_rows("softmax_backward", gy, y)
    return _by_row("softmax_backward_kernel", gy, y)


def log_softmax(x: Array) -> Array:
    """y = x - log sum exp(x), the sum over each row: x (R, K) -> y (R, K)."""
    return _by_row("log_softmax_kernel", x)


def log_softmax_backward(gy: Array, y: Array) -> Array:
    """Gradient of `log_softmax` in x, from its result y: gx = gy - exp(y) sum gy."""
    check_rows("log_softmax_backward", gy, y)
    return _by_row("log_softmax_backward_kernel", gy, y)


def _by_row(kernel: str, *arrays: Array) -> Array:
    """Run a kernel on arrays (R, K); its result has their shape."""
    R, K = arrays[0].shape
    out = empty((R, K), arrays[0].dtype)
    threads = min(max(32, 1 << max(0, K - 1).bit_length()), THREADS)  # a power of two, at least a warp
    launch("softmax.cu", kernel, blocks_for(R, threads=1), threads, *map(contiguous, arrays), out, R, K)
    return out
