"""Functions that are to keep the digits of what is small, in operations of ONNX.

Imports: NumPy. Read next: ``arrays.py``.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate

DEGREE = 30  # of the series of erfc: the first term left out is below 1e-16


def expm1(graph: Any, x: Any) -> Any:
    """exp(x) - 1 without loss of digits near 0: (u - 1) x / log u for u = exp(x) (Kahan; Higham 2002, section 1.14)."""
    x = graph.value(x)
    u = graph.node("Exp", x)
    less = graph.node("Sub", u, 1.0)
    near = graph.node("Less", graph.node("Abs", x), 0.5, dtype=np.bool_)
    one = graph.node("Equal", u, 1.0, dtype=np.bool_)
    log = graph.node("Log", graph.where(one, 2.0, u, x.dtype))
    exact = graph.node("Div", graph.node("Mul", less, x), log)
    return graph.where(near, graph.where(one, x, exact), less)


def log1p(graph: Any, x: Any) -> Any:
    """log(1 + x) without loss of digits near 0: log(u) x / (u - 1) for u = 1 + x (Higham 2002, problem 1.5)."""
    x = graph.value(x)
    u = graph.node("Add", x, 1.0)
    log = graph.node("Log", u)
    less = graph.node("Sub", u, 1.0)
    near = graph.node("Less", graph.node("Abs", x), 0.5, dtype=np.bool_)
    one = graph.node("Equal", u, 1.0, dtype=np.bool_)
    exact = graph.node("Div", graph.node("Mul", log, x), graph.where(one, 1.0, less, x.dtype))
    return graph.where(near, graph.where(one, x, exact), log)


def excess(graph: Any, x: Any) -> Any:
    """exp(x) - 1 - x: near 0 its series, as in the kernel."""
    tail = graph.value(1.0, x.dtype)
    for k in range(19, 2, -1):
        tail = graph.node("Add", graph.node("Mul", graph.node("Mul", x, tail), 1 / k), 1.0)
    near = graph.node("Less", graph.node("Abs", x), 1.0, dtype=np.bool_)
    above = graph.node("Sub", graph.node("Exp", x), 1.0)
    far = graph.where(graph.node("IsInf", above, dtype=np.bool_), above, graph.node("Sub", above, x))
    series = graph.node("Mul", graph.node("Mul", graph.node("Mul", x, x), 0.5), tail)
    return graph.where(near, series, far)


def deficit(graph: Any, x: Any) -> Any:
    """x - log(1 + x): near 0 the series of artanh, as in the kernel."""
    near = graph.node("Less", graph.node("Abs", x), 0.5, dtype=np.bool_)
    small = graph.where(near, x, 0.0)
    s = graph.node("Div", small, graph.node("Add", small, 2.0))
    square = graph.node("Mul", s, s)
    tail = graph.value(np.zeros((), x.dtype))
    for k in range(35, 1, -2):
        tail = graph.node("Add", graph.node("Mul", tail, square), 1 / k)
    cubes = graph.node("Mul", graph.node("Mul", graph.node("Mul", square, s), tail), 2.0)
    series = graph.node("Sub", graph.node("Mul", small, s), cubes)
    return graph.where(near, series, graph.node("Sub", x, log1p(graph, x)))


def erfc(graph: Any, x: Any) -> Any:
    """1 - erf(x) by exp: t exp(p(t) - z^2) with z = |x| and t = 2 / (2 + z), where p is a series of Chebyshev's.

    This is where a runtime has no `Erf`. (Form: Press et al. 2007, Numerical recipes, section 6.2.)
    """
    z = graph.node("Abs", x)
    t = graph.node("Div", graph.value(2.0, x.dtype), graph.node("Add", z, 2.0))
    twice = graph.node("Sub", graph.node("Mul", t, 4.0), 2.0)  # of the variable from -1 to 1
    first, second = graph.value(0.0, x.dtype), graph.value(0.0, x.dtype)
    for c in _series()[:0:-1]:  # Clenshaw's recurrence
        first, second = graph.node("Add", graph.node("Sub", graph.node("Mul", twice, first), second), float(c)), first
    half = graph.node("Mul", graph.node("Mul", twice, 0.5), first)
    p = graph.node("Add", graph.node("Sub", half, second), float(_series()[0]))
    tail = graph.node("Mul", t, graph.node("Exp", graph.node("Sub", p, graph.node("Mul", z, z))))
    below = graph.node("Less", x, 0.0, dtype=np.bool_)
    return graph.where(below, graph.node("Sub", graph.value(2.0, x.dtype), tail), tail)


@functools.cache
def _series() -> tuple[float, ...]:
    """The coefficients of log(erfc(z) exp(z^2) / t) in 2 t - 1."""
    return tuple(chebinterpolate(np.vectorize(lambda u: _log_scaled((1 + u) / 2)), DEGREE).tolist())


def _log_scaled(t: float) -> float:
    z = 2 / t - 2
    if z < 2:
        return math.log(math.erfc(z) / t) + z * z
    below = z  # the continued fraction of exp(z^2) erfc(z), from the far end
    for k in range(150, 0, -1):
        below = z + 0.5 * k / below
    return -math.log(below * math.sqrt(math.pi) * t)
