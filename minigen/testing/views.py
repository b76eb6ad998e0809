"""The same array with another layout of memory, which must not change the result of a layer.

Imports: NumPy. Read next: ``layer_checks.py``.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from minigen_kernels import Array

Layout = Literal["contiguous", "fortran", "reversed", "stepped", "inside"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def view(x: Array, layout: Layout) -> Array:
    """A copy of `x` (of any shape) with a layout in memory: the same values, but seldom the same strides.

    "fortran": the first axis is the innermost. "reversed": every stride is negative. "stepped": every second element of
    a larger array. "inside": a block of a larger array, whose rows do not follow one another. In the last two a number
    that is not finite lies between (7 between integers), which no result may depend on.
    """
    if layout == "contiguous":
        return x.copy(order="C")
    if layout == "fortran":
        return x.copy(order="F")
    whole: tuple[Any, ...] = (...,)  # makes a view of an array without axes too, not a number
    if layout == "reversed":
        backwards = (slice(None, None, -1),) * x.ndim + whole
        return x[backwards].copy(order="C")[backwards]
    large = np.full([2 * n + 2 for n in x.shape], np.nan if x.dtype.kind == "f" else 7, x.dtype)
    if layout == "stepped":
        part = large[tuple(slice(1, 2 * n + 1, 2) for n in x.shape) + whole]
    elif layout == "inside":
        part = large[tuple(slice(1, n + 1) for n in x.shape) + whole]
    else:
        raise ValueError(f"view: layout is one of {', '.join(LAYOUTS)}, got {layout!r}")
    part[...] = x
    return part
