"""Element-wise functions that NumPy lacks or does slowly, in plain NumPy.

Imports: NumPy. Read next: the same file in ``cpu``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    return np.array([math.erf(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def scale_where(x: Array, condition: Array, slope: float) -> Array:
    """y = x where the bool array `condition` (of the shape of x) is true, else slope * x; for slope 0 exactly 0.

    The gradient of relu (slope 0), leaky relu and clip; and leaky relu itself, with the condition x > 0.
    """
    other = np.zeros_like(x) if slope == 0 else x * x.dtype.type(slope)
    return np.where(condition, x, other)
