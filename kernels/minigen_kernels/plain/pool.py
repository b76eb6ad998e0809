"""Max pooling as loops.

Imports: NumPy, Numba. Specification: ``../reference/pool.py``. Read next: ``pool.cu``.
"""

# What Numba says of its own types is not all of it.
# mypy: disable-error-code="call-arg, type-var"

from __future__ import annotations

import numba
import numpy as np

from minigen_kernels import Array, Pair


def max_pool2d(x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Maxima: x (N, C, H, W) -> y (N, C, oh, ow), and where in their planes they stand, int64."""
    y = np.zeros((*x.shape[:2], *out_hw), x.dtype)
    index = np.full(y.shape, -1, np.int64)  # -1: no cell yet
    _search(x, y, index, kernel, stride, padding)
    return y, index


@numba.njit
def _search(x: Array, y: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair) -> None:
    N, C, oh, ow = y.shape
    H, W = x.shape[2:]
    for n in range(N):
        for c in range(C):
            for i in range(oh):
                for j in range(ow):
                    for u in range(kernel[0]):
                        for v in range(kernel[1]):
                            a, b = i * stride[0] - padding[0] + u, j * stride[1] - padding[1] + v
                            if 0 <= a < H and 0 <= b < W:
                                here, best = x[n, c, a, b], y[n, c, i, j]
                                larger = here > best or (np.isnan(here) and not np.isnan(best))
                                if larger or index[n, c, i, j] < 0:  # the first cell is taken, even if it is -inf
                                    y[n, c, i, j], index[n, c, i, j] = here, a * W + b
