"""Element-wise functions that NumPy and CuPy lack, or do slowly, in CUDA.

Imports: ``launch.py``. Specification: the same file in ``reference``. Read next: ``elementwise.cu``, then ``conv.py``.
"""

from __future__ import annotations

from minigen_kernels import Array
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    y = empty(x.shape, x.dtype)
    launch("elementwise.cu", "erf_kernel", blocks_for(x.size), THREADS, contiguous(x), y, x.size)
    return y


def scale_where(x: Array, condition: Array, slope: float) -> Array:
    """Keep x where the bool array `condition` (of the shape of x) is true, else slope * x; for slope 0 exactly 0."""
    if condition.shape != x.shape:
        raise ValueError(f"scale_where: condition has shape {condition.shape}, but x has {x.shape}: give it x's shape")
    y = empty(x.shape, x.dtype)
    operands = contiguous(x), contiguous(condition), slope, y, x.size
    launch("elementwise.cu", "scale_where_kernel", blocks_for(x.size), THREADS, *operands)
    return y
