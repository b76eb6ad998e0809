"""Element-wise functions that NumPy lacks, in plain NumPy.

Imports: NumPy. Read next: the same file in ``cpu``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen_kernels import Array


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    return np.array([math.erf(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)
